"""What one C file declares at its top level, and of which kind: functions, variables, macros, types and members."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from patchkit.patching.csource import conditionals, syntax
from patchkit.patching.csource.file import MAX_SOURCE

if TYPE_CHECKING:
    from tree_sitter import Node

Kind = Literal["function", "macro", "macro with arguments", "variable", "constant", "type", "struct", "member"]
_AGGREGATES = ("struct_specifier", "union_specifier", "enum_specifier")
_CONTAINERS = (
    "translation_unit", "preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "preproc_elifdef",
    "linkage_specification", "declaration_list", "ERROR",
)  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """One name with what the file says of it."""

    name: str
    kind: Kind
    row: int
    """The line, from 0."""
    type: str = ""
    """The type's name without qualifiers and stars: of a variable or member, or what a function returns."""
    least: int = 0
    """The number of arguments that a call needs at least."""
    most: int | None = None
    """The number that it takes at most; None for any."""


@dataclass
class Declarations:
    """All that one file declares at its top level."""

    names: dict[str, list[Declared]] = field(default_factory=lambda: defaultdict(list))
    members: dict[str, dict[str, Declared]] = field(default_factory=lambda: defaultdict(dict))
    """The members of each struct and union, by its name; those of one without a name belong to the typedef."""
    includes: list[tuple[int, str]] = field(default_factory=list)
    """The headers between quotes, with the line, from 0."""

    def add(self, declared: Declared) -> None:
        """Add one name."""
        self.names[declared.name].append(declared)


@lru_cache(maxsize=512)
def declared_in(data: bytes) -> Declarations:
    """Read the declarations of the C file or header ``data``; of a split conditional group, the first branch."""
    declarations = Declarations()
    if len(data) > MAX_SOURCE:
        return declarations
    seen = conditionals.read(data).view(0)
    for match in re.finditer(rb'^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"', seen, re.MULTILINE):
        declarations.includes.append((seen.count(b"\n", 0, match.start()), match[1].decode("latin-1")))
    waiting = [syntax.root_of(seen)]
    while waiting:
        node = waiting.pop()
        if node.type in _CONTAINERS:
            waiting.extend(reversed(node.named_children))
        else:
            for declared in of_node(node, declarations):
                declarations.add(declared)
    return declarations


def of_node(node: Node, declarations: Declarations) -> Iterator[Declared]:
    """Yield the names that ``node``, a declaration, definition or directive, declares.

    Its structs' members go to ``declarations``.
    """
    row = node.start_point.row
    if node.type in ("preproc_def", "preproc_function_def"):
        yield _macro(node)
    elif node.type == "function_definition" or node.type in ("declaration", "type_definition", *_AGGREGATES):
        yield from _aggregates(node, declarations)
        if node.type in _AGGREGATES:
            return
        type_ = type_of(node)
        for declarator in node.children_by_field_name("declarator"):
            name, parameters = _name(declarator)
            if name is None:
                continue
            if node.type == "type_definition":
                yield Declared(name, "type", row, type_)
                if type_ == "":
                    declarations.members[name].update(declarations.members.pop("", {}))
            elif parameters is None:
                yield Declared(name, "variable", row, type_)
            else:
                least, most = _arity(parameters)
                yield Declared(name, "function", row, type_, least, most)


def type_of(node: Node) -> str:
    """Read the name of the type that ``node`` declares something of: of a struct its name, without the word."""
    given = node.child_by_field_name("type")
    if given is None:
        return ""
    if given.type in _AGGREGATES:
        name = given.child_by_field_name("name")
        return syntax.text(name).decode("latin-1") if name is not None else ""
    return syntax.bare(given).decode("latin-1")


def _macro(node: Node) -> Declared:
    name = node.child_by_field_name("name")
    text = syntax.text(name).decode("latin-1") if name is not None else ""
    parameters = node.child_by_field_name("parameters")
    if parameters is None:
        return Declared(text, "macro", node.start_point.row)
    number = len(parameters.named_children)
    any_number = any(part.type == "..." for part in parameters.children)
    least = number if not any_number else 0
    return Declared(text, "macro with arguments", node.start_point.row, "", least, None if any_number else number)


def _aggregates(node: Node, declarations: Declarations) -> Iterator[Declared]:
    """The structs, unions and enums of a declaration, also those inside of others, with what they hold."""
    outer = node if node.type in _AGGREGATES else node.child_by_field_name("type")
    for part in syntax.descend(outer):
        if part.type not in _AGGREGATES:
            continue
        tag = part.child_by_field_name("name")
        name = syntax.text(tag).decode("latin-1") if tag is not None else ""
        if name:
            yield Declared(name, "struct", part.start_point.row)
        body = part.child_by_field_name("body")
        for inner in syntax.descend(body):
            if inner.type == "enumerator" and part.type == "enum_specifier":
                constant = inner.child_by_field_name("name")
                if constant is not None:
                    yield Declared(syntax.text(constant).decode("latin-1"), "constant", inner.start_point.row)
            elif inner.type == "field_declaration" and _holder(inner) == part:
                for member in members_of(inner):
                    declarations.members[name][member.name] = member


def members_of(field_declaration: Node) -> Iterator[Declared]:
    """Yield the members that one declaration in a struct declares; those of a nameless struct in it are its own."""
    type_ = type_of(field_declaration)
    for declarator in field_declaration.children_by_field_name("declarator"):
        name, _ = _name(declarator)
        if name is not None:
            yield Declared(name, "member", declarator.start_point.row, type_)


def _holder(declaration: Node) -> Node | None:
    """The struct that a member belongs to: a nameless struct or union without a declarator gives its members away."""
    for above in syntax.ancestors(declaration):
        if above.type in _AGGREGATES:
            parent = above.parent
            nameless = above.child_by_field_name("name") is None
            inside = nameless and parent is not None and parent.type == "field_declaration"
            if inside and parent is not None and parent.child_by_field_name("declarator") is None:
                return _holder(parent)
            return above
    return None


def _name(declarator: Node) -> tuple[str | None, Node | None]:
    """The name in a declarator; with its parameters, if what it names is a function and not a pointer to one."""
    node: Node | None = declarator
    parameters: Node | None = None
    while node is not None:
        if node.type in ("identifier", "field_identifier", "type_identifier", "primitive_type"):
            return syntax.text(node).decode("latin-1"), parameters
        if node.type == "function_declarator":
            parameters = node.child_by_field_name("parameters")
        elif node.type == "parenthesized_declarator":
            parameters = None if any(part.type == "pointer_declarator" for part in node.named_children) else parameters
        inner = node.child_by_field_name("declarator")
        if inner is None:
            kinds = ("identifier", "field_identifier", "type_identifier")
            inner = next(
                (part for part in node.named_children if part.type.endswith("declarator") or part.type in kinds), None
            )
        node = inner
    return None, None


def _arity(parameters: Node) -> tuple[int, int | None]:
    given = [part for part in parameters.named_children if part.type != "comment"]
    if not given or any(part.type == "variadic_parameter" for part in given):
        return max(0, len(given) - 1), None
    if len(given) == 1 and syntax.squeezed(syntax.bare(given[0])) == b"void":
        return 0, 0
    known = all(part.type == "parameter_declaration" for part in given)
    return (len(given), len(given)) if known else (0, None)


def local(node: Node, name: str) -> Declared | None:
    """Find the local variable or parameter ``name`` that is in scope at ``node``."""
    here = node
    while (above := here.parent) is not None:
        if above.type == "function_definition" and here.type != "compound_statement":
            here = above
            continue
        if above.type == "function_definition":
            parameter = _parameter(above, name)
            # A loop's head that is a macro looks like a function within the function.
            if parameter is not None or all(outer.type != "function_definition" for outer in syntax.ancestors(above)):
                return parameter
            here = above
            continue
        earlier = here.prev_named_sibling
        while earlier is not None:
            for part in _declarations(earlier):
                for declarator in part.children_by_field_name("declarator"):
                    if _name(declarator)[0] == name:
                        return Declared(name, "variable", part.start_point.row, type_of(part))
            earlier = earlier.prev_named_sibling
        here = above
    return None


def _declarations(node: Node) -> Iterator[Node]:
    if node.type == "declaration":
        yield node
    elif node.type.startswith("preproc_"):
        for part in node.named_children:
            yield from _declarations(part)


def _parameter(function: Node, name: str) -> Declared | None:
    for part in syntax.descend(function.child_by_field_name("declarator")):
        if part.type == "parameter_declaration":
            declarator = part.child_by_field_name("declarator")
            if declarator is not None and _name(declarator)[0] == name:
                return Declared(name, "variable", part.start_point.row, type_of(part))
    return None
