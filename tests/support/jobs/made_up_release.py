"""A release that nobody has pinned, 2.9.1: a git repository with signed tags, and tarballs with signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.source.samples import FILES, Repository, tarball
from tests.support.source.signers import Signer

VERSION = "2.9.1"
MADE = 1_700_000_000 + 3600
"""When its people sign it: 2023-11-14."""


def says(version: str) -> bytes:
    """version.m4 of that release."""
    major, minor, patch = version.split(".")
    return (
        f"define([PRODUCT_VERSION_MAJOR], [{major}])\ndefine([PRODUCT_VERSION_MINOR], [{minor}])\n"
        f"define([PRODUCT_VERSION_PATCH], [.{patch}])\n"
    ).encode()


SOURCE: Mapping[str, bytes] = {
    **FILES,
    **dict.fromkeys(
        (f"src/openvpn/{name}" for name in ("reliable.h", "ssl.c", "forward.c", "multi.c")), b"int made_up_as_well;\n"
    ),
    "version.m4": says(VERSION),
}
"""All files that variants change, and no anchor in any of them."""
IN_TARBALL: Mapping[str, bytes] = {**SOURCE, "configure": b"#!/bin/sh\n", "src/Makefile.in": b"all:\n"}
"""With what ``make dist`` generates."""


@dataclass
class Upstream:
    """Its people, its repository and its place for downloads."""

    people: Signer
    key: str
    repository: Repository
    folder: Path

    @property
    def git(self) -> str:
        return str(self.repository.path)

    @property
    def public(self) -> Path:
        """The key, as one gives it to --key."""
        path = self.folder / "upstream-key.asc"
        path.write_bytes(self.people.public(self.key))
        return path

    def tag(
        self,
        ref: str = f"v{VERSION}",
        *,
        name: str | None = None,
        key: str | None = None,
        hash: str = "SHA512",  # noqa: A002 - what it is
        commit: str | None = None,
        kind: str = "commit",
        altered: bool = False,
    ) -> None:
        """An annotated tag on the newest commit, signed with the key, unless that is empty."""
        commit = commit or self.repository.git("rev-parse", "HEAD")
        text = f"object {commit}\ntype {kind}\ntag {name or ref}\ntagger Nobody <nobody@example.invalid> {MADE} +0000\n"
        signed = f"{text}\nOpenVPN {ref}\n".encode()
        signer = self.key if key is None else key
        signature = self.people.sign(signer, signed, at=MADE, hash=hash) if signer else b""
        data = signed.replace(b"OpenVPN v", b"0penVPN v") if altered else signed
        self.repository.git("update-ref", f"refs/tags/{ref}", self.repository.object("tag", data + signature))

    def tarball(
        self, files: Mapping[str, bytes] = IN_TARBALL, *, sign: bool = True, of: bytes | None = None, top: str = VERSION
    ) -> Path:
        """A tarball, and beside it a signature of it, or ``of`` something else."""
        path = self.folder / f"openvpn-{top}.tar.gz"
        path.write_bytes(tarball(files, top=f"openvpn-{top}"))
        if sign:
            signed = path.read_bytes() if of is None else of
            path.with_name(f"{path.name}.asc").write_bytes(self.people.sign(self.key, signed, at=MADE))
        return path


def made_up(people: Signer, key: str, folder: Path) -> Upstream:
    """The release as commit; tags and tarballs are made as a test wants them."""
    (folder / "place").mkdir(parents=True)
    repository = Repository(folder / "git")
    repository.commit(SOURCE)
    return Upstream(people, key, repository, folder / "place")
