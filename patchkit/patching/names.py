"""Names: all that new code uses is declared in this tree before it is used, and all that it brings is new there.

Without this, code that fits its place to the byte need not compile, or means something else than upstream's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.errors import AnchorError
from patchkit.patching.csource import c_library, syntax
from patchkit.patching.csource.declared import local
from patchkit.patching.csource.file import CSource
from patchkit.patching.csource.scope import Scope, Seen, headers_of
from patchkit.patching.edits import Edit
from patchkit.patching.variants import GUARD_MACRO
from patchkit.source.tree.tree import SYMLINK, SourceTree

if TYPE_CHECKING:
    from tree_sitter import Node

_WORD = re.compile(rb"[A-Za-z_]\w*")
_VALUES = ("variable", "constant", "macro")
_CALLED = ("function", "macro with arguments", "macro")


@dataclass(frozen=True)
class Changed:
    """One file that a variant changes, without a guard."""

    before: CSource
    after: CSource
    edits: Sequence[Edit]
    """In file order."""

    def rows(self) -> Iterator[tuple[int, frozenset[bytes]]]:
        """Yield each new line of ``after``, from 0, with the words of the old lines that its edit replaces."""
        moved = 0
        for edit in self.edits:
            old = b" ".join(line for sign, line in edit.body if sign == b"-")
            words = frozenset(_WORD.findall(old))
            row = edit.start + moved
            for sign, _ in edit.body:
                if sign == b"+":
                    yield row, words
                row += sign != b"-"
            moved += edit.new - edit.old


def files_of(tree: SourceTree, paths: Iterable[str]) -> list[str]:
    """List the headers of ``tree`` that the files ``paths`` include: what :func:`check` reads besides these."""
    read = _reader(tree, {})
    return sorted({header for path in paths for header, _ in headers_of(path, read)} - {*paths})


def check(who: str, tree: SourceTree, changes: Sequence[Changed], *, guard: bool) -> None:
    """Check all names in the new lines of ``changes``, which the variant ``who`` makes in ``tree``.

    Raises AnchorError for a name that is used and not declared before, or of another kind, and for one that is brought
    and there already, in the first file and line that has one.
    """
    before, after = _reader(tree, {}), _reader(tree, {change.after.name: change.after.data for change in changes})
    for change in changes:
        path = change.after.name
        beside = (re.sub(r"\.h$", ".c", path),) if path.endswith(".h") else ()
        _Check(who, change, Scope(path, before, beside), Scope(path, after, beside)).run()
        if guard:
            _check_macro(who, Scope(path, before, beside))


def _check_macro(who: str, scope: Scope) -> None:
    there = scope.find(GUARD_MACRO)
    if there:
        raise AnchorError(
            f"{GUARD_MACRO}, the macro of the guarded form of {who}, is used in this tree for something else",
            why=_where(there),
            advice="leave --guard out",
        )


def _reader(tree: SourceTree, overlay: Mapping[str, bytes]) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        if path in overlay:
            return overlay[path]
        entry = tree.entries.get(path)
        return entry.read() if entry is not None and entry.mode != SYMLINK else None

    return read


@dataclass(frozen=True)
class _Check:
    """The names in one file's new lines."""

    who: str
    change: Changed
    old: Scope
    new: Scope

    def run(self) -> None:
        """Check each name, in file order."""
        rows = dict(self.change.rows())
        order = sorted(rows)
        for leaf in _leaves(self.change.after.root, order):
            row = leaf.start_point.row
            if row not in rows or (leaf.type != "preproc_arg" and syntax.text(leaf) in rows[row]):
                continue
            if leaf.type == "preproc_arg":
                self._macro_body(leaf)
            elif leaf.type == "field_identifier":
                self._member(leaf)
            elif leaf.type == "type_identifier":
                self._type(leaf)
            elif leaf.type == "identifier":
                self._identifier(leaf)

    def _identifier(self, node: Node) -> None:
        name = syntax.text_of(node)
        parent = node.parent
        if parent is not None and parent.type in ("preproc_def", "preproc_function_def"):
            self._is_new(node, name, self.old.find(name))
            return
        declaration = _declaration_of(node)
        if declaration is None:
            self._used(node, name)
        elif declaration.type != "parameter_declaration" and _is_outside(declaration):
            self._is_new(node, name, self.old.find(name))
        else:
            macros = [seen for seen in self.old.find(name) if seen.declared.kind.startswith("macro")]
            self._is_new(node, name, macros)

    def _used(self, node: Node, name: str) -> None:
        call = node.parent if node.parent is not None and node.parent.type == "call_expression" else None
        if call is not None and call.child_by_field_name("function") != node:
            call = None
        if local(node, name) is not None:
            return
        seen = self.new.find(name, node.start_point.row)
        if call is None:
            if name in c_library.VALUES or name in c_library.FUNCTIONS:
                return
            self._has_kind(node, name, seen, (*_VALUES, "function"), "a value")
            # A function's name alone is its address.
            if not any(each.declared.kind in _VALUES for each in seen):
                self._has_kind(node, name, [], _VALUES, "a value", there=seen)
            return
        given = call.child_by_field_name("arguments")
        number = len([part for part in given.named_children if part.type != "comment"]) if given is not None else 0
        if not seen and name in c_library.FUNCTIONS:
            self._takes(node, name, number, c_library.FUNCTIONS[name], c_library.FUNCTIONS[name], "the C library")
            return
        self._has_kind(node, name, seen, _CALLED, "a function")
        declared = [each for each in seen if each.declared.kind in ("function", "macro with arguments")]
        fits = [
            each
            for each in declared
            if each.declared.least <= number <= (number if each.declared.most is None else each.declared.most)
        ]
        if declared and not fits:
            first = declared[0]
            self._takes(node, name, number, first.declared.least, first.declared.most, first.place)

    def _takes(self, node: Node, name: str, number: int, least: int, most: int | None, where: str) -> None:
        if number < least or (most is not None and number > most):
            raise self._error(
                node, f"{name} takes {least} arguments in this tree, and {self.who} calls it with {number}", where
            )

    def _has_kind(
        self,
        node: Node,
        name: str,
        seen: Sequence[Seen],
        kinds: Sequence[str],
        role: str,
        *,
        there: Sequence[Seen] = (),
    ) -> None:
        if any(each.declared.kind in kinds for each in seen):
            return
        other = [*seen, *there]
        if other:
            raise self._error(
                node,
                f"{name} is a {other[0].declared.kind} in this tree, and {self.who} uses it as {role}",
                _where(other),
            )
        later = self.new.find(name)
        raise self._error(
            node,
            f"{name}, which {self.who} uses, is not declared before that in this tree",
            f"it is declared too late: {_where(later)}" if later else "",
        )

    def _type(self, node: Node) -> None:
        name = syntax.text_of(node)
        parent = node.parent
        seen = self.new.find(name, node.start_point.row)
        if parent is not None and parent.type in ("struct_specifier", "union_specifier", "enum_specifier"):
            if parent.child_by_field_name("body") is not None:
                self._is_new(node, name, [each for each in self.old.find(name) if each.declared.kind == "struct"])
            elif name not in c_library.STRUCTS:
                self._has_kind(node, name, [*seen, *self._own_struct(node, name)], ("struct",), "a struct")
        elif name not in c_library.TYPES:
            self._has_kind(node, name, seen, ("type", "macro"), "a type")

    def _own_struct(self, node: Node, name: str) -> list[Seen]:
        """The struct whose definition the name stands in: a member may point to another of its kind."""
        row = node.start_point.row
        return [each for each in self.new.find(name) if each.path == self.new.path and each.declared.row <= row]

    def _member(self, node: Node) -> None:
        name = syntax.text_of(node)
        parent = node.parent
        if parent is None or parent.type != "field_expression":
            holder = _struct_of(node)
            there = self.old.members(holder).get(name) if holder else None
            macros = [seen for seen in self.old.find(name) if seen.declared.kind.startswith("macro")]
            self._is_new(node, f"{holder}.{name}" if there else name, [there] if there else macros)
            return
        struct = self.new.type_of(parent.child_by_field_name("argument"))
        members = c_library.STRUCTS.get(struct or "") or self.new.members(struct or "")
        if name in members or (not members and self.new.has_member(name)):
            return
        of = f"struct {struct}" if members else "any struct"
        raise self._error(node, f"{name}, which {self.who} uses, is not a member of {of} in this tree", "")

    def _macro_body(self, node: Node) -> None:
        """The text of a macro, which no parser has looked at."""
        text = re.sub(
            rb'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\b0[xX]\w+|\b\d\w*', b" ", syntax.text(node), flags=re.DOTALL
        )
        parent = node.parent
        parameters = parent.child_by_field_name("parameters") if parent is not None else None
        own = {syntax.text(part) for part in parameters.named_children} if parameters is not None else set()
        for word in _WORD.findall(text):
            name = word.decode()
            if (
                word not in own | _C_WORDS
                and name not in c_library.VALUES | c_library.TYPES | c_library.FUNCTIONS.keys()
            ):
                self._has_kind(
                    node, name, self.new.find(name), (*_CALLED, "constant", "type", "struct"), "a macro's text"
                )

    def _is_new(self, node: Node, name: str, there: Sequence[Seen]) -> None:
        if there:
            raise self._error(
                node, f"{name}, which {self.who} brings, is there already: a {there[0].declared.kind}", _where(there)
            )

    def _error(self, node: Node, what: str, why: str) -> AnchorError:
        row = node.start_point.row + 1
        line = f"{self.change.after.name}, line {row} when patched: {self.change.after.text(row)}"
        return AnchorError(
            what,
            why="\n".join(filter(None, [line, why])),
            advice="the variant needs these names as upstream has them: look at what this tree has instead",
        )


_C_WORDS = frozenset(
    b"bool char const do double else enum extern false float for if int long return short signed sizeof static struct "
    b"true union unsigned void volatile while".split()
)


def _where(seen: Sequence[Seen]) -> str:
    return "\n".join(dict.fromkeys(f"{each.place}: {each.declared.kind} {each.declared.name}" for each in seen[:3]))


def _leaves(root: Node, rows: Sequence[int]) -> Iterator[Node]:
    """The leaves on the lines ``rows``, which are sorted."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        at = bisect_left(rows, node.start_point.row)
        if at == len(rows) or rows[at] > node.end_point.row:
            continue
        if node.children:
            waiting.extend(reversed(node.children))
        else:
            yield node


def _declaration_of(node: Node) -> Node | None:
    """The declaration or definition that declares the identifier ``node``; None where it is only used."""
    here = node
    while (above := here.parent) is not None:
        if here in above.children_by_field_name("declarator"):
            here = above
            continue
        # Parentheses and stars around a declarator have no field.
        if above.type in ("parenthesized_declarator", "attributed_declarator"):
            here = above
            continue
        break
    return (
        here
        if here is not node and here.type.split("_")[0] in ("declaration", "parameter", "function", "type")
        else None
    )


def _is_outside(declaration: Node) -> bool:
    """Whether a declaration is at the file's top level."""
    return all(above.type != "function_definition" for above in syntax.ancestors(declaration))


def _struct_of(member: Node) -> str:
    """The struct that a new member is declared in."""
    above = next((above for above in syntax.ancestors(member) if above.type == "struct_specifier"), None)
    return syntax.text_of(above.child_by_field_name("name")) if above is not None else ""
