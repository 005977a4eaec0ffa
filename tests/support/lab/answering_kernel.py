"""A program that answers as a kernel of User-Mode Linux does, and is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from patchkit.lab.guest.kernel import configuration

# Answers as UML does; no kernel is needed to see whether the answers are understood.
ANSWERS = """\
#!/bin/sh
# {mark}
case $1 in
--version) echo {release} ;;
--showconfig) cat "$0.config" ;;
esac
"""
LINES = ("CONFIG_UML=y", *(f"{option}={value}" for option, value in configuration.needed().items() if value != "n"))


def answering(folder: Path, *, release: str = "7.4.1", lines: Sequence[str] = LINES, mark: str = "") -> Path:
    """Write the program ``linux``, which answers so, into ``folder``."""
    path = folder / "linux"
    path.write_text(ANSWERS.format(release=release, mark=mark))
    path.chmod(0o755)
    path.with_name("linux.config").write_text("\n".join(lines) + "\n")
    return path
