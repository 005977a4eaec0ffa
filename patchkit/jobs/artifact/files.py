"""Check that the files of an artifact are what its manifest, checksums, SBOM and provenance state."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from patchkit.errors import ArtifactError
from patchkit.jobs.artifact.documents import check_documents
from patchkit.jobs.artifact.findings import ArtifactCheck, hashed
from patchkit.jobs.artifact.images import check_images
from patchkit.packaging.contents import MOST_BYTES, Member, members
from patchkit.packaging.dist import CHECKSUMS, MANIFEST
from patchkit.packaging.machine import machine_of
from patchkit.packaging.manifest import Artifact, Manifest
from patchkit.storage import contents as read

_MOST_CHECKSUMS = 4 << 20  # bytes; those of a thousand artifacts have 1 MB
_ROW = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def check_checksums(folder: Path, manifest: Manifest) -> Iterator[ArtifactCheck]:
    """Compare each file that SHA256SUMS lists, and that all files of ``manifest`` are among them."""
    by = CHECKSUMS
    path = folder / CHECKSUMS
    if not path.is_file():
        yield ArtifactCheck(CHECKSUMS, by, "bad", "the file is not there")
        return
    rows = [_ROW.fullmatch(line) for line in read(path, _MOST_CHECKSUMS).decode("utf-8", "replace").splitlines()]
    sums = {row[2]: row[1] for row in rows if row}
    if not all(rows):
        yield ArtifactCheck(CHECKSUMS, by, "bad", "a line is not a checksum")
    for name, expected in sums.items():
        yield hashed(folder, name, expected, by)
    named = {file.name for file in manifest.all_files} | {MANIFEST}
    for name in sorted(named - sums.keys()):
        yield ArtifactCheck(name, by, "bad", "it is not listed there")


def check_artifact(folder: Path, artifact: Artifact) -> Iterator[ArtifactCheck]:
    """Compare the files of ``artifact`` with its entry of the manifest, its SBOM and its provenance."""
    for file in artifact.all_files:
        yield hashed(folder, file.name, file.sha256, MANIFEST)
    archive = artifact.files[0].name
    try:
        contents = _contents(folder / archive)
    except ArtifactError as error:
        yield ArtifactCheck(archive, MANIFEST, "bad", error.why)
        return
    yield from _check_machine(artifact, contents)
    yield from check_images(folder, artifact)
    yield from _check_diff(folder, artifact, contents)
    yield from check_documents(folder, artifact, contents)


def _contents(path: Path) -> Mapping[str, Member]:
    if not path.is_file():
        return {}
    return members(path.name, read(path, MOST_BYTES))


def _check_machine(artifact: Artifact, contents: Mapping[str, Member]) -> Iterator[ArtifactCheck]:
    for path, member in contents.items():
        if not member.is_program:
            continue
        machine = machine_of(member.data)
        if not machine or machine not in artifact.build.target:
            what = f"a program for {machine or 'an unknown processor'}"
            yield ArtifactCheck(path, MANIFEST, "bad", f"it is {what}, and the artifact is for {artifact.build.target}")


def _check_diff(folder: Path, artifact: Artifact, contents: Mapping[str, Member]) -> Iterator[ArtifactCheck]:
    if artifact.patch.diff_sha256 is None:
        return
    name = next((file.name for file in artifact.files if file.name.endswith(".diff")), "")
    yield hashed(folder, name, artifact.patch.diff_sha256, f"{MANIFEST}, patch")
    inside = next((path for path in contents if path.rpartition("/")[2] == name), None)
    if inside is None:
        yield ArtifactCheck(name, "the archive", "bad", "the archive does not hold it")
    elif hashlib.sha256(contents[inside].data).hexdigest() != artifact.patch.diff_sha256:
        yield ArtifactCheck(inside, f"{MANIFEST}, patch", "bad", "the copy in the archive is another one")
