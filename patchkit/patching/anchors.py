"""Where in the C: places that a template names by meaning, found with tree-sitter.

An anchor is found exactly once or refused; there is no guessing. All positions are bytes and whole lines,
because that is what a diff is made of.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError, BadSourceError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_SOURCE = 16 * 1024 * 1024
"""Bytes; OpenVPN's largest C file has 300 kB."""
_MAX_CANDIDATES = 2000  # lines compared when an anchor is missing; difflib is slow


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_c
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_c.language()))


@lru_cache(maxsize=512)
def parse(name: str, data: bytes) -> CSource:
    """Parse one C file. Raises BadSourceError for one that is too large to be OpenVPN's."""
    if len(data) > MAX_SOURCE:
        raise BadSourceError(f"{name} has {len(data)} bytes", why=f"no C file of OpenVPN has more than {MAX_SOURCE}")
    return CSource(name, data)


class CSource:
    """One C file: its lines, and the functions in it."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.lines = _split_lines(data)

    @cached_property
    def _root(self) -> Node:
        return _parser().parse(self.data).root_node

    def function(self, name: str) -> Function:
        """The definition of the function ``name``. Raises AnchorError where there is none, or more than one."""
        wanted = name.encode()
        nodes = _descend(self._root) if wanted in self.data else iter(())
        found = [node for node in nodes if node.type == "function_definition" and _declared_name(node) == wanted]
        if len(found) != 1:
            raise self.refusal(f"the function {name}", name, [node.start_point.row + 1 for node in found])
        if found[0].has_error:
            raise AnchorError(
                f"the function {name} in {self.name} can't be parsed as C",
                why=f"it begins at line {found[0].start_point.row + 1}",
            )
        return Function(self, name, found[0])

    def refusal(self, what: str, needle: str, places: list[int]) -> AnchorError:
        """The error for an anchor that is missing or doubled: what was looked for, and the nearest lines."""
        if places:
            return AnchorError(
                f"{what} is in {self.name} {len(places)} times",
                why="\n".join(f"line {row}: {self.text(row)}" for row in places),
                advice="a variant never guesses; render it against an unaltered source",
            )
        near = "\n".join(f"line {row}: {self.text(row)}" for row in self._nearest(needle))
        return AnchorError(
            f"{what} is not in {self.name}",
            why=f"nearest lines:\n{near}" if near else "no line is like it",
            advice="patchkit variants tells which releases a variant is for",
        )

    def text(self, row: int) -> str:
        """Line ``row`` (from 1) for a message."""
        return self.lines[row - 1].decode("utf-8", "replace").strip()[:120]

    def _nearest(self, needle: str) -> list[int]:
        words = set(re.findall(r"[A-Za-z]{3,}", needle))
        candidates: dict[str, int] = {}
        for row, line in enumerate(self.lines, 1):
            text = line.decode("latin-1").strip()
            if any(word in text for word in words):
                candidates.setdefault(text[:200], row)
                if len(candidates) >= _MAX_CANDIDATES:
                    break
        return sorted(candidates[text] for text in difflib.get_close_matches(needle, candidates, n=3, cutoff=0.2))


@dataclass(frozen=True)
class Function:
    """One function definition."""

    source: CSource
    name: str
    node: Node

    @property
    def body(self) -> bytes:
        """The text of the whole definition."""
        return self.source.data[self.node.start_byte : self.node.end_byte]

    def parameter(self, type_: str) -> str:
        """The name of the one parameter of the type ``type_``, e.g. ``struct reliable *``."""
        found = []
        for node in _descend(self.node.child_by_field_name("declarator")):
            if node.type == "parameter_declaration":
                name = next((part for part in _descend(node) if part.type == "identifier"), None)
                if name is not None:
                    spelled = self.source.data[node.start_byte : name.start_byte]
                    if _squeezed(spelled) == _squeezed(type_.encode()):
                        found.append(_text(name).decode())
        if len(found) != 1:
            raise AnchorError(
                f"{self.name} in {self.source.name} has {len(found)} parameters of the type {type_}, not one",
                why=f"line {self.node.start_point.row + 1}",
            )
        return found[0]

    def statement_logging(self, message: str) -> Statement:
        """The one statement that logs ``message``; it must stand between braces and on lines of its own."""
        found = [
            node
            for node in _descend(self.node.child_by_field_name("body"))
            if node.type == "expression_statement" and message.encode() in _logged(node)
        ]
        what = f"the statement that logs {message!r}, in {self.name},"
        if len(found) != 1:
            raise self.source.refusal(what, message, [node.start_point.row + 1 for node in found])
        node = found[0]
        if node.parent is None or node.parent.type != "compound_statement":
            raise AnchorError(
                f"{what} stands in a branch without braces",
                why=f"line {node.start_point.row + 1}: {self.source.text(node.start_point.row + 1)}",
                advice="put braces round the branch, or render against an unaltered source",
            )
        return Statement.at(self.source, node, what)


@dataclass(frozen=True)
class Statement:
    """Whole lines that hold one statement and nothing else but, perhaps, a comment behind it."""

    source: CSource
    node: Node
    lines: tuple[bytes, ...]
    """With their line ends."""

    @classmethod
    def at(cls, source: CSource, node: Node, what: str) -> Statement:
        first, last = node.start_point.row, node.end_point.row
        before = source.lines[first][: node.start_point.column]
        behind = source.lines[last][node.end_point.column :].strip()
        if before.strip() or not re.fullmatch(rb"(/\*[^*]*\*/|//.*)?", behind):
            raise AnchorError(
                f"{what} shares its line with other code", why=f"line {first + 1}: {source.text(first + 1)}"
            )
        return cls(source, node, tuple(source.lines[first : last + 1]))

    @property
    def line(self) -> int:
        """The first line's number, from 1."""
        return int(self.node.start_point.row) + 1

    def saying_also(self, suffix: str) -> tuple[bytes, ...]:
        """The same lines with ``suffix`` at the end of the logged text."""
        closing = _literals(self.node)[-1].end_byte - 1
        start = self._start_byte
        whole = b"".join(self.lines)
        return tuple(_split_lines(whole[: closing - start] + suffix.encode() + whole[closing - start :]))

    def call(self, function: str, *arguments: str) -> tuple[bytes, ...]:
        """A call of ``function``, indented and spaced like this statement."""
        indent = self.lines[0][: self.node.start_point.column]
        calls = (node for node in _descend(self.node) if node.type == "call_expression")
        callee, given = next(calls).named_children[:2]
        gap = b" " if given.start_byte > callee.end_byte else b""
        end = re.search(rb"\r?\n\Z", self.lines[0])
        text = function.encode() + gap + b"(" + ", ".join(arguments).encode() + b");"
        return (indent + text + (end[0] if end else b"\n"),)

    @property
    def _start_byte(self) -> int:
        return int(self.node.start_byte) - int(self.node.start_point.column)


def _split_lines(data: bytes) -> list[bytes]:
    """Lines by ``\\n`` only, as diff and tree-sitter count them: a lone CR or form feed ends none."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _descend(node: Node | None) -> Iterator[Node]:
    if node is None:
        return
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(here.children))


def _text(node: Node) -> bytes:
    return node.text or b""


def _declared_name(definition: Node) -> bytes | None:
    declarator = definition.child_by_field_name("declarator")
    while declarator is not None and declarator.type != "identifier":
        declarator = declarator.child_by_field_name("declarator")
    return None if declarator is None else _text(declarator)


def _literals(statement: Node) -> list[Node]:
    """The string literals of the statement's first argument that has any."""
    for node in _descend(statement):
        if node.type == "argument_list":
            for argument in node.named_children:
                found = [part for part in _descend(argument) if part.type == "string_literal"]
                if found:
                    return found
    return []


def _logged(statement: Node) -> bytes:
    return b"".join(_text(literal)[1:-1] for literal in _literals(statement))


def _squeezed(text: bytes) -> bytes:
    return re.sub(rb"\s+", b"", text)
