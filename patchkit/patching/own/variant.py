"""A user's own variant: made of diffs, or of a folder as in ``patches/``. It goes wherever the catalogue's go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SkipValidation

from patchkit.patching.unified import FileChange
from patchkit.patching.variants import Variant


class OwnVariant(Variant):
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


class OwnPatch(OwnVariant):
    """Diffs that are applied exactly, one after the other."""

    kind: Literal["patch"] = "patch"
    steps: SkipValidation[tuple[tuple[str, tuple[FileChange, ...]], ...]] = Field(exclude=True, repr=False)
    """The name of each diff, and what it changes."""

    @property
    def diffs(self) -> tuple[tuple[str, tuple[FileChange, ...]], ...]:
        """The diffs that the variant is made of."""
        return self.steps

    @property
    def brought(self) -> frozenset[str]:
        """The paths of files that are new: no release may have them."""
        return frozenset(change.path for _, changes in self.steps for change in changes if change.is_new)


class OwnFolder(OwnVariant):
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
