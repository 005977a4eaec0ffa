"""Mirrors from end to end: filled, checked, repaired, and enough for a build where there is no network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from patchkit.building import toolchain_table as toolchains
from patchkit.building.engine import image
from patchkit.building.engine.docker import DockerEngine, connect
from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadUsageError, MirrorError, NetworkUnavailableError, PatchkitError, UnknownVersionError
from patchkit.jobs.mirror import check as checking
from patchkit.jobs.mirror import sync as filling
from patchkit.jobs.mirror.check import FileCheck, check
from patchkit.jobs.mirror.sync import MirrorRequest, SyncedMirror, sync
from patchkit.lab.guest.kernel import obtain as kernel_obtain
from patchkit.lab.guest.kernel import source as kernel_source
from patchkit.releases.catalog import Catalog, Release, TagPin, TarballPin
from patchkit.releases.libraries import Library, libraries
from patchkit.releases.version import Version
from patchkit.source import obtain as sources
from patchkit.source.fetch.mirror import INDEX, REPOSITORY, read_index
from patchkit.source.git.repository import open_repository
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.ui import Ui
from tests.conftest import PINNED, ROOT, upstream
from tests.support.lab.kernel_source import BUILDABLE, package
from tests.support.lab.kernel_source import pin as kernel_pin
from tests.support.settings import SOONER
from tests.support.source.samples import FILES, Repository, folder_of, tarball
from tests.support.source.website import serving, stalled

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
NOWHERE = "http://127.0.0.1:1"
LIBRARY = "openssl-3.0"
MARK = f"{image.LABEL}.test"
# Loopback is there, for smoke tests; nothing else is. The daemon's unix socket is a file, and stays in reach.
APART = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")


def names(folder: Path) -> set[str]:
    """What lies in a mirror, but for its lock."""
    return {path.name for path in folder.iterdir()} - {".lock"}


def verdicts(checks: Sequence[FileCheck]) -> dict[str, str]:
    return {file.name: file.verdict for file in checks}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with two releases."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
            patch.delenv(name, raising=False)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        repository = Repository(tmp_path_factory.mktemp("git") / "clone")
        repository.commit({**FILES, "from": b"git"})
        repository.tag("v2.6.98")
        repository.commit({"from": b"a later git"})
        repository.tag("v2.6.99")
        yield repository.path


class Images(DockerEngine):
    """A docker engine whose images are a few bytes."""

    def __init__(self, base: bytes) -> None:
        self.base = base

    def save_images(self, toolchain: Toolchain, folder: Path) -> list[Path]:
        paths = [folder / name for name in self.image_archives(toolchain)]
        for path, data in zip(paths, (self.base, b"on " + self.base), strict=True):
            path.write_bytes(data)
        return paths


class TestMadeUp:
    """Two made-up releases, one with a tarball and one that is only a tag, and a made-up OpenSSL: quick."""

    PACKED = tarball({**FILES, "from": b"tarball"})
    OPENSSL = tarball({"Configure": b"", "VERSION.dat": b"MAJOR=3\nMINOR=0\nPATCH=20\n"}, "openssl-3.0.20")

    @pytest.fixture
    def clone(self, original: Path, tmp_path: Path) -> Repository:
        shutil.copytree(original, tmp_path / "clone")
        return Repository.at(tmp_path / "clone")

    @pytest.fixture(autouse=True)
    def pool(self, clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The pins, and the only place that has what they name."""

        def tag(name: str) -> TagPin:
            commit, tree = clone.git("rev-parse", f"{name}^{{commit}}", f"{name}^{{tree}}").split()
            return TagPin(name, "2023-11-14", commit, tree, {})

        def pin(name: str, data: bytes) -> TarballPin:
            return TarballPin(name, hashlib.sha256(data).hexdigest(), len(data), None, ())

        releases = [
            Release(Version("2.6.98"), tag("v2.6.98"), None),
            Release(Version("2.6.99"), tag("v2.6.99"), pin("openvpn-2.6.99.tar.gz", self.PACKED)),
        ]
        known = Catalog(releases)
        for module in (sources, filling, checking):
            monkeypatch.setattr(module, "catalog", lambda: known)
        tarball_pin, urls = pin("openssl-3.0.20.tar.gz", self.OPENSSL), (f"{NOWHERE}/openssl",)
        pinned: Library = dataclasses.replace(libraries()[LIBRARY], tarball=tarball_pin, urls=urls)
        for module in (toolchains, checking):
            monkeypatch.setattr(module, "libraries", lambda: {**libraries(), LIBRARY: pinned})
        monkeypatch.setattr("patchkit.source.fetch.places._UPSTREAM", (f"{NOWHERE}/{{name}}",))
        monkeypatch.setattr("patchkit.source.git.repository.UPSTREAM", f"{NOWHERE}/openvpn.git")
        monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", NOWHERE)
        monkeypatch.setattr("patchkit.source.fetch.retries.PAUSES", ())
        folder = folder_of(
            {"openvpn-2.6.99.tar.gz": self.PACKED, "openssl-3.0.20.tar.gz": self.OPENSSL}, tmp_path / "pool"
        )
        monkeypatch.setenv("PATCHKIT_MIRROR", str(folder))
        return folder

    @pytest.fixture
    def fill(self, tmp_path: Path, clone: Repository, ui: Ui) -> Callable[..., SyncedMirror]:
        """Sync with an empty cache, as tomorrow's machine would."""

        def run(*versions: str, to: Path = tmp_path / "mirror", **how: Any) -> SyncedMirror:
            how = {"engine": "host", "git": str(clone.path) if "2.6.98" in versions else None, **how}
            source, lab = SourceRequest(git=how.pop("git")), bool(how.pop("lab", False))
            request = MirrorRequest(versions, to, source, BuildSettings(**how), lab=lab)
            return sync(request, Context(Cache(tmp_path / uuid.uuid4().hex), ui))

        return run

    @pytest.fixture
    def full(self, tmp_path: Path, fill: Callable[..., SyncedMirror]) -> Path:
        """A mirror with a tarball, a tag, a library and a library's source given by hand."""
        given = folder_of({"Configure": b"#", "VERSION.dat": b"MAJOR=3\nMINOR=0\nPATCH=21\n"}, tmp_path / "given")
        fill("2.6.98")
        fill("2.6.99", crypto="pinned")
        fill("2.6.99", crypto="pinned", openssl_sources=[str(given)])
        return tmp_path / "mirror"

    def test_what_is_collected_is_there_and_indexed(self, full: Path, cache: Cache, ui: Ui) -> None:
        index = read_index(full)
        assert index is not None
        assert [(file.kind, file.serves) for file in index.files] == [
            ("given", ["2.6.99"]), ("library", ["2.6.99"]), ("source", ["2.6.99"])
        ]  # fmt: skip
        assert [tag.tag for tag in index.tags] == ["v2.6.98"]
        assert names(full) == {INDEX, "SHA256SUMS", REPOSITORY, *(file.name for file in index.files)}
        subprocess.run(["sha256sum", "--strict", "--check", "SHA256SUMS"], cwd=full, check=True, capture_output=True)
        checks = check(full, Context(cache, ui))
        assert set(verdicts(checks).values()) == {"good"}
        assert {file.name: file.vouched for file in checks} == {
            index.files[0].name: "index",
            "openssl-3.0.20.tar.gz": "pin",
            "openvpn-2.6.99.tar.gz": "pin",
            f"{REPOSITORY} v2.6.98": "pin",
        }

    def test_the_labs_packages_and_its_kernels_source_are_taken_along(
        self, fill: Callable[..., SyncedMirror], pool: Path, cache: Cache, ui: Ui, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        source = kernel_pin(package(BUILDABLE))
        for module in (kernel_source, kernel_obtain):
            monkeypatch.setattr(module, "pinned", lambda: (source,))
        monkeypatch.setattr(checking, "kernel_sources", lambda: (source,))
        (pool / source.file_name).write_bytes(package(BUILDABLE))
        (pool / "one.deb").write_bytes(b"one")
        (tmp_path / "guest.toml").write_text(
            'suite = "trixie"\nsnapshot = "x"\n[[package]]\nname = "linux-image-1"\nversion = "1"\n'
            f'file = "one.deb"\nsize = 3\nsha256 = "{hashlib.sha256(b"one").hexdigest()}"\n'
        )
        monkeypatch.setenv("PATCHKIT_GUEST", str(tmp_path / "guest.toml"))
        fill("2.6.99", lab=True)
        mirror = tmp_path / "mirror"
        index = read_index(mirror)
        assert index is not None
        assert {file.name for file in index.files if file.kind == "guest"} == {"one.deb", source.file_name}
        vouched = {file.name: (file.verdict, file.vouched) for file in check(mirror, Context(cache, ui))}
        assert vouched[source.file_name] == ("good", "pin")
        # It is enough for a machine without a network.
        monkeypatch.setenv("PATCHKIT_MIRROR", str(mirror))
        assert kernel_obtain.kernel(Context(cache, ui, offline=True)).release == source.release

    def test_a_second_sync_writes_nothing_but_the_index(
        self, full: Path, fill: Callable[..., SyncedMirror], cache: Cache, ui: Ui
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in full.glob("*.tar*")}
        fill("2.6.98", "2.6.99", crypto="pinned")
        assert {path: path.stat().st_mtime_ns for path in full.glob("*.tar*")} == before
        assert set(verdicts(check(full, Context(cache, ui))).values()) == {"good"}

    def test_all_that_is_wrong_is_found_at_once_and_repaired(
        self, full: Path, fill: Callable[..., SyncedMirror], cache: Cache, ui: Ui, tmp_path: Path, clone: Repository
    ) -> None:
        (given,) = full.glob("given-*")
        data = bytearray(given.read_bytes())
        data[700] ^= 1
        given.write_bytes(data)
        os.truncate(full / "openvpn-2.6.99.tar.gz", 100)
        (full / "openssl-3.0.20.tar.gz").unlink()
        blob = clone.git("rev-parse", "v2.6.98:from")
        (full / REPOSITORY / "objects" / blob[:2] / blob[2:]).unlink()
        (full / "notes.txt").write_text("mine")
        assert verdicts(check(full, Context(cache, ui))) == {
            given.name: "damaged",
            "openssl-3.0.20.tar.gz": "missing",
            "openvpn-2.6.99.tar.gz": "not as pinned",
            f"{REPOSITORY} v2.6.98": "damaged",
            "notes.txt": "unknown",
        }
        fill("2.6.98")
        fill("2.6.99", crypto="pinned")
        fill("2.6.99", crypto="pinned", openssl_sources=[str(tmp_path / "given")])
        after = verdicts(check(full, Context(cache, ui)))
        (aside,) = (name for name in after if name.startswith(f"{REPOSITORY}.damaged-"))
        assert {name for name, verdict in after.items() if verdict != "good"} == {"notes.txt", aside}
        assert (full / "notes.txt").read_text() == "mine"

    @pytest.mark.parametrize("damage", ["gone", "emptied", "a file"])
    def test_a_repository_that_is_none_is_made_anew_with_all_its_tags(
        self, damage: str, full: Path, fill: Callable[..., SyncedMirror], cache: Cache, ui: Ui
    ) -> None:
        shutil.rmtree(full / REPOSITORY)
        if damage == "emptied":
            (full / REPOSITORY).mkdir()
        elif damage == "a file":
            (full / REPOSITORY).write_text("what?")
        assert verdicts(check(full, Context(cache, ui)))[f"{REPOSITORY} v2.6.98"] in ("missing", "damaged")
        clone = full.parent / "clone"
        fill("2.6.99", git=str(clone))
        after = verdicts(check(full, Context(cache, ui)))
        assert after[f"{REPOSITORY} v2.6.98"] == after[f"{REPOSITORY} v2.6.99"] == "good"

    def test_a_damaged_index_is_made_anew(
        self, full: Path, fill: Callable[..., SyncedMirror], cache: Cache, ui: Ui
    ) -> None:
        (full / INDEX).write_bytes((full / INDEX).read_bytes()[:-20])
        fill("2.6.99")
        after = verdicts(check(full, Context(cache, ui)))
        assert after["openvpn-2.6.99.tar.gz"] == "good"
        assert after["openssl-3.0.20.tar.gz"] == "unknown", "nobody asked for it now, and it stays"

    def test_a_tag_comes_from_the_mirror_and_is_verified(
        self, full: Path, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also for a release whose tarball is not there, if the tag is."""
        monkeypatch.setenv("PATCHKIT_MIRROR", str(full))
        obtained = obtain(SourceRequest("2.6.98"), Context(cache, ui, offline=True))
        assert obtained.tree.origin.verified
        assert obtained.tree.read("from") == b"git"

    def test_a_mirror_can_be_filled_from_another(
        self, full: Path, fill: Callable[..., SyncedMirror], tmp_path: Path, cache: Cache, ui: Ui,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("PATCHKIT_MIRROR", str(full))
        fill("2.6.98", "2.6.99", to=tmp_path / "second", git=None, crypto="pinned")
        assert names(tmp_path / "second") == {name for name in names(full) if not name.startswith("given-")}
        assert set(verdicts(check(tmp_path / "second", Context(cache, ui))).values()) == {"good"}

    def test_a_relative_path_to_a_repository(
        self, fill: Callable[..., SyncedMirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert fill("2.6.98", git="clone", to=Path("here")).index.tags
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PATCHKIT_GIT", "~/clone")
        assert fill("2.6.98", git=None, to=Path("there")).index.tags

    def test_a_pinned_tarball_that_was_given_is_taken_as_it_is(
        self, fill: Callable[..., SyncedMirror], pool: Path, tmp_path: Path
    ) -> None:
        """No place has had OpenSSL 1.0.2 for years, perhaps: who has the tarball must not be sent for it."""
        mine = (pool / "openssl-3.0.20.tar.gz").rename(tmp_path / "mine.tgz")
        synced = fill("2.6.99", crypto="pinned", openssl_sources=[str(mine)])
        assert (tmp_path / "mirror/openssl-3.0.20.tar.gz").read_bytes() == self.OPENSSL
        assert list(synced.options) == ["--engine", "host", "--crypto", "pinned"]

    def test_what_a_build_must_be_told_is_said(
        self, full: Path, fill: Callable[..., SyncedMirror], tmp_path: Path
    ) -> None:
        """A source that was given for other builds is not for this one: it would be refused there."""
        assert list(fill("2.6.99", engine="host").options) == ["--engine", "host"]
        (given,) = full.glob("given-*")
        again = fill("2.6.99", crypto="pinned", openssl_sources=[str(tmp_path / "given")])
        assert list(again.options) == ["--engine", "host", "--crypto", "pinned", "--openssl-source", str(given)]

    def test_all_that_can_not_be_had_is_named_at_once(
        self, fill: Callable[..., SyncedMirror], pool: Path, tmp_path: Path, cache: Cache, ui: Ui
    ) -> None:
        (pool / "openvpn-2.6.99.tar.gz").unlink()
        (pool / "openssl-3.0.20.tar.gz").unlink()
        with pytest.raises(NetworkUnavailableError, match="3 things") as caught:
            fill("2.6.98", "2.6.99", git=None, crypto="pinned")
        for name in ("openvpn.git", "openvpn-2.6.99.tar.gz", "openssl-3.0.20.tar.gz"):
            assert name in caught.value.why
        # The mirror is not whole, and says so, until a later sync has brought what it lacks.
        gaps = {found.name: found.detail for found in check(tmp_path / "mirror", Context(cache, ui)) if found.bad}
        assert set(gaps) == {"source of OpenVPN", "source of OpenSSL 3.0.20"}
        assert "2.6.98, 2.6.99" in gaps["source of OpenVPN"]

    @pytest.mark.parametrize("versions", [(), ("2.6.97",), ("2.6.99", "main")])
    def test_what_nobody_pinned_is_refused_before_anything_is_made(
        self, versions: tuple[str, ...], fill: Callable[..., SyncedMirror], tmp_path: Path
    ) -> None:
        with pytest.raises((BadUsageError, UnknownVersionError)):
            fill(*versions)
        assert not (tmp_path / "mirror").exists()

    def test_images_are_judged_by_their_hash_and_go_with_their_base(
        self, full: Path, fill: Callable[..., SyncedMirror], cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing but the index vouches for an image, so a sync never writes down what it finds there as the truth."""

        def images(base: bytes, *features: str) -> dict[str, list[str]]:
            monkeypatch.setattr(filling, "choose", lambda *_: nullcontext(Images(base)))
            synced = fill("2.6.98", "2.6.99", git=str(full.parent / "clone"), engine="docker", features=features)
            assert set(verdicts(check(full, Context(cache, ui))).values()) == {"good"}
            return {file.name: file.serves for file in synced.index.files if file.kind == "image"}

        plain = images(b"one")
        base, toolchain = plain
        assert list(plain.values()) == [["2.6.98", "2.6.99"]] * 2
        (full / toolchain).write_bytes(b"on two")
        assert images(b"one") == plain
        assert (full / toolchain).read_bytes() == b"on one"
        both = images(b"one", "systemd")
        assert set(both) > set(plain)
        # Another base: what stands on the first one would never be found again.
        assert set(images(b"two", "pkcs11")) & set(both) == {base}
        assert not (full / toolchain).exists()

    def test_a_link_in_a_mirror_is_judged_by_what_it_leads_to(self, full: Path, cache: Cache, ui: Ui) -> None:
        path = full / "openvpn-2.6.99.tar.gz"
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert verdicts(check(full, Context(cache, ui)))[path.name] == "not as pinned"
        path.unlink()
        path.symlink_to(full / "nothing")
        assert verdicts(check(full, Context(cache, ui)))[path.name] == "missing"


def run(
    *arguments: str, code: int = 0, before: Sequence[str] = (), env: Mapping[str, str | Path] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*before, sys.executable, "-P", "-m", "patchkit", *arguments],
        env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def apart() -> Sequence[str]:
    """What to put before a command that shall be without a network."""
    if os.geteuid() != 0 or subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root may take a process's network away")
    return APART


def artifacts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar.gz")}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Path:
    """A mirror for 2.6.14 on this host, with the system's OpenSSL and with its pinned one."""
    folder = tmp_path_factory.mktemp("real") / "mirror"
    for crypto in ("system", "pinned"):
        run("mirror", "sync", "--versions", PINNED, "--engine", "host", "--crypto", crypto, "--to", str(folder))
    return folder


@pytest.mark.slow
def test_the_real_thing_is_verified_damaged_named_and_repaired(real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    shutil.copytree(real, folder)
    given = folder_of({"Configure": b"#", "VERSION.dat": b"MAJOR=3\nMINOR=0\nPATCH=99\n"}, tmp_path / "given")
    options = ["--versions", PINNED, "--engine", "host", "--crypto", "pinned", "--to", str(folder)]
    synced = json.loads(run("mirror", "sync", *options, "--openssl-source", str(given), "--json").stdout)
    files = [file["name"] for file in synced["files"]]
    assert [file["kind"] for file in synced["files"]] == ["given", "library", "source"]
    assert synced["engine"] == "host"
    assert "libssl-dev" in synced["packages"]
    report = json.loads(run("mirror", "verify", str(folder), "--json").stdout)
    assert {file["verdict"] for file in report["findings"]} == {"good"}
    assert "good" in run("mirror", "verify", str(folder)).stdout
    flip(folder / files[0])
    (folder / files[1]).unlink()
    halve(folder / files[2])
    done = run("mirror", "verify", str(folder), "--json", code=28)
    assert [(file["name"], file["verdict"]) for file in json.loads(done.stdout)["findings"]] == [
        (files[0], "damaged"), (files[1], "missing"), (files[2], "not as pinned")
    ]  # fmt: skip
    assert all(name in done.stderr for name in files)
    run("mirror", "sync", *options)
    assert run("mirror", "verify", str(folder), code=28).stdout.count("good") == 2
    run("mirror", "sync", *options, "--openssl-source", str(given))
    run("mirror", "verify", str(folder))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.slow
def test_without_a_network_the_host_builds_the_same_bytes(real: Path, apart: Sequence[str], tmp_path: Path) -> None:
    order = ["build", "--version", PINNED, "--engine", "host", *SOONER]
    run(*order, "--out", str(tmp_path / "online"))
    run(*order, "--offline", "--out", str(tmp_path / "offline"), before=apart,
        env={"PATCHKIT_MIRROR": real, "PATCHKIT_CACHE": tmp_path / "empty"})  # fmt: skip
    assert artifacts(tmp_path / "offline") == artifacts(tmp_path / "online") != {}


@pytest.mark.slow
def test_what_an_empty_mirror_lacks_is_named_in_one_error(apart: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    done = run("build", "--version", PINNED, "--crypto", "pinned", "--engine", "host", "--offline", "--json",
               "--out", str(tmp_path / "dist"), code=26, before=apart,
               env={"PATCHKIT_MIRROR": tmp_path / "mirror", "PATCHKIT_CACHE": tmp_path / "empty"})  # fmt: skip
    error = json.loads(done.stdout)
    assert f"openvpn-{PINNED}.tar.gz" in error["what"]
    assert libraries()[LIBRARY].tarball.name in error["what"]
    assert "patchkit mirror sync" in error["advice"]


PREPARE = """
from patchkit.building.engine.docker import DockerEngine, connect
from patchkit.building.toolchain import toolchain
from patchkit.releases.version import Version
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.ui import Ui

tools = toolchain(Version("{version}"), "linux-amd64", features=["systemd"])
print(DockerEngine(connect(), Context(Cache.default(), Ui(quiet=True), offline=True)).prepare(tools).base_image)
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.mark.slow
def test_a_web_server_serves_a_mirror(real: Path, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=real)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        run("fetch", "--version", PINNED, "--offline", "--to", str(tmp_path / "source"),
            env={"PATCHKIT_MIRROR": url, "PATCHKIT_CACHE": tmp_path / "cache", "NO_PROXY": "127.0.0.1"})  # fmt: skip
        server.shutdown()
        thread.join()
    assert (tmp_path / "source/configure.ac").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1"])
def test_without_a_network_a_pinned_openssl_is_linked_in(
    version: str, apart: Sequence[str], tmp_path: Path, shared_cache: Cache
) -> None:
    """What was compiled of OpenSSL before is no file of the network: it is taken along, for the sake of time."""
    upstream(version, shared_cache)  # skips where no place in reach has it
    order = ["build", "--version", version, "--crypto", "openssl-1.1.1", "--engine", "host", *SOONER]
    try:
        run("mirror", "sync", "--versions", version, "--engine", "host", "--to", str(tmp_path / "mirror"))
    except AssertionError as error:
        if "no place has" in str(error) or "no network" in str(error):
            pytest.skip(f"today's pool lacks its OpenSSL: {error}")
        raise
    run(*order, "--out", str(tmp_path / "online"))
    shutil.copytree(shared_cache.root / "libraries", tmp_path / "cache/libraries")
    run(*order, "--offline", "--out", str(tmp_path / "offline"), before=apart,
        env={"PATCHKIT_MIRROR": tmp_path / "mirror", "PATCHKIT_CACHE": tmp_path / "cache"})  # fmt: skip
    assert artifacts(tmp_path / "offline") == artifacts(tmp_path / "online") != {}
    (artifact,) = json.loads((tmp_path / "offline/manifest.json").read_text())["artifacts"]
    assert artifact["source"]["verified"]
    (linked,) = (check["detail"] for check in artifact["checks"] if check["name"] == "linkage")
    assert "OpenSSL 1.1.1w" in linked


@pytest.mark.slow
def test_a_release_without_a_tarball_comes_from_the_mirrors_repository(apart: Sequence[str], tmp_path: Path) -> None:
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    folder = tmp_path / "mirror"
    # Its OpenSSL, 1.0.2, is in no pool: a folder that says it is one stands in for it.
    openssl = folder_of(
        {"Configure": b"#", "crypto/opensslv.h": b'#define OPENSSL_VERSION_TEXT "OpenSSL 1.0.2u  20 Dec 2019"\n'},
        tmp_path / "openssl",
    )
    run("mirror", "sync", "--versions", "2.2.3", "--git", os.path.relpath(GIT), "--engine", "host",
        "--openssl-source", str(openssl), "--to", str(folder))  # fmt: skip
    report = json.loads(run("mirror", "verify", str(folder), "--json").stdout)
    checks = {file["name"]: (file["verdict"], file["vouched"]) for file in report["findings"]}
    assert checks[f"{REPOSITORY} v2.2.3"] == ("good", "pin")
    with closing(open_repository(folder / REPOSITORY)) as repository:
        assert repository.git.rev_list("--all", "--count") == "1", "without its history"
    env = {"PATCHKIT_MIRROR": folder, "PATCHKIT_CACHE": tmp_path / "empty"}
    fetched = json.loads(run("fetch", "--version", "2.2.3", "--offline", "--json", before=apart, env=env).stdout)
    assert fetched["verified"]
    rendered = run("render", "--version", "2.2.3", "--offline", before=apart, env=env).stdout
    assert "reliable.c" in rendered


@pytest.mark.slow
def test_two_syncs_at_the_same_time_fill_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    command = [sys.executable, "-P", "-m", "patchkit", "mirror", "sync", "--to", str(folder), "--engine", "host"]
    runs = [
        subprocess.Popen([*command, "--versions", PINNED, "--crypto", crypto], stderr=subprocess.PIPE, text=True)
        for crypto in ("system", "pinned", "system")
    ]
    for process in runs:
        stderr = process.communicate(timeout=300)[1]
        assert process.returncode == 0, stderr
    run("mirror", "verify", str(folder))
    assert names(folder) == {
        INDEX, "SHA256SUMS", f"openvpn-{PINNED}.tar.gz", libraries()[LIBRARY].tarball.name
    }  # fmt: skip


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system with room for so much."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a disk small enough to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_holds_nothing_half_made(tmp_path: Path, shared_cache: Cache) -> None:
    upstream(PINNED, shared_cache)
    with small_disk(tmp_path / "disk", "64k") as disk:
        done = run("mirror", "sync", "--versions", PINNED, "--engine", "host", "--to", str(disk / "m"), code=50)
        assert "--to" in done.stderr
        assert names(disk / "m") <= {INDEX, "SHA256SUMS"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_mid_download_leaves_nothing_under_a_final_name(
    number: int, tmp_path: Path, shared_cache: Cache
) -> None:
    upstream(PINNED, shared_cache)
    name = f"openvpn-{PINNED}.tar.gz"
    data = (shared_cache.root / "downloads" / name).read_bytes()
    with serving() as site:
        site.on(f"/{name}", stalled(data, len(data) // 2))
        env = {"PATCHKIT_MIRROR": site.url, "PATCHKIT_CACHE": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
        interrupted(
            ["--engine", "host"], tmp_path / "mirror", number, env,
            until=lambda: any((tmp_path / "cache/downloads").glob("*.part")),
        )  # fmt: skip
    assert names(tmp_path / "mirror") == {INDEX, "SHA256SUMS"}
    index = read_index(tmp_path / "mirror")
    assert index is not None
    assert index.files == []


def interrupted(
    options: Sequence[str], folder: Path, number: int, env: Mapping[str, str], *, until: Callable[[], bool]
) -> None:
    """Sync until something has begun; send the signal twice, as impatient people do."""
    command = [sys.executable, "-P", "-m", "patchkit", "mirror", "sync", "--versions", PINNED, "--to", str(folder)]
    with subprocess.Popen(
        [*command, *options],
        env={**os.environ, **env}, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 120
        while not until():
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        process.send_signal(number)
        time.sleep(0.1)
        process.send_signal(number)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in stderr


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Iterator[dict[str, str]]:
    """The environment of a patchkit whose images nobody else uses, at the same time or later: its base has a name of
    its own, and its toolchain a label. They are removed by these, and no others.
    """
    try:
        client = connect()
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    with closing(client):
        tools = toolchain(Version(PINNED), "linux-amd64")
        shared = image.base_image(client, tools.base, "amd64", Context(shared_cache, Ui(quiet=True), offline=False))
        top = tmp_path_factory.mktemp("own")
        for name in ("patchkit", "docker", "patches"):
            shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
        table, base = top / "docker/toolchains.toml", f"patchkit-test-{uuid.uuid4().hex[:8]}:bookworm"
        text = table.read_text()
        assert text.count(f'"{tools.base.image}"') == 1
        table.write_text(text.replace(f'"{tools.base.image}"', f'"{base}"'))
        with (top / "docker/toolchain.Dockerfile.j2").open("a") as file:
            file.write(f'LABEL {MARK}="{base}"\n')
        assert shared.tag(*base.split(":"))
        yield {"PYTHONPATH": str(top), "TEST_BASE": base}
        forget(client, base)


@pytest.fixture(scope="module")
def filled(own: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker") / "mirror"
    options = ["--versions", PINNED, "--engine", "docker", "--with", "systemd"]
    run("mirror", "sync", *options, "--to", str(folder), env=own)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)  # two images and two builds in containers, on a slow machine
def test_without_a_network_the_images_come_from_the_mirror(
    own: dict[str, str], filled: Path, apart: Sequence[str], tmp_path: Path
) -> None:
    order = ["build", "--version", PINNED, "--variant", "stock", "--engine", "docker", "--with", "systemd", *SOONER]
    run(*order, "--out", str(tmp_path / "online"), env=own)
    with closing(connect()) as client:
        forget(client, own["TEST_BASE"])
    (tmp_path / "lacking").mkdir()
    env = {**own, "PATCHKIT_CACHE": str(tmp_path / "empty")}
    lacking = run(*order, "--offline", "--json", "--out", str(tmp_path / "offline"), before=apart, code=26,
                  env={**env, "PATCHKIT_MIRROR": str(tmp_path / "lacking")})  # fmt: skip
    assert f"openvpn-{PINNED}.tar.gz" in json.loads(lacking.stdout)["what"]
    assert own["TEST_BASE"] in json.loads(lacking.stdout)["what"]
    env["PATCHKIT_MIRROR"] = str(filled)
    run(*order, "--offline", "--out", str(tmp_path / "offline"), before=apart, env=env)
    assert artifacts(tmp_path / "offline") == artifacts(tmp_path / "online") != {}
    assert "libsystemd.so.0" in (tmp_path / "offline/manifest.json").read_text()
    (archive,) = artifacts(tmp_path / "offline")
    with tarfile.open(tmp_path / "offline" / archive) as members:
        (program,) = (member for member in members if member.name.endswith("/sbin/openvpn"))
        opened = members.extractfile(program)
        assert opened is not None
        assert b"/usr/bin/systemd-ask-password" in opened.read(), "a path that is there where the program will run"


@pytest.mark.slow
def test_where_the_base_is_another_one_the_mirrors_takes_its_name(own: dict[str, str], filled: Path) -> None:
    """The mirror's toolchain stands on the mirror's base; another build of it may be here already."""
    with closing(connect()) as client:
        before = client.images.get(own["TEST_BASE"])
        forget(client, own["TEST_BASE"])
        container = client.containers.create(before.id, ["true"], labels={MARK: own["TEST_BASE"]})
        container.commit(*own["TEST_BASE"].split(":"))
        container.remove()
        other = client.images.get(own["TEST_BASE"])
        assert other.id != before.id
    code = PREPARE.format(version=PINNED)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **own, "PATCHKIT_MIRROR": str(filled)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == before.id
    with closing(connect()) as client:
        client.images.remove(other.id)


@pytest.mark.slow
def test_a_damaged_image_is_refused_named_and_saved_again(own: dict[str, str], filled: Path, tmp_path: Path) -> None:
    """Nothing but the index vouches for an image: a sync must not write down what it finds there."""
    folder = tmp_path / "mirror"
    shutil.copytree(filled, folder)
    (archive,) = folder.glob("toolchain-*")
    halve(archive)
    done = run("mirror", "verify", str(folder), code=28, env=own)
    assert archive.name in done.stderr
    options = ["--versions", PINNED, "--engine", "docker", "--with", "systemd"]
    run("mirror", "sync", *options, "--to", str(folder), env=own)
    run("mirror", "verify", str(folder), env=own)
    assert archive.read_bytes() == (filled / archive.name).read_bytes()
    with tarfile.open(archive) as members:
        assert "manifest.json" in members.getnames()


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_an_interrupt_while_an_image_is_saved_leaves_nothing(own: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    interrupted(
        ["--engine", "docker", "--with", "systemd"], folder, signal.SIGINT, own,
        until=lambda: any(folder.glob(".images-*/*")),
    )  # fmt: skip
    assert names(folder) == {INDEX, "SHA256SUMS", f"openvpn-{PINNED}.tar.gz"}
    checks = run("mirror", "verify", str(folder), env=own, code=MirrorError.exit_code).stdout
    missing = [line for line in checks.splitlines() if "missing" in line]
    assert len(missing) == 1, checks
    assert "images for 2.6 on linux-amd64" in missing[0]


def forget(client: Any, base: str) -> None:
    """Take the names away, and what only they held: a layer that another image needs stays."""
    for tagged in client.images.list(filters={"label": f"{MARK}={base}"}):
        for tag in tagged.tags:
            client.images.remove(tag)
    tools = toolchain(Version(PINNED), "linux-amd64")
    record = image.record_name(tools.base.model_copy(update={"image": base}), "amd64")
    for name in (base, record):
        if client.images.list(name):
            client.images.remove(name)
