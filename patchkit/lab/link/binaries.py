"""Which openvpn runs on which side: how the command line names it, and the program out of its archive."""

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
_RELEASE = re.compile(r"v?\d+\.\d+(\.\d+)?([-_]?(alpha|beta|rc)\d*)?", re.IGNORECASE)


@dataclass(frozen=True)
class BinaryRequest:
    """A build that a campaign needs: ``2.6.14`` is stock, ``2.6.14+retransmit`` a variant, with ``.guard`` guarded."""

    version: str
    variant: str = "stock"
    guard: bool = False

    @classmethod
    def parse(cls, text: str) -> BinaryRequest:
        """Parse ``text`` from the command line. Raises BadUsageError when it names no build."""
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
    """An openvpn that can run on one side, with its description."""

    program: Program
    data: bytes

    @property
    def version(self) -> Version:
        """The release, which decides which options it understands."""
        return release_of(self.program)


def release_of(program: Program) -> Version:
    """Parse the release from the version that ``program`` prints, without what the variant adds.

    Raises GuestError when it is not a version whose options the lab knows.
    """
    match = _RELEASE.match(program.version)
    if match is None:
        raise GuestError(f"{program.version} is not a version whose options the lab knows")
    return Version.parse(match[0])


def unpacked(artifact: Artifact, folder: Path, *, variant: str, guard: bool) -> Binary:
    """Read the openvpn of ``artifact``, built with ``variant`` and ``guard``, from its archive in ``folder``.

    Raises GuestError when the archive is damaged or has no openvpn, StorageError when it cannot be read.
    """
    archive = folder / f"{artifact.name}.tar.gz"
    with reading(archive):
        packed = archive.read_bytes()
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as members:
            member = members.extractfile(f"{artifact.name}/sbin/openvpn")
            data = member.read() if member else b""
    except (tarfile.TarError, zlib.error, EOFError, KeyError, OSError) as error:
        raise GuestError(f"{archive.name} cannot be read", why=str(error)) from error
    if not data:
        raise GuestError(f"{archive.name} has no sbin/openvpn")
    program = Program(
        release=artifact.release, variant=variant, guard=guard, version=artifact.version,
        sha256=hashlib.sha256(data).hexdigest(),
        bound=combination(variant).bound,
    )  # fmt: skip
    return Binary(program, data)
