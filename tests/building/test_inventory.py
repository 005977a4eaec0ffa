"""The closure of a toolchain's packages, from what dpkg prints; and this machine's own, where it has dpkg."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from patchkit.building.engine.host import HostWorkspace
from patchkit.building.inventory import inventory, shared_libraries

ROWS = """\
P\tinstalled\tgcc\tamd64\t4:12\tgcc-defaults\t1\tc-compiler\t\tcpp (= 4:12), gcc-12 (>= 12.2), libc6 | libc
P\tinstalled\tcpp\tamd64\t4:12\tgcc-defaults\t1\t\t\t
P\tinstalled\tgcc-12\tamd64\t12.2-1\tgcc-12\t12.2-1\t\tdpkg (>= 1)\tlibthing:any, virtual
P\tinstalled\tdpkg\tamd64\t1.21\tdpkg\t1.21\t\t\t
P\tinstalled\tlibthing\tarm64\t1\tthing\t1\t\t\t
P\tinstalled\tlibthing\tamd64\t1\tthing\t1\t\t\tdata
P\tinstalled\tdata\tall\t2\tthing\t1\tvirtual (= 3)\t\tgcc
P\tconfig-files\tcpp\tarm64\t0\told\t0\t\t\t
P\tinstalled\tother\tamd64\t1\tother\t1\t\t\t
S\taaa\tgcc-12.md5sums
S\tbbb\tlibthing:amd64.md5sums
S\tccc\tlibthing:arm64.md5sums"""


class Recorded:
    """A workspace in which every command prints the same."""

    top = "/"

    def __init__(self, text: str) -> None:
        self._text = text

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        del command, cwd, env
        for text in self._text.splitlines():
            line(text)
        return 0

    def put(self, archive: bytes) -> None: ...

    def get(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def stop(self) -> None: ...


@contextmanager
def here(folder: Path) -> Iterator[HostWorkspace]:
    if shutil.which("dpkg-query") is None:
        pytest.skip("this system does not use dpkg")
    yield HostWorkspace(folder)


def test_what_a_package_depends_on_is_there_once_and_of_its_own_architecture() -> None:
    found = inventory(Recorded(ROWS), ["gcc"], "amd64").toolchain
    assert [(each.full_name, each.version, each.sha256) for each in found] == [
        ("cpp:amd64", "4:12", ""),
        ("data:all", "2", ""),
        ("dpkg:amd64", "1.21", ""),
        ("gcc-12:amd64", "12.2-1", "aaa"),
        ("gcc:amd64", "4:12", ""),
        ("libthing:amd64", "1", "bbb"),
    ]


def test_a_package_of_another_architecture_is_named_by_it() -> None:
    found = inventory(Recorded(ROWS), ["libthing:arm64"], "amd64").toolchain
    assert [(each.full_name, each.sha256) for each in found] == [("libthing:arm64", "ccc")]


def test_a_system_without_dpkg_has_none() -> None:
    assert inventory(Recorded(""), ["gcc"], "amd64").toolchain == []


def test_the_real_dpkg_is_read(tmp_path: Path) -> None:
    with here(tmp_path) as workspace:
        native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout
        (dpkg,) = [each for each in inventory(workspace, ["dpkg"], native.strip()).toolchain if each.name == "dpkg"]
    listed = Path("/var/lib/dpkg/info/dpkg.md5sums").read_bytes()
    assert dpkg.sha256 == hashlib.sha256(listed).hexdigest()
    assert dpkg.source == "dpkg"


def test_a_library_is_found_where_the_linker_finds_it_with_its_package(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no compiler")
    with here(tmp_path) as workspace:
        system = inventory(workspace, [], "amd64")
        libc, absent = shared_libraries(workspace, "cc", ["libc.so.6", "libabsent.so.9"], system)
        assert shared_libraries(workspace, "cc", [], system) == []
    assert libc.package is not None
    assert (libc.package.name, libc.package.source, len(libc.sha256)) == ("libc6", "glibc", 64)
    assert (absent.package, absent.sha256) == (None, "")
