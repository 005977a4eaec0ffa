"""An entry that is written anew is the one that stands in the file."""

from __future__ import annotations

from importlib import resources

import pytest

from patchkit.releases.catalog import Release, TarballPin, catalog
from patchkit.releases.entries import with_tag, with_tarball
from patchkit.releases.version import Version

TEXT = {
    name: (resources.files("patchkit.releases") / name).read_text("utf-8")
    for name in ("releases.toml", "tarballs.toml")
}
RELEASES = catalog().releases


def without(text: str, head: str) -> str:
    """The text without the entry that begins with ``head``."""
    entries = text.rstrip().split("\n\n")
    kept = [entry for entry in entries if not entry.lstrip().startswith(head)]
    assert len(kept) == len(entries) - 1
    return "\n\n".join(kept) + "\n"


@pytest.mark.parametrize(
    "release", [RELEASES[0], *RELEASES[40::40], RELEASES[-4]], ids=lambda release: release.version.text
)
def test_a_tag_goes_where_the_generator_puts_it(release: Release) -> None:
    if release.tag is None:
        pytest.skip("a tarball alone")
    text = TEXT["releases.toml"]
    assert with_tag(without(text, f'[[release]]\ntag = "{release.tag.name}"\n'), release.tag) == text


def test_a_tarball_goes_where_it_belongs() -> None:
    header, _, rest = TEXT["tarballs.toml"].partition("\n\n")
    rest = "".join(line for line in rest.splitlines(keepends=True) if not line.startswith("#"))
    text = f"{header}\n\n{rest}"
    for release in RELEASES:
        if release.tarball is not None:
            less = without(text, f'["{release.version.text}"]\n')
            assert with_tarball(less, release.version, release.tarball) == text, release.version


def test_a_comment_stays_above_its_entry() -> None:
    text = '["2.6.1"]\nname = "a"\n\n# of 2.6.3\n["2.6.3"]\nname = "c"\n'
    pin = TarballPin("b", "0", None, None, ())
    added = with_tarball(text, Version.parse("2.6.2"), pin)
    assert added.index('["2.6.2"]') < added.index("# of 2.6.3") < added.index('["2.6.3"]')
