"""Check that the files of an artifact are what its manifest, checksums, SBOM and provenance state."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from patchkit.errors import ArtifactError
from patchkit.jobs.artifact.findings import Finding
from patchkit.packaging import oci
from patchkit.packaging.contents import Member, members
from patchkit.packaging.dist import CHECKSUMS, MANIFEST
from patchkit.packaging.machine import machine_of
from patchkit.packaging.manifest import Artifact, Manifest
from patchkit.packaging.provenance import PREDICATE, STATEMENT
from patchkit.packaging.provenance import SUFFIX as PROVENANCE
from patchkit.packaging.sbom import SUFFIX as SBOM
from patchkit.storage import reading, sha256_of

_ROW = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def check_checksums(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    """Compare each file that SHA256SUMS lists, and that all files of ``manifest`` are among them."""
    by = CHECKSUMS
    path = folder / CHECKSUMS
    if not path.is_file():
        yield Finding(CHECKSUMS, by, "bad", "the file is not there")
        return
    with reading(path):
        rows = [_ROW.fullmatch(line) for line in path.read_text("utf-8", "replace").splitlines()]
    sums = {row[2]: row[1] for row in rows if row}
    if not all(rows):
        yield Finding(CHECKSUMS, by, "bad", "a line is not a checksum")
    for name, expected in sums.items():
        yield _hashed(folder, name, expected, by)
    named = {file.name for artifact in manifest.artifacts for file in artifact.all_files} | {MANIFEST}
    for name in sorted(named - sums.keys()):
        yield Finding(name, by, "bad", "it is not listed there")


def check_artifact(folder: Path, artifact: Artifact) -> Iterator[Finding]:
    """Compare the files of ``artifact`` with its entry of the manifest, its SBOM and its provenance."""
    for file in artifact.all_files:
        yield _hashed(folder, file.name, file.sha256, MANIFEST)
    archive = artifact.files[0].name
    try:
        contents = _contents(folder / archive)
    except ArtifactError as error:
        yield Finding(archive, MANIFEST, "bad", error.why)
        return
    yield from _check_machine(artifact, contents)
    yield from _check_images(folder, artifact)
    yield from _check_diff(folder, artifact, contents)
    for kind, suffix, check in (("SBOM", SBOM, _check_sbom), ("provenance", PROVENANCE, _check_provenance)):
        name = f"{artifact.name}{suffix}"
        try:
            with reading(folder / name):
                document = json.loads((folder / name).read_bytes()) if (folder / name).is_file() else None
        except ValueError as error:
            yield Finding(name, MANIFEST, "bad", f"it is not JSON: {error}")
            continue
        if document is None:
            yield Finding(name, MANIFEST, "bad", f"there is no {kind}")
            continue
        try:
            yield from check(folder, artifact, contents, document)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            yield Finding(name, kind, "bad", f"it lacks what {kind}s of patchkit's have: {error!r}")


def _contents(path: Path) -> Mapping[str, Member]:
    if not path.is_file():
        return {}
    with reading(path):
        return members(path.name, path.read_bytes())


def _hashed(folder: Path, name: str, expected: str, by: str) -> Finding:
    """Compare the file ``name`` in ``folder``; a name that leads elsewhere is not looked at."""
    path = folder / name
    if "/" in name or name in ("", ".", ".."):
        return Finding(name, by, "bad", "the name leads out of the folder")
    if not path.is_file():
        return Finding(name, by, "bad", "the file is not there")
    actual = sha256_of(path)
    if actual != expected:
        return Finding(name, by, "bad", f"its sha256 is {actual}, and should be {expected}")
    return Finding(name, by, "good", f"sha256 {expected}")


def _check_machine(artifact: Artifact, contents: Mapping[str, Member]) -> Iterator[Finding]:
    for path, member in contents.items():
        if not member.is_program:
            continue
        machine = machine_of(member.data)
        if not machine or machine not in artifact.build.target:
            what = f"a program for {machine or 'an unknown processor'}"
            yield Finding(path, MANIFEST, "bad", f"it is {what}, and the artifact is for {artifact.build.target}")


def _check_images(folder: Path, artifact: Artifact) -> Iterator[Finding]:
    """Follow the digests of each image, and compare its processor with the artifact's."""
    for name in (file.name for file in artifact.packages if file.name.endswith(oci.SUFFIX)):
        if not (folder / name).is_file():
            continue
        with reading(folder / name):
            data = (folder / name).read_bytes()
        try:
            wrong = [
                architecture
                for architecture in oci.architectures(name, data)
                if architecture not in artifact.build.target
            ]
        except ArtifactError as error:
            yield Finding(name, "its index", "bad", error.why)
            continue
        if wrong:
            yield Finding(
                name, MANIFEST, "bad", f"it is an image for {wrong[0]}, and the artifact is for {artifact.build.target}"
            )
        else:
            yield Finding(name, "its index", "good", "each blob has its digest")


def _check_diff(folder: Path, artifact: Artifact, contents: Mapping[str, Member]) -> Iterator[Finding]:
    if artifact.patch.diff_sha256 is None:
        return
    name = next((file.name for file in artifact.files if file.name.endswith(".diff")), "")
    yield _hashed(folder, name, artifact.patch.diff_sha256, f"{MANIFEST}, patch")
    inside = next((path for path in contents if path.rpartition("/")[2] == name), None)
    if inside is None:
        yield Finding(name, "the archive", "bad", "the archive does not hold it")
    elif hashlib.sha256(contents[inside].data).hexdigest() != artifact.patch.diff_sha256:
        yield Finding(inside, f"{MANIFEST}, patch", "bad", "the copy in the archive is another one")


def _check_sbom(
    folder: Path, artifact: Artifact, contents: Mapping[str, Member], document: dict[str, Any]
) -> Iterator[Finding]:
    name = f"{artifact.name}{SBOM}"
    if (document["bomFormat"], document["specVersion"]) != ("CycloneDX", "1.6"):
        yield Finding(name, "SBOM", "bad", "it is not of CycloneDX 1.6")
    main = document["metadata"]["component"]
    named = [each for each in main["externalReferences"] if ":" not in each["url"]]
    for each in named:
        yield _hashed(folder, unquote(each["url"]), each["hashes"][0]["content"], "SBOM")
    if artifact.files[0].name not in {unquote(each["url"]) for each in named}:
        yield Finding(artifact.files[0].name, "SBOM", "bad", "the SBOM does not name it")
    stated = {each["name"]: each["hashes"][0]["content"] for each in main.get("components", [])}
    actual = {path: hashlib.sha256(each.data).hexdigest() for path, each in contents.items() if each.is_program}
    for path in sorted(stated.keys() | actual.keys()):
        if stated.get(path) == actual.get(path):
            yield Finding(path, "SBOM", "good", f"sha256 {actual[path]}")
        else:
            why = (
                "is not in the archive" if path not in actual else "is not the one" if path in stated else "is left out"
            )
            yield Finding(path, "SBOM", "bad", f"the program {why}")
    if artifact.patch.diff_sha256 is not None:
        text = base64.b64decode(main["pedigree"]["patches"][0]["diff"]["text"]["content"])
        if hashlib.sha256(text).hexdigest() != artifact.patch.diff_sha256:
            yield Finding(name, "SBOM", "bad", "the diff in its pedigree is another one")


def _check_provenance(
    folder: Path, artifact: Artifact, contents: Mapping[str, Member], document: dict[str, Any]
) -> Iterator[Finding]:
    del contents
    name = f"{artifact.name}{PROVENANCE}"
    if (document["_type"], document["predicateType"]) != (STATEMENT, PREDICATE):
        yield Finding(name, "provenance", "bad", "it is not an in-toto statement with SLSA's provenance")
    subjects = {each["name"]: each["digest"]["sha256"] for each in document["subject"]}
    for subject, digest in subjects.items():
        yield _hashed(folder, subject, digest, "provenance")
    if artifact.files[0].name not in subjects:
        yield Finding(artifact.files[0].name, "provenance", "bad", "the provenance is of something else")
    definition = document["predicate"]["buildDefinition"]
    asked, source = definition["externalParameters"], definition["resolvedDependencies"][0]["digest"]
    states = {
        "release": (asked["release"], artifact.release),
        "variant": (asked["variant"], artifact.patch.variant),
        "target": (asked["target"], artifact.build.target),
        "sha256 of the source": (source.get("sha256"), artifact.source.sha256),
        "commit of the source": (source.get("gitCommit"), artifact.source.commit),
    }
    for what, (stated, own) in states.items():
        if stated != own:
            yield Finding(name, MANIFEST, "bad", f"{what}: {stated} there, {own} in the manifest")
