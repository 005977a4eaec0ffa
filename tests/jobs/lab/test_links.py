"""Which link a campaign runs on where none is named."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.jobs.lab.links import ready
from patchkit.ui import Ui

QEMU = shutil.which("qemu-system-x86_64")


@pytest.fixture
def empty_handed(tmp_path: Path, shared_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A cache without a kernel, on a host without a compiler or containers."""
    (tmp_path / "path").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/downloads").symlink_to(shared_cache.downloads)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    return Context(Cache(tmp_path / "cache"), Ui(quiet=True))


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not in PATH")
def test_qemu_takes_over_where_the_kernel_cannot_be_made(empty_handed: Context, tmp_path: Path) -> None:
    stream = io.StringIO()
    (tmp_path / "path/qemu-system-x86_64").symlink_to(str(QEMU))
    assert ready(None, replace(empty_handed, ui=Ui(stream))).described.link == "qemu"
    told = stream.getvalue()
    assert told.count("--link qemu") == 1, told
    assert "the lab's kernel can't be compiled" in told


def test_without_either_the_kernels_error_is_told(empty_handed: Context) -> None:
    with pytest.raises(GuestError, match="the lab's kernel can't be compiled"):
        ready(None, empty_handed)


@pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not in PATH")
def test_a_kernel_that_the_user_names_is_not_replaced(
    empty_handed: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "path/qemu-system-x86_64").symlink_to(str(QEMU))
    monkeypatch.setenv("PATCHKIT_UML", str(tmp_path / "no such kernel"))
    with pytest.raises(GuestError, match="no such kernel"):
        ready(None, empty_handed)
