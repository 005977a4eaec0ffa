"""Code blocks of a Markdown document: the command lines in them, the output shown below them, the text that follows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE, _INDENT, _PROMPT = "```", "    ", "$ "
_HEADING = re.compile(r"#+ (.+)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
PROGRAMS = {
    "cat", "cd", "cmp", "dask", "git", "man", "mkdir", "patch", "patchkit", "pip", "python3", "quilt", "sed",
    "ssh-keygen", "tar",
}  # fmt: skip
"""What a line that is meant for a shell begins with; so does the path of a program of the checkout."""
_OF_THE_CHECKOUT = re.compile(r"(\./)?ci/[\w-]+|\.venv/bin/\w+")
# A relative path that has a slash or an ending: dist/SHA256SUMS, mirror/, report.html.
_PATH = re.compile(r"`((?:\.\./)?[\w+][\w.+-]*(?:/[\w.+-]+)*/?)`")
_ENDING = re.compile(r".+\.(asc|diff|gz|html|json|jsonl|mbox|md|patch|svg|zip)")


@dataclass(frozen=True)
class Block:
    """One code block."""

    heading: str
    """The nearest heading above it."""
    lines: tuple[str, ...]
    following: str
    """The paragraph below it; empty where another block or a heading comes first."""

    @property
    def is_for_a_shell(self) -> bool:
        return is_command(self.lines[0].removeprefix(_PROMPT))

    @property
    def shows_output(self) -> bool:
        """Whether the block is one command behind a prompt, with its output below it."""
        return self.lines[0].startswith(_PROMPT)

    @property
    def commands(self) -> tuple[str, ...]:
        return (self.lines[0].removeprefix(_PROMPT),) if self.shows_output else self.lines

    @property
    def output(self) -> tuple[str, ...]:
        return self.lines[1:] if self.shows_output else ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the paragraph below the block names."""
        named = _PATH.findall(self.following)
        return tuple(name for name in named if "/" in name.removeprefix("../") or _ENDING.fullmatch(name))


def is_command(line: str) -> bool:
    """Whether ``line`` begins with a program, behind assignments to variables."""
    words = [word for word in line.split() if not _ASSIGNMENT.match(word)]
    return bool(words) and (words[0] in PROGRAMS or _OF_THE_CHECKOUT.fullmatch(words[0]) is not None)


def arguments(line: str) -> list[str]:
    """The words of a command line without assignments, comments and what stands behind a pipe."""
    words = shlex.split(line, comments=True)
    return [word for word in words if not _ASSIGNMENT.match(word)]


def blocks(text: str) -> Iterator[Block]:
    """Every fenced or indented code block of ``text``, a Markdown document."""
    lines = text.splitlines()
    heading, index = "", 0
    while index < len(lines):
        if match := _HEADING.fullmatch(lines[index]):
            heading = match[1]
        fenced = lines[index].startswith(_FENCE)
        if not fenced and not (lines[index].startswith(_INDENT) and not lines[index - 1].strip()):
            index += 1
            continue
        end = index + 1
        while end < len(lines) and (not lines[end].startswith(_FENCE) if fenced else lines[end].startswith(_INDENT)):
            end += 1
        content = lines[index + 1 : end] if fenced else [line.removeprefix(_INDENT) for line in lines[index:end]]
        index = end + fenced
        yield Block(heading, tuple(content), _paragraph(lines[index:]))


def _paragraph(lines: list[str]) -> str:
    """The first paragraph of prose in ``lines``."""
    text = "\n".join(lines).strip("\n").partition("\n\n")[0]
    return "" if text.startswith((_INDENT, _FENCE, "#")) else text
