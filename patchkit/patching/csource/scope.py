"""What a C file can see of its tree: its own declarations, and those of the headers that it includes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from patchkit.patching.csource import c_library, syntax
from patchkit.patching.csource.declared import Declarations, Declared, declared_in, local

if TYPE_CHECKING:
    from tree_sitter import Node

_FOLDERS = ("src/openvpn", "src/compat", "include", "")
"""Where upstream's compilers look for headers, besides the folder of the file that includes them."""
_TRANSPARENT = ("subscript_expression", "pointer_expression", "unary_expression", "parenthesized_expression")
"""Expressions whose type, as far as members go, is that of what they are made of."""


@dataclass(frozen=True)
class Seen:
    """One declaration, and where it is."""

    path: str
    declared: Declared

    @property
    def place(self) -> str:
        """The path and the line, for a message."""
        return f"{self.path}, line {self.declared.row + 1}"


def headers_of(path: str, read: Callable[[str], bytes | None]) -> Iterator[tuple[str, int]]:
    """Yield the tree's headers that the file ``path`` includes, directly or through others.

    With each comes the line of ``path``, from 0, that includes it. ``read`` returns a file's bytes, None for one that
    is not in the tree.
    """
    seen = {path}
    queue: list[tuple[str, int | None]] = [(path, None)]
    while queue:
        here, row = queue.pop(0)
        data = read(here)
        for at, name in declared_in(data).includes if data is not None else []:
            candidates = [posixpath.normpath(posixpath.join(posixpath.dirname(here), name))]
            candidates += [posixpath.normpath(posixpath.join(folder, name)) for folder in _FOLDERS]
            header = next((there for there in candidates if there in seen or read(there) is not None), None)
            if header is not None and header not in seen:
                seen.add(header)
                first = at if row is None else row
                yield header, first
                queue.append((header, first))


@dataclass(frozen=True)
class Scope:
    """The names that the file ``path`` of a tree can use."""

    path: str
    read: Callable[[str], bytes | None]
    beside: tuple[str, ...] = ()
    """Files that include this one behind other headers: a header may use what those declare."""

    @cached_property
    def _own(self) -> Declarations:
        return declared_in(self.read(self.path) or b"")

    @cached_property
    def _headers(self) -> list[tuple[str, int, Declarations]]:
        headers = list(headers_of(self.path, self.read))
        known = {path for path, _ in headers}
        for other in self.beside:
            headers += [(path, -1) for path, _ in headers_of(other, self.read) if path not in {*known, self.path}]
        return [(path, row, declared_in(self.read(path) or b"")) for path, row in headers]

    def find(self, name: str, before: int | None = None) -> list[Seen]:
        """Find what ``name`` is declared as, before the line ``before`` (from 0) of the file if that is given."""
        own = [Seen(self.path, declared) for declared in self._own.names.get(name, ())]
        if before is not None:
            own = [seen for seen in own if seen.declared.row < before]
        return own + [
            Seen(path, declared)
            for path, row, declarations in self._headers
            if before is None or row < before
            for declared in declarations.names.get(name, ())
        ]

    def members(self, struct: str) -> dict[str, Seen]:
        """Return the members of ``struct``, or of a typedef of one; none where this tree does not say."""
        merged: dict[str, Seen] = {}
        if not struct:
            return merged  # of a nameless one nothing is known: there may be many
        for path, declarations in [(self.path, self._own), *((path, each) for path, _, each in self._headers)]:
            for name, member in declarations.members.get(struct, {}).items():
                merged.setdefault(name, Seen(path, member))
        if not merged:
            behind = {seen.declared.type for seen in self.find(struct) if seen.declared.kind == "type"} - {struct, ""}
            return self.members(behind.pop()) if len(behind) == 1 else {}
        return merged

    def has_member(self, member: str) -> bool:
        """Return whether any struct of the tree, or a known one of the system's, has a member of this name."""
        everywhere = [self._own, *(declarations for _, _, declarations in self._headers)]
        return any(member in members for each in everywhere for members in each.members.values()) or any(
            member in members for members in c_library.STRUCTS.values()
        )

    def type_of(self, expression: Node | None) -> str | None:
        """Return the name of an expression's type, without stars: a struct's or a typedef's; None if not known."""
        while expression is not None and expression.type in _TRANSPARENT:
            expression = expression.child_by_field_name("argument") or next(iter(expression.named_children), None)
        name = syntax.text_of(expression)
        if expression is None:
            return None
        if expression.type == "identifier":
            declared = local(expression, name) or self._first(name, "variable")
        elif expression.type == "call_expression":
            declared = self._first(syntax.text_of(expression.child_by_field_name("function")), "function")
        elif expression.type == "field_expression":
            struct = self.type_of(expression.child_by_field_name("argument"))
            return self._type_of_member(struct, syntax.text_of(expression.child_by_field_name("field")))
        else:
            declared = None
        return declared.type if declared is not None else None

    def _first(self, name: str, kind: str) -> Declared | None:
        return next((seen.declared for seen in self.find(name) if seen.declared.kind == kind), None)

    def _type_of_member(self, struct: str | None, member: str) -> str | None:
        if struct is None:
            return None
        if struct in c_library.STRUCTS:
            return c_library.STRUCTS[struct].get(member)
        seen = self.members(struct).get(member)
        return seen.declared.type if seen is not None else None
