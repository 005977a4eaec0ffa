"""Fitting hunks at their very lines, and what is told where they do not fit."""

from __future__ import annotations

import time

import pytest

from patchkit.errors import AlreadyPatchedError, PatchMismatchError
from patchkit.patching import exact
from patchkit.patching.unified import FileChange, read
from tests.support.patching.own_patches import diff_of

TEXT = "".join(f"line {number}\n" for number in range(1, 31))
CHANGED = TEXT.replace("line 10\n", "line ten\n").replace("line 25\n", "line twenty-five\n")


def change(before: str = TEXT, after: str = CHANGED) -> FileChange:
    (found,) = read(diff_of(before, after), "mine.diff")
    return found


def misfits(text: str | None, made: FileChange | None = None) -> list[str]:
    lines = None if text is None else text.encode().splitlines(keepends=True)
    return [misfit.text for misfit in exact.misfits(made or change(), lines)]


def test_what_fits() -> None:
    assert misfits(TEXT) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("new\n" + TEXT, "its lines stand at line 8 (+1)"),
        (TEXT.replace("line 12\n", "LINE 12\n"), '6 of 7 lines are the same; line 12 is "LINE 12", not "line 12"'),
        (TEXT.replace("\n", "\r\n"), "none of its lines is in the file"),
        (TEXT[: TEXT.index("line 12")], "the file ends before that"),
        ("", "none of its lines is in the file"),
        (TEXT.replace("line 12", "line 12\x1b[31m"), r"\x1b[31m"),
    ],
    ids=["offset", "other-line", "crlf", "truncated", "empty", "escape"],
)
def test_where_it_would_have_to_go(text: str, says: str) -> None:
    first, *_ = misfits(text)
    assert says in first
    assert first.startswith("src/openvpn/reliable.c, line 7, hunk 1 of 2 (line 3 of the diff): ")


def test_every_hunk_that_does_not_fit_is_told() -> None:
    assert [text.partition(":")[0] for text in misfits("new\n" + TEXT)] == [
        "src/openvpn/reliable.c, line 7, hunk 1 of 2 (line 3 of the diff)",
        "src/openvpn/reliable.c, line 22, hunk 2 of 2 (line 12 of the diff)",
    ]
    with pytest.raises(
        PatchMismatchError, match=r"mine.diff does not apply exactly to src/openvpn/reliable.c at line 7"
    ):
        raise exact.error("mine.diff", exact.misfits(change(), [b"new\n", *TEXT.encode().splitlines(True)]), "port it")


def test_a_diff_that_is_applied_already() -> None:
    found = exact.misfits(change(), CHANGED.encode().splitlines(keepends=True))
    assert isinstance(exact.error("mine.diff", found, ""), AlreadyPatchedError)
    half = CHANGED.replace("line twenty-five", "line 25")
    found = exact.misfits(change(), half.encode().splitlines(keepends=True))
    assert "or a part of it" in exact.error("mine.diff", found, "").what
    other = exact.misfits(change(), half.replace("line 30", "line 31").encode().splitlines(keepends=True)[1:])
    assert isinstance(exact.error("mine.diff", other, ""), PatchMismatchError)


def test_no_file() -> None:
    assert misfits(None) == ["src/openvpn/reliable.c: there is no such file"]


def test_a_new_file_that_is_there() -> None:
    (made,) = read(b"--- /dev/null\n+++ b/x.h\n@@ -0,0 +1 @@\n+x\n", "mine.diff")
    assert misfits(None, made) == []
    assert "there already" in misfits("y\n", made)[0]


def test_a_last_line_without_a_newline_stays_the_last() -> None:
    assert misfits("a\nb", change("a\nb", "a\nc\n")) == []
    assert "6 of" not in misfits("a\nb\n", change("a\nb", "a\nc"))[0]
    # diff -U0 at the end of such a file would glue the new line to the last one.
    (glued,) = read(b"--- a/x.c\n+++ b/x.c\n@@ -2,0 +3 @@\n+c\n", "mine.diff")
    assert "without a newline" in misfits("a\nb", glued)[0]


def test_a_misnumbered_new_side() -> None:
    (made,) = read(diff_of(TEXT, CHANGED).replace(b"+22,7", b"+23,7"), "mine.diff")
    assert "its new side begins at line 22, and its head states 23" in misfits(TEXT, made)[0]


def test_hunks_that_overlap() -> None:
    (made,) = read(b"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -2 +2 @@\n-b\n+B\n", "mine.diff")
    assert "before the hunk in front of it ends" in misfits("a\nb\n", made)[0]


def test_a_long_hunk_is_looked_for_in_bounded_time() -> None:
    """200,000 old lines, each of which is in the file, and none of them in its place."""
    lines = [b"line %d\n" % number for number in range(4000)]
    old = [lines[number * 7919 % 4000] for number in range(200_000)]
    began = time.process_time()
    assert exact.nearest(old, lines, 0) is not None
    assert time.process_time() - began < 10
