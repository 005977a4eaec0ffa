"""What programs need of a system, read from real ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.building.check.elf import check_static, linkage
from patchkit.errors import CompileError

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")

HELLO = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n'
NEWER = """
#include <dlfcn.h>
#include <math.h>
int main(int argc, char **argv) { return dlsym(0, argv[0]) != 0 || pow(argc, 0.5) > 9; }
"""


def compiled(folder: Path, code: str, *options: str) -> bytes:
    (folder / "it.c").write_text(code)
    subprocess.run(["cc", "-o", "it", "it.c", *options], cwd=folder, check=True, capture_output=True)
    return (folder / "it").read_bytes()


def test_a_program_needs_libraries_and_a_glibc(tmp_path: Path) -> None:
    linked = linkage(compiled(tmp_path, HELLO))
    assert linked.needed == ("libc.so.6",)
    assert linked.glibc is not None
    assert linked.glibc.startswith("2.")


def test_all_that_it_loads_is_named_in_order(tmp_path: Path) -> None:
    linked = linkage(compiled(tmp_path, NEWER, "-Wl,--no-as-needed", "-lresolv", "-lm", "-fno-builtin"))
    assert linked.needed == ("libc.so.6", "libm.so.6", "libresolv.so.2")


def test_the_newest_version_counts_as_numbers_do(tmp_path: Path) -> None:
    """2.29 is newer than 2.4, and so says objdump."""
    program = compiled(tmp_path, NEWER, "-lm", "-fno-builtin")
    symbols = subprocess.run(["objdump", "-T", tmp_path / "it"], check=True, capture_output=True, text=True).stdout
    versions = {tuple(map(int, word.strip("()")[6:].split("."))) for word in symbols.split() if "GLIBC_2" in word}
    assert linkage(program).glibc == ".".join(map(str, max(versions)))
    assert max(versions) > (2, 4)


def test_a_static_program_needs_nothing(tmp_path: Path) -> None:
    linked = linkage(compiled(tmp_path, HELLO, "-static"))
    assert (linked.needed, linked.glibc) == ((), None)


def test_a_static_program_is_one_that_the_kernel_alone_starts_anywhere(tmp_path: Path) -> None:
    check_static(compiled(tmp_path, HELLO, "-static-pie", "-fPIE"))
    with pytest.raises(CompileError, match="not static") as caught:
        check_static(compiled(tmp_path, HELLO))
    assert "libc.so.6" in caught.value.why
    with pytest.raises(CompileError, match="fixed address"):
        check_static(compiled(tmp_path, HELLO, "-static", "-no-pie"))
    # A loader without a library: what a linker makes that is told half of it.
    loader = compiled(tmp_path, "void _start(void) { for (;;); }\n", "-nostdlib", "-pie", "-fPIE")
    with pytest.raises(CompileError, match="not static") as caught:
        check_static(loader)
    assert "asks for the loader" in caught.value.why


def test_a_stack_that_code_can_run_on_is_seen(tmp_path: Path) -> None:
    assert not linkage(compiled(tmp_path, HELLO)).executable_stack
    assert linkage(compiled(tmp_path, HELLO, "-Wl,-z,execstack")).executable_stack


def test_debugging_and_stripping_make_no_difference(tmp_path: Path) -> None:
    before = linkage(compiled(tmp_path, HELLO, "-g"))
    subprocess.run(["strip", "it"], cwd=tmp_path, check=True)
    assert linkage((tmp_path / "it").read_bytes()) == before


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"MZ" * 100, b"\x7fELF\x02\x01\x01" + b"\xff" * 200])
def test_what_is_no_program_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        linkage(data)


def test_half_a_program_is_none(tmp_path: Path) -> None:
    program = compiled(tmp_path, HELLO)
    with pytest.raises(ValueError, match=r"."):
        linkage(program[: len(program) // 2])
