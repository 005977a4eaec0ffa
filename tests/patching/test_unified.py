"""Reading diffs from anywhere: what is taken, and every kind that is refused, by its line."""

from __future__ import annotations

import difflib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchkit.errors import BadPatchError
from patchkit.patching import exact
from patchkit.patching.csource.file import split_lines
from patchkit.patching.edits import spliced
from patchkit.patching.unified import MAX_DIFF, read

HEAD = b"--- a/src/x.c\n+++ b/src/x.c\n"
BODY = b"@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
NEW = b"--- /dev/null\n+++ b/src/new.c\n@@ -0,0 +1,2 @@\n+one\n+two\n"


def test_a_plain_diff_is_read() -> None:
    (change,) = read(b"some talk\n\n" + HEAD + BODY, "mine.diff")
    assert (change.path, change.is_new) == ("src/x.c", False)
    (hunk,) = change.hunks
    assert (hunk.row, hunk.start, hunk.new_start) == (5, 0, 0)
    assert hunk.side(b"+") == [b"one\n", b"two\n"]
    assert hunk.side(b"-") == [b"one\n", b"2\n"]


@pytest.mark.parametrize(
    "diff",
    [
        b"diff --git a/src/x.c b/src/x.c\nindex 1234567..89abcde 100644\n" + HEAD + BODY,
        HEAD.replace(b"x.c\n", b"x.c\t2026-11-29 07:00:00.000000000 +0000\n") + BODY,
        b"--- openvpn.orig/src/x.c\n+++ openvpn/src/x.c\n" + BODY,
        HEAD.replace(b"a/src/x.c", b"a/src/x.c.orig") + BODY,
        HEAD + BODY + b"-- \n2.39.5\n\n",
        HEAD + BODY.removesuffix(b"\n"),
        HEAD + b"@@ -1,2 +1,2 @@ int function(void)\n one\n-two\n+2\n",
    ],
    ids=["git", "times", "two-folders", "orig", "mail", "no-newline-at-the-end", "function-behind-the-head"],
)
def test_forms_that_tools_write(diff: bytes) -> None:
    (change,) = read(diff, "mine.diff")
    assert change.path == "src/x.c"
    assert [line for sign, line in change.hunks[0].body if sign == b"+"] == [b"2\n"]


def test_without_a_folder_in_front() -> None:
    (change,) = read(HEAD.replace(b"a/", b"").replace(b"b/", b"") + BODY, "mine.diff", strip=0)
    assert change.path == "src/x.c"


def test_a_new_file() -> None:
    (change,) = read(b"diff --git a/src/new.c b/src/new.c\nnew file mode 100644\n" + NEW, "mine.diff")
    assert (change.path, change.is_new) == ("src/new.c", True)


@pytest.mark.parametrize(
    ("diff", "says"),
    [
        (b"", "changes no file"),
        (b"hello\n", "changes no file"),
        (HEAD, "no hunk"),
        (HEAD + b"@@ -1,2 +1,2 @@\n one\n two\n", "changes nothing"),
        (HEAD + BODY.replace(b"1,2 +1,2", b"1,3 +1,3"), "more lines"),
        (HEAD + BODY.replace(b"1,2 +1,2", b"1,1 +1,1"), "changes nothing"),
        (HEAD + BODY + b" three\n", "more lines in a hunk"),
        (HEAD + BODY.replace(b" one", b"?one"), "another number of lines"),
        (HEAD + BODY + HEAD + BODY, "twice"),
        (HEAD.replace(b"\n", b"\r\n") + BODY.replace(b"\n", b"\r\n"), "CRLF"),
        (HEAD + BODY.replace(b"two", b"t\0o"), "binary"),
        (b"diff --git a/x.png b/x.png\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZQz\n", "binary"),
        (b"Binary files a/x.png and b/x.png differ\n", "binary"),
        (b"diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n", "renames"),
        (b"diff --git a/x.c b/y.c\nsimilarity index 100%\ncopy from x.c\ncopy to y.c\n", "copies"),
        (b"diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n", "mode"),
        (b"diff --git a/x.c b/x.c\ndeleted file mode 100644\n--- a/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "removes"),
        (b"--- a/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "removes"),
        (b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n", "link"),
        (b"diff --git a/x b/x\nnew file mode 100755\n" + NEW, "executable"),
        (b"diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n", "changes nothing in it"),
        (b"--- a/x.c\n+++ b/y.c\n" + BODY, "two names"),
        (NEW.replace(b"-0,0", b"-1,1").replace(b"+1,2", b"+1,2").replace(b"+one", b" one"), "old lines"),
        (BODY, "without the names"),
        (HEAD + b"@@ -0,2 +0,2 @@\n one\n-two\n+2\n", "before the file"),
    ],
)
def test_what_is_refused(diff: bytes, says: str) -> None:
    with pytest.raises(BadPatchError, match=says) as caught:
        read(diff, "mine.diff")
    assert caught.value.exit_code == 38


@pytest.mark.parametrize(
    "path",
    [
        "a/../../etc/passwd",
        "a/src/../../x.c",
        "/etc/passwd",
        "a/.git/hooks/pre-commit",
        "a/src/.GIT/config",
        "a/.git ./config",
        "a//x.c",
        "a/./x.c",
        "a/src/\x1b[31mx.c",
        "a/src\\x.c",
        '"a/src/\\303\\244.c"',
        "a/src/\u202ex.c",
        "a",
        "a/" + "x" * 600,
    ],
)
def test_paths_that_leave_the_tree_are_refused_and_printed_harmlessly(path: str) -> None:
    diff = f"--- {path}\n+++ {path}\n".encode() + BODY
    with pytest.raises(BadPatchError, match="path that is not one of a source tree") as caught:
        read(diff, "mine.diff")
    assert f"{caught.value.what}{caught.value.why}".isprintable() or "\x1b" not in caught.value.why


def test_a_large_diff_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(BadPatchError, match="8 MiB"):
        read(b"x" * (MAX_DIFF + 1), "mine.diff")
    with pytest.raises(BadPatchError, match="64 KiB"):
        read(HEAD + BODY.replace(b"two", b"t" * 100_000), "mine.diff")
    assert time.process_time() - began < 1


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c\r\n", "ä\n", "+\n", "-- \n"]), max_size=12)


@given(LINES, LINES, st.booleans(), st.booleans(), st.integers(0, 3))
def test_what_difflib_writes_is_applied_as_it_means(
    before: list[str], after: list[str], cut_before: bool, cut_after: bool, context: int
) -> None:
    """Any two texts, with and without a newline at the end, and with any number of lines of context."""
    texts = ["".join(before), "".join(after)]
    texts = [text.removesuffix("\n") if cut else text for text, cut in zip(texts, (cut_before, cut_after), strict=True)]
    sides = [[line.decode() for line in split_lines(text.encode())] for text in texts]
    rows = list(difflib.unified_diff(sides[0], sides[1], "a/x.c", "b/x.c", n=context, lineterm="\n"))
    diff = "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)
    if texts[0] == texts[1]:
        return
    (change,) = read(diff.encode(), "mine.diff")
    lines = split_lines(texts[0].encode())
    assert exact.misfits(change, lines) == []
    assert b"".join(spliced(lines, exact.edits(change))) == texts[1].encode()


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_no_input_makes_it_fail_otherwise(rubbish: bytes, start: int, end: int) -> None:
    whole = b"diff --git a/src/x.c b/src/x.c\n" + HEAD + BODY + NEW
    for diff in (rubbish, whole[:start] + rubbish + whole[end:], HEAD + b"@@ -1 +1 @@\n" + rubbish):
        try:
            read(diff, "mine.diff")
        except BadPatchError:
            continue


def test_a_path_that_is_a_file_and_a_folder_is_refused() -> None:
    new = b"--- /dev/null\n+++ b/%b\n@@ -0,0 +1 @@\n+int x;\n"
    for paths in (b"src/a", b"src/a/b/c"), (b"src/a/b/c", b"src/a"):
        with pytest.raises(BadPatchError, match="takes src/a for a file and for a folder") as caught:
            read(b"".join(new % path for path in paths), "mine.diff")
        assert "src/a/b/c" in caught.value.why
    read(new % b"src/a" + new % b"src/ab", "mine.diff")
