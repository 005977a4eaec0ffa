"""What a template sees of a C file: places that it names by meaning. Each is found exactly once or refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from patchkit.patching.csource.file import CSource
from patchkit.patching.csource.members import Struct
from patchkit.patching.csource.places import Call, Declarator, Function


class Anchors:
    """The anchors of one file; a template knows them as ``source``. All raise AnchorError rather than guess."""

    def __init__(self, source: CSource) -> None:
        self._source = source

    @property
    def lines(self) -> list[bytes]:
        """All lines, with their ends."""
        return self._source.lines

    def function(self, name: str) -> Function:
        """The definition of the function ``name``."""
        node = self._source.declaration(name, "function_definition", f"the function {name}")
        return Function(self._source, name, node)

    def prototype(self, name: str) -> Declarator:
        """The declaration of the function ``name``, as a header has it."""
        what = f"the declaration of {name}"
        return Declarator.of(self._source, self._source.declaration(name, "declaration", what))

    def defines(self, name: str) -> bool:
        """Whether the function ``name`` is defined here; releases differ in which they have."""
        return name in self._source.defined

    def declares(self, name: str) -> bool:
        """Whether the function ``name`` is defined or declared here."""
        return bool(self._source.declarations(name))

    def struct(self, name: str) -> Struct:
        """The definition of ``struct name``."""
        return Struct(self._source, name, self._source.struct(name, f"struct {name}"))

    def calls(self, name: str) -> list[Call]:
        """Every call of the function ``name``; each must be a statement on lines of its own."""
        what = f"a call of {name}"
        calls = [Call.at(self._source, node, what) for node in self._source.calls(name, what)]
        if any(first.line + len(first.lines) > second.line for first, second in pairwise(calls)):
            lines = [call.line for call in calls]
            raise self._source.refusal(f"{what}, on one line or in another one,", name, lines)
        return calls

    def call_before(self, name: str, functions: Sequence[str]) -> Call:
        """The one call of ``name`` whose result decides, in the ``if`` behind it, about a call of ``functions``."""
        what = f"the call of {name} that decides about {' or '.join(functions)}"
        calls = self.calls(name)
        found = [call for call in calls if call.branch is not None and call.branch.has_call(functions)]
        if len(found) != 1:
            raise self._source.refusal(what, name, [call.line for call in found])
        return found[0]
