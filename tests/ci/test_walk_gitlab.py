"""The component's jobs, executed on this machine: every line of theirs, with a real build, a real lab, and real
upstream tags of a repository of our own.

What can't be here: GitLab. Its interpolation is repeated in gitlab.py, its API is tracker.py, which keeps what curl
really sent, what a runner caches is the user's own cache, and artifacts stay where they are.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from patchkit.cache import Cache
from tests.conftest import PINNED
from tests.support.ci import gitlab
from tests.support.ci.machine import Line, Machine
from tests.support.ci.tracker import Tracker
from tests.support.ci.walking import LAST, MARKS, TITLE, asked, check_all_built, check_built, check_report
from tests.support.source.samples import Repository

pytestmark = [pytest.mark.slow, *MARKS]


@pytest.fixture
def machine(top: Path, api: Tracker, walked: set[Line]) -> Machine:
    # A fresh image has no foreign architecture, whose index a mirror may be about to replace.
    config = top / "apt.conf"
    own = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    config.write_text(f'APT::Architectures {{ "{own}"; }};\n')
    known = {
        "CI_API_V4_URL": f"{api.url}/api/v4",
        "CI_PROJECT_ID": "7",
        "PATCHKIT_TOKEN": gitlab.TOKEN,
        "APT_CONFIG": str(config),
    }
    return Machine.fresh(top, known, walked)


def test_build(source: tuple[str, str], machine: Machine) -> None:
    (job,) = gitlab.jobs(asked(source, versions=[PINNED], build=True), {})
    assert job.run(machine), machine.story()
    check_built(machine.folder / "dist")


def test_lab_notes_its_report_on_a_merge_request(
    source: tuple[str, str], machine: Machine, api: Tracker, shared_cache: Cache
) -> None:
    (job,) = gitlab.jobs(asked(source, versions=[PINNED], lab=True), {})
    machine.environment["CI_MERGE_REQUEST_IID"] = "12"
    assert job.run(machine), machine.story()
    (sent,) = api.sent
    assert (sent.method, sent.path) == ("POST", "/api/v4/projects/7/merge_requests/12/notes")
    assert sent.headers["PRIVATE-TOKEN"] == gitlab.TOKEN
    assert parse_qs(sent.body)["body"] == [check_report(machine.folder / "report")]
    # What the runner keeps for the next job is where patchkit has its cache.
    assert Path(job.environment(machine)["PATCHKIT_CACHE"]).samefile(shared_cache.root)
    # Nothing is sent without a token; nor where there is no merge request.
    known = machine.environment
    for absent in ("PATCHKIT_TOKEN", "CI_MERGE_REQUEST_IID"):
        machine.environment = {key: value for key, value in known.items() if key != absent}
        assert job.run(machine, prepared=True), machine.story()
        check_report(machine.folder / "report")
    assert len(api.sent) == 1


def run_each(jobs: Sequence[gitlab.Job], machine: Machine) -> list[bool]:
    """Run ``jobs`` on one machine, one behind the other; artifacts stay where they are. Whether each went well."""
    done = []
    for number, job in enumerate(jobs):
        done.append(job.run(machine))
        # The next job's machine has neither.
        (machine.folder / ".patchkit").rename(machine.folder / f".patchkit-{number}")
        shutil.rmtree(machine.folder / ".cache")
    (machine.folder / ".patchkit-0").rename(machine.folder / ".patchkit")
    return done


def test_parts_of_the_lab_and_one_job_that_merges_them(source: tuple[str, str], machine: Machine) -> None:
    jobs = gitlab.jobs(asked(source, versions=[PINNED], lab=True, split=True), {})
    assert [job.name for job in jobs] == ["patchkit-part", "patchkit-part", "patchkit-merge"]
    assert all(run_each(jobs, machine)), machine.story()
    (parts,) = (machine.folder / "parts").iterdir()
    assert {path.name for path in parts.iterdir()} == {"1", "2"}
    check_report(machine.folder / "report")


def test_parts_of_all_releases_and_one_job_that_merges_them(source: tuple[str, str], machine: Machine) -> None:
    jobs = gitlab.jobs(asked(source, all_releases=True, since=LAST), {})
    assert [job.name for job in jobs] == ["patchkit-build-part", "patchkit-build-part", "patchkit-build-merge"]
    good = run_each(jobs, machine)
    assert (good[0], good[2]) == (True, True), machine.story()
    check_all_built(machine.folder / "dist", machine.ran)


def test_watch(source: tuple[str, str], upstream: Repository, machine: Machine, api: Tracker) -> None:
    inputs = asked(source, watch=True, since="2.9", upstream=str(upstream.path), variants=["retransmit"])
    (job,) = gitlab.jobs(inputs, {"CI_PIPELINE_SOURCE": "schedule"})
    api.titles = [f"{TITLE}-flag"]  # another one, which a search finds as well
    assert not job.run(machine)
    assert [step.status for step in machine.ran] == [30, 0], machine.story()
    assert "refused" in (machine.folder / "matrix.md").read_text("utf-8")
    search, opened = api.sent
    assert parse_qs(urlsplit(search.path).query) == {"in": ["title"], "search": [TITLE]}
    assert (opened.method, opened.path) == ("POST", "/api/v4/projects/7/issues")
    note = (machine.folder / "refused.md").read_text("utf-8")
    assert parse_qs(opened.body) == {"title": [TITLE], "description": [note]}
    # Next week it is there, and it is not opened again.
    api.titles.append(TITLE)
    assert not job.run(machine, prepared=True)
    assert [request.method for request in api.sent] == ["GET", "POST", "GET"]
    # Without a token the failed job has to do.
    token = machine.environment.pop("PATCHKIT_TOKEN")
    api.titles.clear()
    assert not job.run(machine, prepared=True)
    assert [step.status for step in machine.ran[-2:]] == [30, 0], machine.story()
    assert (machine.folder / "refused.md").exists()
    machine.environment["PATCHKIT_TOKEN"] = token
    # Where nothing is refused nobody is asked; nor where upstream can't be read.
    upstream.git("tag", "--delete", "v2.9.1")
    assert job.run(machine, prepared=True), machine.story()
    table = (machine.folder / "matrix.md").read_text("utf-8")
    assert "2.9.0" in table
    assert "refused" not in table
    lost = {**inputs, "upstream": str(upstream.path / "nowhere")}
    (job,) = gitlab.jobs(lost, {"CI_PIPELINE_SOURCE": "schedule"})
    assert not job.run(machine, prepared=True)
    assert len(api.sent) == 3


def test_every_line_was_executed(all_walked: set[Line], by_night: frozenset[str]) -> None:
    assert {line for line in gitlab.lines() - all_walked if line.job not in by_night} == set()
