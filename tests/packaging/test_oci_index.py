"""One image of several processors: each of them whole, and the same bytes each time."""

from __future__ import annotations

import json
import stat

import pytest

from patchkit.errors import ArtifactError
from patchkit.packaging import oci
from patchkit.packaging.contents import Member
from patchkit.packaging.dist import described
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.oci_index import groups, joined
from tests.support.packaging.artifacts import artifact

STEM = "openvpn-2.6.14+recommended"
PROCESSORS = ("amd64", "arm64", "armhf")


def built(processor: str, system: str = "linux") -> tuple[Artifact, bytes]:
    """An artifact for ``processor``, and its image."""
    entry = artifact(name=f"{STEM}-{system}-{processor}", target=f"{system}-{processor}")
    files = {oci.PROGRAM: Member(stat.S_IFREG | 0o755, "0", b"\x7fELF" + processor.encode())}
    image = oci.image(entry, files, processor)
    return entry.model_copy(update={"packages": [described(f"{entry.name}{oci.SUFFIX}", image)]}), image


ARTIFACTS = [built(processor)[0] for processor in PROCESSORS]
IMAGES = {f"{STEM}-linux-{processor}{oci.SUFFIX}": built(processor)[1] for processor in PROCESSORS}


def test_images_of_one_system_belong_together() -> None:
    others = [built("amd64", "linux-musl")[0], built("arm64", "linux-musl")[0], artifact(name="without")]
    found = groups([*others, *ARTIFACTS])
    assert {name: [member.build.target for member in members] for name, members in found.items()} == {
        f"{STEM}-linux.oci.tar": ["linux-amd64", "linux-arm64", "linux-armhf"],
        f"{STEM}-linux-musl.oci.tar": ["linux-musl-amd64", "linux-musl-arm64"],
    }
    assert groups(ARTIFACTS[:1]) == {}


def test_the_index_has_an_entry_for_each_processor_and_leads_to_its_own_image() -> None:
    data = joined(ARTIFACTS, IMAGES)
    files = oci.blobs_of(data)
    (top,) = json.loads(files["index.json"])["manifests"]
    assert top["annotations"]["org.opencontainers.image.ref.name"] == "2.6.14-recommended-linux"
    index = json.loads(files[f"blobs/sha256/{top['digest'].partition(':')[2]}"])
    assert [entry["platform"] for entry in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
        {"architecture": "arm", "variant": "v7", "os": "linux"},
    ]
    single = {name: digest for image in IMAGES.values() for name, digest in oci.image_platforms("x", image).items()}
    assert oci.image_platforms("joined", data) == single
    assert set(single) == set(PROCESSORS)
    tags = [entry["RepoTags"] for entry in json.loads(files["manifest.json"])]
    assert tags == [[f"patchkit/openvpn:2.6.14-recommended-linux-{processor}"] for processor in PROCESSORS]


def test_the_same_bytes_each_time() -> None:
    assert joined(ARTIFACTS, dict(reversed(IMAGES.items()))) == joined(ARTIFACTS, IMAGES)


def test_an_image_that_is_damaged_is_not_joined() -> None:
    name, image = next(iter(IMAGES.items()))
    at = image.index(b"\x1f\x8b") + 40
    with pytest.raises(ArtifactError, match="not a whole image"):
        joined(ARTIFACTS, {**IMAGES, name: image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]})
