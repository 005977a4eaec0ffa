"""Find the unchanged sources that a changed header reaches, by their preprocessed text.

The same text is compiled to the same code, so a source whose text does not change needs no comparison of objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller

from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered
from patchkit.patching.variants import GUARD_MACRO
from patchkit.proving.grown_structs import Grown, is_only_grown
from patchkit.proving.line_directives import neutral
from patchkit.proving.words import words
from patchkit.source.tree.tree import SourceTree

TEXT = ("-E", "-P")
"""Flags for the preprocessor alone, without line numbers."""
MARK = b"extern int patchkit_reads_this_header;"
"""A declaration put behind a header: it shows in the text of each source that includes the header, and makes no
code."""
Texts = Mapping[str, bytes]
"""Preprocessed text, by the path of its source."""


@dataclass(frozen=True)
class Reached:
    """Unchanged sources that a changed header reaches."""

    laid_out: Sequence[str] = ()
    """Where structs grow, the compiler sees other text than in stock."""
    patched: Sequence[str] = ()
    """With the whole patch, the compiler sees yet another text: the objects have to be compared."""
    off: Sequence[str] = ()
    """With the guard off, the compiler would not see stock's text."""
    on: Sequence[str] = ()
    """With the guard on, the compiler would not see the patch's text."""
    unexplained: Sequence[str] = ()
    """What the compiler sees of declarations that grow, besides members of structs and prototypes."""

    @property
    def sources(self) -> list[str]:
        """All sources whose objects have to be compared."""
        return [*self.laid_out, *(path for path in self.patched if path not in self.laid_out)]


@dataclass(frozen=True)
class HeaderReach:
    """The preprocessor's view of one variant in one configured tree."""

    tree: AutotoolsTree
    plain: Rendered
    guard: Rendered | None
    combined: Combination
    declared: Grown

    def reached(self, touched: Sequence[str], tree: SourceTree) -> Reached:
        """Preprocess the sources besides ``touched``, stock and patched, and compare the texts.

        Raises CompileError when the preprocessor fails.
        """
        headers = [path for path in self.plain.files if path not in touched]
        if not headers and not self.declared.files and not self.combined.added:
            return Reached()
        known = [*touched, *(path for path in self.tree.sources() if path not in touched)]
        marked = self._texts(known, {path: tree.read(path) + b"\n%b\n" % MARK for path in headers})
        stock = {path: _unmarked(text) for path, text in marked.items()}
        others = [path for path in _differing(known, marked, stock) if path not in touched]
        base = self._texts([*touched, *others], self.declared.files) if self.declared.files else stock
        patched = self._texts(others, neutral(self.plain))
        off, on = self._guarded_texts(others, stock, patched)
        return Reached(
            laid_out=_differing(others, stock, base),
            patched=_differing(others, base, patched),
            off=_differing(others, stock, off),
            on=_differing(others, patched, on),
            unexplained=[*self._otherwise_declared([*touched, *others], stock, base), *self._known_names(known, stock)],
        )

    def _guarded_texts(self, sources: Sequence[str], stock: Texts, patched: Texts) -> tuple[Texts, Texts]:
        """The texts with the guard off and on; what they must be, where the variant has no guarded form."""
        if self.guard is None:
            return stock, patched
        files = neutral(self.guard)
        return self._texts(sources, files), self._texts(sources, files, defines=(GUARD_MACRO,))

    def _otherwise_declared(self, sources: Sequence[str], stock: Texts, base: Texts) -> list[str]:
        structs, added = self.declared.structs, _there(self.combined.added, stock, base)
        return [
            f"{source}, where more than members of structs and prototypes of new functions is declared otherwise"
            for source in sources
            if not is_only_grown(stock[source], base[source], structs, added)
        ]

    def _known_names(self, sources: Sequence[str], stock: Texts) -> list[str]:
        names = _there(self.combined.added, stock)
        known = {source: words([stock[source]]) for source in sources} if names else {}
        return [
            f"{name} is not a new name: {source} knows it"
            for name in names
            for source in sources
            if name.encode() in known[source]
        ]

    def _texts(self, sources: Sequence[str], changes: Mapping[str, bytes], defines: Sequence[str] = ()) -> Texts:
        """What the compiler sees; how many blank lines the preprocessor leaves depends on line numbers."""
        texts = self.tree.objects(sources, changes, defines=defines, flags=TEXT)
        return {source: b"\n".join(filter(methodcaller("strip"), text.split(b"\n"))) for source, text in texts.items()}


def _unmarked(text: bytes) -> bytes:
    return b"\n".join(line for line in text.split(b"\n") if line != MARK)


def _there(names: Sequence[str], *texts: Texts) -> list[str]:
    """Return those of ``names`` that are words of any of the texts."""
    known = words(text for form in texts for text in form.values())
    return [name for name in names if name.encode() in known]


def _differing(sources: Sequence[str], first: Texts, second: Texts) -> list[str]:
    return [source for source in sources if first[source] != second[source]]
