"""Flags that would not do what they say are refused; those that leave something in the program are looked for."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from patchkit.building.flags import check_configured, check_flags, check_machine, check_program, machine_flags
from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain_table import known_target
from patchkit.errors import BadUsageError, CompileError
from patchkit.releases.version import Version
from tests.conftest import Run


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("-static", "libtool"),
        ("-static-pie", "libtool"),
        ("-O2 -static", "libtool"),
        ("-O2 -g -lfoo", "linker"),
        ("-m32", "target"),
        ("-mx32", "target"),
        ("-march=native", "machine"),
        ("-Wl,-z,now", "linker"),
        ("-lfoo", "linker"),
        ("-shared", "no program"),
        ("main.c", "not a flag"),
        ("-fsanitize=fuzzer", "address"),
        ("-flto", "objects"),
    ],
)
def test_what_a_build_would_drop_is_refused(flag: str, why: str) -> None:
    with pytest.raises(BadUsageError) as caught:
        BuildSettings(cflags=["-g", flag]).toolchain(Version.parse("2.6.14"), "linux-amd64")
    assert f"--cflag={flag}" in caught.value.what
    assert why in caught.value.why


@pytest.mark.parametrize("flag", ["-static", "-static-pie", "-static-libgcc"])
def test_who_wants_a_static_program_hears_of_the_target_that_makes_one(flag: str) -> None:
    with pytest.raises(BadUsageError) as caught:
        check_flags([flag])
    named = re.findall(r"linux-static-\w+", caught.value.advice)
    assert named
    assert all(known_target(name).zig for name in named)


def test_zig_does_not_state_its_machine() -> None:
    with pytest.raises(BadUsageError, match="-march=x86-64-v2 can't be checked for linux-static-amd64"):
        BuildSettings(cflags=["-march=x86-64-v2"]).toolchain(Version.parse("2.6.14"), "linux-static-amd64")


def test_ordinary_flags_pass() -> None:
    check_flags(
        ["-g", "-O2", "-std=gnu17", "-DNEW", "-march=x86-64-v2", "-Wno-error=format", "-fsanitize=address,undefined"]
    )


@pytest.mark.slow
def test_a_build_with_a_static_flag_ends_before_anything_is_fetched(patchkit: Run) -> None:
    done = patchkit("build", "--version", "2.6.14", "--offline", "--cflag=-static")
    assert (done.returncode, "-static" in done.stderr, "libtool" in done.stderr) == (2, True, True)


def test_a_flag_that_configure_lost_is_told() -> None:
    check_configured(["-g", "-O1"], ["-O2 -g", "-O1"])
    with pytest.raises(CompileError, match="-g"):
        check_configured(["-g"], ["-O2"])


def answer(*flags: str) -> str:
    command = ["gcc", *flags, "-Q", "--help=target"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are of x86-64")
def test_the_compiler_says_whether_it_has_taken_a_flag_for_the_machine() -> None:
    flags = ["-march=x86-64-v3", "-mtune=generic", "-mno-red-zone", "-mno-avx512f", "-g", "-O1 -mfma"]
    assert machine_flags(flags) == [*flags[:4], "-mfma"]
    check_machine(flags, answer(*flags[:5], "-O1", "-mfma"))
    # The last one of several decides, as it would with a Makefile's own behind the user's.
    for flag, later in (("-march=x86-64-v3", "-march=x86-64"), ("-mavx2", "-mno-avx2"), ("-mno-fma", "-mfma")):
        check_machine([flag], answer(flag))
        with pytest.raises(CompileError, match="no effect"):
            check_machine([flag], answer(flag, later))
    with pytest.raises(CompileError) as caught:
        check_machine(["-mfoo"], answer())
    assert "states nothing for it" in caught.value.why


def test_a_sanitizer_shows_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int main(int n, char **a)\n{\n    return a[n] != 0;\n}\n")
    for flags in ([], ["-fsanitize=address"]):
        subprocess.run(["gcc", *flags, "a.c", "-o", "a"], cwd=tmp_path, check=True)
        program = (tmp_path / "a").read_bytes()
        if flags:
            check_program(flags, program)
        else:
            with pytest.raises(CompileError, match="no effect"):
                check_program(["-fsanitize=address"], program)
