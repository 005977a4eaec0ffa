"""Statements that are calls, found by the function and its last argument; and types among arguments."""

from __future__ import annotations

import pytest

from patchkit.errors import AnchorError
from patchkit.patching.csource.anchors import Anchors
from patchkit.patching.csource.file import parse
from patchkit.patching.csource.places import Function

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
