"""Check the container images of an artifact, and those that were joined of several: each blob, and the processors."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from patchkit.errors import ArtifactError
from patchkit.jobs.artifact.findings import ArtifactCheck, hashed
from patchkit.packaging import oci, oci_index
from patchkit.packaging.contents import MOST_BYTES
from patchkit.packaging.dist import MANIFEST
from patchkit.packaging.manifest import Artifact, Manifest
from patchkit.storage import contents


def check_images(folder: Path, artifact: Artifact) -> Iterator[ArtifactCheck]:
    """Follow the digests of each image, and compare its processor with the artifact's."""
    for name in dict.fromkeys(file.name for file in artifact.packages if file.name.endswith(oci.SUFFIX)):
        platforms = yield from _platforms(folder, name)
        for processor in platforms:
            if processor not in artifact.build.target:
                what = f"it is an image for {processor}, and the artifact is for {artifact.build.target}"
                yield ArtifactCheck(name, MANIFEST, "bad", what)


def check_joined_images(folder: Path, manifest: Manifest) -> Iterator[ArtifactCheck]:
    """Compare each joined image with the images of the artifacts that it states to hold."""
    for image in manifest.images:
        yield hashed(folder, image.name, image.sha256, MANIFEST)
        held = yield from _platforms(folder, image.name)
        own: dict[str, str] = {}
        names = set(image.artifacts)
        for artifact in (artifact for artifact in manifest.artifacts if artifact.name in names):
            single = folder / (oci_index.image_of(artifact) or "")
            with suppress(ArtifactError):  # what is wrong with it is told with its artifact
                own |= oci.image_platforms(single.name, contents(single, MOST_BYTES)) if single.is_file() else {}
        for processor in sorted(held.keys() | own.keys() if held else ()):
            same = held.get(processor) == own.get(processor)
            what = f"its image for {processor} is {'the' if same else 'not the'} artifact's own"
            yield ArtifactCheck(image.name, "the artifacts' images", "good" if same else "bad", what)


def _platforms(folder: Path, name: str) -> Generator[ArtifactCheck, None, dict[str, str]]:
    """Return the images in the tar ``name``, digests by processor; yield what was found on the way."""
    if not (folder / name).is_file():
        return {}
    try:
        platforms = oci.image_platforms(name, contents(folder / name, MOST_BYTES))
    except ArtifactError as error:
        yield ArtifactCheck(name, "its index", "bad", error.why)
        return {}
    yield ArtifactCheck(name, "its index", "good", "each blob has its digest")
    return platforms
