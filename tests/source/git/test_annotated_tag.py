"""Tags' own texts, and which release a source says that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.errors import BadSourceError, GitError, PlacesExhaustedError
from patchkit.releases.version import Version
from patchkit.source.fetch import download
from patchkit.source.fetch.places import Place
from patchkit.source.git import annotated_tag
from patchkit.source.git.annotated_tag import tag_text
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.source.tree.version_m4 import own_series, own_version
from patchkit.ui import Ui
from tests.support.source.samples import Repository
from tests.support.source.website import Site, chunked, whole

PGP = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
SSH = PGP.replace(b"PGP", b"SSH")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("tags") / "upstream")
    repository.commit()
    return repository


def store(repository: Repository, name: str, text: bytes) -> str:
    commit = repository.git("rev-parse", "HEAD")
    head = f"object {commit}\ntype commit\ntag {name}\ntagger N <n@example.invalid> 1700000000 +0000\n\n".encode()
    sha = repository.object("tag", head + text)
    repository.git("update-ref", f"refs/tags/{name}", sha)
    return sha


def test_what_is_above_the_last_signature_was_signed(repository: Repository, cache: Cache) -> None:
    store(repository, "v1.2", b"text\n" + PGP + b"more\n" + PGP)
    text = tag_text(str(repository.path), "v1.2", cache)
    assert text is not None
    assert (text.name, text.leads_to) == ("v1.2", repository.git("rev-parse", "HEAD"))
    assert text.signature == PGP
    assert text.signed.endswith(b"more\n")
    assert text.signed.count(b"BEGIN PGP") == 1


def test_a_signature_in_the_middle_of_a_line_is_text(repository: Repository, cache: Cache) -> None:
    store(repository, "v1.3", b"we write -----BEGIN PGP SIGNATURE----- below\n")
    text = tag_text(str(repository.path), "v1.3", cache)
    assert text is not None
    assert text.signature is None


def test_a_tag_header_in_the_text_does_not_count(repository: Repository, cache: Cache) -> None:
    store(repository, "v1.4", b"tag v9.9\nobject 0000\n")
    text = tag_text(str(repository.path), "v1.4", cache)
    assert text is not None
    assert text.name == "v1.4"


def test_ssh_signatures_are_named(repository: Repository, cache: Cache) -> None:
    store(repository, "v1.5", b"text\n" + SSH)
    text = tag_text(str(repository.path), "v1.5", cache)
    assert text is not None
    assert (text.signature, text.other_signature) == (None, "SSH")


def test_branches_and_plain_tags_have_no_text(repository: Repository, cache: Cache) -> None:
    repository.git("tag", "plain")
    for ref in ("main", "plain", "none", repository.git("rev-parse", "HEAD")):
        assert tag_text(str(repository.path), ref, cache) is None


def test_a_tag_that_is_not_what_its_id_says(repository: Repository, cache: Cache) -> None:
    good, bad = store(repository, "v1.6", b"good\n" + PGP), store(repository, "v1.7", b"evil\n" + PGP)
    objects = repository.path / ".git/objects"
    place, other = (objects / sha[:2] / sha[2:] for sha in (good, bad))
    data = other.read_bytes()
    place.chmod(0o644)
    place.write_bytes(data)
    with pytest.raises(GitError, match="not what its id says"):
        tag_text(str(repository.path), "v1.6", cache)


def test_a_huge_tag_is_not_read(repository: Repository, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotated_tag, "_LIMIT", 1000)
    store(repository, "v1.8", b"x" * 1000)
    with pytest.raises(GitError, match="larger than"):
        tag_text(str(repository.path), "v1.8", cache)


def tree(text: str | None) -> SourceTree:
    entries = {} if text is None else {"version.m4": Entry.of(text.encode())}
    return SourceTree(Origin(kind="git", name="x", verified=False, epoch=0), entries)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("define(PRODUCT_VERSION,[2.1.4])", "2.1.4"),
        ("define([PRODUCT_VERSION], [2.3_alpha1])\ndefine([PRODUCT_VERSION_RESOURCE], [2,3,0,0])", "2.3_alpha1"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [7])\n"
         "define([PRODUCT_VERSION_PATCH], [_rc2])", "2.7_rc2"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
         "define([PRODUCT_VERSION_PATCH], [_git])", None),
        ("define([PRODUCT_VERSION], [../../x])", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_a_source_says_of_itself(text: str | None, version: str | None) -> None:
    assert own_version(tree(text)) == (Version.parse(version) if version else None)


def test_a_development_branch_has_a_series_all_the_same() -> None:
    text = "define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
    assert own_series(tree(text)) == "2.8"
    with pytest.raises(BadSourceError):
        own_series(tree("nothing"))


def test_an_unpinned_file_is_fetched_anew_and_not_without_end(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = [Place(site.on("/f", whole(b"first")))]
    assert download.fetch_unpinned("f", place, tmp_path, Ui(quiet=True)).read_bytes() == b"first"
    site.on("/f", whole(b"second"))
    assert download.fetch_unpinned("f", place, tmp_path, Ui(quiet=True)).read_bytes() == b"second"
    monkeypatch.setattr(download, "_MOST", 1 << 19)
    site.on("/f", chunked(b"x" * (1 << 21)))
    with pytest.raises(PlacesExhaustedError) as caught:
        download.fetch_unpinned("f", place, tmp_path, Ui(quiet=True))
    assert "more than 0 MiB" in caught.value.why
    assert [path.name for path in tmp_path.iterdir()] == ["f"]  # the last whole one
