"""What a machine lacks for the work of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.cluster.ability import lacks
from patchkit.context import Context
from patchkit.ui import Ui


def test_a_machine_without_compiler_and_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setattr("patchkit.lab.link.uml_memory._SHARED", tmp_path / "none")
    monkeypatch.setattr("patchkit.lab.link.uml_memory._ROOM", 1 << 60)
    found = lacks(Context(Cache(tmp_path / "cache"), Ui(quiet=True)))
    assert "no room for the lab's guest" in found["lab"]
    assert "this host lacks make" in found["build"]


def test_a_cache_on_a_small_disk(tiny_disk: Path) -> None:
    found = lacks(Context(Cache(tiny_disk / "cache"), Ui(quiet=True)))
    assert "has no room" in found["lab"]
    assert "PATCHKIT_CACHE" in found["lab"]
