"""Read unified diffs that come from anywhere: strictly, with limits, and without a guess.

What cannot be applied exactly is refused by its line: binary files, renames, changed modes, links, paths that leave the
tree, hunks whose lines are not as many as their heads state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from patchkit.errors import BadPatchError
from patchkit.printable import in_one_line

MAX_DIFF = 8 * 1024 * 1024
"""Bytes of a diff; upstream's whole source has some 12 MB."""
_MAX_FILES = 1000
_MAX_HUNKS = 5000  # of a file; upstream's largest has some 10,000 lines
_MAX_LINE = 64 * 1024
_LONGEST_PATH = 512

Pair = tuple[bytes, bytes]
"""A sign (blank, minus, plus) and a line with its end."""

_HEAD = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_GIT_HEAD = b"diff --git "
_NO_NEWLINE = b"\\ "
_ABSENT = "/dev/null"
_SIGNATURE = (b"--", b"-- ")  # what a mail's signature begins with
# What git writes between the head of a file and its hunks, and what it means; "index" and "new file mode" are no more
# than the hunks say.
_REFUSED = (
    (b"rename ", "renames a file"),
    (b"copy ", "copies a file"),
    (b"old mode ", "changes a file's mode"),
    (b"deleted file mode ", "removes a file"),
    (b"GIT binary patch", "changes a binary file"),
    (b"Binary files ", "changes a binary file"),
)


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk as it is written; rows count from 0."""

    number: int
    """In its file, from 1."""
    row: int
    """The line of the diff, from 1, that its head is on."""
    start: int
    """The row of its first old line; of what only puts lines in, the row that they are put in before."""
    new_start: int
    """The same on the new side."""
    body: tuple[Pair, ...]

    def side(self, without: bytes) -> list[bytes]:
        """Return the old side (``without`` plus lines) or the new side (``without`` minus lines)."""
        return [line for sign, line in self.body if sign != without]


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a diff does to one file: change it, or bring it as a new one."""

    path: str
    is_new: bool
    hunks: tuple[Hunk, ...]


def read(diff: bytes, name: str, strip: int = 1) -> tuple[FileChange, ...]:
    """Read ``diff``, which messages call ``name``; ``strip`` is the number of folders that its paths begin with.

    Raises BadPatchError for anything that is not a plain unified diff of text files, and where nothing changes.
    """
    if len(diff) > MAX_DIFF:
        raise BadPatchError(
            f"{name} has more than {MAX_DIFF >> 20} MiB", advice="give the diff of OpenVPN's files alone"
        )
    return _Reader(diff, name, strip).read()


@dataclass
class _Paths:
    """What the head of a file states."""

    row: int
    old: str | None = None
    new: str | None = None
    is_git: bool = False
    mode: bytes = b""


class _Reader:
    def __init__(self, diff: bytes, name: str, strip: int) -> None:
        self._lines = diff.split(b"\n")
        if not self._lines[-1]:
            self._lines.pop()
        self._name = name
        self._strip = strip
        self._at = 0

    def read(self) -> tuple[FileChange, ...]:
        changes: list[FileChange] = []
        head: _Paths | None = None
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.startswith(_GIT_HEAD):
                self._refuse_empty(head)
                head = _Paths(self._at + 1, is_git=True)
                self._at += 1
            elif line.startswith(b"--- ") and self._line(self._at + 1).startswith(b"+++ "):
                head = self._names(head)
                changes.append(self._change(head))
                head = None
                if len(changes) > _MAX_FILES:
                    raise self._refusal(self._at, f"changes more than {_MAX_FILES} files")
            else:
                self._note(line, head)
                self._at += 1
        self._refuse_empty(head)
        if not changes:
            raise BadPatchError(
                f"{self._name} changes no file",
                why="it has no --- line with a +++ line behind it and a hunk",
                advice="git diff, git format-patch and diff -u write what is read here",
            )
        twice = [change.path for change in changes if sum(other.path == change.path for other in changes) > 1]
        if twice:
            raise BadPatchError(
                f"{self._name} changes {in_one_line(twice[0])} twice",
                why="one diff states all that it changes in a file in one place",
                advice="one file a patch, with a file called series beside them, keeps steps apart",
            )
        refuse_nested(self._name, [change.path for change in changes])
        return tuple(changes)

    def _line(self, at: int) -> bytes:
        return self._lines[at] if at < len(self._lines) else b""

    def _note(self, line: bytes, head: _Paths | None) -> None:
        """Look at a line outside of hunks: below git's head it has a meaning, elsewhere it is talk."""
        if head is not None and line.startswith(b"new file mode "):
            head.mode = line.removeprefix(b"new file mode ").strip()
            if head.mode != b"100644":
                raise self._refusal(self._at, "brings a link, a submodule or an executable file")
        for start, what in _REFUSED:
            if line.startswith(start) and (head is not None or start.endswith((b"patch", b"files "))):
                raise self._refusal(self._at, what)
        if _HEAD.match(line):
            raise self._refusal(self._at, "has a hunk without the names of a file before it")

    def _refuse_empty(self, head: _Paths | None) -> None:
        if head is not None:
            raise self._refusal(head.row - 1, "names a file and changes nothing in it")

    def _names(self, head: _Paths | None) -> _Paths:
        named = head or _Paths(self._at + 1)
        named.old = self._path(self._lines[self._at][4:], self._at)
        named.new = self._path(self._lines[self._at + 1][4:], self._at + 1)
        self._at += 2
        return named

    def _path(self, raw: bytes, at: int) -> str:
        """Read a path behind --- or +++; a time may stand behind a tab."""
        if raw.endswith(b"\r"):
            raise self._refusal(at, "has CRLF line ends in its heads: it was converted on its way", "dos2unix FILE")
        text = raw.split(b"\t")[0].rstrip(b" ").decode("utf-8", "replace")
        if text == _ABSENT:
            return text
        parts = text.split("/")
        inside = "/".join(parts[self._strip :])
        checked = PurePosixPath(inside)
        if (
            text.startswith(("/", '"'))
            or "\\" in text
            or not inside
            or not inside.isprintable()
            or chr(0xFFFD) in text
            or str(checked) != inside
            or not {"..", ".", ""}.isdisjoint(parts)
            or any(part.lower().rstrip(". ") == ".git" for part in parts)
            or len(inside) > _LONGEST_PATH
        ):
            raise self._refusal(
                at,
                f"names a path that is not one of a source tree: {in_one_line(text)[:200]}",
                f"paths look like a/src/openvpn/ssl.c, with {self._strip} folder(s) in front (patch -p{self._strip})",
            )
        return inside

    def _change(self, head: _Paths) -> FileChange:
        row = self._at
        old, new = head.old or "", head.new or ""
        if new == _ABSENT:
            raise self._refusal(row - 1, f"removes {in_one_line(old)}")
        if old not in (new, _ABSENT, f"{new}.orig"):
            raise self._refusal(row - 2, f"has two names for one file: {in_one_line(old)} and {in_one_line(new)}")
        hunks: list[Hunk] = []
        while _HEAD.match(self._line(self._at)):
            hunks.append(self._hunk(len(hunks) + 1))
            if len(hunks) > _MAX_HUNKS:
                raise self._refusal(self._at - 1, f"has more than {_MAX_HUNKS} hunks for one file")
        if not hunks:
            raise self._refusal(row - 1, f"has no hunk for {in_one_line(new)}")
        behind = self._line(self._at)
        is_body = behind[:1] in (b"+", b"-", b" ") and behind.rstrip(b"\r") not in _SIGNATURE
        if is_body and not (behind.startswith(b"--- ") and self._line(self._at + 1).startswith(b"+++ ")):
            raise self._refusal(self._at, "has more lines in a hunk than its head states")
        is_new = old == _ABSENT
        if is_new and (len(hunks) > 1 or hunks[0].side(b"+")):
            raise self._refusal(row - 1, f"brings {in_one_line(new)} as a new file, and names old lines of it")
        if head.mode and not is_new:
            raise self._refusal(head.row - 1, f"calls {in_one_line(new)} new, and names old lines of it")
        return FileChange(new, is_new, tuple(hunks))

    def _hunk(self, number: int) -> Hunk:
        row = self._at + 1
        match = _HEAD.match(self._lines[self._at])
        if match is None:  # the caller has seen it
            raise AssertionError(row)
        old_row, new_row = int(match[1]), int(match[3])
        old, new = (int(count) if count is not None else 1 for count in (match[2], match[4]))
        self._at += 1
        body: list[Pair] = []
        left = {b"-": old, b"+": new}
        while left[b"-"] or left[b"+"]:
            if self._at == len(self._lines):
                raise self._refusal(row - 1, "ends inside of this hunk: its head states more lines")
            body.append(self._pair(left, row))
        if self._line(self._at).startswith(_NO_NEWLINE):
            self._unterminate(body)
        if all(sign == b" " for sign, _ in body):
            raise self._refusal(row - 1, "has a hunk that changes nothing")
        # Where a side has no lines, its number is that of the line in front.
        start, new_start = (old_row - 1 if old else old_row), (new_row - 1 if new else new_row)
        if start < 0 or new_start < 0:
            raise self._refusal(row - 1, "has a hunk that begins before the file does")
        return Hunk(number, row, start, new_start, tuple(body))

    def _pair(self, left: dict[bytes, int], row: int) -> Pair:
        line = self._lines[self._at]
        # Some mail programs take the blank from the end of a line, that of an empty line among the context.
        sign, rest = (line[:1], line[1:]) if line else (b" ", b"")
        if len(line) > _MAX_LINE:
            raise self._refusal(self._at, f"has a line of more than {_MAX_LINE >> 10} KiB")
        if b"\0" in line:
            raise self._refusal(self._at, "changes a binary file")
        counted = {b" ": (b"-", b"+"), b"-": (b"-",), b"+": (b"+",)}.get(sign)
        if counted is None or any(not left[side] for side in counted):
            raise self._refusal(self._at, f"has another number of lines in the hunk of line {row} than its head states")
        for side in counted:
            left[side] -= 1
        self._at += 1
        if self._line(self._at).startswith(_NO_NEWLINE) and (left[b"-"] or left[b"+"]):
            self._at += 1
            return sign, rest
        return sign, rest + b"\n"

    def _unterminate(self, body: list[Pair]) -> None:
        sign, line = body[-1]
        body[-1] = sign, line.removesuffix(b"\n")
        self._at += 1

    def _refusal(self, at: int, what: str, advice: str = "") -> BadPatchError:
        text = in_one_line(self._line(at)[:200].decode("utf-8", "replace"))
        return BadPatchError(
            f"{self._name} {what}",
            why=f"line {at + 1}: {text}",
            advice=advice or "patchkit takes diffs that change text files, or bring new ones, and nothing else",
        )


def paths(changes: Sequence[FileChange]) -> list[str]:
    """List the paths of ``changes``."""
    return [change.path for change in changes]


def refuse_nested(name: str, files: Sequence[str]) -> None:
    """Raise BadPatchError where one of ``files``, the paths in the patch ``name``, lies below another one."""
    known = set(files)
    for path in files:
        for folder in folders_above(path):
            if folder in known:
                raise BadPatchError(
                    f"{name} takes {in_one_line(folder)} for a file and for a folder",
                    why=f"it has {in_one_line(path)} too, and a file has nothing below it",
                    advice="give one of the two another name in the patch",
                )


def folders_above(path: str) -> list[str]:
    """List the folders that ``path`` lies in, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]
