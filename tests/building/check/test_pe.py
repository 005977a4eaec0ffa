"""What is read from the headers of Windows programs, on programs that mingw has just linked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.building.check.pe import check, executable
from patchkit.building.toolchain_table import known_target
from patchkit.errors import CompileError

EPOCH = 1_600_000_000
AMD64, I686 = known_target("windows-amd64"), known_target("windows-i686")
# The array makes the compiler protect the stack, which takes a library of gcc's own.
HELLO = """#include <stdio.h>
#include <string.h>
int main(int c, char **v) { char b[99]; strcpy(b, v[c-1]); return puts(b); }
"""

pytestmark = pytest.mark.skipif(shutil.which(AMD64.tool("gcc")) is None, reason=f"no {AMD64.tool('gcc')} in PATH")


def linked(folder: Path, *flags: str) -> bytes:
    (folder / "hello.c").write_text(HELLO)
    command = [AMD64.tool("gcc"), "hello.c", "-o", "hello.exe", *AMD64.cflags, *AMD64.cppflags, *flags]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "hello.exe").read_bytes()


@pytest.mark.slow
def test_what_our_flags_make_is_as_it_should_be(tmp_path: Path) -> None:
    program = linked(tmp_path, *AMD64.ldflags)
    headers = executable(program)
    assert (headers.target, headers.lacking, headers.time_stamp) == ("windows-amd64", (), 0)
    assert "kernel32.dll" in headers.needed
    assert check("hello.exe", program, AMD64, epoch=EPOCH).needed == headers.needed


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([flag for flag in AMD64.ldflags if flag != "--static"], "hello.exe needs libssp-0.dll"),
        ([*AMD64.ldflags, "-Wl,--disable-dynamicbase"], "lacks ASLR"),
        ([*AMD64.ldflags, "-Wl,--disable-nxcompat"], "lacks DEP"),
        ([*AMD64.ldflags, "-Wl,--disable-high-entropy-va"], "lacks high-entropy ASLR"),
        ([flag for flag in AMD64.ldflags if "timestamp" not in flag], "holds the time of its build"),
    ],
    ids=["a-library-of-gcc", "no-aslr", "no-dep", "no-high-entropy", "a-time-stamp"],
)
def test_what_is_not_is_refused(tmp_path: Path, flags: list[str], words: str) -> None:
    with pytest.raises(CompileError, match=words):
        check("hello.exe", linked(tmp_path, *flags), AMD64, epoch=EPOCH)


@pytest.mark.slow
def test_what_strip_has_written_is_no_clock(tmp_path: Path) -> None:
    linked(tmp_path, *AMD64.ldflags)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run([AMD64.tool("strip"), "hello.exe"], cwd=tmp_path, check=True, env=environment)
    program = (tmp_path / "hello.exe").read_bytes()
    assert executable(program).time_stamp == EPOCH
    assert check("hello.exe", program, AMD64, epoch=EPOCH)
    with pytest.raises(CompileError, match="holds the time of its build"):
        check("hello.exe", program, AMD64, epoch=EPOCH + 1)


def test_what_is_shipped_along_is_no_stranger(tmp_path: Path) -> None:
    program = linked(tmp_path, *(flag for flag in AMD64.ldflags if flag != "--static"))
    assert "libssp-0.dll" in check("hello.exe", program, AMD64, epoch=EPOCH, shipped=frozenset({"libssp-0.dll"})).needed


def test_another_processors_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="of another kind than windows-i686"):
        check("hello.exe", linked(tmp_path, *AMD64.ldflags), I686, epoch=EPOCH)


@pytest.mark.parametrize("data", [b"", b"MZ", Path("/bin/sh").read_bytes(), b"#!/bin/sh\n"])
def test_what_is_no_program_for_windows(data: bytes) -> None:
    with pytest.raises(CompileError, match="not a Windows program"):
        check("it.exe", data, AMD64, epoch=EPOCH)
