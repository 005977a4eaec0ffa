"""Ranges of releases, as tables write them: PEP 440 specifiers such as ``>=2.6a0, <2.7``."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator

from patchkit.releases.version import Version


def _valid(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from error
    return text


Range = Annotated[str, AfterValidator(_valid)]
"""The type of a field that holds a range; pre-releases are in the range of the release that they precede."""


@cache
def _specifiers(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def holds(releases: str, version: Version) -> bool:
    """Return whether ``version`` is in the range ``releases``; the empty range holds all versions."""
    return _specifiers(releases).contains(version.pep440, prereleases=True)
