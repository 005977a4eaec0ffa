"""Check a folder of artifacts from its files alone: what vouches for what, and who for all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patchkit.errors import ArtifactError, BadSignatureError, PatchkitError, UnknownKeyError
from patchkit.jobs.artifact import findings
from patchkit.jobs.artifact.files import check_artifact, check_checksums
from patchkit.jobs.artifact.findings import ArtifactCheck
from patchkit.jobs.artifact.images import check_joined_images
from patchkit.packaging.dist import CHECKSUMS, MANIFEST, read_manifest
from patchkit.packaging.manifest import Manifest
from patchkit.packaging.signatures.keys import SUFFIXES, PublicKey
from patchkit.packaging.signatures.verify import SignatureVerdict, verify
from patchkit.printable import shortened
from patchkit.storage import contents, reading


@dataclass(frozen=True)
class Checked:
    """What was found in a folder."""

    folder: Path
    findings: Sequence[ArtifactCheck]
    error: PatchkitError | None
    """The error that the findings amount to; None where nothing is wrong."""

    @property
    def summary(self) -> str:
        """What the findings amount to, in one line."""
        if self.error is not None:
            return self.error.what
        signed = findings.with_state(self.findings, "good", signature=True)
        if signed:
            return f"all files are as stated, and {len(signed)} signatures of the given keys vouch for them"
        return "all files are as stated; that they belong together is all that is shown, since no key was given"


def check(folder: Path, keys: Sequence[Path]) -> Checked:
    """Check the artifacts in ``folder`` from its files alone, and the signatures against the public ``keys``.

    Raises ManifestError for a manifest that can't be read, SignatureFileError for a key that is none, ToolError or
    OpenPgpMissingError where a program that reads signatures is missing, StorageError.
    """
    public = [PublicKey.read(path) for path in keys]
    place, manifest = read_manifest(folder)
    results = [*check_checksums(place, manifest)]
    for artifact in manifest.artifacts:
        results += check_artifact(place, artifact)
    results += check_joined_images(place, manifest)
    results += _check_signatures(place, manifest, public)
    results += _left_over(place, manifest)
    results = [replace(result, what=shortened(result.what), detail=shortened(result.detail)) for result in results]
    return Checked(place, results, _error(place, results, public))


def _check_signatures(folder: Path, manifest: Manifest, keys: Sequence[PublicKey]) -> Iterator[ArtifactCheck]:
    documents = dict.fromkeys(file.name for artifact in manifest.artifacts for file in artifact.documents)
    for name in (CHECKSUMS, MANIFEST, *documents):
        for scheme, suffix in SUFFIXES.items():
            path = folder / f"{name}{suffix}"
            if not path.is_file():
                continue
            if not (folder / name).is_file():
                yield ArtifactCheck(name, path.name, "bad", "the signed file is not there", signature=True)
                continue
            signature, data = contents(path), contents(folder / name)
            verdict = verify(scheme, signature, data, keys)
            yield ArtifactCheck(name, path.name, _STATES[verdict.state], _detail(verdict), signature=True)


_STATES: dict[str, findings.State] = {
    "good": "good", "bad": "bad", "key expired": "bad", "unknown key": "not checked", "not checked": "not checked"
}  # fmt: skip


def _detail(verdict: SignatureVerdict) -> str:
    expired = "the key has expired: " if verdict.state == "key expired" else ""
    of_key = f"{verdict.key.name}: " if verdict.key else ""
    return f"{of_key}{expired}{verdict.detail}"


def _left_over(folder: Path, manifest: Manifest) -> Iterator[ArtifactCheck]:
    """Name the files that nothing else names."""
    files = {file.name for file in manifest.all_files} | {CHECKSUMS, MANIFEST}
    signatures = {f"{name}{suffix}" for name in files for suffix in SUFFIXES.values()}
    with reading(folder):
        there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    for name in there:
        if name not in files | signatures:
            yield ArtifactCheck(name, "-", "nothing vouches", "neither the manifest nor the checksums name it")


def _error(folder: Path, results: Sequence[ArtifactCheck], keys: Sequence[PublicKey]) -> PatchkitError | None:
    wrong = findings.with_state(results, "bad", signature=False)
    if wrong:
        return ArtifactError(
            f"{len(wrong)} findings in {folder} are not as stated",
            why=findings.lines(wrong),
            advice="get the files again",
        )
    bad = findings.with_state(results, "bad", signature=True)
    if bad:
        return BadSignatureError(
            f"{len(bad)} signatures in {folder} are not good", why=findings.lines(bad), advice="do not use these files"
        )
    vouching = [check.what for check in findings.with_state(results, "good", signature=True)]
    if keys and CHECKSUMS not in vouching:
        return UnknownKeyError(
            f"no given key has signed {CHECKSUMS} in {folder}",
            why=findings.lines(findings.with_state(results, "not checked", signature=True)) or "it has no signature",
            advice="give the public key of who made the files, or ask them for it",
        )
    return None
