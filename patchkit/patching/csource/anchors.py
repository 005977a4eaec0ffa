"""Anchors: places in a C file that a template names by meaning. Each is found exactly once or refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from patchkit.patching.csource.file import CSource
from patchkit.patching.csource.members import Struct
from patchkit.patching.csource.places import Call, Declarator, Function


class Anchors:
    """The anchors of one file, ``source`` in templates. All methods that find a place raise AnchorError rather than
    guess.
    """

    def __init__(self, source: CSource) -> None:
        self._source = source

    @property
    def lines(self) -> list[bytes]:
        """All lines, with their line ends."""
        return self._source.lines

    def contains(self, text: str) -> bool:
        """Return whether ``text`` stands anywhere in the file, comments included."""
        return text.encode() in self._source.data

    def function(self, name: str) -> Function:
        """Find the definition of the function ``name``. Raises AnchorError unless there is exactly one."""
        node = self._source.declaration(name, "function_definition", f"the function {name}")
        return Function(self._source, name, node)

    def prototype(self, name: str) -> Declarator:
        """Find the declaration of the function ``name`` in a header. Raises AnchorError unless there is exactly one."""
        what = f"the declaration of {name}"
        return Declarator.of(self._source, self._source.declaration(name, "declaration", what))

    def defines(self, name: str) -> bool:
        """Return whether the function ``name`` is defined here; releases differ in which they have."""
        return name in self._source.defined

    def declares(self, name: str) -> bool:
        """Return whether the function ``name`` is defined or declared here."""
        return bool(self._source.declarations(name))

    def struct(self, name: str) -> Struct:
        """Find the definition of ``struct name``. Raises AnchorError unless there is exactly one."""
        return Struct(self._source, name, self._source.struct(name, f"struct {name}"))

    def calls(self, name: str) -> list[Call]:
        """Find every call of the function ``name``.

        Raises AnchorError when there is none, or one is not a statement on lines of its own.
        """
        what = f"a call of {name}"
        calls = [Call.at(self._source, node, what) for node in self._source.calls(name, what)]
        if any(first.line + len(first.lines) > second.line for first, second in pairwise(calls)):
            lines = [call.line for call in calls]
            raise self._source.refusal(f"{what}, on one line or in another one,", name, lines)
        return calls

    def call(self, name: str, within: Function | None = None) -> Call:
        """Find the one call of the function ``name`` in the file, or in the function ``within``.

        Raises AnchorError unless there is exactly one.
        """
        what = f"the one call of {name}" + ("" if within is None else f" in {within.name}")
        nodes = self._source.calls(name, what)
        if within is not None:
            # Elsewhere it may be called as anybody likes.
            start, end = within.node.start_byte, within.node.end_byte
            nodes = [node for node in nodes if start <= node.start_byte < end]
        if len(nodes) != 1:
            raise self._source.refusal(what, name, [node.start_point.row + 1 for node in nodes])
        return Call.at(self._source, nodes[0], what)

    def call_before(self, name: str, functions: Sequence[str]) -> Call:
        """Find the one call of ``name`` whose result decides, in the ``if`` behind it, about a call of ``functions``.

        Raises AnchorError unless there is exactly one.
        """
        what = f"the call of {name} that decides about {' or '.join(functions)}"
        calls = self.calls(name)
        deciding = [call for call in calls if call.branch is not None and call.branch.has_call(functions)]
        if len(deciding) != 1:
            raise self._source.refusal(what, name, [call.line for call in deciding])
        return deciding[0]
