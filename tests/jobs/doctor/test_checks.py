"""Each probe on something that works and on something that does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from patchkit.building.engine.docker import connect
from patchkit.building.toolchain_table import known_target
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import DiskFullError, NetworkUnavailableError, PatchkitError, PlacesExhaustedError
from patchkit.jobs.doctor import checks, disk, docker, git_and_gpg, network
from patchkit.jobs.doctor.compilers import Compilers
from patchkit.jobs.doctor.distribution import Distribution, distribution_from, this
from patchkit.jobs.doctor.model import FaultError, Probe, ProbeResult, run_probe
from patchkit.releases.catalog import catalog
from patchkit.source.fetch import debian, places
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.source.website import serving, web_page, whole

NOWHERE = Distribution("nowhere")
DEBIAN, FEDORA = distribution_from({"ID": "debian"}), distribution_from({"ID": "fedora"})


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_program_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run_probe(Probe("git", "", git_and_gpg.git, "git", ("git",)), FEDORA)
    assert (result.state, result.fix) == ("missing", "dnf install -y git")
    assert run_probe(Probe("git", "", git_and_gpg.git, "git", ("git",)), NOWHERE).fix == ""


def test_a_program_that_is_there_and_fails_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "git", "echo out of order >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run_probe(Probe("git", "", git_and_gpg.git, "git", ("git",)), FEDORA)
    assert (result.state, result.fix) == ("broken", "")
    assert result.detail == "git failed with exit code 3: out of order"


def test_git_works() -> None:
    assert git_and_gpg.git().startswith("git version")


def test_what_nobody_has_foreseen_is_a_finding_too() -> None:
    def attempt() -> str:
        raise OSError("the cable is out")

    assert run_probe(Probe("x", "", attempt), NOWHERE) == ProbeResult("x", "broken", "", "OSError: the cable is out")


def test_a_static_program_runs_without_this_hosts_libraries(tmp_path: Path) -> None:
    program = docker.static_program()
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root, and a host with a static busybox or ldconfig")
    shutil.copy(program, tmp_path / program.name)
    command = ["chroot", str(tmp_path), f"/{program.name}", "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_program_that_needs_libraries_or_is_a_script_is_not_static(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "busybox", "exit 0")
    shutil.copy(Path(sys.executable).resolve(), tmp_path / "ldconfig")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(docker, "_ADMINISTRATORS", ())
    assert docker.static_program() is None


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No place but the one mirror that the test has filled."""
    monkeypatch.setattr(places, "_UPSTREAM", ())
    monkeypatch.setattr(debian, "mirrors", tuple)
    monkeypatch.setenv("PATCHKIT_MIRROR", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_place_that_offers_a_tarball(one_place: Path) -> None:
    (one_place / f"openvpn-{PINNED}.tar.gz").write_bytes(b"")
    with pytest.raises(PlacesExhaustedError, match="no place offers"):
        # It is not among the newest, which are what is asked for.
        network.tarballs()
    newest = max((release for release in catalog().releases if release.tarball), key=lambda release: release.version)
    assert newest.tarball is not None
    (one_place / newest.tarball.name).write_bytes(b"")
    assert newest.version.text in network.tarballs()


def test_a_place_that_has_something_else_offers_nothing(one_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = max((release for release in catalog().releases if release.tarball), key=lambda release: release.version)
    pin = newest.tarball
    assert pin is not None
    assert pin.size is not None
    with serving() as site:
        monkeypatch.setenv("PATCHKIT_MIRROR", site.url)
        site.on(f"/{pin.name}", web_page())
        with pytest.raises(PlacesExhaustedError) as caught:
            network.tarballs()
        assert "a web page instead of the file" in caught.value.why
        site.on(f"/{pin.name}", whole(b"short"))
        with pytest.raises(PlacesExhaustedError, match="no place"):
            network.tarballs()
        site.on(f"/{pin.name}", whole(bytes(pin.size)))
        assert network.tarballs() == f"{newest.version} is offered at {site.url}/{pin.name}"
    with pytest.raises(NetworkUnavailableError):
        network.tarballs()


def test_a_debian_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as site:
        monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", site.url)
        with pytest.raises(PlacesExhaustedError, match="no Debian mirror"):
            network.debian_mirror()
        site.on("/dists/bookworm/InRelease", whole(b"Origin: Debian\n"))
        assert network.debian_mirror() == site.url


def test_places_on_one_disk_are_counted_together(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    report = disk.room(cache)
    assert "free for the cache, TMPDIR; 1.9 GB needed" in report
    monkeypatch.setattr(disk, "IN_CACHE", 10**18)
    with pytest.raises(DiskFullError) as caught:
        disk.room(cache)
    assert "1000000000.4 GB needed" in caught.value.why


def test_readiness_names_what_the_nearest_way_lacks() -> None:
    def lacks(*good: str) -> dict[str, list[str]]:
        results = [ProbeResult(name, "works", "", "") for name in good]
        return {purpose.purpose: list(purpose.lacks) for purpose in checks.readiness([], results) if not purpose.works}

    places_ = ("tarballs", "disk", "cache")
    assert "build" not in lacks("compiler", *places_)
    assert "build" not in lacks("docker", "images", *places_)
    assert lacks("docker", *places_)["build"] == ["images"]
    assert lacks("compiler", "mingw", *places_)["windows"] == ["wine"]
    assert lacks("compiler", *places_)["lab"] == ["kernel"]
    assert "lab" not in lacks("compiler", "kernel", *places_)
    assert "lab" not in lacks("compiler", "netns", *places_)
    assert "matrix" not in lacks("git")


def test_every_purpose_wants_trials_that_there_are(cache: Cache, ui: Ui) -> None:
    names = {probe.name for probe in checks.probes(NOWHERE, Context(cache, ui))}
    assert {name for purpose in checks.PURPOSES.values() for name in purpose.probes} < names


@pytest.mark.slow
def test_the_compilers_of_this_host(ui: Ui) -> None:
    compilers, here = Compilers(this(), ui), this()
    for kit, attempt, sign in (
        ("compiler", compilers.native, "a program with OpenSSL 3"),
        ("mingw", compilers.mingw, "a program for Windows"),
        ("wine", compilers.wine, "winsock starts"),
    ):
        if here.manager != "apt" or here.lacking(kit):
            pytest.skip(f"not installed: {here.lacking(kit)}")
        assert sign in attempt()


def test_a_compiler_that_compiles_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ui: Ui) -> None:
    """All packages are there, all names are there, and what they do is wrong."""
    compiler = known_target("windows-amd64").tool("gcc")
    for name in (compiler, "cmake", "ninja"):
        program(tmp_path, name, "echo cc1: cannot execute >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = run_probe(Probe("mingw", "", Compilers(NOWHERE, ui).mingw, "mingw", (compiler,)), NOWHERE)
    assert result.state == "broken"
    assert result.detail == f"{compiler} failed with exit code 1: cc1: cannot execute"


def test_gpg_is_tried_where_no_agent_is() -> None:
    """A fresh Debian has gpg without gpg-agent: verify works there, so doctor has to say so."""
    agent = shutil.which("gpg-agent")
    command = [sys.executable, "-P", "-c", "from patchkit.jobs.doctor import git_and_gpg; print(git_and_gpg.gpg())"]
    if agent is not None:
        if os.geteuid() != 0:
            pytest.skip("only root can hide gpg-agent")
        hide = 'mount --bind /dev/null "$1" && shift && ! gpg-agent --version 2>/dev/null && exec "$@"'
        command = ["unshare", "--mount", "--", "sh", "-c", hide, "sh", agent, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gpg (GnuPG) ")
    assert "checks signatures" in done.stdout


@pytest.mark.parametrize(
    ("judges", "said"),
    [
        ("exit 1", "calls a good signature bad"),
        (
            'exec GPG --no-options --status-fd 1 --verify "$SIGNED/text.asc" "$SIGNED/text"',
            "a forged text's signature good",
        ),
    ],
    ids=["nothing is good", "all is good"],
)
def test_a_gpg_that_judges_wrongly_is_broken(
    judges: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The host's own gpg, which then says either nothing of signatures or that all of them fit."""
    signed = Path(git_and_gpg.__file__).with_name("signed")
    text = f'SIGNED={signed}\ncase "$*" in\n*--verify*) {judges} ;;\n*) exec GPG "$@" ;;\nesac'
    program(tmp_path, "gpg", text.replace("GPG", str(shutil.which("gpg"))))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = run_probe(Probe("openpgp", "", git_and_gpg.gpg, "openpgp", ("gpg",)), NOWHERE)
    assert result.state == "broken"
    assert said in result.detail


def test_no_gpg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run_probe(Probe("openpgp", "", git_and_gpg.gpg, "openpgp", ("gpg",)), DEBIAN)
    assert (result.state, result.detail) == ("missing", "there is no gpg in PATH")
    assert result.fix == "apt-get update && apt-get install -y --no-install-recommends gpg"


@pytest.mark.slow
def test_docker_without_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a registry: the container is of an image that holds only a static program of this host."""
    try:
        client = connect()
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    with closing(client):
        before = {image.id for image in client.images.list(all=True)}
        assert "an image of its own" in docker._scratch(client)
        assert {image.id for image in client.images.list(all=True)} == before
        assert client.containers.list(all=True, filters={"label": "org.patchkit=doctor"}) == []
        monkeypatch.setattr(docker, "static_program", lambda: None)
        with pytest.raises(FaultError, match="no image for builds is here to run"):
            docker._scratch(client)
        with pytest.raises(FaultError, match="exit code 0, not 42"):
            docker._run(client, "debian:bookworm-slim", ["true"], 42)


def test_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run_probe(Probe("docker", "", docker.container, "docker", ("dockerd",)), FEDORA)
    assert (result.state, result.fix) == ("missing", "dnf install -y moby-engine")
    program(tmp_path, "dockerd", "exit 1")
    result = run_probe(Probe("docker", "", docker.container, "docker", ("dockerd",)), FEDORA)
    assert result.state == "broken"
    assert result.fix in ("", "systemctl enable --now docker", "service docker start")
    assert os.environ["DOCKER_HOST"] in result.detail
