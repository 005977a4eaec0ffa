"""The pipelines' jobs, executed on this machine: every line of theirs, with a real build, a real lab, and real upstream
tags of a repository of our own.

What can't be here: the platforms. Their interpolation is repeated in github.py and gitlab.py, their API is tracker.py,
which keeps what curl really sent, and artifacts stay where they are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from patchkit.packaging.manifest import Manifest
from tests.ci import github, gitlab
from tests.ci.machine import Machine
from tests.ci.tracker import Tracker, tracker
from tests.conftest import PINNED, ROOT
from tests.patching.samples import ALLMAN
from tests.source.samples import Repository

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # each job sets up an environment of its own, from nothing
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="jobs install packages, as root"),
]
BUILT = f"openvpn-{PINNED}"
TITLE = "patchkit refuses OpenVPN 2.9.1: retransmit"
SET_UP = frozenset({"Fetch patchkit", "Take the asked one", "Install it"})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """patchkit as it is in this checkout, committed or not, as a repository and a commit."""
    made = Repository(tmp_path_factory.mktemp("source") / "patchkit")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (made.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made.path / name)
    made.git("add", "--all")
    return str(made.path), made.commit({})


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Two releases that no pin knows: the variant applies to the first and is refused by the second."""
    made = Repository(tmp_path_factory.mktemp("upstream") / "openvpn")
    path = "src/openvpn/reliable.c"
    made.commit({path: ALLMAN.encode()})
    made.tag("v2.9.0")
    made.commit({path: ALLMAN.replace("sequence broken", "is full").encode()})
    made.tag("v2.9.1")
    return made


@pytest.fixture
def api() -> Iterator[Tracker]:
    with tracker() as one:
        yield one


def asked(source: tuple[str, str], **others: object) -> dict[str, object]:
    repository, ref = source
    return {"repository": repository, "ref": ref, "engine": "host", "trials": 3, "build": False, "lab": False, **others}


def on_github(top: Path, api: Tracker) -> Machine:
    (top / "temp").mkdir()
    known = {
        "RUNNER_TEMP": str(top / "temp"),
        "GITHUB_STEP_SUMMARY": str(top / "summary.md"),
        "GITHUB_API_URL": api.url,
        "GITHUB_REPOSITORY": "me/patched",
    }
    return Machine.fresh(top, known)


def on_gitlab(top: Path, api: Tracker, **variables: str) -> Machine:
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
    return Machine.fresh(top, {**known, **variables})


def check_built(dist: Path) -> None:
    manifest = Manifest.model_validate_json((dist / "manifest.json").read_bytes())
    assert [one.name for one in manifest.artifacts] == [f"{BUILT}+retransmit-linux-amd64", f"{BUILT}-linux-amd64"]
    assert all(one.build.engine == "host" and one.source.verified for one in manifest.artifacts)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)


def check_report(report: Path) -> str:
    results = json.loads((report / "results.json").read_text())
    assert [(cell["asked"], cell["counted"]) for cell in results["cells"] if cell["asked"]] == [(3, 3), (3, 3)]
    return (report / "report.md").read_text("utf-8")


def test_build_on_github(source: tuple[str, str], tmp_path: Path, api: Tracker) -> None:
    machine = on_github(tmp_path, api)
    (job,) = github.jobs(asked(source, build=True))
    assert job.run(machine), machine.story()
    check_built(machine.folder / "dist")
    assert f"{BUILT}+retransmit-linux-amd64.tar.gz" in (tmp_path / "summary.md").read_text()


def test_lab_on_github(source: tuple[str, str], tmp_path: Path, api: Tracker) -> None:
    machine = on_github(tmp_path, api)
    (job,) = github.jobs(asked(source, lab=True))
    assert job.run(machine), machine.story()
    assert (tmp_path / "summary.md").read_text("utf-8").strip() == check_report(machine.folder / "report").strip()


def test_build_on_gitlab(source: tuple[str, str], tmp_path: Path, api: Tracker) -> None:
    machine = on_gitlab(tmp_path, api)
    (job,) = gitlab.jobs(asked(source, build=True), {})
    assert job.run(machine), machine.story()
    check_built(machine.folder / "dist")


@pytest.mark.skipif(
    "PATCHKIT_LONG_TESTS" not in os.environ,
    reason="PATCHKIT_LONG_TESTS is not set: it does once more, for minutes, what the lab's job for GitHub does",
)
def test_lab_on_gitlab_notes_its_report_on_a_merge_request(
    source: tuple[str, str], tmp_path: Path, api: Tracker
) -> None:
    machine = on_gitlab(tmp_path, api, CI_MERGE_REQUEST_IID="12")
    (job,) = gitlab.jobs(asked(source, lab=True), {})
    assert job.run(machine), machine.story()
    (sent,) = api.sent
    assert (sent.method, sent.path) == ("POST", "/api/v4/projects/7/merge_requests/12/notes")
    assert sent.headers["PRIVATE-TOKEN"] == gitlab.TOKEN
    assert parse_qs(sent.body)["body"] == [check_report(machine.folder / "report")]


def test_watch_on_github(source: tuple[str, str], upstream: Repository, tmp_path: Path, api: Tracker) -> None:
    inputs = asked(source, watch=True, since="2.9", upstream=str(upstream.path))
    machine = on_github(tmp_path, api)
    (job,) = github.jobs(inputs)
    api.titles = [f"{TITLE}-flag"]  # another one, which a search finds as well
    assert not job.run(machine)
    assert [one.name for one in machine.ran if one.status] == ["Ask of all tags"], machine.story()
    search, opened = api.sent
    assert (opened.method, opened.path) == ("POST", "/repos/me/patched/issues")
    assert opened.headers["Authorization"] == f"Bearer {github.TOKEN}"
    said = json.loads(opened.body)
    assert (said["title"], said["body"]) == (TITLE, (machine.folder / "refused.md").read_text("utf-8"))
    assert f'"{TITLE}"' in parse_qs(urlsplit(search.path).query)["q"][0]
    # Next week it is there, and it is not opened again.
    api.titles.append(TITLE)
    (again,) = github.jobs(inputs)
    assert not again.run(machine, without=SET_UP)
    assert [one.method for one in api.sent] == ["GET", "POST", "GET"]
    # Where nothing is refused nobody is asked; nor where upstream can't be read.
    upstream.git("tag", "--delete", "v2.9.1")
    try:
        (fine,) = github.jobs(inputs)
        assert fine.run(machine, without=SET_UP), machine.story()
    finally:
        upstream.git("tag", "v2.9.1")
    (lost,) = github.jobs({**inputs, "upstream": str(tmp_path / "nowhere")})
    assert not lost.run(machine, without=SET_UP)
    assert len(api.sent) == 3


def test_watch_on_gitlab(source: tuple[str, str], upstream: Repository, tmp_path: Path, api: Tracker) -> None:
    machine = on_gitlab(tmp_path, api)
    inputs = asked(source, watch=True, since="2.9", upstream=str(upstream.path))
    (job,) = gitlab.jobs(inputs, {"CI_PIPELINE_SOURCE": "schedule"})
    api.titles = [f"{TITLE}-flag"]
    assert not job.run(machine)
    assert [one.status for one in machine.ran] == [30, 0], machine.story()
    assert "refused" in (machine.folder / "matrix.md").read_text("utf-8")
    search, opened = api.sent
    assert parse_qs(urlsplit(search.path).query) == {"in": ["title"], "search": [TITLE]}
    assert (opened.method, opened.path) == ("POST", "/api/v4/projects/7/issues")
    note = (machine.folder / "refused.md").read_text("utf-8")
    assert parse_qs(opened.body) == {"title": [TITLE], "description": [note]}
    api.titles.append(TITLE)
    job.run_after(machine)
    assert [one.method for one in api.sent] == ["GET", "POST", "GET"]
