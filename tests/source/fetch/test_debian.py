"""Debian's mirrors, as apt's settings name them: a real program called apt-get answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.source.fetch import debian

URI = "http://debian.example/debian"


def program(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)


def test_what_failed_once_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of a cluster lives for days: an apt that was busy, or not there yet, must not count for good."""
    monkeypatch.delenv("PATCHKIT_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert debian.mirrors() == ()
    program(tmp_path / "bin", f"echo Debian {URI}; exit 100")
    assert debian.mirrors() == ()
    program(tmp_path / "bin", "exec sleep 5")
    monkeypatch.setattr(debian, "_LIMIT", 0.1)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert debian.mirrors() == ()
    program(tmp_path / "bin", f"echo Debian {URI}")
    monkeypatch.setattr(debian, "_LIMIT", 20)
    assert debian.mirrors() == (URI,)


def test_the_security_archive_is_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATCHKIT_DEBIAN_MIRROR", raising=False)
    program(tmp_path / "bin", f"echo Debian {URI}/; echo Debian {URI}-security/; echo Other http://other.example/x")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert debian.mirrors() == (URI,)
    assert debian.sources("bookworm") == (f"deb {URI} bookworm main", f"deb {URI}-security bookworm-security main")
    program(tmp_path / "bin", "exit 1")
    assert debian.mirrors() == (URI,), "what worked is kept"
