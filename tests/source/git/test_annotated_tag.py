"""Tags' own texts, and which release a source says that it is."""

from __future__ import annotations

import pytest

from patchkit.cache import Cache
from patchkit.errors import GitError
from patchkit.source.git import annotated_tag
from patchkit.source.git.annotated_tag import tag_text
from tests.support.source.samples import Repository

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
