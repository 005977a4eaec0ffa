"""Sign what lies in a folder of artifacts with keys of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from patchkit.packaging.dist import Dist, read_manifest
from patchkit.packaging.signatures.keys import SigningKey
from patchkit.packaging.signatures.sign import sign


def sign_folder(folder: Path, keys: Sequence[SigningKey]) -> list[str]:
    """Sign the checksums, SBOMs and provenances in ``folder`` with each of ``keys``; return the signatures' names.

    Raises ManifestError where there is no manifest, StorageError where a file is not as it states, SigningError.
    """
    read_manifest(folder)

    def signatures(files: Mapping[str, bytes]) -> dict[str, bytes]:
        return {name: data for key in keys for name, data in sign(key, files).items()}

    return Dist(folder).sign(signatures)
