"""The output folder: artifacts come into it whole or not at all, and its manifest and checksums are always true."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from patchkit.errors import StorageError
from patchkit.packaging.manifest import Artifact, File, Manifest
from patchkit.storage import finish, locked, reading, replace_all, sha256_of

MANIFEST = "manifest.json"
CHECKSUMS = "SHA256SUMS"
_JOURNAL = ".unfinished"


class Dist:
    """A folder of artifacts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str, inputs: str) -> Artifact | None:
        """Find the artifact ``name``, if it was made from just these ``inputs`` and its files are unaltered.

        Raises StorageError when the manifest is not one of this patchkit, or can't be read.
        """
        if self._journal.exists():
            with locked(self.folder):
                self._finish()
        for artifact in self._read().artifacts:
            if artifact.name == name and artifact.inputs == inputs and all(map(self._intact, artifact.files)):
                return artifact
        return None

    def add(self, artifact: Artifact, files: Mapping[str, bytes]) -> None:
        """Write the ``files`` of ``artifact`` with the manifest and the checksums. A second run in the folder waits.

        Raises StorageError when the manifest is not one of this patchkit, StorageError or DiskFullError when the folder
        can't be written.
        """
        with locked(self.folder):
            self._finish()
            # Read first: a manifest that is not ours is refused before anything is written.
            others = [other for other in self._read().artifacts if other.name != artifact.name]
            manifest = Manifest(artifacts=sorted([*others, artifact], key=lambda entry: entry.name))
            text = manifest.model_dump_json(indent=2).encode() + b"\n"
            named = {**files, MANIFEST: text, CHECKSUMS: _checksums(manifest, text)}
            for name in (*named, _JOURNAL):  # what a killed run has left; ours is the lock
                for stale in self.folder.glob(f".{glob.escape(name)}.????????"):
                    stale.unlink(missing_ok=True)
            replace_all({self.folder / name: data for name, data in named.items()}, journal=self._journal)

    def artifacts(self) -> list[Artifact]:
        """Return what the manifest names. Raises StorageError as ``find`` does."""
        return self._read().artifacts

    def check(self, artifact: Artifact) -> None:
        """Check that the files of ``artifact`` are as its entry of the manifest states. Raises StorageError."""
        for file in artifact.files:
            if not self._intact(file):
                raise StorageError(
                    f"{self.folder / file.name} is not what the manifest says",
                    why=f"it should have the sha256 {file.sha256}; another program may have written it meanwhile",
                    advice="run the command again, which builds it anew",
                )

    def damaged(self) -> tuple[int, list[Path]]:
        """Check the files that the manifest names: how many are there, and those that are not as it states.

        Raises StorageError when a file or the manifest can't be read.
        """
        named = {self.folder / file.name: file for artifact in self._read().artifacts for file in artifact.files}
        there = {path: file for path, file in named.items() if path.exists()}
        return len(there), [path for path, file in there.items() if not self._intact(file)]

    @property
    def _journal(self) -> Path:
        return self.folder / _JOURNAL

    def _finish(self) -> None:
        """Rename the files of a run that was killed when all of them were written. The caller holds the lock."""
        if self._journal.exists():
            finish(self._journal)

    def _read(self) -> Manifest:
        path = self.folder / MANIFEST
        if not path.exists():
            return Manifest(artifacts=[])
        try:
            with reading(path):
                return Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise StorageError(
                f"{path} is not a manifest of this patchkit",
                why="\n".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()[:3]),
                advice=f"move {self.folder} away, or give another --out",
            ) from error

    def _intact(self, file: File) -> bool:
        path = self.folder / file.name
        return path.is_file() and sha256_of(path) == file.sha256


def described(name: str, data: bytes) -> File:
    """Make the entry of the manifest for the file ``name`` with the contents ``data``."""
    return File(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _checksums(manifest: Manifest, text: bytes) -> bytes:
    """In the form that ``sha256sum --check`` reads."""
    sums = {file.name: file.sha256 for artifact in manifest.artifacts for file in artifact.files}
    sums[MANIFEST] = hashlib.sha256(text).hexdigest()
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
