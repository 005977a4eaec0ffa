"""Write an OCI image in one tar: an image layout when unpacked, and what ``docker load`` reads. No daemon is needed.

The same files give the same bytes. The layer holds the program, the libraries that it loads, and their licences; no
shell, no package manager.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

from patchkit.errors import ArtifactError
from patchkit.json_schema import document
from patchkit.packaging.archive import plain_archive, zipped
from patchkit.packaging.contents import Member
from patchkit.packaging.manifest import Artifact
from patchkit.source.tree.tarball import DAMAGED, plain_members

SUFFIX = ".oci.tar"
USER = 65532
"""The user that the program runs as, unless another one is asked for: a tunnel needs root, or CAP_NET_ADMIN."""
PROGRAM = "usr/local/sbin/openvpn"
_TYPE = "application/vnd.oci.image"
INDEX_TYPE = f"{_TYPE}.index.v1+json"
# Debian's names of processors, and what images call them.
_PLATFORMS = {
    "amd64": {"architecture": "amd64"},
    "arm64": {"architecture": "arm64"},
    "armhf": {"architecture": "arm", "variant": "v7"},
    "i386": {"architecture": "386"},
}
_FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/none\nopenvpn:x:{USER}:{USER}:openvpn:/:/none\nnobody:x:65534:65534::/:/none\n",
    "etc/group": f"root:x:0:\nopenvpn:x:{USER}:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_FOLDERS = ("etc/openvpn", "run", "tmp")


def image(artifact: Artifact, files: Mapping[str, Member], architecture: str) -> bytes:
    """Return the image of ``artifact`` for ``architecture``, Debian's name of it, with ``files`` by path."""
    epoch, platform = artifact.source.epoch, {**_PLATFORMS[architecture], "os": "linux"}
    layer = _layer(files, epoch)
    packed = zipped(layer)
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).isoformat().replace("+00:00", "Z")
    config = canonical_json(
        {
            "created": created,
            **platform,
            "config": {
                "User": f"{USER}:{USER}",
                "Entrypoint": [f"/{PROGRAM}"],
                "WorkingDir": "/etc/openvpn",
                "Env": ["PATH=/usr/local/sbin"],
                "Labels": _labels(artifact),
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": created, "created_by": f"patchkit {artifact.patchkit}"}],
        }
    )
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_TYPE}.manifest.v1+json",
            "config": descriptor(config, f"{_TYPE}.config.v1+json"),
            "layers": [descriptor(packed, f"{_TYPE}.layer.v1.tar+gzip")],
            "annotations": _labels(artifact),
        }
    )
    entry = descriptor(manifest, f"{_TYPE}.manifest.v1+json")
    entry |= {"platform": platform, "annotations": names_of(_tag(artifact))}
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]})
    blobs = {blob_name(data): data for data in (config, manifest, packed)}
    return plain_archive(
        ".",
        {
            "oci-layout": LAYOUT,
            "index.json": index,
            # What docker load read before it knew layouts.
            "manifest.json": canonical_json(
                [{"Config": blob_name(config), "RepoTags": [_full(_tag(artifact))], "Layers": [blob_name(packed)]}]
            ),
            **blobs,
        },
        epoch,
    )


def image_platforms(name: str, data: bytes) -> dict[str, str]:
    """Return the images in the tar ``data``, whose file name is ``name``: the digest of each by Debian's processor.

    Each blob is followed down from the index. Raises ArtifactError where one is missing or not the one that its digest
    states, or it is not an image.
    """
    try:
        blobs = blobs_of(data)
        digests = {}
        for entry in _entries(blobs, document(blobs["index.json"])):
            manifest = document(_followed(blobs, entry))
            config = document(_followed(blobs, manifest["config"]))
            for layer in manifest["layers"]:
                _followed(blobs, layer)
            digests[_debian_name(config)] = str(entry["digest"])
    except (*DAMAGED, KeyError, TypeError, AttributeError) as error:
        raise not_whole(name, error) from error
    return digests


def not_whole(name: str, error: Exception) -> ArtifactError:
    """Return the error for the tar ``name``, which is not what patchkit writes, as ``error`` shows."""
    return ArtifactError(f"{name} is not a whole image", why=f"{error}", advice="get the file again")


def blobs_of(data: bytes) -> dict[str, bytes]:
    """Return the files in the tar ``data``, by path. Raises what DAMAGED lists."""
    return {member.name: content for member, content in plain_members(data) if member.isreg()}


def _entries(blobs: Mapping[str, bytes], index: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the images that ``index`` names, and those of an index that it names. Raises KeyError or ValueError."""
    for entry in index["manifests"]:
        if entry["mediaType"] == INDEX_TYPE:
            yield from document(_followed(blobs, entry))["manifests"]
        else:
            yield entry


def _debian_name(config: Mapping[str, Any]) -> str:
    """Return Debian's name of the processor that an image with ``config`` is for; OCI's where Debian has none."""
    own = {key: config[key] for key in ("architecture", "variant") if key in config}
    return next((name for name, platform in _PLATFORMS.items() if platform == own), str(config["architecture"]))


def _followed(blobs: Mapping[str, bytes], reference: Mapping[str, Any]) -> bytes:
    """Return the blob that ``reference`` names. Raises KeyError or ValueError."""
    data = blobs[f"blobs/{str(reference['digest']).replace(':', '/', 1)}"]
    if _digest(data) != reference["digest"]:
        raise ValueError(f"a blob is not {reference['digest']}")
    return data


def _labels(artifact: Artifact) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": "openvpn",
        "org.opencontainers.image.version": artifact.version,
        "org.opencontainers.image.description": f"OpenVPN {artifact.release}, variant {artifact.patch.variant}",
        "org.opencontainers.image.licenses": "GPL-2.0-only WITH openvpn-openssl-exception",
        "org.opencontainers.image.url": "https://openvpn.net/community/",
    }


def _tag(artifact: Artifact) -> str:
    """Return the image's tag: a tag has no plus sign."""
    return f"{artifact.version.replace('+', '-')}-{artifact.build.target}"


def _layer(files: Mapping[str, Member], epoch: int) -> bytes:
    own = {path: text.encode() for path, text in _FILES.items()}
    all_files = {**{path: (0o644, data) for path, data in own.items()}}
    all_files |= {path: (member.mode & 0o777, member.data) for path, member in files.items()}
    folders = {path[:at] for path in all_files for at, sign in enumerate(path) if sign == "/"} | set(_FOLDERS)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755, epoch
            packed.addfile(info)
        for path, (mode, data) in sorted(all_files.items()):
            info = tarfile.TarInfo(path)
            info.mode, info.mtime, info.size = mode, epoch, len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as JSON, the same bytes each time."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob_name(data: bytes) -> str:
    """Return the path of the blob ``data`` in a layout."""
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    """Return what refers to the blob ``data``."""
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def names_of(tag: str) -> dict[str, str]:
    """Return the annotations that give an image its ``tag``."""
    return {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": _full(tag)}


def _full(tag: str) -> str:
    return f"patchkit/openvpn:{tag}"


LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
"""The file ``oci-layout``."""
