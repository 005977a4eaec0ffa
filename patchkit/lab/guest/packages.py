"""The Debian packages that the guest is made of: pinned by hash, fetched, opened."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from pydantic import Field, ValidationError

from patchkit.context import Context
from patchkit.errors import GuestError, NetworkUnavailableError, OfflineError, PlacesExhaustedError
from patchkit.json_schema import Part
from patchkit.source.fetch import debian
from patchkit.source.fetch.download import fetch
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.fetch.places import Place, mirrors
from patchkit.storage import expanded, reading
from patchkit.ui import Ui

PINS = Path(__file__).with_name("guest.toml")
# Debian keeps a package in its pool while a suite lists it, and every state of the archive at snapshot.debian.org.
_SNAPSHOT = "https://snapshot.debian.org/archive/debian/{moment}/{file}"
_ARCHIVE = "https://deb.debian.org/debian/{file}"
_ANOTHER = (
    "PATCHKIT_GUEST=FILE uses other packages, as listed by `patchkit lab pin --to FILE`: with figures of their own"
)


class Package(Part):
    """One .deb: ``file`` is its path in Debian's archive, ``size`` is in bytes."""

    name: str
    version: str
    file: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The last part of ``file``."""
        return self.file.rpartition("/")[2]


class Pins(Part):
    """All packages of the guest, the kernel first."""

    suite: str
    snapshot: str
    package: list[Package] = Field(min_length=1)

    @property
    def kernel(self) -> str:
        """The kernel's release: 6.12.117+deb13-cloud-amd64."""
        return self.package[0].name.removeprefix("linux-image-")


def pins() -> Pins:
    """Read patchkit's own pins, or those of the file that ``PATCHKIT_GUEST`` names.

    Raises GuestError when the file does not list packages, StorageError when it cannot be read.
    """
    named = os.environ.get("PATCHKIT_GUEST")
    path = expanded(named) if named else PINS
    with reading(path):
        data = path.read_bytes()
    try:
        return Pins.model_validate(tomllib.loads(data.decode()))
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GuestError(f"{path} does not list a guest's packages", why=str(error)) from error


def fetched(pinned: Pins, context: Context) -> list[Path]:
    """Fetch the packages of ``pinned``, and return their files in order, each with the pinned hash.

    Raises GuestError when no place has one, WrongHashError when a place has something else.
    """
    quietly = replace(context, ui=Ui(quiet=True))  # the places of some sixty small files would hide all other lines
    with context.ui.count("packages", len(pinned.package)) as advance:
        files = []
        for package in pinned.package:
            files.append(_fetched(package, pinned, quietly))
            advance(1)
    return files


def _fetched(package: Package, pinned: Pins, context: Context) -> Path:
    what = ExpectedFile(package.file_name, package.sha256, package.size)
    try:
        return fetch(what, lambda: _places(package, pinned, offline=context.offline), context, advice=_ANOTHER)
    except (NetworkUnavailableError, OfflineError, PlacesExhaustedError) as error:
        raise GuestError(
            f"the lab's guest lacks a package: {error.what}", why=error.why, advice=error.advice
        ) from error


def _places(package: Package, pinned: Pins, *, offline: bool) -> list[Place]:
    places = [Place(f"{mirror.rstrip('/')}/{package.file_name}", mirror=True) for mirror in mirrors()]
    if offline:
        return places
    near = [Place(f"{mirror}/{package.file}") for mirror in debian.mirrors()]
    far = [_ARCHIVE.format(file=package.file), _SNAPSHOT.format(moment=pinned.snapshot, file=package.file)]
    return places + near + [Place(url) for url in far]


def members(path: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Read the files that the .deb ``path`` installs.

    Raises GuestError when it is not a .deb, or is damaged, or packed in a way that Python cannot read.
    """
    with reading(path):
        raw = path.read_bytes()
    place = data_member(io.BytesIO(raw))
    if place is None:
        raise GuestError(f"{path.name} is not a Debian package", why="no data.tar in it that Python can open")
    packed = raw[place[0] : sum(place)]
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() or member.islnk() else None
                yield member, content.read() if content else b""
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, KeyError, OSError) as error:
        raise GuestError(f"{path.name} is damaged", why=str(error)) from error


def data_member(file: IO[bytes]) -> tuple[int, int] | None:
    """Find the member data.tar in ``file``, an ar archive; None when there is none that Python can open.

    Returns where it starts and its size, in bytes. See deb(5) and ar(5): after the magic, headers of 60 bytes, members
    on even offsets.
    """
    is_archive = file.read(8) == b"!<arch>\n"
    while is_archive and len(header := file.read(60)) == 60:
        name, digits = header[:16].rstrip(b" /"), header[48:58].rstrip()
        if not digits.isdigit():
            return None
        size = int(digits)
        if name in (b"data.tar.xz", b"data.tar.gz", b"data.tar"):
            return file.tell(), size
        file.seek(size + size % 2, io.SEEK_CUR)
    return None
