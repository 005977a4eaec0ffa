"""A user's own variant: made of diffs, or of a folder as in ``patches/``. It goes wherever the catalogue's go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, SkipValidation

from patchkit.patching.unified import FileChange
from patchkit.patching.variants import Variant
from patchkit.printable import in_one_line


@dataclass(frozen=True, slots=True)
class OwnDiff:
    """One diff of a patch, and what is known of it."""

    name: str
    """The file's name, and which of its mails it is."""
    changes: tuple[FileChange, ...]
    title: str = ""
    author: str = ""
    """Both empty where the patch does not state them."""

    @property
    def summary(self) -> str:
        """Title and author in one line; the name where no title is known."""
        return f"{self.title or in_one_line(self.name)}" + (f" ({self.author})" if self.author else "")


class BroughtVariant(Variant):
    """A variant that is not of the catalogue."""

    kind: Literal["patch", "folder"]
    digest: str
    """The SHA-256 of all that it is made of, in hex."""
    given: str
    """The name of the file or folder, without those above it."""

    @property
    def is_own(self) -> bool:
        """True: it is not of the catalogue."""
        return True


class OwnPatch(BroughtVariant):
    """Diffs that are applied exactly, one after the other."""

    kind: Literal["patch"] = "patch"
    steps: SkipValidation[tuple[OwnDiff, ...]] = Field(exclude=True, repr=False)
    authors: tuple[str, ...] = Field(exclude=True, repr=False)
    """All authors that are known, in the order of the diffs; ``author`` names them in one text."""

    @property
    def diffs(self) -> tuple[tuple[str, tuple[FileChange, ...]], ...]:
        """The diffs that the variant is made of."""
        return tuple((step.name, step.changes) for step in self.steps)

    @property
    def credited(self) -> tuple[str, ...]:
        """The authors, each by itself."""
        return self.authors or super().credited

    @property
    def alone(self) -> tuple[Variant, ...]:
        """Each of the diffs as a variant of its own."""
        if len(self.steps) == 1:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "name": f"{self.name}-{number}",
                    "title": step.title or in_one_line(step.name)[:80],
                    "author": step.author or "unknown",
                    "authors": (step.author,) if step.author else (),
                    "description": f"Patch {number} of {len(self.steps)}: {in_one_line(step.name)}",
                    "files": [change.path for change in step.changes],
                    "steps": (step,),
                }
            )
            for number, step in enumerate(self.steps, 1)
        )

    @property
    def brought(self) -> frozenset[str]:
        """The paths of files that are new: no release may have them."""
        return frozenset(change.path for step in self.steps for change in step.changes if change.is_new)


class OwnFolder(BroughtVariant):
    """A folder with a patch.toml and templates, read once."""

    kind: Literal["folder"] = "folder"
    texts: Mapping[str, str] = Field(exclude=True, repr=False)
    """The templates, by file name."""

    @property
    def templates(self) -> Mapping[str, str]:
        """The texts that a template may include, by name: its own folder's alone, besides the catalogue's."""
        return self.texts

    def template(self, file: str) -> str:
        """Return the template for ``file``."""
        return self.texts[f"{file}.diff.j2"]
