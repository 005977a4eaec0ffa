"""One C file: its lines, and the functions in it, each found exactly once or refused.

All positions are bytes and whole lines, because that is what a diff is made of.
"""

from __future__ import annotations

import difflib
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError
from patchkit.patching.csource import conditionals, syntax

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_SOURCE = 336 * 1024
"""Bytes that are parsed at most; OpenVPN's largest C file has 314 kB. Some nonsense costs tree-sitter 2 kB a byte, and
more than its length in time: 960 kB of one name took 40 s."""
_SHOWN = 8  # lines that a message lists
_MAX_CANDIDATES = 2000  # lines compared when an anchor is missing; difflib is slow


@lru_cache(maxsize=512)
def parse(name: str, data: bytes, view: int | None = None) -> CSource:
    """Make the C file ``name`` of ``data``, seen in ``view``; it is parsed when an anchor is first looked for."""
    return CSource(name, data, view)


class CSource:
    """One C file: its lines, and what can be found in it."""

    def __init__(self, name: str, data: bytes, view: int | None = None) -> None:
        self.name = name
        self.data = data
        self.view = view
        """Which branch of split conditional groups is read; None: the whole text, as it stands."""
        self.seen = data if view is None else conditionals.read(data).view(view)
        """The same bytes at the same places, but for what is blanked."""
        self._by_name: dict[str, list[Node]] = {}
        self._declared: dict[str, list[Node]] = {}
        self._inside: dict[int, dict[str, list[Node]]] = {}
        self._texts: dict[int, tuple[list[tuple[Node, bytes]], list[tuple[Node, bytes]]]] = {}

    def like(self, data: bytes) -> CSource:
        """Read ``data``, the same file after a change, in the same view."""
        return parse(self.name, data, self.view)

    @cached_property
    def lines(self) -> list[bytes]:
        """All lines, with their line ends."""
        return split_lines(self.data)

    @cached_property
    def root(self) -> Node:
        """The syntax tree of the view."""
        return syntax.root_of(self.seen)

    def declarations(self, name: str) -> list[Node]:
        """Find every definition and declaration of the function ``name``.

        Raises AnchorError when the file is too large to be parsed.
        """
        if name not in self._declared:
            declared = (syntax.declared_by(node) for node in self._identifiers(name, f"the function {name}"))
            self._declared[name] = [node for node in declared if node is not None]
        return self._declared[name]

    def calls(self, name: str, what: str) -> list[Node]:
        """Find every call of the function ``name``.

        Raises AnchorError when there is none, or the name is used otherwise. ``what`` names the anchor in errors.
        """
        nodes = []
        for node in self._identifiers(name, what):
            called = node.parent
            if called is not None and called.type == "call_expression" and not syntax.is_stray(node):
                nodes.append(called)
            elif syntax.declared_by(node) is None:
                row = node.start_point.row + 1
                raise AnchorError(
                    f"{name} in {self.name} is neither called nor declared", why=f"line {row}: {self.text(row)}"
                )
        if not nodes:
            raise self.refusal(what, name, [])
        hidden = syntax.words_in_macros(self.root, self.seen, name)
        if hidden:
            raise AnchorError(
                f"{what} in {self.name} stands in a macro", why=f"line {hidden[0]}: {self.text(hidden[0])}"
            )
        return nodes

    def declaration(self, name: str, kind: str, what: str) -> Node:
        """Find the one node of ``kind`` that declares the function ``name``.

        ``kind`` is ``function_definition`` or ``declaration``. Raises AnchorError when there is none or more than one,
        or the node can't be parsed.
        """
        declared = [
            node
            for node in (syntax.declared_by(node) for node in self._identifiers(name, what))
            if node is not None and node.type == kind
        ]
        unread = next((node for node in self._identifiers(name, what) if syntax.is_stray(node)), None)
        outside = unread or next((node for node in self._identifiers(name, what) if syntax.declared_by(node)), None)
        if not declared and outside is not None:
            row = outside.start_point.row + 1
            raise AnchorError(
                f"{name} stands in {self.name}, and no {kind.removeprefix('function_')} of it can be read there",
                why=f"line {row}: {self.text(row)}\nmacros that stand for braces or for a type are not looked into",
                advice="a variant never guesses; render it against an unaltered source",
            )
        if len(declared) != 1:
            raise self.refusal(what, name, [node.start_point.row + 1 for node in declared])
        # A definition without its type, as a lost line leaves it, looks like a call outside of all functions.
        if unread is not None:
            row = unread.start_point.row + 1
            raise AnchorError(
                f"{self.name} can't be parsed as C from line {row} on, so {what} may not be the only one",
                why=f"line {row}, where {name} is neither called nor declared: {self.text(row)}",
                advice="render it against a whole source: patchkit fetch --version V --to DIR",
            )
        return self.parsed(declared[0], what)

    def struct(self, name: str, what: str) -> Node:
        """Find the one definition of ``struct name``. Raises AnchorError as :meth:`declaration` does."""
        definitions = self.structs(name)
        if len(definitions) != 1:
            raise self.refusal(what, f"struct {name}", [node.start_point.row + 1 for node in definitions])
        return self.parsed(definitions[0], what)

    def parsed(self, node: Node, what: str) -> Node:
        """Return ``node``, which ``what`` names. Raises AnchorError, with the line, where it can't be parsed."""
        if node.has_error:
            bad = next(part for part in syntax.descend(node) if part.is_error or part.is_missing)
            row = bad.start_point.row + 1
            raise AnchorError(
                f"{what} in {self.name} can't be parsed as C",
                why=f"it begins at line {node.start_point.row + 1}\n"
                f"line {row}, where the parser stops: {self.text(row)}\n"
                "macros that stand for statements, members or braces are not looked into",
                advice="a variant never guesses; render it against an unaltered source",
            )
        return node

    def structs(self, name: str) -> list[Node]:
        """Find every definition of ``struct name``."""
        if len(self.data) > MAX_SOURCE or name.encode() not in self.seen:
            return []
        return [
            node.parent
            for node in syntax.identifiers(self.root, self.seen, name, kind="type_identifier")
            if node.parent is not None
            and node.parent.type == "struct_specifier"
            and node.parent.child_by_field_name("body") is not None
        ]

    def inside(self, node: Node, kind: str) -> list[Node]:
        """List ``node`` and what is below it of the type ``kind``, in file order; a node is walked through once."""
        by_kind = self._inside.get(node.id)
        if by_kind is None:
            by_kind = self._inside[node.id] = {}
            for part in syntax.descend(node):
                by_kind.setdefault(part.type, []).append(part)
        return by_kind.get(kind, [])

    def texts_inside(self, function: Node) -> tuple[list[tuple[Node, bytes]], list[tuple[Node, bytes]]]:
        """List the statements in the body of ``function`` with what they log, and all strings in it, joined."""
        if function.id not in self._texts:
            body = function.child_by_field_name("body")
            statements = self.inside(body, "expression_statement") if body is not None else []
            logged = [(node, syntax.logged(node)) for node in statements]
            self._texts[function.id] = logged, [(node, syntax.joined(node)) for node in syntax.strings(function)]
        return self._texts[function.id]

    @cached_property
    def defined(self) -> frozenset[str]:
        """The names of all functions that are defined here."""
        return frozenset(syntax.defined(self.root))

    @cached_property
    def code_rows(self) -> frozenset[int]:
        """The lines, from 0, that hold more than comments and white space."""
        leaves = (node for node in syntax.descend(self.root) if not node.children and node.type != "comment")
        return frozenset(
            row
            for leaf in leaves
            if syntax.text(leaf).strip()
            for row in range(leaf.start_point.row, leaf.end_point.row + 1)
        )

    def _identifiers(self, name: str, what: str) -> list[Node]:
        if len(self.data) > MAX_SOURCE:
            raise AnchorError(
                f"{what} is not looked for in {self.name}: it has {len(self.data)} bytes",
                why=f"no C file of OpenVPN comes near {MAX_SOURCE}",
            )
        if name not in self._by_name:
            there = name.encode() in self.seen
            self._by_name[name] = list(syntax.identifiers(self.root, self.seen, name)) if there else []
        return self._by_name[name]

    def refusal(self, what: str, needle: str, places: list[int]) -> AnchorError:
        """Make the error for the anchor ``what``, which is missing or at several ``places``.

        ``places`` are lines from 1; when there are none, the error has the lines nearest to ``needle``.
        """
        exclusive = conditionals.read(self.data).exclusive(places) if len(places) > 1 else None
        if exclusive is not None:
            return self._in_branches(what, places, *exclusive)
        if places:
            return AnchorError(
                f"{what} is in {self.name} {len(places)} times",
                why="\n".join(
                    [f"line {row}: {self.text(row)}" for row in places[:_SHOWN]]
                    + ([f"and {len(places) - _SHOWN} more"] if len(places) > _SHOWN else [])
                ),
                advice="a variant never guesses; render it against an unaltered source",
            )
        near = "\n".join(f"line {row}: {self.text(row)}" for row in self._nearest(needle))
        error = AnchorError(
            f"{what} is not in {self.name}",
            why=f"nearest lines:\n{near}" if near else "no line is like it",
            advice="patchkit variants NAME shows which releases a variant is for",
        )
        error.missing = needle
        return error

    def _in_branches(self, what: str, places: list[int], begin: int, others: list[int]) -> AnchorError:
        """Make the error for the anchor ``what`` that each branch of the #if on line ``begin`` has."""
        known = re.match(
            r"#\s*(?:if(n?)def\s+|if\s+(!?)\s*defined\s*\(?\s*)(\w+)\s*\)?\s*(?:/[*/].*)?$", self.text(begin)
        )
        tool = ""
        if known is not None and len(others) == 1:
            first, second = ("-U", "-D") if known[1] or known[2] else ("-D", "-U")
            unifdef = f"unifdef -m {first}{known[3]} {self.name}"
            tool = f": {unifdef} keeps the first one, {second}{known[3]} the other"
        return AnchorError(
            f"{what} is in {self.name} {len(places)} times, for different conditions: lines "
            f"{' and '.join(map(str, places))}, by the #if on line {begin}",
            why="\n".join(f"line {row}: {self.text(row)}" for row in sorted([begin, *others, *places])),
            advice=f"leave the branch that your build compiles, and render again{tool}",
        )

    def joined(self, row: int) -> bool:
        """Return whether the compiler reads line ``row`` (from 0) as part of the one above: a comment, a backslash."""
        if not 0 < row < len(self.lines):
            return False
        if self.lines[row - 1].rstrip().endswith(b"\\"):
            return True
        end = sum(map(len, self.lines[:row]))
        node = self.root.descendant_for_byte_range(end - 1, end)
        return node is not None and node.type in ("comment", "string_literal", "string_content", "preproc_arg")

    def text(self, row: int) -> str:
        """Shorten line ``row`` (from 1) for a message."""
        return self.lines[row - 1].decode("utf-8", "replace").strip()[:120]

    def _nearest(self, needle: str) -> list[int]:
        whole = re.compile(rf"(?<!\w){re.escape(needle)}(?!\w)")
        words = set(re.findall(r"[A-Za-z]{3,}", needle))
        if whole.search(self.data.decode("latin-1")):
            words = {needle}
        candidates: dict[str, int] = {}
        for row, line in enumerate(self.lines, 1):
            text = line.decode("latin-1").strip()
            if any(word in text for word in words):
                candidates.setdefault(text[:200], row)
                if len(candidates) >= _MAX_CANDIDATES:
                    break
        return sorted(candidates[text] for text in difflib.get_close_matches(needle, candidates, n=3, cutoff=0.1))


def split_lines(data: bytes) -> list[bytes]:
    """Split ``data`` at ``\\n`` only, as diff and tree-sitter count lines: a lone CR or form feed does not end one."""
    if b"\r" not in data:
        return data.splitlines(keepends=True)
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
