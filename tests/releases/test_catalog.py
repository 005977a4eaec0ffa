"""The pins: complete, consistent, and the same from the table of tags and from upstream's git."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import UnknownVersionError
from patchkit.releases.catalog import catalog
from patchkit.releases.version import Version
from patchkit.source.tree.tree import blob_id
from tests.conftest import ROOT, upstream

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
PIN_RELEASES = ROOT / "ci/pin-releases"
RELEASES = ROOT / "patchkit/releases/releases.toml"


def test_all_tags_since_2_1_are_pinned() -> None:
    tags = [release.tag for release in catalog().releases if release.tag]
    assert len(tags) == 147
    assert all(re.fullmatch(r"[0-9a-f]{40}", pin.commit) and re.fullmatch(r"[0-9a-f]{40}", pin.tree) for pin in tags)
    assert {release.series for release in catalog().releases} == {"2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"}


def test_reliable_c_moved_with_2_3_alpha2() -> None:
    before, after = catalog().find("2.3-alpha1").tag, catalog().find("2.3_alpha2").tag
    assert before is not None
    assert after is not None
    assert ["reliable.c" in tag.blobs for tag in (before, after)] == [True, False]
    assert ["src/openvpn/reliable.c" in tag.blobs for tag in (before, after)] == [False, True]


def test_tarball_pins_are_well_formed_and_named_after_their_release() -> None:
    pins = [(release, release.tarball) for release in catalog().releases if release.tarball]
    assert len(pins) > 50
    for release, pin in pins:
        assert pin is not None
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
        name = re.fullmatch(r"openvpn-(.+)\.tar\.(gz|xz)", pin.name)
        assert name is not None
        assert Version.parse(name[1]) == release.version
        assert pin.records
    assert len({pin.sha256 for _, pin in pins if pin}) == len(pins)


@pytest.mark.parametrize(
    ("misspelled", "offered"), [("2.6.41", "2.6.4"), ("2.3.99", "2.3.18"), ("2.7.9", "2.7.8"), ("2.8.0", "2.7.8")]
)
def test_an_unknown_release_names_the_nearest(misspelled: str, offered: str) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        catalog().find(misspelled)
    assert offered in caught.value.why


def test_pins_say_what_the_table_of_tags_says() -> None:
    table = ROOT.parent / "shared/facts/openvpn-tags.tsv"
    if not table.exists():
        pytest.skip(f"{table} is not beside this checkout")
    assert _generated("--tags", str(table)) == RELEASES.read_text()


def test_pins_say_what_upstreams_git_says() -> None:
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    # A clone may be newer than the pins: compare what both have.
    generated, pinned = _generated("--git", GIT).split("[[release]]"), RELEASES.read_text().split("[[release]]")
    newest = re.findall(r'date = "(.*)"', RELEASES.read_text())[-1]
    assert [part for part in generated[1:] if re.findall(r'date = "(.*)"', part)[0] <= newest] == pinned[1:]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.6.14"])
def test_a_tarball_holds_the_files_of_its_tag(version: str, shared_cache: Cache) -> None:
    pin = catalog().find(version).tag
    assert pin is not None
    tree = upstream(version, shared_cache)
    assert {path: blob_id(tree.read(path)) for path in pin.blobs} == dict(pin.blobs)


def _generated(*arguments: str) -> str:
    command = [sys.executable, str(Path(PIN_RELEASES)), *arguments, "--stdout"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
