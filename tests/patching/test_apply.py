"""Applying: exact, whole, or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchkit.errors import PatchMismatchError, StorageError
from patchkit.patching.apply import apply, write_all
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from tests.support.patching.samples import ALLMAN, GNU, tree

PATH = "src/openvpn/reliable.c"
DIFF = render(combination("retransmit"), tree(GNU), "sample").diff


@pytest.mark.parametrize(
    "altered",
    [
        GNU.replace("found = next_free", "found  = next_free"),
        "\n" + GNU,
        GNU.replace("  return found;", "  return found;\t"),
        GNU.replace("\n", "\r\n"),
        GNU[: GNU.index("  return")],
        "",
    ],
    ids=["blank-in-context", "offset-by-one", "trailing-tab", "crlf", "truncated", "empty"],
)
def test_no_fuzz_no_offset_no_white_space_games(altered: str) -> None:
    with pytest.raises(PatchMismatchError) as caught:
        apply(DIFF, tree(altered))
    assert caught.value.exit_code == 32
    assert PATH in caught.value.what


def test_a_change_outside_the_hunk_is_seen_by_the_blob_id() -> None:
    with pytest.raises(PatchMismatchError, match="not the file that the diff was made for"):
        apply(DIFF, tree(GNU + "/* more */\n"))


def test_without_blob_ids_a_change_outside_the_hunk_does_not_matter() -> None:
    plain = b"".join(line for line in DIFF.splitlines(keepends=True) if not line.startswith(b"index "))
    patched = apply(plain, tree(GNU + "/* more */\n"))[PATH]
    assert patched.endswith(b"/* more */\n")
    assert b"reliable_schedule_now" in patched


@pytest.mark.parametrize(
    "diff",
    [
        b"",
        b"hello\n",
        DIFF.replace(b"@@ -10,7 +10,8 @@", b"@@ -10,9 +10,8 @@"),
        DIFF.replace(b"@@ -10,7 +10,8 @@", b"@@ -10,7 +11,8 @@"),
        DIFF + DIFF,
        b"--- /dev/null\n+++ b/src/openvpn/new.c\n@@ -0,0 +1 @@\n+x\n",
        b"--- a/src/openvpn/reliable.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    ],
    ids=["empty", "no-diff", "wrong-length", "wrong-new-line-number", "twice", "adds-a-file", "removes-a-file"],
)
def test_a_diff_that_is_wrong_in_itself_is_refused(diff: bytes) -> None:
    assert diff != DIFF
    with pytest.raises(PatchMismatchError):
        apply(diff, tree(GNU))


@given(st.integers(min_value=0, max_value=len(DIFF) - 1), st.binary(min_size=1, max_size=1))
def test_an_altered_diff_never_gives_another_result(at: int, byte: bytes) -> None:
    """Any one byte changed: either it was in the talk around the diff, or it is refused."""
    from patchkit.errors import PatchkitError

    altered = DIFF[:at] + byte + DIFF[at + 1 :]
    try:
        done = apply(altered, tree(GNU))
    except PatchkitError:
        return
    assert dict(done) == dict(apply(DIFF, tree(GNU)))


line = st.sampled_from(
    [b"a\n", b"b\n", b"\n", b"\x0c\n", b"c\r\n", b"\xff\x85\n", b"- x\n", b"+++ y\n", b"@@ -1 +1 @@\n"]
)


@pytest.mark.slow
@given(st.lists(line, min_size=1, max_size=30), st.data())
def test_whatever_git_diffs_we_apply(lines: list[bytes], data: st.DataObject) -> None:
    """Real git makes the diff between two random files; our result must be the second file."""
    import tempfile

    before = b"".join(lines)
    edited = list(lines)
    for _ in range(data.draw(st.integers(1, 4))):
        edited.insert(data.draw(st.integers(0, len(edited))), data.draw(line))
    if data.draw(st.booleans()):
        del edited[data.draw(st.integers(0, len(edited) - 1))]
    after = b"".join(edited)
    if data.draw(st.booleans()):
        after = after.removesuffix(b"\n")
    if before == after or not after:
        return
    with tempfile.TemporaryDirectory() as folder:
        for side, content in (("a", before), ("b", after)):
            path = Path(folder, side, PATH)
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
        command = [
            "git",
            "-c",
            "core.quotepath=off",
            "diff",
            "--no-index",
            "--no-prefix",
            "--text",
            f"a/{PATH}",
            f"b/{PATH}",
        ]
        diff = subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout
    # Without index line: git abbreviates the ids.
    diff = b"\n".join(part for part in diff.split(b"\n") if not part.startswith(b"index "))
    assert dict(apply(diff, tree(before))) == {PATH: after}


def test_writing_keeps_modes_and_touches_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_bytes(b"old")
    file.chmod(0o755)
    write_all(tmp_path, {"x.sh": b"new"})
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["x.sh"]


def test_when_one_file_cannot_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(StorageError):
        write_all(tmp_path, {"a": b"new", "missing-folder/b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_sample_in_the_other_style_is_another_file() -> None:
    with pytest.raises(PatchMismatchError):
        apply(DIFF, tree(ALLMAN))
