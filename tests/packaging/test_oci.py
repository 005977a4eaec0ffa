"""The OCI image: a layout whose digests agree, and the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import stat
import tarfile
from typing import Any

from patchkit.packaging import oci
from patchkit.packaging.contents import Member
from tests.support.packaging.artifacts import artifact

FILES = {
    oci.PROGRAM: Member(stat.S_IFREG | 0o755, "5", b"\x7fELF"),
    "lib/x/libc.so.6": Member(stat.S_IFREG | 0o644, "6", b"l"),
}


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        files = {member.name: packed.extractfile(member) for member in packed if member.isreg()}
        return {name: file.read() for name, file in files.items() if file is not None}


def at(files: dict[str, bytes], descriptor: Any) -> bytes:
    """The blob of ``descriptor``, whose digest and size agree."""
    algorithm, _, digest = descriptor["digest"].partition(":")
    blob = files[f"blobs/{algorithm}/{digest}"]
    assert (hashlib.sha256(blob).hexdigest(), len(blob)) == (digest, descriptor["size"])
    return blob


def test_index_manifest_configuration_and_layer_lead_to_each_other() -> None:
    files = unpacked(oci.image(artifact(), FILES, "arm64"))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["platform"] == {"architecture": "arm64", "os": "linux"}
    manifest = json.loads(at(files, entry))
    config = json.loads(at(files, manifest["config"]))
    (layer,) = manifest["layers"]
    plain = gzip.decompress(at(files, layer))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert (config["architecture"], config["config"]["User"], config["created"]) == (
        "arm64", "65532:65532", "2020-09-13T12:26:40Z",
    )  # fmt: skip
    inside = unpacked(plain)
    assert inside[oci.PROGRAM] == b"\x7fELF"
    assert f"/{oci.PROGRAM}" == config["config"]["Entrypoint"][0]
    (old,) = json.loads(files["manifest.json"])
    assert old["Config"] == f"blobs/sha256/{manifest['config']['digest'].partition(':')[2]}"
    assert old["Layers"] == [f"blobs/sha256/{layer['digest'].partition(':')[2]}"]
    assert len(files) == 3 + 3


def test_owners_times_and_folders_do_not_depend_on_where_it_is_made() -> None:
    data = oci.image(artifact(), FILES, "amd64")
    assert oci.image(artifact(), dict(reversed(FILES.items())), "amd64") == data
    (layer,) = [blob for name, blob in unpacked(data).items() if blob.startswith(b"\x1f\x8b")]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as packed:
        members = {member.name: member for member in packed}
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 1_600_000_000)}
    assert members["tmp"].mode == 0o1777
    assert members[oci.PROGRAM].mode == 0o755
    assert list(members).index("usr/local") < list(members).index(oci.PROGRAM)
