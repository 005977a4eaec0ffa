"""Join the images of one program for several processors into one tar, whose index has an entry for each processor.

An OCI layout when unpacked, and what ``docker load`` reads. The same images give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from patchkit.json_schema import document
from patchkit.packaging.archive import plain_archive
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.oci import (
    INDEX_TYPE,
    LAYOUT,
    SUFFIX,
    blob_name,
    blobs_of,
    canonical_json,
    descriptor,
    image_platforms,
    names_of,
    not_whole,
)


def groups(artifacts: Iterable[Artifact]) -> dict[str, list[Artifact]]:
    """Return which of ``artifacts`` have images that belong into one, by the name of its tar: two or more of each."""
    by_name: dict[str, list[Artifact]] = {}
    for artifact in sorted(artifacts, key=lambda artifact: artifact.name):
        if image_of(artifact) is not None:
            by_name.setdefault(_name(artifact), []).append(artifact)
    return {name: members for name, members in by_name.items() if len(members) > 1}


def image_of(artifact: Artifact) -> str | None:
    """Return the file name of the image of ``artifact``; None where it has none."""
    return next((file.name for file in artifact.packages if file.name.endswith(SUFFIX)), None)


def joined(artifacts: Sequence[Artifact], images: Mapping[str, bytes]) -> bytes:
    """Return one tar of the images of ``artifacts``, which are in ``images`` by file name.

    Raises ArtifactError where one of them is not a whole image.
    """
    entries, for_docker = [], []
    blobs: dict[str, bytes] = {}
    for artifact in artifacts:
        name = image_of(artifact) or ""
        image_platforms(name, images[name])  # follows each digest
        files = blobs_of(images[name])
        blobs |= {path: data for path, data in files.items() if path.startswith("blobs/")}
        try:
            for_docker += document(files["manifest.json"])
        except (KeyError, TypeError, ValueError) as error:
            raise not_whole(name, error) from error
        entries += [
            {key: value for key, value in entry.items() if key != "annotations"}
            for entry in document(files["index.json"])["manifests"]
        ]
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
    top = {**descriptor(index, INDEX_TYPE), "annotations": names_of(_tag(artifacts[0]))}
    return plain_archive(
        ".",
        {
            "oci-layout": LAYOUT,
            "index.json": canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}),
            # A docker load that knows no index takes each image by a name of its own.
            "manifest.json": canonical_json(for_docker),
            blob_name(index): index,
            **blobs,
        },
        artifacts[0].source.epoch,
    )


def _name(artifact: Artifact) -> str:
    """``openvpn-2.6.14+recommended-linux.oci.tar``: the artifact's name without the processor."""
    stem = artifact.name.removesuffix(artifact.build.target)
    return f"{stem}{_kind(artifact)}{SUFFIX}"


def _kind(artifact: Artifact) -> str:
    """Return the target of ``artifact`` without its processor: ``linux``."""
    return artifact.build.target.rpartition("-")[0]


def _tag(artifact: Artifact) -> str:
    return f"{artifact.version.replace('+', '-')}-{_kind(artifact)}"
