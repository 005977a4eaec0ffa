"""The build that a trial is repeated with."""

from __future__ import annotations

from patchkit.jobs.lab.request import asked_for
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.model.campaign import Program


def test_a_branch_is_built_again_from_its_commit() -> None:
    program = Program(release="git.3de926089fde", variant="early", version="2.8_git", sha256="ab" * 32)
    assert asked_for(program) == BinaryRequest("3de926089fde", "early")
