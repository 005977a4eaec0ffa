"""A real artifact is built again elsewhere, by somebody else, at another time, and is the same to the byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import BadUsageError, NotReproducedError, ToolchainError
from patchkit.packaging.dist import MANIFEST
from tests.conftest import ROOT
from tests.support.compilers import cold
from tests.support.jobs.builds import run
from tests.support.jobs.packaged import DEB, IMAGE, NAME, RPM, SOURCE
from tests.support.packaging.artifacts import changed

pytestmark = pytest.mark.slow

_NOBODY = "65534"
_MAY_READ = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # this checkout may be private
# The variables of the caller do not reach the host engine's compilers: what they call by name does.
_OTHER_DAY = """#!/bin/sh
LD_PRELOAD={library} FAKETIME=+1000d DONT_FAKE_MONOTONIC=1 exec {program} "$@"
"""


@pytest.fixture
def copy(packaged: Path, tmp_path: Path) -> Path:
    return shutil.copytree(packaged, tmp_path / "copy")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can look into, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="patchkit-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def wheel(folder: Path) -> Path:
    """Install a wheel of this checkout into ``folder``, and return the folder for PYTHONPATH."""
    python = [sys.executable, "-m"]
    build = [*python, "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (packed,) = folder.glob("*.whl")
    site = folder / "site"
    install = [*python, "pip", "install", "-q", "--no-deps", "--target", str(site), str(packed)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def on_another_day(folder: Path) -> str:
    """Return a PATH on which make and the compiler take the date for one of years ahead."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed: apt-get install faketime")
    folder.mkdir()
    for name in ("make", "cc"):
        program = shutil.which(name, path=cold()["PATH"])
        (folder / name).write_text(_OTHER_DAY.format(library=library, program=program))
        (folder / name).chmod(0o755)
    shown = subprocess.run([folder / "make", "-f", "-", "day"], input="day:; @date +%Y", capture_output=True, text=True,
                           check=True)  # fmt: skip
    this_year = subprocess.run(["date", "+%Y"], capture_output=True, text=True, check=True).stdout
    assert int(shown.stdout) >= int(this_year) + 2
    return f"{folder}:{cold()['PATH']}"


def test_elsewhere_by_a_wheel_another_user_another_day_and_from_cold(
    packaged: Path, open_folder: Path, shared_cache: Cache
) -> None:
    """Another folder, umask, time zone, locale, user, job count, date, and patchkit from a wheel, all at once.

    Packages, image, SBOM, provenance and source come out the same as well as the archive.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    packages = Path(pytest.__file__).resolve().parent.parent
    site = wheel(open_folder)
    path = on_another_day(open_folder / "bin")
    shutil.copytree(packaged, open_folder / "given")
    shutil.copytree(shared_cache.downloads, open_folder / "cache/downloads")
    for folder in ("tmp", "home"):
        (open_folder / folder).mkdir()
    subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", *map(str, open_folder.iterdir())], check=True)
    done = subprocess.run(
        [
            "setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *_MAY_READ,
            "sh", "-c", 'umask 077; exec "$@"', "sh",
            sys.executable, "-P", "-m", "patchkit", "rebuild", "given", "--jobs", "1", "--json",
        ],
        cwd=open_folder, capture_output=True, text=True, check=False, timeout=800,
        env={
            "PATH": path, "PYTHONPATH": f"{site}:{packages}", "HOME": str(open_folder / "home"),
            "TMPDIR": str(open_folder / "tmp"), "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr",
            "PATCHKIT_CACHE": str(open_folder / "cache"), "SOURCE_DATE_EPOCH": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["equal"] is True
    (artifact,) = document["artifacts"]
    (entry,) = json.loads((packaged / MANIFEST).read_text())["artifacts"]
    named = [file["name"] for kind in ("files", "packages", "documents") for file in entry[kind]]
    assert [file["name"] for file in artifact["files"]] == named
    assert {DEB, RPM, IMAGE, SOURCE, f"{NAME}.tar.gz", f"{NAME}.cdx.json", f"{NAME}.intoto.json"} <= set(named)
    assert all(file["built"] == file["expected"] for file in artifact["files"])
    assert list((open_folder / "tmp").iterdir()) == []


def test_what_differs_is_named_by_member_and_section(copy: Path) -> None:
    """A manifest that lies about a flag: nothing but the comparison can notice."""
    changed(copy / MANIFEST, build__added_cflags=["-fno-inline"])
    before = sorted(path.name for path in copy.iterdir())
    bin_without_diffoscope = {"PATH": os.environ["PATH"]}
    done = run("rebuild", str(copy), "--json", code=NotReproducedError.exit_code, **bin_without_diffoscope)
    document = json.loads(done.stdout)
    archive, diff, *packages = document["artifacts"][0]["files"]
    # The documents state what went in: they are compared only where that is the same.
    assert [file["name"].rpartition(".")[2] for file in packages] == ["deb", "tar", "rpm"]
    assert all(file["built"] != file["expected"] for file in packages)
    assert (document["equal"], archive["name"], diff["lines"]) == (False, f"{NAME}.tar.gz", [])
    assert f"{NAME}.tar.gz was not reproduced" in done.stderr
    if shutil.which("diffoscope") is None:
        assert [line for line in archive["lines"] if line.startswith("sbin/openvpn: section .text: from byte ")]
    assert sorted(path.name for path in copy.iterdir()) == before


def test_the_packages_that_are_gone_are_named(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    installed = manifest["artifacts"][0]["build"]["installed"]
    version, digest = installed["gcc-12:amd64"].split()
    other = {"gcc-12:amd64": f"{version}x {digest}", "libssl-dev:amd64": installed["libssl-dev:amd64"][:-1] + "!"}
    changed(copy / MANIFEST, build__installed={**installed, **other, "gcc-99:amd64": "99 0"})
    done = run("rebuild", str(copy), code=ToolchainError.exit_code)
    assert f"gcc-12:amd64 {version}x, here {version}\n" in done.stderr
    assert "gcc-99:amd64 99 is missing" in done.stderr
    assert "libssl-dev:amd64 " in done.stderr
    assert "here another build of it" in done.stderr
    assert "3 packages differ" in done.stderr


def test_an_artifact_is_not_compared_with_itself(copy: Path) -> None:
    assert "holds" in run("rebuild", str(copy), "--out", str(copy), code=BadUsageError.exit_code).stderr
