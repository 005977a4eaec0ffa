"""The entries that pin a new release: under a file's own name only where all of them was checked."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NotCheckedError, StorageError
from patchkit.jobs.verify import new_keys
from patchkit.jobs.verify.new_keys import key_entries
from patchkit.jobs.verify.new_pins import NewPins, NewPinsRequest, new_pins, write
from patchkit.jobs.verify.new_tags import NewTagsRequest, new_tags
from patchkit.releases.keys import upstream_keys
from patchkit.source.obtain import SourceRequest
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import Judgement
from patchkit.ui import Ui
from tests.conftest import ROOT
from tests.support.jobs.made_up_release import IN_TARBALL, SOURCE, VERSION, Upstream
from tests.support.patching.samples import GNU

RELEASES, TARBALLS = "patchkit/releases/releases.toml", "patchkit/releases/tarballs.toml"
KEYS = "patchkit/releases/keys.toml"
FILES = {**SOURCE, "src/openvpn/reliable.c": GNU.encode()}
"""Files that `retransmit` applies to, and no other variant."""


def pins_of(upstream: Upstream, cache: Cache, *, where: str = "", **records: Path) -> NewPins:
    request = NewTagsRequest(
        SourceRequest(git=where or upstream.git), since="2.9", variants=["retransmit"], keys=[upstream.public]
    )
    context = Context(cache, Ui(quiet=True))
    return new_pins(new_tags(request, context), NewPinsRequest(request, records), context)


@pytest.fixture
def placed(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """A release whose tarball is where it should be, in a mirror of the user's."""
    upstream.repository.commit(FILES)
    upstream.tag()
    monkeypatch.setenv("PATCHKIT_MIRROR", str(upstream.folder))
    upstream.tarball({**IN_TARBALL, **FILES})
    return upstream


def stated(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.slow
def test_a_key_that_no_pin_has_leaves_nothing_under_its_own_name(
    placed: Upstream, cache: Cache, tmp_path: Path
) -> None:
    new = pins_of(placed, cache)
    names = write(new, tmp_path / "out")
    unchecked = [RELEASES, TARBALLS, "patches/retransmit/pins.toml", KEYS, f"patchkit/releases/keys/{placed.key}.asc"]
    assert names == sorted([*(f"{path}.unchecked" for path in unchecked), "review.md"])
    error = new.error()
    assert isinstance(error, NotCheckedError)
    assert f"{VERSION}, tag: keys.toml does not name the key {placed.key}" in error.why
    (entry,) = [
        entry
        for entry in tomllib.loads((tmp_path / "out" / f"{RELEASES}.unchecked").read_text())["release"]
        if entry["tag"] == f"v{VERSION}"
    ]
    git = placed.repository.git
    assert entry["commit"] == git("rev-parse", "HEAD")
    assert entry["tree"] == git("rev-parse", "HEAD^{tree}")
    assert entry["blobs"] == {
        path: git("rev-parse", f"HEAD:{path}")
        for path in (f"src/openvpn/{name}" for name in ("reliable.c", "reliable.h", "ssl.c"))
    }
    assert "NOT checked: keys.toml does not name the key" in (tmp_path / "out/review.md").read_text()


def test_two_records_of_its_hash_pin_a_tarball(placed: Upstream, cache: Cache, tmp_path: Path) -> None:
    digest = hashlib.sha256((placed.folder / f"openvpn-{VERSION}.tar.gz").read_bytes()).hexdigest()
    recipe = stated(tmp_path, "openvpn.rb", f'sha256 "{digest.upper()}"')
    dsc = stated(tmp_path, "openvpn.dsc", f" {digest} 10 openvpn_{VERSION}.orig.tar.gz")
    other = stated(tmp_path, "other", "0" * 64)
    one = pins_of(placed, cache, Homebrew=recipe, Other=other)
    assert write(one, tmp_path / "one")[-2:] == [f"{TARBALLS}.unchecked", "review.md"]
    assert "only Homebrew states its hash, 2 records are needed" in str(one.review)
    two = pins_of(placed, cache, Homebrew=recipe, Debian=dsc, Other=other)
    names = write(two, tmp_path / "two")
    assert {TARBALLS, "pins.diff", f"{RELEASES}.unchecked"} <= set(names)
    assert tomllib.loads((tmp_path / "two" / TARBALLS).read_text())[VERSION] == {
        "name": f"openvpn-{VERSION}.tar.gz",
        "sha256": digest,
        "size": (placed.folder / f"openvpn-{VERSION}.tar.gz").stat().st_size,
        "debian": f"openvpn_{VERSION}.orig.tar.gz",
        "records": ["Homebrew", "Debian"],
    }
    diff = (tmp_path / "two/pins.diff").read_text()
    assert [line for line in diff.splitlines() if line.startswith("+++")] == [f"+++ b/{TARBALLS}"]


def test_a_tarball_with_a_file_of_its_own_is_not_pinned(placed: Upstream, cache: Cache, tmp_path: Path) -> None:
    path = placed.tarball({**IN_TARBALL, **FILES, "src/openvpn/backdoor.c": b"int x;\n"})
    record = stated(tmp_path, "record", hashlib.sha256(path.read_bytes()).hexdigest())
    new = pins_of(placed, cache, One=record, Two=record)
    assert "1 files are not those of the tag: src/openvpn/backdoor.c" in new.review
    assert new.diff == ""


def test_a_repository_that_is_a_url_gives_the_same(placed: Upstream, cache: Cache) -> None:
    assert pins_of(placed, cache, where=placed.repository.url).files == pins_of(placed, cache).files


def test_a_forged_tag_gets_no_entry(upstream: Upstream, cache: Cache) -> None:
    upstream.tag(altered=True)
    assert (pins_of(upstream, cache).entries, pins_of(upstream, cache).files) == ([], [])


def test_a_folder_that_holds_something_is_left_alone(placed: Upstream, cache: Cache, tmp_path: Path) -> None:
    new = pins_of(placed, cache)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("")
    with pytest.raises(StorageError):
        write(new, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_two_records_of_its_fingerprint_pin_a_key(placed: Upstream, cache: Cache, tmp_path: Path) -> None:
    spaced = " ".join(placed.key[at : at + 4] for at in range(0, 40, 4))
    one, two = stated(tmp_path, "one", placed.key), stated(tmp_path, "two", f"validpgpkeys=({spaced})")
    assert "only One states its fingerprint, 2 public records are needed" in pins_of(placed, cache, One=one).review
    new = pins_of(placed, cache, One=one, Two=two)
    names = write(new, tmp_path / "out")
    file = f"patchkit/releases/keys/{placed.key}.asc"
    assert {KEYS, file, "pins.diff"} <= set(names)
    before = tomllib.loads((ROOT / KEYS).read_text())
    after = tomllib.loads((tmp_path / "out" / KEYS).read_text())
    assert after["missing"] == before["missing"]
    assert after["key"][:-1] == before["key"]
    added = after["key"][-1]
    assert (added["fingerprint"], added["records"]) == (placed.key, ["One", "Two"])
    assert added["signs"] == f"git tags since {VERSION}"
    with key_ring([(tmp_path / "out" / file).read_bytes()]) as ring:
        assert placed.key in ring.parts


def test_a_new_subkey_of_a_key_that_is_pinned_needs_no_more_records(placed: Upstream, cache: Cache) -> None:
    """The pinned key has signed it: shown with upstream's own newest subkey, as if keys.toml did not name it yet."""
    (key,) = [key for key in upstream_keys() if key.signs.startswith("tarballs")]
    with key_ring([key.armour]) as ring:
        newest = max((part for part in ring.parts.values() if part.signs), key=lambda part: part.created)
        judgement = Judgement("good", "", newest.fingerprint, key.fingerprint)
        assert list(key_entries([("2.9.1", "tarball", judgement)], ring, {})) == []  # it is pinned
        text = (ROOT / KEYS).read_text()
        block = text[text.index("[[key.subkey]]\n" + f'fingerprint = "{newest.fingerprint}"') :].partition("\n\n")[0]
        with_less = text.replace(f"{block}\n", "")
        pinned = {entry["fingerprint"]: entry for entry in tomllib.loads(with_less)["key"]}
        assert newest.fingerprint not in str(pinned)
        entries = list(new_keys.of_subkey("2.9.1", "tarball", ring.parts[key.fingerprint], newest, ring))
    assert [(entry.what, entry.missing) for entry in entries] == [("subkey", []), ("key file", [])]
    assert tomllib.loads(entries[0].add(with_less)) == tomllib.loads(text)
    assert "BEGIN PGP PUBLIC KEY BLOCK" in entries[1].add("")
