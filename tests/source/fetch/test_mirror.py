"""A mirror's index, whoever wrote it, and the files that it alone vouches for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import DiskFullError, GitError, MirrorError, StorageError, UnknownVersionError, WrongHashError
from patchkit.source.fetch import mirror as room
from patchkit.source.fetch.mirror import (
    INDEX,
    MirrorIndex,
    indexed,
    parse_index,
    put,
    read_index,
    repository_with,
    tag_in,
)
from patchkit.ui import Ui
from tests.support.source.samples import Repository
from tests.support.source.website import Answer, Handler, Site, cut, hung_up, status, web_page, whole

NAME = "base-bookworm-amd64.tar.gz"
DATA = hashlib.shake_256(b"an image").digest(100_000)
OTHER = DATA[::-1]
TAG = {"tag": "v2.2.3", "commit": "1" * 40, "tree": "2" * 40}


def entry(name: str = NAME, data: bytes = DATA, **changed: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "kind": "image", "sha256": digest, "size": len(data), "serves": ["2.6.14"], **changed}


def index_of(*files: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schema_version": 1, "files": files, "tags": [], **more}).encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with one file, named by PATCHKIT_MIRROR."""
    created = tmp_path / "mirror"
    created.mkdir()
    (created / NAME).write_bytes(DATA)
    (created / INDEX).write_bytes(index_of(entry()))
    monkeypatch.setenv("PATCHKIT_MIRROR", str(created))
    return created


@pytest.fixture
def served(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same on a web server."""
    site.on(f"/m/{INDEX}", whole(index_of(entry()), Content_Type="application/json"))
    site.on(f"/m/{NAME}", whole(DATA))
    monkeypatch.setenv("PATCHKIT_MIRROR", f"{site.url}/m/")
    return site


def test_an_index_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    index = MirrorIndex.model_validate_json(index_of(entry(), tags=[TAG]))
    (tmp_path / INDEX).write_text(index.model_dump_json(indent=2))
    assert read_index(tmp_path) == index
    file = index.file(NAME)
    assert file is not None
    assert (file.size, file.serves) == (len(DATA), ["2.6.14"])
    assert index.file("another") is None


def test_a_folder_without_an_index_has_none(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
    assert read_index(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "-rf", "a\\b", "a b", "a\n", "a\0b",
        "\x1b[31m", "ä", "x" * 201,
    ],
)  # fmt: skip
def test_a_name_that_leads_out_or_plays_tricks_is_refused(name: str) -> None:
    """Names are joined to folders and URLs, and printed: an index may come from anybody."""
    with pytest.raises(MirrorError, match="not the index of a mirror"):
        parse_index(index_of(entry(name)), "here")


@pytest.mark.parametrize(
    "files",
    [
        entry(sha256="0" * 63), entry(sha256="G" * 64), entry(sha256="0" * 64 + "\n"), entry(sha256=None),
        entry(size="many"), entry(size=-1), entry(size=1.5), entry(kind="virus"), entry(serves="2.6.14"),
        entry(serves=["\x1b]0;"]), entry(extra=1), {}, [], "text", None, 1,
    ],
)  # fmt: skip
def test_a_file_of_the_wrong_shape_is_refused(files: Any) -> None:
    with pytest.raises(MirrorError) as caught:
        parse_index(index_of(files), "here")
    assert caught.value.why.startswith("files.0")


@pytest.mark.parametrize(
    "tag", [{**TAG, "tag": "../x"}, {**TAG, "tag": "--upload-pack=x"}, {**TAG, "commit": "HEAD"}, {**TAG, "tree": ""}]
)
def test_a_tag_that_git_could_take_for_something_else_is_refused(tag: dict[str, str]) -> None:
    with pytest.raises(MirrorError):
        parse_index(index_of(tags=[tag]), "here")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\xff\xfe", b"[]", b"1", b"<html>", b"{", b"[" * 100_000, b'{"files": 1}', b'{"schema_version": 2}'],
)
def test_what_is_no_index_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(MirrorError) as caught:
        parse_index(data, "here")
    assert caught.value.why
    assert "patchkit mirror sync" in caught.value.advice


@pytest.mark.parametrize("given", [{"files": [entry(), entry()]}, {"tags": [TAG, TAG]}])
def test_an_index_that_names_something_twice_is_refused(given: dict[str, Any]) -> None:
    """Each would be hashed: a file of 200 MB 20,000 times."""
    with pytest.raises(MirrorError) as caught:
        parse_index(json.dumps(given).encode(), "here")
    assert "names a file or tag twice" in caught.value.why


def test_a_key_that_a_terminal_would_obey_is_shown_as_text() -> None:
    with pytest.raises(MirrorError) as caught:
        parse_index(index_of({**entry(), "\x1b[2J": 1}), "here")
    assert caught.value.why.startswith("files.0.\\x1b[2J: ")


def test_a_huge_index_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / INDEX).open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(MirrorError, match="not the index") as caught:
        read_index(tmp_path)
    assert "larger than" in caught.value.why


def test_an_indexed_file_in_a_folder_is_taken_where_it_lies(folder: Path, cache: Cache, ui: Ui) -> None:
    assert indexed(NAME, Context(cache, ui)) == folder / NAME
    assert indexed("another.tar.gz", Context(cache, ui)) is None
    assert not (cache.root / "downloads").exists()


def test_no_mirror_no_file(cache: Cache, ui: Ui) -> None:
    assert indexed(NAME, Context(cache, ui)) is None


def test_a_file_that_the_index_does_not_name_is_not_taken(folder: Path, cache: Cache, ui: Ui) -> None:
    """Nothing else vouches for an image."""
    (folder / INDEX).write_bytes(index_of())
    assert indexed(NAME, Context(cache, ui)) is None


def test_a_damaged_file_is_refused(folder: Path, cache: Cache, ui: Ui) -> None:
    (folder / NAME).write_bytes(OTHER)
    with pytest.raises(WrongHashError, match=INDEX) as caught:
        indexed(NAME, Context(cache, ui))
    assert caught.value.exit_code == 22
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.why
    assert str(folder) in caught.value.advice


def test_the_next_mirror_is_asked_where_one_lacks_the_file(
    folder: Path, served: Site, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The index of the first names it, and it is not there; on the second it is a 404; the third has it."""
    first = tmp_path / "first"
    first.mkdir()
    (first / INDEX).write_bytes(index_of(entry()))
    served.on(f"/m/{NAME}", status(404))
    monkeypatch.setenv("PATCHKIT_MIRROR", f"{first} {served.url}/m {folder}")
    assert indexed(NAME, Context(cache, ui)) == folder / NAME
    assert served.asked(f"/m/{NAME}") == 1


def test_a_web_server_serves_a_mirror(served: Site, cache: Cache, ui: Ui) -> None:
    path = indexed(NAME, Context(cache, ui))
    assert path is not None
    assert path.read_bytes() == DATA
    assert indexed(NAME, Context(cache, ui)) == path
    assert served.asked(f"/m/{NAME}") == 1, "fetched once"


def test_two_mirrors_with_different_files_of_one_name(served: Site, cache: Cache, ui: Ui) -> None:
    """A base image has the same name in every mirror: the cached one is not called damaged for being another's."""
    first = indexed(NAME, Context(cache, ui))
    served.on(f"/m/{INDEX}", whole(index_of(entry(data=OTHER))))
    served.on(f"/m/{NAME}", whole(OTHER))
    second = indexed(NAME, Context(cache, ui))
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (DATA, OTHER)


def test_a_served_file_that_is_another_is_refused(served: Site, cache: Cache, ui: Ui) -> None:
    served.on(f"/m/{NAME}", whole(OTHER))
    with pytest.raises(WrongHashError, match=INDEX) as caught:
        indexed(NAME, Context(cache, ui))
    assert hashlib.sha256(DATA).hexdigest() in caught.value.why


@pytest.mark.parametrize(
    "answer",
    [status(404), status(500), web_page(), hung_up(), cut(index_of(entry()), 20)],
    ids=["404", "500", "portal", "hung up", "cut"],
)
def test_a_mirror_without_an_index_is_only_one_of_several(
    answer: Answer, served: Site, folder: Path, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web server that holds only tarballs, or is out of order, stops nobody."""
    served.on(f"/m/{INDEX}", answer)
    monkeypatch.setenv("PATCHKIT_MIRROR", f"{served.url}/m")
    assert indexed(NAME, Context(cache, ui)) is None
    monkeypatch.setenv("PATCHKIT_MIRROR", f"{served.url}/m http://127.0.0.1:1/dead {folder}")
    assert indexed(NAME, Context(cache, ui)) == folder / NAME


def test_a_served_index_that_is_none_is_an_error(served: Site, cache: Cache, ui: Ui) -> None:
    served.on(f"/m/{INDEX}", whole(b'{"files": [{"name": "../../etc/passwd"}]}'))
    with pytest.raises(MirrorError, match=served.url):
        indexed(NAME, Context(cache, ui))


@pytest.fixture
def endless(served: Site) -> Iterator[list[int]]:
    """The index is 1 GB long; what was sent of it."""
    sent = [0]
    done = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(HTTPStatus.OK, Content_Length=1 << 30)
        try:
            while sent[0] < 1 << 30:
                sent[0] += handler.wfile.write(b" " * (1 << 16))
        except OSError:
            handler.close_connection = True
        finally:
            done.set()

    served.on(f"/m/{INDEX}", answer)
    yield sent
    assert done.wait(10)


def test_a_served_index_of_a_gigabyte_is_given_up_soon(endless: list[int], cache: Cache, ui: Ui) -> None:
    with pytest.raises(MirrorError) as caught:
        indexed(NAME, Context(cache, ui))
    assert "larger than" in caught.value.why
    assert endless[0] < 64 << 20


def test_put_is_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / NAME).write_bytes(DATA)
    put(tmp_path / NAME, tmp_path / "there", "x")
    assert (tmp_path / "there/x").read_bytes() == DATA
    put(tmp_path / NAME, tmp_path / "there", "x")
    with pytest.raises(StorageError):
        put(tmp_path / "nothing", tmp_path / "there", "y")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["x"]


def test_put_on_a_full_disk(tiny_disk: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    with pytest.raises(DiskFullError):
        put(tmp_path / NAME, tiny_disk, NAME)
    assert list(tiny_disk.iterdir()) == []


def test_put_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "there/x").symlink_to(tmp_path / "precious")
    (tmp_path / NAME).write_bytes(DATA)
    put(tmp_path / NAME, tmp_path / "there", "x")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "there/x").is_symlink()


@pytest.fixture
def tagged(folder: Path) -> Repository:
    """The mirror with a repository that has the tag v2.2.3."""
    created = Repository(folder / room.REPOSITORY)
    created.commit()
    created.tag("v2.2.3")
    return created


def test_a_repository_is_found_by_its_tags(tagged: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATCHKIT_MIRROR", f"http://127.0.0.1:1/ {tmp_path}/empty {tagged.path.parent}")
    assert repository_with("v2.2.3") == str(tagged.path)
    assert repository_with("v2.2") is None
    assert repository_with("v2.2.30") is None


def test_a_damaged_repository_is_said_to_be_damaged(tagged: Repository, cache: Cache, ui: Ui) -> None:
    commit, tree = tagged.git("rev-parse", "v2.2.3^{commit}", "v2.2.3^{tree}").split()
    origin = tag_in(tagged.path.parent, "v2.2.3", Context(cache, ui))
    assert (origin.commit, origin.tree) == (commit, tree)
    with pytest.raises(UnknownVersionError):
        tag_in(tagged.path.parent, "v2.2.4", Context(cache, ui))
    blob = tagged.git("rev-parse", "v2.2.3:version.m4")
    (tagged.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError):
        tag_in(tagged.path.parent, "v2.2.3", Context(cache, ui))
