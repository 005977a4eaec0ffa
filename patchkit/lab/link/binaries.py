"""Which openvpn runs on which side: the words for it on the command line, and the program out of its archive."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from patchkit.errors import BadUsageError, GuestError
from patchkit.lab.model.campaign import Program
from patchkit.packaging.manifest import Artifact
from patchkit.patching.combination import combination
from patchkit.releases.version import Version
from patchkit.storage import reading

_GUARD = ".guard"
_NUMBER = re.compile(r"v?\d+\.\d+(\.\d+)?([-_]?(alpha|beta|rc)\d*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """A build: ``2.6.14`` is stock, ``2.6.14+retransmit`` a variant, ``2.6.14+retransmit.guard`` its guarded form."""

    version: str
    variant: str = "stock"
    guard: bool = False

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Raises BadUsageError where nothing is left of it."""
        version, _, variant = text.partition("+")
        guard = variant.endswith(_GUARD)
        variant = variant.removesuffix(_GUARD) or "stock"
        if not version or ("+" in text and variant == "stock" and not text.endswith("+stock")):
            raise BadUsageError(
                f"{text!r} names no build", advice="it looks like 2.6.14, 2.6.14+retransmit or 2.6.14+retransmit.guard"
            )
        return cls(version, variant, guard)


@dataclass(frozen=True)
class Binary:
    """A program and what is known of it."""

    program: Program
    data: bytes

    @property
    def version(self) -> Version:
        """What decides which options it understands."""
        return number(self.program)


def number(program: Program) -> Version:
    """The release that the program says it is, without what the variant adds. Raises GuestError."""
    found = _NUMBER.match(program.version)
    if found is None:
        raise GuestError(f"{program.version} is no version whose options the lab knows")
    return Version.parse(found[0])


def unpacked(artifact: Artifact, folder: Path, *, variant: str, guard: bool) -> Binary:
    """The program in an artifact's archive. Raises StorageError or GuestError."""
    archive = folder / f"{artifact.name}.tar.gz"
    with reading(archive):
        packed = archive.read_bytes()
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as members:
            member = members.extractfile(f"{artifact.name}/sbin/openvpn")
            data = member.read() if member else b""
    except (tarfile.TarError, zlib.error, EOFError, KeyError, OSError) as error:
        raise GuestError(f"{archive.name} can't be read", why=str(error)) from error
    if not data:
        raise GuestError(f"{archive.name} holds no sbin/openvpn")
    program = Program(
        release=artifact.release, variant=variant, guard=guard, version=artifact.version,
        sha256=hashlib.sha256(data).hexdigest(),
        bound=combination(variant).bound,
    )  # fmt: skip
    return Binary(program, data)
