"""A function that stands in a file and can't be read there: no message says that it is not in the file."""

from __future__ import annotations

import pytest

from patchkit.errors import AnchorError
from patchkit.patching.csource.file import parse

PROTOTYPE = b"bool full(const struct window *window);\n\nint\nother(void)\n{\n    return 0;\n}\n"
# As a fork writes it whose macros stand for braces.
MACROS = b"bool full(const struct window *window)\nBEGIN\n    return window->size;\nEND\n"


@pytest.mark.parametrize("data", [PROTOTYPE, MACROS])
def test_a_function_of_which_no_definition_can_be_read(data: bytes) -> None:
    with pytest.raises(AnchorError) as caught:
        parse("a.c", data).declaration("full", "function_definition", "the function full")
    assert caught.value.what == "full stands in a.c, and no definition of it can be read there"
    assert "line 1: bool full(const" in caught.value.why


def test_a_function_that_is_not_there_at_all() -> None:
    with pytest.raises(AnchorError, match=r"the function empty is not in a\.c"):
        parse("a.c", PROTOTYPE).declaration("empty", "function_definition", "the function empty")
