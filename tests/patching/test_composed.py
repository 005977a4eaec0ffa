"""Users' diffs among variants of the catalogue: order, conflicts, new files, and one diff for all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    BadUsageError,
    ConflictError,
    PatchMismatchError,
)
from patchkit.patching.apply import apply
from patchkit.patching.combination import Combination, combination
from patchkit.patching.own import load
from patchkit.patching.render import render, render_series
from patchkit.source.tree.tree import SYMLINK, Entry, SourceTree
from tests.support.patching.own_patches import PATH, diff_of
from tests.support.patching.samples import ALLMAN, tree, tree_of

ELSEWHERE = ALLMAN.replace("struct buffer *found = NULL;", "struct buffer *found = 0;")
SAME_LINE = ALLMAN.replace("sequence broken: %s", "sequence is broken: %s")
NEW = b"--- /dev/null\n+++ b/src/openvpn/mine.h\n@@ -0,0 +1 @@\n+#define MINE 1\n"


@pytest.fixture
def own(tmp_path: Path) -> str:
    return named(tmp_path, diff_of(ALLMAN, ELSEWHERE))


def named(folder: Path, diff: bytes, name: str = "mine.diff") -> str:
    (folder / name).write_bytes(diff)
    return load.patch(str(folder / name)).name


def rendered(text: str, text_of_file: str = ALLMAN) -> str:
    return render(combination(text), tree(text_of_file), "2.6.14", check_names=False).files[PATH].decode()


def test_a_patch_alone(own: str) -> None:
    made = render(combination(own), tree(ALLMAN), "2.6.14")
    assert made.files == {PATH: ELSEWHERE.encode()}
    assert f"variant {own}, for OpenVPN 2.6.14" in made.diff.decode()
    assert apply(made.diff, tree(ALLMAN)) == made.files


def test_with_a_variant_of_the_catalogue_in_both_orders(own: str) -> None:
    ours = rendered("retransmit")
    expected = ours.replace("struct buffer *found = NULL;", "struct buffer *found = 0;")
    assert rendered(f"{own}+retransmit") == rendered(f"retransmit+{own}") == expected != ours
    assert combination(f"{own}+retransmit").name == f"{own}+retransmit"
    assert combination(f"retransmit+{own}").suffix(guard=False) == f"+retransmit+{own}"


def test_a_patch_that_is_made_for_what_ours_leaves(tmp_path: Path) -> None:
    ours = rendered("retransmit")
    name = named(tmp_path, diff_of(ours, ours.replace("arena_free(&local);", "arena_free(&local); /* mine */")))
    assert "arena_free(&local); /* mine */" in rendered(f"retransmit+{name}")
    with pytest.raises(PatchMismatchError, match="line 13"):
        rendered(name)
    with pytest.raises(PatchMismatchError):
        rendered(f"{name}+retransmit")


def test_a_series_has_one_diff_a_part_each_for_what_the_one_before_leaves(own: str) -> None:
    for text in (f"{own}+retransmit", f"retransmit+{own}"):
        now = tree(ALLMAN)
        for patch in render_series(combination(text), now, "2.6.14", check_names=False):
            assert apply(patch.diff, now) == patch.files
            now = tree(patch.files[PATH])
        assert now.read(PATH).decode() == rendered(text)


def test_conflicts_name_the_file_and_the_line(tmp_path: Path) -> None:
    name = named(tmp_path, diff_of(ALLMAN, SAME_LINE))
    for text in (f"{name}+retransmit", f"retransmit+{name}"):
        with pytest.raises(ConflictError) as caught:
            rendered(text)
        assert f"can't be combined: {PATH}, line 14" in caught.value.what
        assert "each fits the source alone" in caught.value.why
        with pytest.raises(ConflictError):
            render_series(combination(text), tree(ALLMAN), "2.6.14", check_names=False)


def test_what_does_not_fit_alone_is_no_conflict(own: str) -> None:
    moved = "\n" + ALLMAN
    for text in (own, f"{own}+retransmit"):
        with pytest.raises(PatchMismatchError, match=r"line 2$"):
            rendered(text, moved)
    with pytest.raises(PatchMismatchError):
        rendered(f"retransmit+{own}", moved)
    with pytest.raises(AnchorError):
        rendered(f"retransmit+{own}", "int nothing;\n")


def test_a_source_that_has_the_patch_already(own: str) -> None:
    with pytest.raises(AlreadyPatchedError):
        rendered(own, ELSEWHERE)


def test_a_patch_with_the_diff_of_a_variant_and_the_variant(tmp_path: Path) -> None:
    """``--variant recommended --patch RECOMMENDED.diff``: one of both is there already."""
    diff = render(combination("retransmit"), tree(ALLMAN), "2.6.14", check_names=False).diff
    name = named(tmp_path, diff)
    assert rendered(name) == rendered("retransmit")
    for text in (f"{name}+retransmit", f"retransmit+{name}"):
        with pytest.raises(ConflictError, match="can't be combined"):
            rendered(text)


def test_steps_of_a_series_may_change_a_line_twice(tmp_path: Path) -> None:
    again = ELSEWHERE.replace("found = 0;", "found = 1;")
    for name, diff in (("one.patch", diff_of(ALLMAN, ELSEWHERE)), ("two.patch", diff_of(ELSEWHERE, again))):
        (tmp_path / name).write_bytes(diff)
    (tmp_path / "series").write_text("# mine\none.patch\ntwo.patch -p1 # again\n")
    name = load.patch(str(tmp_path)).name
    assert rendered(name) == again
    made = render(combination(name), tree(ALLMAN), "2.6.14").diff
    assert made.count(b"\n-    ") == 1
    assert made.count(b"\n+    ") == 1
    (tmp_path / "two.patch").write_bytes(diff_of(ELSEWHERE, ALLMAN))
    with pytest.raises(PatchMismatchError, match="changes nothing"):
        rendered(load.patch(str(tmp_path)).name)
    (tmp_path / "two.patch").write_bytes(diff_of(ALLMAN, again))
    with pytest.raises(PatchMismatchError, match=r"^two.patch, of "):
        rendered(load.patch(str(tmp_path)).name)


def test_a_new_file(tmp_path: Path) -> None:
    name = named(tmp_path, diff_of(ALLMAN, ELSEWHERE) + NEW)
    source = tree(ALLMAN)
    made = render(combination(f"{name}+retransmit"), source, "2.6.14", check_names=False)
    assert made.files["src/openvpn/mine.h"] == b"#define MINE 1\n"
    assert b"--- /dev/null\n+++ b/src/openvpn/mine.h\n@@ -0,0 +1,1 @@\n" in made.diff
    assert apply(made.diff, source, new=["src/openvpn/mine.h"]) == made.files
    with pytest.raises(PatchMismatchError, match="other than changing it once"):
        apply(made.diff, source)  # a variant of the catalogue brings no files
    there = tree_of({PATH: ALLMAN.encode(), "src/openvpn/mine.h": b"other\n"})
    with pytest.raises(PatchMismatchError, match=r"mine\.h"):
        render(combination(name), there, "2.6.14")


@pytest.mark.parametrize("link", [PATH, "src/openvpn", "src"])
def test_links_are_not_followed(own: str, link: str) -> None:
    source = tree(ALLMAN)
    linked = SourceTree(source.origin, {**source.entries, link: Entry.of(b"/etc", mode=SYMLINK)})
    with pytest.raises(BadSourceError, match="symbolic link"):
        render(combination(own), linked, "2.6.14")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    name = named(tmp_path, NEW.replace(b"mine.h", b"reliable.c/mine.h"))
    with pytest.raises(PatchMismatchError) as caught:
        render(combination(name), tree(ALLMAN), "2.6.14")
    assert "src/openvpn/reliable.c is a file, and not a folder" in caught.value.why


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    name = named(tmp_path, NEW.replace(b"src/openvpn/mine.h", b"src"))
    with pytest.raises(PatchMismatchError, match=r"exactly to src$") as caught:
        render(combination(name), tree(ALLMAN), "2.6.14")
    assert f"it is a folder, and {PATH} is in it" in caught.value.why
    assert "port" not in caught.value.advice


def test_a_file_that_another_patch_needs_as_a_folder(tmp_path: Path) -> None:
    first = named(tmp_path, NEW, "first.diff")
    second = named(tmp_path, NEW.replace(b"mine.h", b"mine.h/more.h"), "second.diff")
    for names in (f"{first}+{second}", f"{second}+{first}"):
        with pytest.raises(ConflictError) as caught:
            render(combination(names), tree(ALLMAN), "2.6.14")
        assert "src/openvpn/mine.h" in caught.value.what


def test_there_is_no_guard(own: str) -> None:
    with pytest.raises(BadUsageError, match="no guarded form"):
        render(combination(f"{own}+retransmit"), tree(ALLMAN), "2.6.14", guard=True)


def test_stages() -> None:
    catalogue = combination("retransmit+cve-2026-84732")
    assert catalogue.stages == (catalogue,)


def test_own_parts_divide_the_catalogues(own: str) -> None:
    mixed: Combination = combination(f"retransmit+{own}+cve-2026-84732")
    assert [stage.name for stage in mixed.stages] == ["retransmit", own, "cve-2026-84732"]
    assert [part.name for part in mixed.own] == [own]
    both = combination(f"retransmit+cve-2026-84732+{own}")
    assert [stage.name for stage in both.stages] == [combination("retransmit+cve-2026-84732").name, own]
