"""Git's merge and diff of single files, and the trace of files that were moved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.errors import GitError
from patchkit.patching import exact
from patchkit.patching.csource.file import split_lines
from patchkit.patching.edits import spliced
from patchkit.patching.unified import read
from patchkit.source.git.merge import diff_file, merge_file, moved
from tests.support.source.samples import Repository

BASE = b"".join(b"line %d\n" % number for number in range(1, 41))


def replaced(text: bytes, line: int, by: bytes) -> bytes:
    return text.replace(b"line %d\n" % line, by)


def test_changes_in_different_places_are_merged() -> None:
    merge = merge_file(replaced(BASE, 3, b""), BASE, replaced(BASE, 20, b"mine\n"))
    assert merge.merged == replaced(replaced(BASE, 3, b""), 20, b"mine\n")
    assert not merge.conflicts


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    both = replaced(BASE, 20, b"mine\n")
    assert merge_file(both, BASE, both).merged == both


def test_conflicts_have_all_three_sides_and_their_line() -> None:
    upstream = replaced(replaced(replaced(BASE, 5, b""), 20, b"theirs\nand more\n"), 30, b"")
    patch = replaced(replaced(BASE, 20, b"mine\n"), 30, b"other\n")
    first, second = merge_file(upstream, BASE, patch).conflicts
    assert (first.upstream, first.before, first.patch) == ([b"theirs\n", b"and more\n"], [b"line 20\n"], [b"mine\n"])
    assert upstream.splitlines()[first.row - 1] == b"theirs"
    assert (second.upstream, second.before, second.patch) == ([], [b"line 30\n"], [b"other\n"])
    assert upstream.splitlines()[second.row - 1] == b"line 31"


def test_text_that_looks_like_marks_is_no_conflict() -> None:
    base = b"<<<<<<< upstream\n" + BASE + b"=======\n>>>>>>> patch\n"
    merge = merge_file(replaced(base, 3, b""), base, replaced(base, 20, b"mine\n"))
    assert not merge.conflicts


def test_binary_files_are_refused() -> None:
    with pytest.raises(GitError, match="merge-file"):
        merge_file(b"\0a", b"\0b", b"\0c")


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b"@@ -1 +1 @@\n"]), max_size=8).map(b"".join)


@pytest.mark.slow
@settings(max_examples=25)
@given(LINES, LINES, st.booleans())
def test_what_git_diffs_we_apply(before: bytes, after: bytes, cut: bool) -> None:
    after = after.removesuffix(b"\n") if cut else after
    if before == after or not before:
        return
    (change,) = read(diff_file(before, after, "src/x.c"), "x")
    lines = split_lines(before)
    assert not exact.misfits(change, lines)
    assert b"".join(spliced(lines, exact.edits(change))) == after


def test_nobodys_settings_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text('[diff]\n\texternal = "touch /tmp/patchkit-was-here;"\n\tnoprefix = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert diff_file(b"a\n", b"b\n", "x.c") == b"--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repository = Repository(tmp_path / "git")
    repository.commit({"ssl.c": BASE, "gone.c": b"".join(b"%d\n" % n for n in range(50))})
    repository.tag("v1")
    repository.git("mv", "ssl.c", "tls.c")
    repository.git("rm", "--quiet", "gone.c")
    repository.commit({})
    (repository.path / "src").mkdir()
    repository.git("mv", "tls.c", "src/tls.c")
    repository.commit({})
    # So much is new that the two ends are not alike any more.
    repository.commit({"src/tls.c": BASE[: len(BASE) // 2] + b"".join(b"new %d\n" % n for n in range(60))})
    repository.commit({"src/tls.c": b"".join(b"new %d\n" % n for n in range(60))})
    repository.tag("v2")
    return repository


def test_a_moved_file_is_followed_commit_by_commit(history: Repository) -> None:
    found = moved(history.path / ".git", "v1", "v2", ["ssl.c", "gone.c"])
    assert found == {"ssl.c": "src/tls.c"}
    assert moved(history.path / ".git", "v1", "v2~2", ["ssl.c"]) == {"ssl.c": "src/tls.c"}


def test_what_is_no_commit(history: Repository) -> None:
    with pytest.raises(GitError, match="renamed"):
        moved(history.path / ".git", "v1", "v9", ["ssl.c"])
