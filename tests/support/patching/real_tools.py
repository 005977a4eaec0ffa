"""What git and patch make of a rendered diff."""

from __future__ import annotations

import subprocess
from pathlib import Path

from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.source.tree.tree import SourceTree

RETRANSMIT = combination("retransmit")


def check_with_git_and_patch(source: SourceTree, guard: bool, folder: Path) -> None:
    """Real ``git apply --check`` and real ``patch -F0``, and patch's result is ours to the byte."""
    rendered = render(RETRANSMIT, source, "sample", guard=guard)
    (path,) = rendered.files
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(source.read(path))
    (folder / "a.diff").write_bytes(rendered.diff)
    for command in (
        ["git", "apply", "--check", "--verbose", "a.diff"],
        ["patch", "-p1", "-F0", "--dry-run", "-i", "a.diff"],
        ["patch", "-p1", "-F0", "--no-backup-if-mismatch", "-i", "a.diff"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "fuzz" not in done.stdout
        assert "offset" not in done.stdout
    assert file.read_bytes() == rendered.files[path]
