"""Hold the edits that all parts of a combination make in one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from patchkit.patching import names
from patchkit.patching.csource.file import CSource
from patchkit.patching.edits import Edit, file_diff, in_order, spliced


@dataclass(frozen=True)
class EditedFile:
    """What all parts do to one file."""

    path: str
    source: CSource
    mode: int
    by_part: tuple[tuple[Edit, ...], ...]
    plain: tuple[tuple[Edit, ...], ...]
    """The same without a guard."""

    @property
    def edits(self) -> list[Edit]:
        """The edits of all parts, in file order."""
        return in_order([edit for edits in self.by_part for edit in edits])

    @cached_property
    def after(self) -> bytes:
        """The post-image."""
        return b"".join(spliced(self.source.lines, self.edits))

    @cached_property
    def diff(self) -> bytes:
        """The file's part of a unified diff."""
        return file_diff(self.path, self.source.lines, self.edits, self.mode)

    @cached_property
    def unguarded(self) -> EditedFile:
        """The same file without a guard."""
        if self.plain is self.by_part:
            return self
        return EditedFile(self.path, self.source, self.mode, self.plain, self.plain)

    @property
    def changed(self) -> names.Changed:
        """What the change is without a guard, for the check of its names."""
        return names.Changed(self.source, self.source.like(self.unguarded.after), self.unguarded.edits)

    def step(self, number: int) -> tuple[list[bytes], list[Edit]]:
        """Return the lines that the parts before part ``number`` leave, and its own edits in them."""
        before = in_order([edit for edits in self.by_part[:number] for edit in edits])
        moved = [
            edit.moved(sum(other.new - other.old for other in before if in_order([other, edit])[0] is other))
            for edit in self.by_part[number]
        ]
        return spliced(self.source.lines, before), moved
