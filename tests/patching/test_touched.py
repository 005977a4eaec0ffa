"""What a patch touches, where it does not say: functions, structs, what comes and what goes."""

from __future__ import annotations

from pathlib import Path

from patchkit.patching.combination import combination
from patchkit.patching.own import load
from patchkit.patching.render import render
from patchkit.patching.touched import Touched, named, touched
from tests.support.patching.own_patches import diff_of
from tests.support.patching.samples import ALLMAN, tree

OLD = b"""\
struct window { int size; };
int limit(void);
int first(void) { return 1; }
#ifdef X
int second(void) { return 2; }
#endif
"""


def test_functions_and_structs() -> None:
    new = OLD.replace(b"int size;", b"int size; int used;").replace(b"limit(void)", b"limit(int n)")
    new = new.replace(b"return 2", b"return 3").replace(
        b"int first(void) { return 1; }", b"int third(void) { return 1; }"
    )
    found = touched("x.c", OLD, new)
    assert found.functions == ["limit", "second"]
    assert (found.added, found.removed, found.structs) == (["third"], ["first"], ["window"])
    assert touched("x.c", OLD, b"/* more */\n" + OLD) == Touched([], [], [], [])
    assert touched("x.txt", OLD, new) == Touched()


def test_a_diff_is_given_the_names_of_what_it_touches(tmp_path: Path) -> None:
    (tmp_path / "mine.diff").write_bytes(diff_of(ALLMAN, ALLMAN.replace("found = NULL", "found = 0")))
    combined = combination(load.patch(str(tmp_path / "mine.diff")).name)
    found = named(combined, render(combined, tree(ALLMAN), "2.6.14"), tree(ALLMAN))
    assert (combined.functions, found.functions) == ((), ("reliable_get_buf_output_sequenced",))
    catalogue = combination("retransmit")
    assert named(catalogue, render(catalogue, tree(ALLMAN), "x", check_names=False), tree(ALLMAN)) is catalogue
