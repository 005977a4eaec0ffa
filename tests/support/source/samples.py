"""Small made-up sources: files, tar archives and git repositories."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

DATE = 1_700_000_000
"""2023-11-14: when everything here was made."""

FILES: Mapping[str, bytes] = {
    "configure.ac": b"dnl made up\n",
    "src/openvpn/reliable.c": b"int made_up;\n",
    "version.m4": b"define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [9])\n",
}
"""What passes for an OpenVPN source."""

COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "plain": bytes,
}


@dataclass(frozen=True)
class Member:
    """One member of a tar archive, as hostile as it likes."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    mtime: int = DATE
    pax: Mapping[str, str] | None = None

    def info(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.name)
        info.type, info.linkname, info.mode, info.mtime = self.kind, self.target, self.mode, self.mtime
        info.size = len(self.data)
        info.pax_headers = dict(self.pax or {})
        return info


def tar_of(*members: Member) -> bytes:
    """An uncompressed tar of exactly these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member.info(), io.BytesIO(member.data))
    return out.getvalue()


def tarball(files: Mapping[str, bytes] = FILES, top: str = "openvpn-2.9.1", kind: str = "gz") -> bytes:
    """A compressed tar of ordinary files below ``top``."""
    return COMPRESSORS[kind](tar_of(*(Member(f"{top}/{path}", data) for path, data in files.items())))


def folder_of(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files on disk."""
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


class Repository:
    """A real git repository in ``path``, with reproducible commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = DATE
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @classmethod
    def at(cls, path: Path, seconds: int = DATE) -> Repository:
        """A repository that is there already."""
        opened = cls.__new__(cls)
        opened.path, opened.seconds = path, seconds
        return opened

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git here; gives what it said, without the last newline."""
        who = {"NAME": "Nobody", "EMAIL": "nobody@example.invalid", "DATE": f"{self.seconds} +0000"}
        people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        done = subprocess.run(
            ["git", "-c", "maintenance.auto=false", *arguments],  # which is a process of its own for each commit
            cwd=self.path,
            input=stdin,
            capture_output=True,
            check=True,
            env={**os.environ, **people},
        )
        return done.stdout.decode().rstrip("\n")

    def commit(self, files: Mapping[str, bytes] = FILES) -> str:
        """Commit these files beside what is there already, a minute after the last commit."""
        self.seconds += 60
        folder_of(files, self.path)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=made up")
        folder = self.path / ".git"
        head = (folder / "HEAD").read_text().removeprefix("ref: ").rstrip("\n")
        return (folder / head).read_text().rstrip("\n") if head.startswith("refs/") else head

    def tag(self, name: str) -> None:
        """An annotated tag, which is what upstream's releases have."""
        self.git("tag", "--annotate", "--force", "--message=made up", name)

    def object(self, kind: str, data: bytes) -> str:
        """Store any object, whether or not git would have made it; gives its id."""
        return self.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", stdin=data)

    def commit_tree(self, tree: str, branch: str) -> str:
        """A commit of a stored tree on a branch of its own."""
        commit = self.git("commit-tree", "-m", "made up", tree)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit


def raw_tree(*rows: tuple[str, str, str]) -> bytes:
    """The bytes of a git tree object from (mode, name, id), in the order given."""
    return b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(sha) for mode, name, sha in rows)
