"""The grammar of upstream's version numbers, and their order.

Upstream has written pre-releases in four ways (``2.1_rc22``, ``2.2-beta3``, ``2.2-RC2``,
``2.7_alpha1``). All of them are spellings that PEP 440 normalises, so :mod:`packaging` compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from packaging.version import Version as Pep440

from patchkit.errors import UnknownVersionError

# Two to four numbers and at most one pre-release: narrower than PEP 440 on purpose, so that a
# path, an option or a shell word can never pass for a version.
_GRAMMAR = re.compile(
    r"v?(?P<number>\d{1,4}(?:\.\d{1,4}){1,3})(?P<pre>[-_]?(?:alpha|beta|rc)\d{0,3})?",
    re.IGNORECASE | re.ASCII,
)
# What distributions and branches put behind a version: 2.6.14-0+deb12u2, 2.7_git.
_SUFFIXED = re.compile(
    r"(v?\d{1,4}(?:\.\d{1,4}){1,3}(?:[-_]?(?:alpha|beta|rc)\d{0,3})?)[-_+~.][\w.+~-]{1,60}", re.IGNORECASE | re.ASCII
)
_MAJOR = 2
_LABEL = re.compile(r"[A-Za-z0-9][\w.+~-]{0,79}", re.ASCII)


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """One version, as spelled (without the leading ``v``); spellings of one release are equal."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read the version that ``text`` spells: ``2.3.2``, ``v2.6.14``, ``2.7_rc2``, ``2.2-RC2``.

        Raises UnknownVersionError when ``text`` is not a version.
        """
        if not _GRAMMAR.fullmatch(text):
            raise UnknownVersionError(
                f"{shown(text)} is not an OpenVPN version",
                why="a version looks like 2.6.14, 2.3.2, 2.7_rc2 or v2.2-RC2",
                advice="patchkit releases",
            )
        return cls(text.lstrip("vV"))

    @property
    def pep440(self) -> Pep440:
        """The version for :mod:`packaging`, which compares it."""
        return Pep440(self.text)

    @property
    def series(self) -> str:
        """The series: ``2.6`` for 2.6.14 and for 2.6_beta1."""
        major, minor = self.pep440.release[:2]
        return f"{major}.{minor}"

    @property
    def is_upstreams(self) -> bool:
        """Whether upstream numbers its releases so: 2.x. A fork may have numbers of its own."""
        return self.pep440.release[0] == _MAJOR

    def __eq__(self, other: object) -> bool:
        return self.pep440 == other.pep440 if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self.pep440 < other.pep440

    def __hash__(self) -> int:
        return hash(self.pep440)

    def __str__(self) -> str:
        return self.text


def base_of(text: str) -> Version | None:
    """Read the version that ``text`` begins with: 2.6.14 of ``2.6.14-0+deb12u2``, 2.7 of ``2.7_git``; None without one.

    The text may have a suffix as distributions and branches have them, but nothing that no file name can hold.
    """
    if _GRAMMAR.fullmatch(text):
        return Version.parse(text)
    suffixed = _SUFFIXED.fullmatch(text)
    return Version.parse(suffixed[1]) if suffixed else None


def is_label(text: str) -> bool:
    """Return whether ``text`` can name a release in file names."""
    return _LABEL.fullmatch(text) is not None


def shown(text: str, limit: int = 60) -> str:
    """Quote ``text`` for an error message, cut to ``limit`` characters, with everything but ASCII escaped."""
    quoted = ascii(text)
    return quoted if len(quoted) <= limit else quoted[: limit - 2] + "…'"
