"""C as tree-sitter sees it: the parser, and what anchors need to know of its nodes.

Nodes are looked up by the text of a name first: walking all of a large file in Python would take a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_WORD = frozenset(bytes([byte]) for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
# container_of (node, struct entry, member), ALLOC_OBJ (node, struct entry): C's grammar has no types among arguments.
_TYPE_ARGUMENT = re.compile(rb"(\b(?:container_of|ALLOC_OBJ(?:_CLEAR)?)\s*\([^(),;]*,\s*)struct(?=\s+\w+\s*[,)])")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_c
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_c.language()))


def root_of(data: bytes) -> Node:
    """Parse one C file. tree-sitter never fails: what it can't read becomes nodes with errors.

    The word ``struct`` in the arguments of such macros as ``container_of`` is blank in the nodes: it would be such an
    error.
    """
    return _parser().parse(_without_type_arguments(data)).root_node


def _without_type_arguments(data: bytes) -> bytes:
    out, done = [], 0
    for at in sorted({at for word in (b"container_of", b"ALLOC_OBJ") for at in _found(word, data)}):
        match = _TYPE_ARGUMENT.match(data, at)
        if match is not None and at >= done:
            out += [data[done : match.end(1)], b" " * len("struct")]
            done = match.end()
    return b"".join([*out, data[done:]]) if out else data


def _found(word: bytes, data: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + len(word))


def identifiers(root: Node, data: bytes, name: str, *, kind: str = "identifier") -> Iterator[Node]:
    """Yield all identifiers of ``kind`` spelled ``name``, in file order; comments and strings hold none."""
    word = name.encode()
    for start, end in _places_of(word, data):
        node = root.descendant_for_byte_range(start, end)
        if node is not None and node.type == kind and text(node) == word:
            yield node


def declared_by(identifier: Node) -> Node | None:
    """Find the function definition or declaration that declares ``identifier``; None when it is only used."""
    node = identifier
    while (parent := node.parent) is not None and parent.child_by_field_name("declarator") == node:
        node = parent
    is_function = any(part.type == "function_declarator" for part in descend(node.child_by_field_name("declarator")))
    return node if is_function and node.type in ("function_definition", "declaration") else None


def defined(root: Node) -> Iterator[str]:
    """Yield the names of all functions that are defined below ``root``."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        if here.type != "function_definition":
            waiting.extend(part for part in here.children if part.type not in ("declaration", "comment"))
            continue
        names = (part for part in descend(here.child_by_field_name("declarator")) if part.type == "identifier")
        name = next(names, None)
        if name is not None:
            yield text(name).decode("latin-1")


def descend(node: Node | None) -> Iterator[Node]:
    """Yield ``node`` and everything below it, in file order."""
    if node is None:
        return
    cursor = node.walk()  # some times faster than the lists of children, which make an object of each at once
    while True:
        here = cursor.node
        if here is not None:
            yield here
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def ancestors(node: Node) -> Iterator[Node]:
    """Yield the nodes that ``node`` stands in, from the inside out."""
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def text(node: Node) -> bytes:
    """Read the bytes that ``node`` spans."""
    return node.text or b""


def text_of(node: Node | None) -> str:
    """Read the bytes that ``node`` spans, as text; nothing where there is no node."""
    return text(node).decode("latin-1") if node is not None else ""


def bare(node: Node, before: int | None = None) -> bytes:
    """Read the text of ``node``, up to the byte ``before``, with one blank for white space and comments."""
    out = b""
    at = node.start_byte
    for leaf in descend(node):
        if leaf.children or leaf.type == "comment" or (before is not None and leaf.end_byte > before):
            continue
        out += (b" " if leaf.start_byte > at else b"") + text(leaf)
        at = leaf.end_byte
    return out.strip()


def arguments(call: Node) -> list[Node]:
    """List the arguments of ``call``, comments aside."""
    given = call.child_by_field_name("arguments")
    return [node for node in given.named_children if node.type != "comment"] if given is not None else []


def is_stray(identifier: Node) -> bool:
    """Return whether a function's name stands where C allows none: outside bodies and declarations, or unreadable."""
    above = {node.type for node in ancestors(identifier)}
    return "ERROR" in above or ("compound_statement" not in above and declared_by(identifier) is None)


def words_in_macros(root: Node, data: bytes, name: str) -> list[int]:
    """List the lines, from 1, on which a macro's text holds the word ``name``; tree-sitter does not parse that text."""
    nodes = (root.descendant_for_byte_range(start, end) for start, end in _places_of(name.encode(), data))
    return [node.start_point.row + 1 for node in nodes if node is not None and node.type == "preproc_arg"]


def _places_of(word: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where ``word`` stands in ``data`` as a whole word."""
    at = data.find(word)
    while at >= 0:
        end = at + len(word)
        # Cheaper than a regular expression, which could not skip ahead.
        if data[end : end + 1] not in _WORD and data[max(0, at - 1) : at] not in _WORD:
            yield at, end
        at = data.find(word, end)


def strings(node: Node) -> Iterator[Node]:
    """Yield every string below ``node``; literals that stand side by side are one."""
    for part in descend(node):
        inside = part.parent is not None and part.parent.type == "concatenated_string"
        if part.type == "concatenated_string" or (part.type == "string_literal" and not inside):
            yield part


def joined(string: Node) -> bytes:
    """Join the literals of ``string``."""
    return b"".join(text(part)[1:-1] for part in descend(string) if part.type == "string_literal")


def squeezed(spelled: bytes) -> bytes:
    """Remove all white space from ``spelled``, so that spacing never decides what is equal."""
    return re.sub(rb"\s+", b"", spelled)


def literals(statement: Node) -> list[Node]:
    """Find the string literals of the first argument of ``statement`` that has any."""
    for node in descend(statement):
        if node.type == "argument_list":
            for argument in node.named_children:
                strings_in = [part for part in descend(argument) if part.type == "string_literal"]
                if strings_in:
                    return strings_in
    return []


def logged(statement: Node) -> bytes:
    """Read the text that ``statement`` logs, its literals joined."""
    return b"".join(text(literal)[1:-1] for literal in literals(statement))
