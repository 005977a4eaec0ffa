"""Write an OCI image in one tar: an image layout when unpacked, and what ``docker load`` reads. No daemon is needed.

The same files give the same bytes. The layer holds the program, the libraries that it loads, and their licences; no
shell, no package manager.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from patchkit.errors import ArtifactError
from patchkit.packaging.archive import plain_archive
from patchkit.packaging.contents import Member
from patchkit.packaging.manifest import Artifact

SUFFIX = ".oci.tar"
USER = 65532
"""The user that the program runs as, unless another one is asked for: a tunnel needs root, or CAP_NET_ADMIN."""
PROGRAM = "usr/local/sbin/openvpn"
_TYPE = "application/vnd.oci.image"
_FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/none\nopenvpn:x:{USER}:{USER}:openvpn:/:/none\nnobody:x:65534:65534::/:/none\n",
    "etc/group": f"root:x:0:\nopenvpn:x:{USER}:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_FOLDERS = ("etc/openvpn", "run", "tmp")


def image(artifact: Artifact, files: Mapping[str, Member], architecture: str) -> bytes:
    """Return the image of ``artifact`` for ``architecture``, Debian's and OCI's name of it, with ``files`` by path."""
    epoch = artifact.source.epoch
    layer = _layer(files, epoch)
    packed = _zipped(layer)
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).isoformat().replace("+00:00", "Z")
    config = _json(
        {
            "created": created,
            "architecture": architecture,
            "os": "linux",
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
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_TYPE}.manifest.v1+json",
            "config": _descriptor(config, f"{_TYPE}.config.v1+json"),
            "layers": [_descriptor(packed, f"{_TYPE}.layer.v1.tar+gzip")],
            "annotations": _labels(artifact),
        }
    )
    name = f"patchkit/openvpn:{_tag(artifact)}"
    entry = _descriptor(manifest, f"{_TYPE}.manifest.v1+json")
    entry |= {"platform": {"architecture": architecture, "os": "linux"}}
    entry |= {"annotations": {"org.opencontainers.image.ref.name": _tag(artifact), "io.containerd.image.name": name}}
    index = _json({"schemaVersion": 2, "mediaType": f"{_TYPE}.index.v1+json", "manifests": [entry]})
    blobs = {_blob(data): data for data in (config, manifest, packed)}
    return plain_archive(
        ".",
        {
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
            "index.json": index,
            # What docker load read before it knew layouts.
            "manifest.json": _json([{"Config": _blob(config), "RepoTags": [name], "Layers": [_blob(packed)]}]),
            **blobs,
        },
        epoch,
    )


def architectures(name: str, data: bytes) -> list[str]:
    """Return the architectures of the images in the tar ``data``, whose file name is ``name``, from the index down.

    Raises ArtifactError where a blob is missing or not the one that its digest states, or it is not an image.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as packed:
            files = {member.name: packed.extractfile(member) for member in packed if member.isreg()}
            blobs = {path: file.read() for path, file in files.items() if file is not None}
        image_architectures = []
        for entry in json.loads(blobs["index.json"])["manifests"]:
            manifest = json.loads(_followed(blobs, entry))
            config = json.loads(_followed(blobs, manifest["config"]))
            for layer in manifest["layers"]:
                _followed(blobs, layer)
            image_architectures.append(str(config["architecture"]))
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{name} is not a whole image", why=f"{error}", advice="get the file again") from error
    return image_architectures


def _followed(blobs: Mapping[str, bytes], descriptor: Mapping[str, Any]) -> bytes:
    """Return the blob that ``descriptor`` names. Raises KeyError or ValueError."""
    data = blobs[f"blobs/{str(descriptor['digest']).replace(':', '/', 1)}"]
    if _digest(data) != descriptor["digest"]:
        raise ValueError(f"a blob is not {descriptor['digest']}")
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


def _zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    # Not gzip.compress: what it writes into the header differs from one Python to the next.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as packed:
        packed.write(data)
    return out.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}
