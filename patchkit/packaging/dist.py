"""The output folder: artifacts come into it whole or not at all, and its manifest and checksums are always true."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from patchkit.errors import ManifestError, StorageError
from patchkit.json_schema import INVALID, faults, validated
from patchkit.packaging.manifest import Artifact, File, JoinedImage, Manifest
from patchkit.storage import contents, finish, locked, reading, replace_all, sha256_of, writing

MANIFEST = "manifest.json"
CHECKSUMS = "SHA256SUMS"
SIGNATURES = (".asc", ".sig", ".minisig", ".sigstore.json")
"""What the name of a signature of one of the files ends in."""
_JOURNAL = ".unfinished"
# Of a manifest, which takes 500 MB of memory then. An artifact has up to 41 kB and 690 values: room for those of all
# 147 releases in two variants for eight targets.
_MOST_BYTES, _MOST_VALUES = 104 << 20, 1_800_000


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
        manifest = self._read()
        for artifact in manifest.artifacts:
            if artifact.name == name and artifact.inputs == inputs:
                joined = [image for image in manifest.images if name in image.artifacts]
                return artifact if all(map(self._intact, [*artifact.all_files, *joined])) else None
        return None

    def add(self, artifact: Artifact, files: Mapping[str, bytes]) -> None:
        """Write the ``files`` of ``artifact`` with the manifest and the checksums. A second run in the folder waits.

        Raises StorageError when the manifest is not one of this patchkit, or a package has the name of another
        artifact's, and StorageError or DiskFullError when the folder can't be written.
        """
        with locked(self.folder):
            self._finish()
            # Read first: a manifest that is not ours is refused before anything is written.
            before = self._read()
            replaced = (artifact.name, artifact.files[0].name)
            others = [other for other in before.artifacts if {other.name, other.files[0].name}.isdisjoint(replaced)]
            self._refuse_taken(artifact, others)
            images, joined = self._joined(before.images, [*others, artifact], artifact, files)
            manifest = Manifest(artifacts=_by_name([*others, artifact]), images=images)
            named = {**files, **joined, **_summary(manifest)}
            self._drop_signatures(named)
            for name in (*named, _JOURNAL):  # what a killed run has left; ours is the lock
                for stale in self.folder.glob(f".{glob.escape(name)}.????????"):
                    stale.unlink(missing_ok=True)
            replace_all({self.folder / name: data for name, data in named.items()}, journal=self._journal)

    def _refuse_taken(self, artifact: Artifact, others: Sequence[Artifact]) -> None:
        """Raise StorageError where a package of ``artifact`` would take the place of another artifact's."""
        names = {file.name for file in artifact.packages}
        for other in others:
            if taken := sorted(names & {file.name for file in other.packages}):
                raise StorageError(
                    f"{self.folder / taken[0]} is a package of {other.name}",
                    why=f"the one of {artifact.name} has the same name",
                    advice="give another --out",
                )

    def gather(self, artifacts: Sequence[tuple[Path, Artifact]]) -> None:
        """Copy ``artifacts``, each from its folder, into this new one: the same bytes as if each had been added.

        Raises StorageError where two have one name, or files of one name that differ, ArtifactError where an image is
        not whole, and StorageError or DiskFullError where files can't be read or written.
        """
        sums = dict.fromkeys((MANIFEST, CHECKSUMS), "this folder's own")
        for folder, artifact in artifacts:
            for file in artifact.all_files:
                if sums.setdefault(file.name, file.sha256) != file.sha256:
                    raise StorageError(f"there are two different files {file.name}", why=f"one is in {folder}")
            with reading(folder):
                data = {file.name: (folder / file.name).read_bytes() for file in artifact.all_files}
            replace_all({self.folder / name: content for name, content in data.items()})
        images, joined = self._joined([], [artifact for _, artifact in artifacts])
        try:
            manifest = Manifest(artifacts=_by_name(artifact for _, artifact in artifacts), images=images)
        except ValidationError as error:
            raise StorageError("the parts make no manifest together", why=faults(error)) from error
        replace_all({self.folder / name: data for name, data in {**joined, **_summary(manifest)}.items()})

    def _joined(
        self,
        before: Sequence[JoinedImage],
        artifacts: Sequence[Artifact],
        new: Artifact | None = None,
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> tuple[list[JoinedImage], dict[str, bytes]]:
        """Return the entries of all joined images, and the contents of those that are of ``new``, whose ``files`` are
        given; of all where it is None.
        """
        images = {image.name: image for image in before if new is None or new.name not in image.artifacts}
        contents: dict[str, bytes] = {}
        if any(each.packages for each in (artifacts if new is None else [new])):
            # A build that finds everything up to date needs none of what reads images.
            from patchkit.packaging.oci_index import groups, image_of, joined

            whole = [each for each in artifacts if each is new or all(map(self._intact, each.packages))]
            for name, members in groups(whole).items():
                if new is None or new in members:
                    tars = {
                        image: files[image] if image in files else self._contents(image)
                        for image in map(image_of, members)
                        if image is not None
                    }
                    contents[name] = joined(members, tars)
                    facts = described(name, contents[name]).model_dump()
                    images[name] = JoinedImage(**facts, artifacts=[member.name for member in members])
        return [images[name] for name in sorted(images)], contents

    def _contents(self, name: str) -> bytes:
        with reading(self.folder / name):
            return (self.folder / name).read_bytes()

    def sign(self, sign: Callable[[Mapping[str, bytes]], Mapping[str, bytes]]) -> list[str]:
        """Write beside the checksums, the SBOMs and the provenances what ``sign`` returns for them, files by name.

        Returns the names of the signatures. Raises StorageError where there is nothing to sign or a file is not as the
        manifest states, what ``sign`` raises, and DiskFullError.
        """
        with locked(self.folder):
            self._finish()
            artifacts = self._read().artifacts
            if not artifacts:
                raise StorageError(f"{self.folder} holds no artifact to sign", advice="patchkit build first")
            for artifact in artifacts:
                self.check(artifact)
            documents = [file.name for artifact in artifacts for file in artifact.documents]
            names = [CHECKSUMS, *(name for name in documents if name.endswith(".json"))]
            with reading(self.folder):
                signatures = sign({name: (self.folder / name).read_bytes() for name in names})
            replace_all({self.folder / name: data for name, data in signatures.items()})
        return list(signatures)

    def artifacts(self) -> list[Artifact]:
        """Return what the manifest names. Raises StorageError as ``find`` does."""
        return self._read().artifacts

    def check(self, artifact: Artifact) -> None:
        """Check that the files of ``artifact`` are as its entry of the manifest states. Raises StorageError."""
        for file in artifact.all_files:
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
        named = {self.folder / file.name: file for file in self._read().all_files}
        there = {path: file for path, file in named.items() if path.exists()}
        return len(there), [path for path, file in there.items() if not self._intact(file)]

    def _drop_signatures(self, named: Mapping[str, bytes]) -> None:
        """Remove the signatures of those of the files ``named`` that change: they would be of something else."""
        for name, data in named.items():
            path = self.folder / name
            if path.is_file() and sha256_of(path) == hashlib.sha256(data).hexdigest():
                continue
            with writing(path):
                for suffix in SIGNATURES:
                    (self.folder / f"{name}{suffix}").unlink(missing_ok=True)

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
            return validated(Manifest, contents(path, _MOST_BYTES), _MOST_VALUES)
        except ValueError as error:
            raise StorageError(
                f"{path} is not a manifest of this patchkit",
                why=str(error),
                advice=f"move {self.folder} away, or give another --out",
            ) from error

    def _intact(self, file: File) -> bool:
        path = self.folder / file.name
        return path.is_file() and sha256_of(path) == file.sha256


def read_manifest(path: Path) -> tuple[Path, Manifest]:
    """Read the manifest ``path``, or the one in the folder ``path``; return its folder and the manifest.

    Raises ManifestError where it is missing, truncated or of another patchkit, StorageError where it can't be read.
    """
    file = path / MANIFEST if path.is_dir() else path
    if not file.exists():
        raise ManifestError(f"there is no manifest {file}", advice="give a manifest.json, or the folder that holds it")
    try:
        return file.parent, validated(Manifest, contents(file, _MOST_BYTES), _MOST_VALUES)
    except ValueError as error:
        if str(error).startswith(INVALID):
            raise ManifestError(
                f"{file} is truncated, or not JSON", why=str(error), advice="get it again; sha256sum --check SHA256SUMS"
            ) from error
        raise ManifestError(
            f"{file} is not a manifest of this patchkit",
            why=str(error),
            advice="take the patchkit that wrote it: the manifest names its version",
        ) from error


def described(name: str, data: bytes) -> File:
    """Make the entry of the manifest for the file ``name`` with the contents ``data``."""
    return File(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _by_name(artifacts: Iterable[Artifact]) -> list[Artifact]:
    return sorted(artifacts, key=lambda artifact: artifact.name)


def _summary(manifest: Manifest) -> dict[str, bytes]:
    """Write ``manifest``, and the checksums of all files in the form that ``sha256sum --check`` reads."""
    text = manifest.model_dump_json(indent=2).encode() + b"\n"
    sums = {file.name: file.sha256 for file in manifest.all_files}
    sums[MANIFEST] = hashlib.sha256(text).hexdigest()
    return {MANIFEST: text, CHECKSUMS: "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()}
