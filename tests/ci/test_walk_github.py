"""The workflow's jobs, executed on this machine: every line of theirs, with a real build, a real lab, and real upstream
tags of a repository of our own.

What can't be here: GitHub. Its interpolation is repeated in github.py, its API is tracker.py, which keeps what curl
really sent, and artifacts stay where they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import PINNED
from tests.support.ci import github
from tests.support.ci.machine import NOBODY, Line, Machine
from tests.support.ci.tracker import Tracker
from tests.support.ci.walking import BUILT, LAST, MARKS, TITLE, asked, check_all_built, check_built, check_report
from tests.support.source.samples import Repository

pytestmark = [pytest.mark.slow, *MARKS]
SET_UP = frozenset({"Fetch patchkit", "Take the asked one", "Install it"})


def known(top: Path, api: Tracker) -> dict[str, str]:
    (top / "temp").mkdir()
    return {
        "RUNNER_TEMP": str(top / "temp"),
        "GITHUB_STEP_SUMMARY": str(top / "summary.md"),
        "GITHUB_API_URL": api.url,
        "GITHUB_REPOSITORY": "me/patched",
    }


@pytest.fixture
def machine(top: Path, api: Tracker, walked: set[Line]) -> Machine:
    return Machine.fresh(top, known(top, api), walked)


@pytest.fixture
def machine_of_nobody(source: tuple[str, str], top: Path, api: Tracker, walked: set[Line]) -> Machine:
    """As GitHub's are, where only sudo is root, and with patchkit in ``source``; pytest's own folders are root's."""
    shutil.copytree(source[0], top / "source")
    return Machine.of_nobody(top, known(top, api), walked)


def test_build(source: tuple[str, str], machine_of_nobody: Machine) -> None:
    """After ci/install by root anybody can build: here a user with nothing but a home."""
    machine, top = machine_of_nobody, machine_of_nobody.folder.parent
    (job,) = github.jobs(asked((str(top / "source"), source[1]), versions=f'["{PINNED}"]', build=True))
    assert job.run(machine), machine.story()
    check_built(machine.folder / "dist")
    assert f"{BUILT}+recommended-linux-amd64.tar.gz" in (top / "summary.md").read_text()
    assert (top / "temp/patchkit/.venv").stat().st_uid == 0
    cache = top / "home/.cache/patchkit"
    assert {path.stat().st_uid for path in ((machine.folder / "dist/SHA256SUMS"), cache)} == {NOBODY}


def test_lab(source: tuple[str, str], machine: Machine) -> None:
    (job,) = github.jobs(asked(source, versions=f'["{PINNED}"]', lab=True))
    assert job.run(machine), machine.story()
    summary = (machine.folder.parent / "summary.md").read_text("utf-8")
    assert summary.strip() == check_report(machine.folder / "report").strip()


def run_each(jobs: Sequence[github.Job], machine: Machine) -> list[bool]:
    """Run ``jobs`` on one machine, one behind the other; artifacts stay where they are. Whether each went well."""
    temp = machine.folder.parent / "temp"
    done = []
    for number, job in enumerate(jobs):
        done.append(job.run(machine))
        (temp / "patchkit").rename(temp / f"patchkit-{number}")  # the next job's machine has none
    (temp / "patchkit-0").rename(temp / "patchkit")
    return done


def test_parts_of_the_lab_and_one_job_that_merges_them(source: tuple[str, str], machine: Machine) -> None:
    jobs = github.jobs(asked(source, versions=f'["{PINNED}"]', lab=True, split=True))
    assert [job.name for job in jobs] == ["part", "part", "merge"]
    assert all(run_each(jobs, machine)), machine.story()
    parts = machine.folder / "parts"
    assert {path.name for path in parts.iterdir()} == {"1", "2"}
    summary = (machine.folder.parent / "summary.md").read_text("utf-8")
    assert summary.strip() == check_report(machine.folder / "report").strip()


def test_parts_of_all_releases_and_one_job_that_merges_them(source: tuple[str, str], machine: Machine) -> None:
    jobs = github.jobs(asked(source, all_releases=True, since=LAST))
    assert [job.name for job in jobs] == ["build-part", "build-part", "build-merge"]
    good = run_each(jobs, machine)
    assert (good[0], good[2]) == (True, True), machine.story()
    check_all_built(machine.folder / "dist", machine.ran)
    assert f"openvpn-{LAST}+recommended-linux-amd64.tar.gz" in (machine.folder.parent / "summary.md").read_text()


def test_watch(source: tuple[str, str], upstream: Repository, machine: Machine, api: Tracker) -> None:
    inputs = asked(source, watch=True, since="2.9", upstream=str(upstream.path), variants='["retransmit"]')
    (job,) = github.jobs(inputs)
    api.titles = [f"{TITLE}-flag"]  # another one, which a search finds as well
    assert not job.run(machine)
    assert [step.name for step in machine.ran if step.status] == ["Ask of all tags"], machine.story()
    search, opened = api.sent
    assert (opened.method, opened.path) == ("POST", "/repos/me/patched/issues")
    assert opened.headers["Authorization"] == f"Bearer {github.TOKEN}"
    issue = json.loads(opened.body)
    assert (issue["title"], issue["body"]) == (TITLE, (machine.folder / "refused.md").read_text("utf-8"))
    assert f'"{TITLE}"' in parse_qs(urlsplit(search.path).query)["q"][0]
    # Next week it is there, and it is not opened again.
    api.titles.append(TITLE)
    (again,) = github.jobs(inputs)
    assert not again.run(machine, without=SET_UP)
    assert [request.method for request in api.sent] == ["GET", "POST", "GET"]
    # Where nothing is refused nobody is asked; nor where upstream can't be read.
    upstream.git("tag", "--delete", "v2.9.1")
    (fine,) = github.jobs(inputs)
    assert fine.run(machine, without=SET_UP), machine.story()
    (lost,) = github.jobs({**inputs, "upstream": str(upstream.path / "nowhere")})
    assert not lost.run(machine, without=SET_UP)
    assert len(api.sent) == 3


def test_every_line_was_executed(all_walked: set[Line], by_night: frozenset[str]) -> None:
    assert {line for line in github.lines() - all_walked if line.job not in by_night} == set()
