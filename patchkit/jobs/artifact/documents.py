"""Check that an artifact's SBOM, in each of its forms, and its provenance state what is there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from patchkit.jobs.artifact.findings import ArtifactCheck, hashed
from patchkit.json_schema import document as parsed
from patchkit.packaging.contents import Member
from patchkit.packaging.dist import MANIFEST
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.provenance import PREDICATE, STATEMENT
from patchkit.packaging.provenance import SUFFIX as PROVENANCE
from patchkit.packaging.sbom import SUFFIX as SBOM
from patchkit.packaging.spdx import SUFFIX as SPDX
from patchkit.storage import contents as read

_Check = Callable[[Path, Artifact, Mapping[str, Member], dict[str, Any]], Iterator[ArtifactCheck]]


def check_documents(folder: Path, artifact: Artifact, contents: Mapping[str, Member]) -> Iterator[ArtifactCheck]:
    """Compare what the SBOM and the provenance of ``artifact`` state with its files and its archive's ``contents``."""
    documents: list[tuple[str, str, _Check]] = [
        ("SBOM", SBOM, _check_sbom), ("provenance", PROVENANCE, _check_provenance)
    ]  # fmt: skip
    if any(file.name.endswith(SPDX) for file in artifact.documents):
        documents.append(("SPDX document", SPDX, _check_spdx))
    for kind, suffix, check in documents:
        name = f"{artifact.name}{suffix}"
        try:
            document = parsed(read(folder / name)) if (folder / name).is_file() else None
        except ValueError as error:
            yield ArtifactCheck(name, MANIFEST, "bad", f"it is not JSON: {error}")
            continue
        if document is None:
            yield ArtifactCheck(name, MANIFEST, "bad", f"there is no {kind}")
            continue
        try:
            yield from check(folder, artifact, contents, document)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            yield ArtifactCheck(name, kind, "bad", f"it lacks what {kind}s of patchkit's have: {error!r}")


def _check_sbom(
    folder: Path, artifact: Artifact, contents: Mapping[str, Member], document: dict[str, Any]
) -> Iterator[ArtifactCheck]:
    name = f"{artifact.name}{SBOM}"
    if (document["bomFormat"], document["specVersion"]) != ("CycloneDX", "1.6"):
        yield ArtifactCheck(name, "SBOM", "bad", "it is not of CycloneDX 1.6")
    main = document["metadata"]["component"]
    named = [reference for reference in main["externalReferences"] if ":" not in reference["url"]]
    for reference in named:
        yield hashed(folder, unquote(reference["url"]), reference["hashes"][0]["content"], "SBOM")
    if artifact.files[0].name not in {unquote(reference["url"]) for reference in named}:
        yield ArtifactCheck(artifact.files[0].name, "SBOM", "bad", "the SBOM does not name it")
    stated = {component["name"]: component["hashes"][0]["content"] for component in main.get("components", [])}
    actual = {path: hashlib.sha256(member.data).hexdigest() for path, member in contents.items() if member.is_program}
    yield from _compared_programs(stated, actual, "SBOM")
    if artifact.patch.diff_sha256 is not None:
        text = base64.b64decode(main["pedigree"]["patches"][0]["diff"]["text"]["content"])
        if hashlib.sha256(text).hexdigest() != artifact.patch.diff_sha256:
            yield ArtifactCheck(name, "SBOM", "bad", "the diff in its pedigree is another one")


def _check_spdx(
    folder: Path, artifact: Artifact, contents: Mapping[str, Member], document: dict[str, Any]
) -> Iterator[ArtifactCheck]:
    name = f"{artifact.name}{SPDX}"
    if document["spdxVersion"] != "SPDX-2.3":
        yield ArtifactCheck(name, "SPDX", "bad", "it is not of SPDX 2.3")
    links = {link["relationshipType"]: link["relatedSpdxElement"] for link in document["relationships"]}
    (main,) = [package for package in document["packages"] if package["SPDXID"] == links["DESCRIBES"]]
    yield hashed(folder, main["packageFileName"], _sha256_of(main), "SPDX")
    if main["packageFileName"] != artifact.files[0].name:
        yield ArtifactCheck(artifact.files[0].name, "SPDX", "bad", "the SPDX document does not name it")
    stated = {file["fileName"].removeprefix("./"): _sha256_of(file) for file in document["files"]}
    if artifact.patch.diff_sha256 is not None:
        diff = next((file.name for file in artifact.files if file.name.endswith(".diff")), "")
        yield hashed(folder, diff, stated.pop(diff, "not stated"), "SPDX")
    actual = {path: hashlib.sha256(member.data).hexdigest() for path, member in contents.items() if member.is_program}
    yield from _compared_programs(stated, actual, "SPDX")


def _sha256_of(element: Mapping[str, Any]) -> str:
    return str({checksum["algorithm"]: checksum["checksumValue"] for checksum in element["checksums"]}["SHA256"])


def _compared_programs(stated: Mapping[str, str], actual: Mapping[str, str], by: str) -> Iterator[ArtifactCheck]:
    """Compare the hashes of programs that a document states with those of the archive's own."""
    for path in sorted(stated.keys() | actual.keys()):
        if stated.get(path) == actual.get(path):
            yield ArtifactCheck(path, by, "good", f"sha256 {actual[path]}")
        else:
            why = (
                "is not in the archive" if path not in actual else "is not the one" if path in stated else "is left out"
            )
            yield ArtifactCheck(path, by, "bad", f"the program {why}")


def _check_provenance(
    folder: Path, artifact: Artifact, contents: Mapping[str, Member], document: dict[str, Any]
) -> Iterator[ArtifactCheck]:
    del contents
    name = f"{artifact.name}{PROVENANCE}"
    if (document["_type"], document["predicateType"]) != (STATEMENT, PREDICATE):
        yield ArtifactCheck(name, "provenance", "bad", "it is not an in-toto statement with SLSA's provenance")
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in document["subject"]}
    for subject, digest in subjects.items():
        yield hashed(folder, subject, digest, "provenance")
    if artifact.files[0].name not in subjects:
        yield ArtifactCheck(artifact.files[0].name, "provenance", "bad", "the provenance is of something else")
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
            yield ArtifactCheck(name, MANIFEST, "bad", f"{what}: {stated} there, {own} in the manifest")
