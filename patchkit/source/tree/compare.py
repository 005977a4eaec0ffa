"""Compare a tarball with its git tag, file by file.

``make dist`` leaves out what only developers need, and adds what autotools and docutils generate. Generated files are
recognised by name, and their contents are not compared: they depend on the machine that made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from patchkit.source.tree.tree import SourceTree

Kind = Literal["only in the tarball", "altered", "other mode"]

# Files that `make dist` of 2.1 to 2.7 generated; a name with a slash is a whole path.
_GENERATED = (
    "Makefile.in", "aclocal.m4", "compile", "config.guess", "config.h.in", "config.sub", "configure", "depcomp",
    "install-sh", "ltmain.sh", "missing", "test-driver", "ar-lib", "mkinstalldirs", "INSTALL", "config.h.in~",
    "m4/libtool.m4", "m4/lt*.m4",
    "doc/openvpn.8", "doc/openvpn.8.html", "doc/openvpn-examples.5", "doc/openvpn-examples.5.html",
    "include/openvpn-plugin.h", "sample/sample-plugins/Makefile", "tests/t_client.sh",
    "openvpn.8.html", "t_client.sh", "openvpn.spec", "distro/rpm/openvpn.spec",
)  # fmt: skip


@dataclass(frozen=True)
class FileDifference:
    """One file that differs between tarball and tag."""

    path: str
    kind: Kind


@dataclass(frozen=True)
class Differences:
    """How a tarball differs from its tag."""

    suspicious: tuple[FileDifference, ...]
    """Differences without a known explanation."""
    line_endings: tuple[str, ...]
    """Paths of files that differ in their line endings only."""
    generated: tuple[str, ...]
    """Paths only in the tarball that are known to be generated; their contents are not compared."""
    left_out: tuple[str, ...]
    """Paths only in the tag."""
    same: int
    """The number of files that are the same to the byte."""


def differences(tarball: SourceTree, tag: SourceTree) -> Differences:
    """Compare all files of ``tarball`` and ``tag``. Raises GitError where the tag's files can't be read."""
    suspicious: list[FileDifference] = []
    endings: list[str] = []
    generated: list[str] = []
    same = 0
    there = set(tag.entries)
    for path, entry in sorted(tarball.entries.items()):
        if path not in there:
            if _is_generated(path):
                generated.append(path)
            else:
                suspicious.append(FileDifference(path, "only in the tarball"))
            continue
        theirs = tag.entries[path]
        data, other = entry.read(), theirs.read()
        if data == other and _kind(entry.mode) == _kind(theirs.mode):
            same += 1
        elif data == other:
            suspicious.append(FileDifference(path, "other mode"))
        elif data.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n"):
            endings.append(path)
        else:
            suspicious.append(FileDifference(path, "altered"))
    return Differences(
        suspicious=tuple(suspicious),
        line_endings=tuple(endings),
        generated=tuple(generated),
        left_out=tuple(sorted(there - set(tarball.entries))),
        same=same,
    )


def _is_generated(path: str) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in _GENERATED)


def _kind(mode: int) -> int:
    """Return the file type; the permissions depend on the umask of the person who packed the tarball."""
    return mode & 0o170000
