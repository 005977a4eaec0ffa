"""All release tags of a repository: which they are, what is fetched of them, and what a bad one says."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    GitError,
    NetworkUnavailableError,
    OfflineError,
    PatchkitError,
    TagMovedError,
    UnknownVersionError,
)
from patchkit.source.git.release_history import history
from patchkit.source.git.repository import tree_at
from patchkit.ui import Ui
from tests.support.source.repositories import git_processes, pin_of, places, reliable
from tests.support.source.samples import Repository

Read = Callable[..., dict[str, bytes]]

RELEASES = {"v2.4_alpha1": b"int oldest;\n", "v2.5-rc1": b"int candidate;\n", "v2.5.0": b"int tagged;\n"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Three releases, the last with a tag without annotation, and tags and a branch that are none."""
    created = Repository(tmp_path_factory.mktemp("git") / "original")
    for name, data in RELEASES.items():
        created.commit({"src/openvpn/reliable.c": data})
        if name == "v2.5.0":
            created.git("tag", name)
        else:
            created.tag(name)
    for name in ("start_of_2.8", "v2.6_branched", "2.5.1", "V2.5.2", "vendor/v2.5.3", "v2.5.4/signed", "contains"):
        created.tag(name)
    created.git("branch", "v2.5.9")
    return created


@pytest.fixture
def read(cache: Cache, ui: Ui) -> Read:
    """Every release's reliable.c by tag, in the order that the tags are given in."""

    def run(where: object, *, offline: bool = False) -> dict[str, bytes]:
        with history(str(where), Context(cache, ui, offline)) as past:
            assert [version.text for version in past.tags] == [tag.removeprefix("v") for tag in past.tags.values()]
            return {tag: reliable(past.tree(tag, None)) for tag in past.tags.values()}

    return run


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The tags that git was told to fetch since the last call, as git itself tells."""
    trace = tmp_path / "trace"

    def since() -> list[str]:
        log = trace.read_text() if trace.exists() else ""
        trace.unlink(missing_ok=True)
        lines = re.findall(r"trace: built-in: git fetch (.*)", log)
        return [tag for line in lines for tag in re.findall(r"refs/tags/([^ :']+):refs/tags/patchkit/", line)]

    monkeypatch.setenv("GIT_TRACE", str(trace))
    return since


def test_release_tags_and_no_others_oldest_first(repository: Repository, read: Read) -> None:
    for where in places(repository):
        contents = read(where)
        assert contents == RELEASES
        assert list(contents) == list(RELEASES)


def test_a_tag_with_its_pin_is_verified_and_without_one_is_not(repository: Repository, cache: Cache, ui: Ui) -> None:
    for where in places(repository):
        with history(where, Context(cache, ui)) as past:
            for tag in RELEASES:
                pin = pin_of(repository, tag)
                origin = past.tree(tag, pin).origin
                assert (origin.verified, origin.name, origin.commit) == (True, tag, pin.commit)
                assert not past.tree(tag, None).origin.verified


def test_a_moved_tag_does_not_spoil_the_others(repository: Repository, cache: Cache, ui: Ui) -> None:
    pin = pin_of(repository, "v2.5.0")
    moved = repository.commit({"src/openvpn/reliable.c": b"int another;\n"})
    repository.tag("v2.5.0")
    for where in places(repository):
        with history(where, Context(cache, ui)) as past:
            with pytest.raises(TagMovedError) as refused:
                past.tree("v2.5.0", pin)
            assert pin.commit in refused.value.why
            assert moved in refused.value.why
            assert reliable(past.tree("v2.5-rc1", None)) == RELEASES["v2.5-rc1"]


def test_an_unknown_tag_does_not_spoil_the_others(repository: Repository, cache: Cache, ui: Ui) -> None:
    for where in places(repository):
        with history(where, Context(cache, ui)) as past:
            with pytest.raises(UnknownVersionError, match=r"v2\.9\.9"):
                past.tree("v2.9.9", None)
            assert reliable(past.tree("v2.5.0", None)) == RELEASES["v2.5.0"]


def test_two_spellings_of_one_release_are_one_under_its_own_name(repository: Repository, read: Read) -> None:
    # The fixture holds every label against its tag: one that names the other tag's files would be a lie.
    repository.commit({"src/openvpn/reliable.c": b"int respelled;\n"})
    repository.tag("v2.5.0.0")
    repository.tag("v2.5_rc1")
    for where in places(repository):
        assert len(read(where)) == len(RELEASES)


class TestUrl:
    """What a URL costs, and what is left of it without a network."""

    def test_everything_is_fetched_once_and_without_its_past(
        self, repository: Repository, read: Read, cache: Cache, fetched: Callable[[], list[str]]
    ) -> None:
        read(repository.url)
        assert sorted(fetched()) == sorted(RELEASES)
        [kept] = (cache.root / "git").iterdir()
        assert Repository.at(kept).git("rev-list", "--count", "--all") == "3"
        assert (kept / "shallow").exists()
        fetched()
        assert read(repository.url) == RELEASES
        assert fetched() == []

    def test_a_new_tag_is_fetched_alone(
        self, repository: Repository, read: Read, fetched: Callable[[], list[str]]
    ) -> None:
        read(repository.url)
        fetched()
        repository.commit({"src/openvpn/reliable.c": b"int newest;\n"})
        repository.tag("v2.9.0")
        assert read(repository.url) == {**RELEASES, "v2.9.0": b"int newest;\n"}
        assert fetched() == ["v2.9.0"]

    @pytest.mark.parametrize("annotated", [True, False])
    def test_a_moved_tag_is_fetched_anew(
        self, repository: Repository, read: Read, fetched: Callable[[], list[str]], annotated: bool
    ) -> None:
        read(repository.url)
        fetched()
        repository.commit({"src/openvpn/reliable.c": b"int another;\n"})
        if annotated:
            repository.tag("v2.5.0")
        else:
            repository.git("tag", "--force", "v2.5.0")
        assert read(repository.url) == {**RELEASES, "v2.5.0": b"int another;\n"}
        assert fetched() == ["v2.5.0"]

    def test_a_tag_that_is_no_longer_there_is_no_longer_a_release(self, repository: Repository, read: Read) -> None:
        read(repository.url)
        repository.git("tag", "--delete", "v2.5-rc1")
        assert list(read(repository.url)) == ["v2.4_alpha1", "v2.5.0"]

    def test_one_cache_serves_both_ways_to_a_release(
        self, repository: Repository, read: Read, cache: Cache, ui: Ui, fetched: Callable[[], list[str]]
    ) -> None:
        tree_at(repository.url, "v2.5-rc1", Context(cache, ui))
        fetched()
        read(repository.url)
        assert sorted(fetched()) == ["v2.4_alpha1", "v2.5.0"]
        repository.path.rename(repository.path.with_name("gone"))
        assert reliable(tree_at(repository.url, "v2.5.0", Context(cache, ui, offline=True))) == RELEASES["v2.5.0"]

    def test_offline_is_answered_from_the_cache(self, repository: Repository, read: Read) -> None:
        with pytest.raises(OfflineError) as refused:
            read(repository.url, offline=True)
        assert repository.url in refused.value.what
        assert "PATCHKIT_GIT" in refused.value.advice
        read(repository.url)
        repository.path.rename(repository.path.with_name("gone"))
        assert read(repository.url, offline=True) == RELEASES
        with pytest.raises(GitError):  # it is the option that does it
            read(repository.url)

    def test_a_repository_of_too_many_tags_is_refused(self, read: Read, tmp_path: Path) -> None:
        # 300,000 tags that name releases took 900 MB and more than 45 s.
        hostile = Repository(tmp_path / "hostile")
        commit = hostile.commit()
        rows = "".join(f"{commit} refs/tags/v2.{number // 1000}.{number % 1000}\n" for number in range(10_001))
        (hostile.path / ".git/packed-refs").write_text(rows)
        with pytest.raises(GitError, match="more than 10000 tags") as refused:
            read(str(hostile.path))
        assert "--ref" in refused.value.advice

    def test_a_repository_without_releases_says_so(self, read: Read, tmp_path: Path) -> None:
        empty = Repository(tmp_path / "empty")
        empty.commit()
        empty.tag("start_of_2.8")
        with pytest.raises(UnknownVersionError) as refused:
            read(empty.url)
        assert "no release tags" in refused.value.what
        assert "1 tag" in refused.value.why

    @pytest.mark.parametrize("where", ["http://127.0.0.1:1/openvpn.git", "http://does-not-exist.invalid/openvpn.git"])
    def test_a_host_out_of_reach_is_no_network(self, read: Read, where: str) -> None:
        with pytest.raises(NetworkUnavailableError) as refused:
            read(where)
        assert where in refused.value.what
        assert "PATCHKIT_GIT" in refused.value.advice

    def test_a_url_that_holds_no_repository_is_a_git_error(self, read: Read, tmp_path: Path) -> None:
        with pytest.raises(GitError) as refused:
            read((tmp_path / "absent").as_uri())
        assert "does not appear to be a git repository" in refused.value.why


class TestClones:
    """The shapes in which a clone may lie on a disk."""

    def test_packed(self, repository: Repository, read: Read) -> None:
        repository.git("gc", "--quiet")
        assert not list((repository.path / ".git/refs/tags").glob("v*"))
        assert read(repository.path) == RELEASES

    def test_a_bare_mirror_without_a_config_file(self, repository: Repository, read: Read, tmp_path: Path) -> None:
        repository.git("clone", "--quiet", "--mirror", str(repository.path), str(tmp_path / "mirror"))
        (tmp_path / "mirror/config").unlink()
        assert read(tmp_path / "mirror") == RELEASES

    def test_a_shallow_clone_has_the_releases_that_it_has(
        self, repository: Repository, read: Read, tmp_path: Path
    ) -> None:
        repository.git(
            "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1", "--branch=v2.5-rc1",
            repository.url, str(tmp_path / "shallow"),
        )  # fmt: skip
        assert read(tmp_path / "shallow") == {"v2.5-rc1": RELEASES["v2.5-rc1"]}

    def test_a_clone_without_blobs_is_refused_and_starts_nothing(
        self, repository: Repository, read: Read, tmp_path: Path
    ) -> None:
        """To fetch what is missing, git would run the program that the clone's own configuration names."""
        repository.git("config", "uploadpack.allowFilter", "true")
        partial = tmp_path / "partial"
        repository.git("clone", "--quiet", "--bare", "--filter=blob:none", repository.url, str(partial))
        listed = Repository.at(partial).git("rev-list", "--objects", "--all", "--missing=print")
        assert f"?{repository.git('rev-parse', 'v2.5.0:src/openvpn/reliable.c')}" in listed
        started = tmp_path / "started"
        program = tmp_path / "upload-pack"
        program.write_text(f'#!/bin/sh\ntouch {started}\nexec git-upload-pack "$@"\n')
        program.chmod(0o755)
        Repository.at(partial).git("config", "remote.origin.uploadpack", str(program))
        with pytest.raises(GitError):
            read(partial)
        assert not started.exists()

    @pytest.mark.parametrize("name", ["absent", "file"])
    def test_no_repository(self, read: Read, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").write_text("not a repository")
        with pytest.raises(GitError) as refused:
            read(tmp_path / name)
        assert str(tmp_path / name) in refused.value.what

    def test_no_git_process_is_left(self, repository: Repository, cache: Cache, ui: Ui) -> None:
        before = git_processes()
        for where in places(repository):
            with history(where, Context(cache, ui)) as past:
                reliable(past.tree("v2.5.0", None))
                assert git_processes() - before
            assert not git_processes() - before


class TestDamage:
    """A damaged or hostile clone is git's failure, never patchkit's, and never a verified source."""

    OBJECTS: Mapping[str, str] = {
        "the tag": "v2.5-rc1",
        "its commit": "v2.5-rc1^{commit}",
        "its tree": "v2.5-rc1^{tree}",
        "a folder": "v2.5-rc1:src/openvpn",
        "the file": "v2.5-rc1:src/openvpn/reliable.c",
    }

    @pytest.mark.parametrize("what", OBJECTS)
    @pytest.mark.parametrize("garbage", [None, b"garbage"], ids=["missing", "garbage"])
    def test_a_damaged_object_spoils_its_release_only(
        self, repository: Repository, cache: Cache, ui: Ui, what: str, garbage: bytes | None
    ) -> None:
        file = stored(repository, repository.git("rev-parse", self.OBJECTS[what]))
        file.unlink()
        if garbage:
            file.write_bytes(garbage)
        with history(str(repository.path), Context(cache, ui)) as past:
            with pytest.raises(PatchkitError) as refused:
                reliable(past.tree("v2.5-rc1", None))
            assert refused.type is GitError
            assert reliable(past.tree("v2.5.0", None)) == RELEASES["v2.5.0"]

    def test_damaged_refs(self, repository: Repository, read: Read) -> None:
        (repository.path / ".git/packed-refs").write_text("garbage\n")
        with pytest.raises(GitError) as refused:
            read(repository.path)
        assert "packed-refs" in refused.value.why

    @pytest.mark.parametrize("what", ["its commit", "its tree", "a folder", "the file"])
    def test_an_object_that_is_not_what_its_id_says_is_not_verified(
        self, repository: Repository, cache: Cache, ui: Ui, what: str
    ) -> None:
        """git cat-file does not hash what it hands out: a pin's ids alone vouch for nothing."""
        pin = pin_of(repository, "v2.5-rc1")
        self._forge(repository, self.OBJECTS[what], self.OBJECTS[what].replace("-rc1", ".0"))
        with history(str(repository.path), Context(cache, ui)) as past, pytest.raises(PatchkitError):
            reliable(past.tree("v2.5-rc1", pin))

    def test_a_replaced_object_is_not_verified(self, repository: Repository, cache: Cache, ui: Ui) -> None:
        """git replace(1): the id stays, the bytes are others."""
        pin = pin_of(repository, "v2.5-rc1")
        ids = [repository.git("rev-parse", f"{tag}:src/openvpn/reliable.c") for tag in ("v2.5-rc1", "v2.5.0")]
        repository.git("replace", *ids)
        with history(str(repository.path), Context(cache, ui)) as past, suppress(GitError):  # refusing it is as good
            assert reliable(past.tree("v2.5-rc1", pin)) == RELEASES["v2.5-rc1"]

    @staticmethod
    def _forge(repository: Repository, name: str, other: str) -> None:
        """Store the object ``other`` where git looks for ``name``."""
        file, theirs = (stored(repository, repository.git("rev-parse", tag)) for tag in (name, other))
        data = theirs.read_bytes()
        assert hashlib.sha1(zlib.decompress(data), usedforsecurity=False).hexdigest().startswith(theirs.parent.name)
        file.unlink()
        file.write_bytes(data)


def stored(repository: Repository, sha: str) -> Path:
    """Where git keeps a loose object."""
    return repository.path / ".git/objects" / sha[:2] / sha[2:]
