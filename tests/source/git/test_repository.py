"""Sources from real git repositories: what a pin vouches for, what is fetched, and what git is never asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    BadSourceError,
    GitError,
    NetworkUnavailableError,
    OfflineError,
    PatchkitError,
    TagMovedError,
    UnknownVersionError,
)
from patchkit.releases.catalog import TagPin
from patchkit.source.git.repository import tree_at
from patchkit.source.tree.tree import SYMLINK, SourceTree
from patchkit.source.tree.write import place
from patchkit.ui import Ui
from tests.support.source.repositories import TAG, git_processes, pin_of, places, reliable
from tests.support.source.samples import DATE, FILES, Repository, raw_tree

HOSTILE = [
    *("-rf", "--upload-pack=touch x", "+refs/heads/*"),
    *("../../x", "a..b", "a//b", "a:b", "a^", "HEAD~1", "@{u}", "a@{1}", ":/made"),
    *("", " ", "a b", "a\nb", f"{TAG}\n", "a\0b", "é", "a" * 10_000),
]

Read = Callable[..., SourceTree]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Three commits; the second has an annotated tag, the third is main's."""
    created = Repository(tmp_path_factory.mktemp("git") / "original")
    created.commit()
    created.commit({"src/openvpn/reliable.c": b"int tagged;\n"})
    created.tag(TAG)
    created.commit({"src/openvpn/reliable.c": b"int newest;\n"})
    return created


@pytest.fixture
def read(cache: Cache, ui: Ui) -> Read:
    def run(where: object, ref: str, *, pin: TagPin | None = None, offline: bool = False) -> SourceTree:
        return tree_at(str(where), ref, Context(cache, ui, offline), pin=pin)

    return run


def test_a_tag_with_its_pin_is_verified(repository: Repository, read: Read) -> None:
    pin = pin_of(repository, TAG)
    for where in places(repository):
        tree = read(where, TAG, pin=pin)
        assert tree.origin.verified
        assert (tree.origin.kind, tree.origin.name) == ("git", TAG)
        assert (tree.origin.commit, tree.origin.tree) == (pin.commit, pin.tree)
        assert tree.origin.epoch == DATE + 120  # the second commit's date, not the tag's nor today's
        assert reliable(tree) == b"int tagged;\n"


def test_a_tag_without_annotation_is_as_good(repository: Repository, read: Read) -> None:
    repository.git("tag", "v2.9.2")
    for where in places(repository):
        assert read(where, "v2.9.2", pin=pin_of(repository, "v2.9.2")).origin.verified


def test_without_a_pin_nothing_is_verified(repository: Repository, read: Read) -> None:
    for where in places(repository):
        assert not read(where, TAG).origin.verified


def test_a_moved_tag_names_both_commits(repository: Repository, read: Read) -> None:
    pin = pin_of(repository, TAG)
    moved = repository.commit({"src/openvpn/reliable.c": b"int another;\n"})
    repository.tag(TAG)
    for where in places(repository):
        with pytest.raises(TagMovedError) as refused:
            read(where, TAG, pin=pin)
        assert pin.commit in refused.value.why
        assert moved in refused.value.why
        # The way around it that the advice names is a way.
        assert f"--git {where} --version {moved}" in refused.value.advice
        assert reliable(read(where, moved)) == b"int another;\n"


def test_a_tag_moved_after_it_was_fetched_is_noticed(repository: Repository, read: Read) -> None:
    pin = pin_of(repository, TAG)
    read(repository.url, TAG, pin=pin)
    repository.commit()
    repository.tag(TAG)
    with pytest.raises(TagMovedError):
        read(repository.url, TAG, pin=pin)


def test_the_right_commit_with_another_tree_is_refused(repository: Repository, read: Read) -> None:
    pin = pin_of(repository, TAG)
    with pytest.raises(TagMovedError) as refused:
        read(repository.path, TAG, pin=replace(pin, tree="0" * 40))
    assert f"tree {'0' * 40}" in refused.value.why


def test_a_branch_of_the_tags_name_is_not_the_tag(repository: Repository, read: Read) -> None:
    repository.git("branch", TAG, "main")
    for where in places(repository):
        assert reliable(read(where, TAG)) == b"int tagged;\n"


def test_a_tag_that_looks_like_another_commit_is_the_tag(repository: Repository, read: Read) -> None:
    looks = repository.git("rev-parse", "--short=9", "main")
    repository.git("tag", looks, f"{TAG}^{{commit}}")
    assert reliable(read(repository.path, looks)) == b"int tagged;\n"


def test_a_ref_that_is_not_there_is_unknown(repository: Repository, read: Read) -> None:
    for where in places(repository):
        for ref in ("v2.99.1", "no/such/branch", "f" * 40, "0123456"):
            with pytest.raises(UnknownVersionError) as unknown:
                read(where, ref)
            assert ref in unknown.value.what
            assert unknown.value.advice == f"git ls-remote {where} lists what it has"


def test_a_hostile_ref_is_refused_before_git_runs(
    repository: Repository, read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read(repository.path, TAG)  # GitPython itself runs git when it is imported
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    for ref in HOSTILE:
        for where in places(repository):
            with pytest.raises(UnknownVersionError) as refused:
                read(where, ref)
            assert len(refused.value.what) < 200
            assert refused.value.what.isprintable()
            assert not trace.exists(), ref
    # With a ref that is one, the trace shows that git ran: this test can fail.
    read(repository.url, "main")
    assert "git fetch" in trace.read_text()


@pytest.mark.parametrize("name", ["empty", "absent", "file", "inside"])
def test_a_path_that_is_no_repository_is_a_git_error(read: Read, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a repository")
    Repository(tmp_path / "around").commit({"inside/file": b""})
    where = tmp_path / "around/inside" if name == "inside" else tmp_path / name
    with pytest.raises(GitError) as refused:
        read(where, TAG)
    assert str(where) in refused.value.what


def test_a_path_is_taken_literally(repository: Repository, read: Read, tmp_path: Path) -> None:
    # GitPython would put the environment into it.
    odd = tmp_path / "$HOME and a blank, 100%"
    repository.path.rename(odd)
    assert reliable(read(odd, "main")) == b"int newest;\n"


@pytest.mark.parametrize(
    "where", ["ext::sh -c touch% {}", "--upload-pack=touch {}", "-oProxyCommand=touch${{IFS}}{}@h:p"]
)
def test_a_repository_that_looks_like_a_command_is_not_run(read: Read, tmp_path: Path, where: str) -> None:
    with pytest.raises(GitError):
        read(where.format(tmp_path / "ran"), TAG)
    assert not (tmp_path / "ran").exists()


def test_a_url_is_fetched_shallow_and_works_offline_afterwards(
    repository: Repository, read: Read, cache: Cache, tmp_path: Path
) -> None:
    pin = pin_of(repository, TAG)
    read(repository.url, TAG)
    [fetched] = (cache.root / "git").iterdir()
    assert Repository.at(fetched).git("rev-list", "--count", "--all") == "1"
    repository.path.rename(tmp_path / "gone")
    tree = read(repository.url, TAG, pin=pin, offline=True)
    assert tree.origin.verified
    assert {path: entry.read() for path, entry in tree.entries.items()} == {
        **FILES,
        "src/openvpn/reliable.c": b"int tagged;\n",
    }


def test_a_fetched_commit_is_not_fetched_again(repository: Repository, read: Read, tmp_path: Path) -> None:
    # A commit never changes, so it needs no network the second time, --offline or not.
    commit = repository.git("rev-parse", "main^")
    read(repository.url, commit)
    repository.path.rename(tmp_path / "gone")
    assert reliable(read(repository.url, commit)) == b"int tagged;\n"
    assert reliable(read(repository.url, commit[:10], offline=True)) == b"int tagged;\n"


def test_hooks_of_the_repository_that_fetches_are_not_run(
    repository: Repository, read: Read, cache: Cache, tmp_path: Path
) -> None:
    read(repository.url, "main")
    [fetched] = (cache.root / "git").iterdir()
    hook = fetched / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    repository.commit({"src/openvpn/reliable.c": b"int later;\n"})
    assert reliable(read(repository.url, "main")) == b"int later;\n"
    assert not (tmp_path / "ran").exists()
    Repository.at(fetched).git("update-ref", "refs/heads/other", repository.git("rev-parse", "main"))
    assert (tmp_path / "ran").exists(), "git runs such a hook"


def test_a_branch_is_asked_for_anew_each_time(repository: Repository, read: Read) -> None:
    assert reliable(read(repository.url, "main")) == b"int newest;\n"
    repository.commit({"src/openvpn/reliable.c": b"int moved_on;\n"})
    assert reliable(read(repository.url, "main")) == b"int moved_on;\n"
    # Backwards too: a branch that was reset is what it is now.
    repository.git("reset", "--quiet", "--hard", TAG)
    assert reliable(read(repository.url, "main")) == b"int tagged;\n"


def test_two_repositories_do_not_share_a_name_in_the_cache(repository: Repository, read: Read, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"src/openvpn/reliable.c": b"int others;\n"})
    other.tag(TAG)
    assert reliable(read(repository.url, TAG)) == b"int tagged;\n"
    assert reliable(read(other.url, TAG)) == b"int others;\n"
    assert reliable(read(repository.url, TAG, offline=True)) == b"int tagged;\n"


def test_offline_without_a_cached_copy_is_said(
    repository: Repository, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ref in (TAG, "main", "f" * 40):
        with pytest.raises(OfflineError) as refused:
            read(repository.url, ref, offline=True)
        assert ref in refused.value.what
        assert "PATCHKIT_GIT" in refused.value.advice
    # A path is at hand, offline or not.
    assert reliable(read(repository.path, TAG, offline=True)) == b"int tagged;\n"


@pytest.mark.parametrize(
    "where",
    ["http://127.0.0.1:1/openvpn.git", "git://127.0.0.1:1/openvpn.git", "http://does-not-exist.invalid/openvpn.git"],
)
def test_a_host_out_of_reach_is_no_network(read: Read, where: str) -> None:
    with pytest.raises(NetworkUnavailableError) as refused:
        read(where, TAG)
    assert where in refused.value.what
    assert refused.value.why
    assert "PATCHKIT_GIT" in refused.value.advice


def test_a_url_that_holds_no_repository_is_a_git_error(read: Read, tmp_path: Path) -> None:
    with pytest.raises(GitError) as refused:
        read((tmp_path / "absent").as_uri(), TAG)
    assert "does not appear to be a git repository" in refused.value.why


def test_files_are_read_one_by_one_when_asked_for(repository: Repository, read: Read) -> None:
    blob = repository.git("rev-parse", f"{TAG}:configure.ac")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    tree = read(repository.path, TAG)
    assert set(tree.entries) == set(FILES)
    assert len(tree.entries) == len(FILES)
    assert reliable(tree) == b"int tagged;\n"
    # A damaged clone is git's failure, not patchkit's.
    with pytest.raises(GitError):
        tree.read("configure.ac")


def test_a_file_that_the_commit_lacks_is_said_as_such(repository: Repository, read: Read) -> None:
    tree = read(repository.path, TAG)
    for path in ("none", "src", "src/openvpn", "src/openvpn/none.c", "configure.ac/x"):
        assert path not in tree
        with pytest.raises(BadSourceError, match=f"has no file {path}"):
            tree.read(path)


def test_links_and_executables_keep_their_kind(repository: Repository, read: Read) -> None:
    script = repository.path / "version.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (repository.path / "link.c").symlink_to("src/openvpn/reliable.c")
    commit = repository.commit()
    entries = read(repository.path, commit).entries
    assert (entries["version.sh"].mode, entries["configure.ac"].mode) == (0o755, 0o644)
    assert (entries["link.c"].mode, entries["link.c"].read()) == (SYMLINK, b"src/openvpn/reliable.c")
    assert {entry.mtime for entry in entries.values()} == {repository.seconds}


def test_a_submodule_is_no_file(repository: Repository, read: Read) -> None:
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    repository.git("commit", "--quiet", "--message=made up")
    for where in places(repository):
        tree = read(where, "main")
        assert set(tree.entries) == set(FILES)
        assert "module" not in tree


def test_line_endings_and_attributes_convert_nothing(repository: Repository, read: Read) -> None:
    odd = {
        "crlf.c": b"one\r\ntwo\r\n",
        "mixed.c": b"one\r\ntwo\n\xff\0",
        "ident.c": b"$Id$\n",
        ".gitattributes": b"forced.c text eol=crlf\nident.c ident export-subst\nhidden.c export-ignore\n",
        "forced.c": b"one\ntwo\n",
        "hidden.c": b"not in git archive\n",
    }
    repository.commit(odd)
    # The checkout would have it otherwise; the repository's bytes are what the tag's tree vouches for.
    (repository.path / "forced.c").unlink()
    repository.git("checkout", "--", "forced.c")
    assert (repository.path / "forced.c").read_bytes() == b"one\r\ntwo\r\n"
    for where in places(repository):
        tree = read(where, "main")
        assert {path: tree.read(path) for path in odd} == odd


def test_what_is_not_committed_is_not_read(repository: Repository, read: Read) -> None:
    (repository.path / "src/openvpn/reliable.c").write_text("int being_edited;\n")
    (repository.path / "new.c").write_text("")
    tree = read(repository.path, "main")
    assert reliable(tree) == b"int newest;\n"
    assert "new.c" not in tree


def test_a_bare_mirror_without_a_config_file_is_read(repository: Repository, read: Read, tmp_path: Path) -> None:
    # What a plain copy of a server's folder may look like.
    mirror = tmp_path / "mirror"
    repository.git("clone", "--quiet", "--mirror", str(repository.path), str(mirror))
    (mirror / "config").unlink()
    assert reliable(read(mirror, TAG, pin=pin_of(repository, TAG))) == b"int tagged;\n"


def test_packed_refs_and_objects_are_read(repository: Repository, read: Read) -> None:
    repository.git("gc", "--quiet")
    assert not list((repository.path / ".git/refs/tags").iterdir())
    assert reliable(read(repository.path, TAG, pin=pin_of(repository, TAG))) == b"int tagged;\n"


def test_a_branch_and_a_commit_in_full_or_short_are_refs(repository: Repository, read: Read) -> None:
    repository.git("branch", "release/2.9", TAG)
    commit = repository.git("rev-parse", f"{TAG}^{{commit}}")
    for ref in ("release/2.9", commit, commit[:7], commit[:12]):
        tree = read(repository.path, ref)
        assert tree.origin.commit == commit
        assert tree.origin.name == ref
        assert not tree.origin.verified
    for ref in ("release/2.9", commit):
        assert read(repository.url, ref).origin.commit == commit


def test_a_tag_on_something_that_is_no_commit_is_refused(repository: Repository, read: Read) -> None:
    repository.git("tag", "a-tree", "HEAD^{tree}")
    repository.git("tag", "a-blob", "HEAD:configure.ac")
    for where in places(repository):
        for ref in ("a-tree", "a-blob"):
            with pytest.raises((UnknownVersionError, GitError)):
                read(where, ref)


def test_a_repository_around_a_git_hook_is_left_alone(
    repository: Repository, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a hook git points at the repository that it runs for; patchkit's own git work is elsewhere.
    around = Repository(tmp_path / "around")
    around.commit({"a": b"a"})
    git_dir = around.path / ".git"
    before = snapshot(git_dir)
    monkeypatch.setenv("GIT_DIR", str(git_dir))
    for where in places(repository):
        assert reliable(read(where, TAG)) == b"int tagged;\n"
    assert snapshot(git_dir) == before


def test_no_git_process_outlives_the_tree_or_the_error(repository: Repository, read: Read) -> None:
    before = git_processes()
    tree = read(repository.path, TAG)
    reliable(tree)
    assert git_processes() - before
    del tree
    assert not git_processes() - before
    moved = replace(pin_of(repository, TAG), commit="0" * 40)
    for ref, pin in (("v2.99.1", None), (TAG, moved)):
        # Held by the error, not by chance: a traceback keeps everything that it passed through alive.
        with pytest.raises(PatchkitError) as refused:
            read(repository.path, ref, pin=pin)
        assert refused.tb
        assert not git_processes() - before


class TestHostileRepository:
    """Trees that git would never check out, stored as raw objects."""

    @pytest.fixture
    def blob(self, repository: Repository) -> str:
        return repository.object("blob", b"evil\n")

    def assert_stays_inside(self, repository: Repository, read: Read, tmp_path: Path, tree: bytes) -> None:
        """Reading and placing may work or be refused; outside of the folder nothing may appear."""
        repository.commit_tree(repository.object("tree", tree), "hostile")
        home = tmp_path / "home"
        home.mkdir()
        for where in places(repository):
            with pytest.raises(PatchkitError):
                place(read(where, "hostile"), home / "inner/folder")
        assert [path for path in home.rglob("*") if not path.is_dir()] == []

    @pytest.mark.parametrize("name", ["..", "../evil", "."])
    def test_a_path_that_climbs_out_is_refused(
        self, repository: Repository, read: Read, tmp_path: Path, blob: str, name: str
    ) -> None:
        below = repository.object("tree", raw_tree(("100644", "evil", blob)))
        row = ("40000", name, below) if name == ".." else ("100644", name, blob)
        self.assert_stays_inside(repository, read, tmp_path, raw_tree(row))

    def test_an_absolute_path_is_refused(self, repository: Repository, read: Read, tmp_path: Path, blob: str) -> None:
        self.assert_stays_inside(repository, read, tmp_path, raw_tree(("100644", f"{tmp_path}/home/evil", blob)))

    def test_a_file_below_a_link_is_refused(
        self, repository: Repository, read: Read, tmp_path: Path, blob: str
    ) -> None:
        link = repository.object("blob", os.fsencode(tmp_path / "home"))
        row = ("40000", "x", repository.object("tree", raw_tree(("100644", "evil", blob))))
        self.assert_stays_inside(repository, read, tmp_path, raw_tree(("120000", "x", link), row))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
