"""The commands of --fix, run for real."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from patchkit.errors import MendError
from patchkit.jobs.doctor import repair
from patchkit.jobs.doctor.checks import Readiness
from patchkit.jobs.doctor.distribution import Step, distribution_from
from patchkit.jobs.doctor.model import ProbeResult
from patchkit.ui import Ui

DEBIAN = distribution_from({"ID": "debian"})


def test_all_packages_are_installed_at_once_and_nothing_twice() -> None:
    start = Step(["service", "docker", "start"])
    results = [
        ProbeResult("a", "missing", "", "", packages=["git", "gpg"]),
        ProbeResult("b", "missing", "", "", packages=["gpg", "wine"], steps=[start]),
        ProbeResult("c", "broken", "", "", steps=[start]),
        ProbeResult("d", "works", "", "", packages=["nothing"]),
    ]
    assert [repair.shown(step) for step in repair.plan(results, DEBIAN)][-3:] == [
        "apt-get update", "apt-get install -y --no-install-recommends git gpg wine", "service docker start",
    ]  # fmt: skip
    assert repair.plan([ProbeResult("d", "works", "", "")], DEBIAN) == []


def test_the_first_that_fails_ends_it(tmp_path: Path, ui: Ui) -> None:
    first, last = tmp_path / "first", tmp_path / "last"
    steps = [
        Step(["touch", str(first)], root=False),
        Step(["sh", "-c", "echo no such package; exit 100"], root=False),
        Step(["touch", str(last)], root=False),
    ]
    with pytest.raises(MendError) as caught:
        repair.run(steps, ui)
    assert caught.value.why == "no such package"
    assert (first.exists(), last.exists()) == (True, False)
    with pytest.raises(MendError) as caught:
        repair.run([Step(["no-such-program"], root=False)], ui)
    assert "No such file" in caught.value.why


def test_who_is_not_root_is_told_or_helped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ui: Ui) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MendError, match="need root"):
        repair.run([Step(["true"])], ui)
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec /usr/bin/env PATH=/usr/bin:/bin "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    repair.run([Step(["sh", "-c", f'test "$DEBIAN_FRONTEND" = noninteractive && echo > {tmp_path}/done'])], ui)
    assert (tmp_path / "done").exists()
    assert repair.shown(Step(["true"])) == "sudo env DEBIAN_FRONTEND=noninteractive true"


def test_one_line_for_root_is_enough_for_what_was_asked() -> None:
    results = [
        ProbeResult("compiler", "missing", "", "", packages=["gcc", "make"]),
        ProbeResult("machine", "missing", "", "", packages=["qemu", "make"]),
        ProbeResult("docker", "broken", "", "", steps=[Step(["service", "docker", "start"])]),
        ProbeResult("cache", "broken", "", "", steps=[Step(["rm", "x"], root=False)]),
    ]
    ready = [
        Readiness("build", works=False, by=[], lacks=["compiler", "cache"]),
        Readiness("lab", works=False, by=[], lacks=["compiler", "machine"]),
        Readiness("matrix", works=True, by=[], lacks=[]),
    ]
    line = "apt-get update && apt-get install -y --no-install-recommends gcc make qemu"
    assert repair.as_root(results, ready, DEBIAN) == line
    assert repair.as_root(results, ready[2:], DEBIAN) == ""
