"""The parser's input: types among the arguments of macros are blank, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from patchkit.patching.csource import syntax


@pytest.mark.parametrize(
    "text",
    [
        "a = container_of(b, struct entry, c); d = container_of (e, struct f, g);",
        "ALLOC_OBJ(a, struct b); ALLOC_OBJ_CLEAR (c, struct d); ALLOC_OBJX(a, struct b); XALLOC_OBJ(a, struct b);",
        "ALLOC_OBJ(ALLOC_OBJ, struct b) container_of(, struct a)",
        "container_of(a, int b)",
        "nothing",
        "",
    ],
)
def test_types_among_arguments_are_blank(text: str) -> None:
    data = text.encode()
    assert syntax._without_type_arguments(data) == syntax._TYPE_ARGUMENT.sub(rb"\1      ", data)


def test_what_is_below_a_node_comes_in_file_order() -> None:
    root = syntax.root_of(b"int f(int a)\n{\n    if (a) { return 1; }\n    return g(a, 2);\n}\nint b;\n")
    nodes = list(syntax.descend(root))
    assert len({node.id for node in nodes}) == len(nodes)
    assert [node.start_byte for node in nodes] == sorted(node.start_byte for node in nodes)

    def below(node: Any) -> int:
        return 1 + sum(map(below, node.children))

    assert len(nodes) == below(root)
    function = root.children[0]
    assert list(syntax.descend(function))[-1].end_byte == function.end_byte  # and nothing beside it
