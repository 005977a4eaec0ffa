"""The pins: complete for all releases, in the wheel, right for every source in reach, and binding."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.cache import Cache
from patchkit.errors import BadVariantError, PinMismatchError
from patchkit.patching import pins
from patchkit.patching.combination import combination
from patchkit.patching.edits import NONE
from patchkit.patching.render import render
from patchkit.patching.variants import STOCK, names, variant
from patchkit.releases.catalog import catalog
from patchkit.releases.version import Version
from patchkit.source.tree.tree import blob_id
from tests.conftest import ROOT, upstream
from tests.support.patching.samples import ALLMAN, tree

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
PATCHED = [name for name in names() if name != STOCK]
PATH = "src/openvpn/reliable.c"


def pins_of(name: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((resources.folder("patches") / name / pins.NAME).read_text())


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of retransmit that a test may do anything with, and a sample that its pins know, with a right pin."""
    folder = tmp_path / "patches/retransmit"
    shutil.copytree(resources.folder("patches"), tmp_path / "patches")
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path / name)
    variant.cache_clear()
    combination.cache_clear()
    pin(folder, right())
    yield folder
    variant.cache_clear()
    combination.cache_clear()


def right() -> list[str]:
    with pins.ignored():
        return [
            hashlib.sha256(render(combination("retransmit"), tree(ALLMAN), "x", guard=guard).files[PATH]).hexdigest()
            for guard in (False, True)
        ]


def pin(folder: Path, digests: list[str]) -> None:
    pins.load.cache_clear()
    (folder / pins.NAME).write_text(f'["reliable.c"]\n{blob_id(ALLMAN.encode())} = {digests}\n')


@pytest.mark.parametrize("name", PATCHED)
def test_every_tag_of_the_catalogue_is_pinned(name: str) -> None:
    known, described = pins_of(name), variant(name)
    assert sorted(known) == sorted(described.files)
    for release in catalog().releases:
        if release.tag is None or (matching := described.upstream_of(release.version)) is None:
            continue
        listed = {path.rpartition("/")[2]: blob for path, blob in release.tag.blobs.items()}
        # The catalogue lists the files of the reliable layer and its caller; of others upstream's history tells.
        seen = [file for file in described.files if file in listed]
        unpinned = [file for file in seen if listed[file] not in known[file]]
        # What a template may leave as it is has no pin then; but never all files.
        optional = [file for file in unpinned if NONE in described.template(file)]
        assert matching.status == "not-applicable" or (unpinned == optional != seen), release.version


@pytest.mark.parametrize("name", PATCHED)
def test_pins_are_well_formed_and_every_form_is_another_file(name: str) -> None:
    for blobs in pins_of(name).values():
        for blob, after in blobs.items():
            assert re.fullmatch(r"[0-9a-f]{40}", blob)
            assert len(after) == 1 + variant(name).guard
            assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in after)
        digests = [digest for after in blobs.values() for digest in after]
        assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("name", PATCHED)
def test_no_pin_is_of_a_file_that_no_release_has(name: str) -> None:
    tags = [release.tag for release in catalog().releases if release.tag]
    tagged = {blob for tag in tags for blob in tag.blobs.values()}
    listed = {path.rpartition("/")[2] for tag in tags for path in tag.blobs}
    only_tarballs = sum(release.tag is None for release in catalog().releases)
    for file, blobs in pins_of(name).items():
        if file in listed:
            assert len(blobs.keys() - tagged) <= only_tarballs
        assert len(blobs) <= len(tags) + only_tarballs


def test_stock_has_no_pins() -> None:
    assert not (resources.folder("patches") / STOCK / pins.NAME).exists()


@pytest.mark.parametrize("guard", [False, True])
def test_a_right_pin_lets_pass_and_a_changed_one_names_both_hashes(mine: Path, guard: bool) -> None:
    digests = right()
    render(combination("retransmit"), tree(ALLMAN), "x", guard=guard)
    wrong = ["f" * 64 if form == guard else digest for form, digest in enumerate(digests)]
    pin(mine, wrong)
    with pytest.raises(PinMismatchError) as refused:
        render(combination("retransmit"), tree(ALLMAN), "x", guard=guard)
    assert "f" * 64 in refused.value.why
    assert digests[guard] in refused.value.why
    # The other form's pin is still right, and without pins there is nothing to disagree with.
    render(combination("retransmit"), tree(ALLMAN), "x", guard=not guard)
    with pins.ignored():
        render(combination("retransmit"), tree(ALLMAN), "x", guard=guard)
    with pytest.raises(PinMismatchError):
        render(combination("retransmit"), tree(ALLMAN), "x", guard=guard)


def test_a_changed_template_is_noticed(mine: Path) -> None:
    template = mine / "reliable.c.diff.j2"
    template.write_text(template.read_text().replace("retransmit immediately", "retransmit at once"))
    with pytest.raises(PinMismatchError):
        render(combination("retransmit"), tree(ALLMAN), "x")


def test_a_file_that_no_pin_knows_is_no_error(mine: Path) -> None:
    pin(mine, ["0" * 64, "0" * 64])
    render(combination("retransmit"), tree(ALLMAN + "\n"), "x")


@pytest.mark.parametrize("text", ["['reliable.c'\n", "['reliable.c']\n{blob} = 3\n", "['reliable.c']\n{blob} = []\n"])
def test_pins_that_are_no_pins_are_the_variants_fault(mine: Path, text: str) -> None:
    (mine / pins.NAME).write_text(text.replace("{blob}", blob_id(ALLMAN.encode())))
    pins.load.cache_clear()
    with pytest.raises(BadVariantError) as refused:
        render(combination("retransmit"), tree(ALLMAN), "x", guard=True)
    assert pins.NAME in refused.value.what + refused.value.why


@pytest.mark.slow
@pytest.mark.parametrize("name", PATCHED)
@pytest.mark.parametrize("version", ["2.5.1", "2.6.14", "2.7.7", "2.7.8"])
def test_a_tarball_in_reach_comes_out_as_pinned(version: str, name: str, shared_cache: Cache) -> None:
    source, known = upstream(version, shared_cache), pins_of(name)
    matching = variant(name).upstream_of(Version.parse(version))
    if matching is not None and matching.status == "not-applicable":
        pytest.skip(f"{name} has nothing to change there: {matching.note}")
    for guard in (False, True):
        for path, after in render(combination(name), source, version, guard=guard).files.items():
            pinned = known[path.rpartition("/")[2]][blob_id(source.read(path))]
            assert hashlib.sha256(after).hexdigest() == pinned[guard]


@pytest.mark.slow
def test_the_pins_are_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in PATCHED:
            inside = archive.read(f"patchkit/_resources/patches/{name}/{pins.NAME}")
            assert inside == (resources.folder("patches") / name / pins.NAME).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream")
def test_the_pins_are_what_upstreams_git_gives() -> None:
    """All of them; of releases that are only tarballs, those that a place in reach has today."""
    command = [sys.executable, str(ROOT / "ci/pin-patches"), "--git", str(GIT), "--stdout"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    kept = "".join((resources.folder("patches") / name / pins.NAME).read_text() for name in PATCHED)
    tagged = {blob for release in catalog().releases if release.tag for blob in release.tag.blobs.values()}
    out_of_reach = "warning: " in done.stderr
    expected = [line for line in kept.splitlines() if line[:40] in tagged or " = " not in line or not out_of_reach]
    generated = done.stdout.splitlines()
    assert set(generated) <= set(kept.splitlines())
    assert [line for line in generated if line in set(expected)] == expected
