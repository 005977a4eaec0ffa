"""Which functions and structs differ between two versions of a C file: what a patch touches, where it does not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from patchkit.patching.combination import Combination
from patchkit.patching.csource import syntax
from patchkit.patching.csource.file import MAX_SOURCE, parse
from patchkit.patching.render import Rendered
from patchkit.patching.variants import Variant
from patchkit.source.tree.tree import SourceTree

if TYPE_CHECKING:
    from tree_sitter import Node

_Texts = dict[str, list[bytes]]


@dataclass(frozen=True)
class Touched:
    """Names, in alphabetical order."""

    functions: Sequence[str] = ()
    """Defined or declared in both, and not the same."""
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    structs: Sequence[str] = ()
    """With a body in both that is not the same, or new."""


def touched(path: str, before: bytes, after: bytes) -> Touched:
    """Compare the C file ``path``, ``before`` and ``after``; nothing where it is not C, or larger than is parsed."""
    if not path.endswith((".c", ".h")) or max(len(before), len(after)) > MAX_SOURCE:
        return Touched()
    (functions_before, structs_before), (functions_after, structs_after) = _texts(path, before), _texts(path, after)
    functions, structs = (functions_before, functions_after), (structs_before, structs_after)
    changed = _differing(*functions)
    return Touched(
        functions=[name for name in changed if name in functions[0] and name in functions[1]],
        added=[name for name in changed if name not in functions[0]],
        removed=[name for name in changed if name not in functions[1]],
        structs=[name for name in _differing(*structs) if name in structs[1]],
    )


def named(combined: Combination, rendered: Rendered, tree: SourceTree) -> Combination:
    """Return ``combined`` with the names of what its diffs touch in ``tree``; templates come with theirs."""
    if not combined.has_diffs:
        return combined
    changes = [touched(path, tree.read(path) if path in tree else b"", after) for path, after in rendered.files.items()]
    added = sorted({name for change in changes for name in change.added})
    names = {
        # What is defined in one file and declared in another is new as a whole, if it is in one.
        "functions": sorted({name for change in changes for name in change.functions}.difference(added)),
        "added": added,
        "structs": sorted({name for change in changes for name in change.structs}),
    }
    return replace(combined, parts=tuple(_with(part, names) for part in combined.parts))


def _with(part: Variant, names: Mapping[str, Sequence[str]]) -> Variant:
    return part.model_copy(update=dict(names)) if part.diffs is not None else part


def _differing(before: _Texts, after: _Texts) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _texts(path: str, data: bytes) -> tuple[_Texts, _Texts]:
    """The texts of all functions, defined or declared, and of all structs, by name."""
    functions: _Texts = {}
    structs: _Texts = {}
    for node in _outside(parse(path, data).root):
        declarator = node.child_by_field_name("declarator")
        parts = list(syntax.descend(declarator))
        if any(part.type == "function_declarator" for part in parts):
            name = next((syntax.text_of(part) for part in parts if part.type == "identifier"), "")
            functions.setdefault(name, []).append(syntax.text(node))
            continue
        for part in syntax.descend(node):
            if part.type == "struct_specifier" and part.child_by_field_name("body") is not None:
                name = syntax.text_of(part.child_by_field_name("name"))
                structs.setdefault(name, []).append(syntax.text(part))
    return functions, structs


def _outside(root: Node) -> Iterator[Node]:
    """Everything that stands outside of functions, whatever the directives around it."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        if here.type in ("function_definition", "declaration", "struct_specifier", "type_definition"):
            yield here
        else:
            waiting.extend(reversed(here.children))
