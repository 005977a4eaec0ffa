"""A kernel that PATCHKIT_UML names: asked what it is before anything runs on it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError, PatchkitError
from patchkit.lab.guest.kernel import changes, given
from patchkit.lab.guest.kernel.obtain import kernel
from patchkit.storage import sha256_of
from patchkit.ui import Ui
from tests.support.lab.answering_kernel import LINES, answering


def asked(path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache) -> Context:
    monkeypatch.setenv("PATCHKIT_UML", str(path))
    return Context(cache, Ui(StringIO()))


def test_a_kernel_with_our_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache) -> None:
    path = answering(tmp_path, mark=f"{changes.MARK}{changes.SYSCALL_NS}")
    found = kernel(asked(path, monkeypatch, cache))
    assert (found.program, found.digest) == (path, sha256_of(path))
    assert (found.release, found.syscall_ns) == ("7.4.1 (PATCHKIT_UML)", changes.SYSCALL_NS)
    assert not cache.root.exists()
    other = answering(tmp_path, lines=[*LINES, "CONFIG_MORE=y"])
    assert kernel(asked(other, monkeypatch, cache)).config != found.config


@pytest.mark.parametrize(("mark", "ns"), [("", 0), (f"{changes.MARK}20000", 20_000)])
def test_another_price_of_a_call_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache, mark: str, ns: int
) -> None:
    context = asked(answering(tmp_path, mark=mark), monkeypatch, cache)
    assert kernel(context).syscall_ns == ns
    (warning,) = context.ui.warnings
    assert f"takes {ns} ns in it" in warning
    assert ("never sleeps" in warning) == (ns == 0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("CONFIG_UML_TIME_TRAVEL_SUPPORT=y", "CONFIG_UML_TIME_TRAVEL_SUPPORT is n, not y"),
        ("CONFIG_NET_SCH_NETEM=y", "CONFIG_NET_SCH_NETEM is n, not y"),
    ],
)
def test_a_kernel_without_what_the_lab_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache, change: str, why: str
) -> None:
    path = answering(tmp_path, lines=[line for line in LINES if line != change])
    with pytest.raises(GuestError, match="not configured as the lab needs it") as caught:
        kernel(asked(path, monkeypatch, cache))
    assert caught.value.why == why
    assert "unset PATCHKIT_UML" in caught.value.advice


def test_a_kernel_that_could_see_the_hosts_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache) -> None:
    with pytest.raises(GuestError) as caught:
        kernel(asked(answering(tmp_path, lines=[*LINES, "CONFIG_HOSTFS=y"]), monkeypatch, cache))
    assert caught.value.why == "CONFIG_HOSTFS is y, not n"


def no_program(folder: Path) -> Path:
    return folder / "missing"


def a_folder(folder: Path) -> Path:
    return folder


def not_executable(folder: Path) -> Path:
    answering(folder).chmod(0o644)
    return folder / "linux"


def another_program(folder: Path) -> Path:
    return Path("/bin/true")


def no_uml(folder: Path) -> Path:
    return answering(folder, lines=["CONFIG_X86=y"])


def no_release(folder: Path) -> Path:
    return answering(folder, release="GNU coreutils 9.1")


@pytest.mark.parametrize("make", [no_program, a_folder, not_executable, another_program, no_uml, no_release])
def test_what_is_no_kernel_of_uml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(PatchkitError) as caught:
        kernel(asked(path, monkeypatch, cache))
    assert isinstance(caught.value, GuestError)
    assert str(path) in caught.value.what
    assert "unset PATCHKIT_UML" in caught.value.advice


def test_a_program_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache) -> None:
    path = answering(tmp_path)
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(given, "_PATIENCE", 0.2)
    with pytest.raises(GuestError, match="can't be used") as caught:
        kernel(asked(path, monkeypatch, cache))
    assert "did not answer --version within 0.2 s" in caught.value.why
