"""Statements that are calls, found by the function and its last argument; and types among arguments."""

from __future__ import annotations

import pytest

from patchkit.errors import AnchorError
from patchkit.patching.csource.anchors import Anchors
from patchkit.patching.csource.file import parse
from patchkit.patching.csource.places import Call, Function

TEXT = b"""\
long outer(struct list *node, long n)
{
	struct entry *found = container_of(node, struct entry, member);

	tell(found, -1);
	if (n)
		hush(found);
	tell(found, n);
	n = ask(found);
	return answer(found, n);
}
"""


def outer(text: bytes = TEXT) -> Function:
    return Anchors(parse("a.c", text)).function("outer")


@pytest.mark.parametrize(
    ("function", "last", "line"), [("tell", "n", 8), ("tell", "-1", 5), ("answer", None, 10), ("answer", "n", 10)]
)
def test_the_one_call_is_found(function: str, last: str | None, line: int) -> None:
    statement = outer().calling(function, last)
    assert (statement.line, statement.lines) == (line, (TEXT.splitlines(keepends=True)[line - 1],))


@pytest.mark.parametrize(
    ("function", "last", "message"),
    [
        ("tell", None, "2 times"),
        ("tell", "m", "the call of tell with m, in outer, is not in a.c"),
        ("ask", None, "is not in a.c"),  # its result is kept
        ("hush", None, "without braces"),
        ("container_of", None, "is not in a.c"),
    ],
)
def test_a_call_that_is_doubtful_is_refused(function: str, last: str | None, message: str) -> None:
    with pytest.raises(AnchorError, match=message):
        outer().calling(function, last)


def test_a_type_among_arguments_is_no_syntax_error_where_it_is_usual() -> None:
    assert not outer().node.has_error
    with pytest.raises(AnchorError, match="can't be parsed as C"):
        outer(TEXT.replace(b"container_of", b"another"))
    # What is read is still the file itself, to the byte.
    assert Anchors(parse("a.c", TEXT)).lines == TEXT.splitlines(keepends=True)


CALLS = b"""\
int
state (struct box *b, int *wait)
{
  int status = fill (b,
\t\t     SIZE (b));
  if (b->first == START && FULL)
    {
      /* of the
\t first */
      set (b->one, SIZE (b), /* how many */ N,
\t   b ? 0 : 1);
      set (b->two, 1, 2, 0);
    }
  *wait = 0;
  return fill (b, status);
}
"""


def state(text: bytes = CALLS) -> Function:
    return Anchors(parse("a.c", text)).function("state")


def test_a_call_by_its_first_argument_gets_another_argument() -> None:
    first = state().calling("set", first="b->one")
    assert (first.line, first.behind, first.with_comment) == (10, 12, 8)
    assert (first.argument(2), first.argument(-1)) == ("N", "b ? 0 : 1")
    assert b"".join(first.giving(2, "most(N, 6)")) == (
        b"      set (b->one, SIZE (b), /* how many */ most (N, 6),\n\t   b ? 0 : 1);\n"
    )
    assert state().calling("set", first="b->two").with_comment == 12  # no comment right above it
    assert state().calling("fill").giving(1, "0") == (b"  return fill (b, 0);\n",)
    with pytest.raises(AnchorError, match="2 times"):
        state().calling("set")
    with pytest.raises(AnchorError, match="the call of set with b->three"):
        state().calling("set", first="b->three")
    with pytest.raises(AnchorError, match="is not a call"):
        state().assigning("*wait").argument(0)


def test_a_call_whose_result_is_kept_gets_another_argument() -> None:
    kept = Anchors(parse("a.c", CALLS.replace(b"return fill (b, status)", b"return 0"))).calls("fill")[0]
    assert b"".join(kept.giving(-1, "size(b)")) == b"  int status = fill (b,\n\t\t     size (b));\n"


def test_a_branch_by_a_name_in_its_condition_gets_another_one() -> None:
    branch = state().branch_mentioning("START")
    assert branch.instead_of("FULL", "empty(b)") == (b"  if (b->first == START && empty (b))\n",)
    with pytest.raises(AnchorError, match="FULL2, in the condition in line 6, is not in"):
        branch.instead_of("FULL2", "empty(b)")
    with pytest.raises(AnchorError, match="is not in"):
        state().branch_mentioning("first")  # a member
    with pytest.raises(AnchorError, match="2 times"):
        state(CALLS.replace(b"  *wait = 0;\n", b"  if (START)\n    *wait = 0;\n")).branch_mentioning("START")


def test_what_a_function_has() -> None:
    assert (state().assigns("*wait", "0"), state().assigns("*wait", "1"), state().assigns("wait", "0")) == (
        True,
        False,
        False,
    )
    assert (state().has_call("SIZE"), state().has_call("fill"), state().has_call("START")) == (True, True, False)


def test_directives_stand_at_the_margin() -> None:
    code = state().calling("set", first="b->two").code("#if A\nif (b)\n{\n#  define B\n}\n#endif")
    assert b"".join(code) == b"#if A\n      if (b)\n\t{\n#  define B\n\t}\n#endif\n"


def test_a_type_among_the_arguments_of_an_allocation_is_no_syntax_error() -> None:
    for call in ("ALLOC_OBJ_CLEAR (n, struct list)", "ALLOC_OBJ(n, struct list)"):
        assert not outer(TEXT.replace(b"tell(found, -1)", call.encode())).node.has_error


KEPT = b"""\
int
kept (struct box *b, int id)
{
  if (fresh (b->in, id))
    {
      struct buffer *in = room (b->in);
      save (in);
    }
  answer (b, id);
}
"""


def room(text: bytes = KEPT) -> Call:
    return Anchors(parse("a.c", text)).calls("room")[0]


def test_an_else_behind_the_branch_that_a_call_stands_in() -> None:
    branch = room().around
    assert (branch.line, branch.argument(0), branch.argument(1)) == (4, "b->in", "id")
    assert (branch.end.line, branch.end.lines) == (8, (b"    }\n",))
    assert b"".join(branch.end.code("else\n{\n    again(b);\n}")) == b"  else\n    {\n      again (b);\n    }\n"
    with pytest.raises(AnchorError, match="not decided by a call with 3 arguments"):
        branch.argument(2)
    with pytest.raises(AnchorError, match="not decided by a call"):
        room(KEPT.replace(b"fresh (b->in, id)", b"!fresh (b->in, id)")).around.argument(0)


def test_no_else_where_there_is_one_or_no_brace() -> None:
    with pytest.raises(AnchorError, match="has an else behind it"):
        _ = room(KEPT.replace(b"    }\n  answer", b"    }\n  else\n    drop ();\n  answer")).around.end
    with pytest.raises(AnchorError, match="does not stand between the braces of an if"):
        _ = room(KEPT.replace(b"  if (fresh (b->in, id))\n", b"")).around
    with pytest.raises(AnchorError, match="shares its line"):
        _ = room(KEPT.replace(b"    }\n  answer", b"    } last ();\n  answer")).around.end


def test_what_a_file_contains() -> None:
    assert Anchors(parse("a.c", KEPT)).contains("save (in)")
    assert not Anchors(parse("a.c", KEPT)).contains("save(in)")


USES = b"""\
void
first(struct box *box)
{
    if (left(box) > 0)
    {
        box->n = 1;
    }
}

void
second(struct box *box)
{
    int n = left(box);
    box->n = n;
}
"""


def test_the_one_call_within_a_function_is_found_whatever_others_do() -> None:
    anchors = Anchors(parse("a.c", USES))
    assert anchors.call("left", anchors.function("second")).line == 13
    for within in (None, anchors.function("first")):
        with pytest.raises(AnchorError):
            anchors.call("left", within)
    twice = Anchors(parse("a.c", USES.replace(b"    box->n = n;", b"    int m = left(box);\n    box->n = n + m;")))
    with pytest.raises(AnchorError, match=r"the one call of left in second is in a\.c 2 times"):
        twice.call("left", twice.function("second"))
