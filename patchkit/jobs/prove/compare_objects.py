"""Compile a variant's sources in all their forms, and compare.

A variant whose structs grow changes the code of every function that knows them. It is compared with stock that has
the new members, and prototypes of new functions, and nothing else of the patch. An unchanged source, of which the
compiler sees the same text in both, needs no further comparison; stock against that shows what the layout alone does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from patchkit.building.engine.protocol import Identity
from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.toolchain import Toolchain
from patchkit.errors import CompileError
from patchkit.jobs.prove.result import Proof
from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import parse
from patchkit.patching.render import Rendered
from patchkit.patching.variants import GUARD_MACRO
from patchkit.proving.compare import Difference, differences, visible_differences
from patchkit.proving.elf_object import Object, read
from patchkit.proving.grown_structs import Grown, grown, is_only_grown
from patchkit.proving.line_directives import neutral
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import SourceTree

APART = ("-O0", "-ffunction-sections", "-fdata-sections", "-fmerge-constants")
"""Flags that keep functions apart: an optimiser carries a change in one into those that call it. Without the
last, -O0 would lay strings among the data, where a longer one moves all that follow."""
TEXT = ("-E", "-P")
"""The preprocessor alone, without line numbers: the same text is compiled to the same code."""
MARK = b"extern int patchkit_reads_this_header;"
"""Put behind a header, it shows in the text of each source that includes it; it makes no code."""
INLINE = (*APART, "-fkeep-inline-functions")
"""Inline functions are compiled also where nothing uses them; GCC's flag."""
Objects = Mapping[str, bytes]


@dataclass(frozen=True)
class Prover:
    """One variant in one configured tree."""

    tree: AutotoolsTree
    plain: Rendered
    guard: Rendered | None
    combined: Combination

    def proof(self, obtained: Obtained, tools: Toolchain, identity: Identity) -> Proof:
        """Compile and compare. Raises CompileError."""
        touched = [path for path in self.plain.files if path.endswith(".c")]
        stock = self._compile(touched, {}, APART)  # first of all: what does not compile here is told soon
        declared = grown(self.plain, obtained.tree, self.combined)
        reached = self._reached(touched, declared, obtained.tree)
        others = [*reached.laid_out, *(path for path in reached.patched if path not in reached.laid_out)]
        apart = [*touched, *others]
        stock |= self._compile(others, {}, APART)
        base = stock | self._compile([*touched, *reached.laid_out], declared.files, APART) if declared.files else stock
        patched = base | self._compile([*touched, *reached.patched], neutral(self.plain), APART)
        shipped = self._compile(touched, self.plain.files, APART)
        unequal = [one for source in apart for one in _differences(source, base, patched)]
        changed = [one for one in unequal if self._is_named(one)]
        inlines = self._inlines([one for one in unequal if one not in changed], declared, patched)
        layout = [one for source in apart for one in _differences(source, stock, base)]
        gone = {(one.source, one.name) for one in (*unequal, *layout)}
        off, on = self._guarded(touched, stock, patched)
        return Proof(
            release=obtained.label,
            origin=obtained.tree.origin,
            variant=self.combined.name,
            identity=identity,
            flags=[*tools.target.cppflags, *self.tree.cflags],
            sources=touched,
            reached=others,
            functions=sum(len(_read(source, stock).functions) for source in apart),
            same=sum((source, name) not in gone for source in apart for name in _read(source, stock).functions),
            changed=changed,
            strays=[
                *(one for one in unequal if one not in changed and one not in inlines),
                *(one for one in layout if one.kind != "changed"),
            ],
            exposed=[name for source in apart for name in self._exposed(source, stock, base, patched)],
            guard=self.guard is not None,
            guard_off=[*off, *reached.off],
            guard_on=[*on, *reached.on],
            renumbered=[
                one
                for source in touched
                for one in _differences(source, patched, shipped)
                if one.name not in self.combined.touched
            ],
            structs=declared.structs,
            layout=[one for one in layout if (one.source, one.name) not in {(it.source, it.name) for it in unequal}],
            inlines=inlines,
            unexplained=[
                *declared.unexplained,
                *reached.unexplained,
                *(line for source in touched for line in self._without_code(source, obtained.tree, patched)),
            ],
        )

    def _is_named(self, one: Difference) -> bool:
        """Whether the variant names it, and as what it is."""
        if one.kind == "added":
            return one.name in self.combined.added
        return one.kind == "changed" and one.name in self.combined.functions

    def _inlines(self, strays: Sequence[Difference], declared: Grown, patched: Objects) -> list[Difference]:
        """Those of the strays that stock has as well, word for word, and does not use in that source."""
        fresh = [one for one in strays if one.kind == "added"]
        if not fresh or not self.combined.added:
            return []
        sources = list(dict.fromkeys(one.source for one in fresh))
        kept = self._compile(sources, declared.files, INLINE)
        other = {(one.source, one.name) for source in sources for one in _differences(source, kept, patched)}
        return [one for one in fresh if (one.source, one.name) not in other]

    def _without_code(self, source: str, tree: SourceTree, patched: Objects) -> list[str]:
        """New functions that the compiler leaves out in this configuration: nothing is shown of those."""
        new = parse(source, self.plain.files[source]).defined - parse(source, tree.read(source)).defined
        left_out = new - _read(source, patched).functions
        return [f"{name} is new in {source} and has no code there" for name in sorted(left_out)]

    def _exposed(self, source: str, stock: Objects, base: Objects, patched: Objects) -> list[str]:
        """Symbols that differ; new members may change sizes, and nothing else."""
        first, second, third = (_read(source, one) for one in (stock, base, patched))
        every = {symbol.name for symbol in first.symbols | second.symbols}
        combined = self.combined
        return [
            *visible_differences(first, second, every),
            *visible_differences(second, third, combined.touched, combined.added),
        ]

    def _reached(self, touched: Sequence[str], declared: Grown, tree: SourceTree) -> _Reached:
        """What a changed header does to sources that are not changed themselves: the preprocessor tells."""
        headers = [path for path in self.plain.files if path not in touched]
        if not headers and not declared.files and not self.combined.added:
            return _Reached()
        known = [*touched, *(path for path in self.tree.sources() if path not in touched)]
        marked = self._text(known, {path: tree.read(path) + b"\n%b\n" % MARK for path in headers})
        stock = {path: b"\n".join(line for line in text.split(b"\n") if line != MARK) for path, text in marked.items()}
        others = [path for path in known if path not in touched and marked[path] != stock[path]]
        every = [*touched, *others]
        base = self._text(every, declared.files) if declared.files else stock
        patched = self._text(others, neutral(self.plain))
        off = on = None
        if self.guard is not None:
            files = neutral(self.guard)
            off = self._text(others, files)
            on = self._text(others, files, defines=(GUARD_MACRO,))
        return _Reached(
            laid_out=[one for one in others if base[one] != stock[one]],
            patched=[one for one in others if patched[one] != base[one]],
            off=[one for one in others if off and off[one] != stock[one]],
            on=[one for one in others if on and on[one] != patched[one]],
            unexplained=[
                *(
                    f"{one}, where more than members of structs and prototypes of new functions is declared otherwise"
                    for one in every
                    if not is_only_grown(stock[one], base[one], declared.structs, self.combined.added)
                ),
                *(
                    f"{name} is no new name: {one} knows it"
                    for name in self.combined.added
                    for one in known
                    if re.search(rb"\b%b\b" % name.encode(), stock[one])
                ),
            ],
        )

    def _guarded(self, touched: Sequence[str], stock: Objects, patched: Objects) -> tuple[list[str], list[str]]:
        """Sources that are not as they should be with the guard off and on; also as built, where off is concerned."""
        if self.guard is None:
            return [], []
        files = neutral(self.guard)
        off = self._compile(touched, files, APART)
        on = self._compile(touched, files, APART, defines=(GUARD_MACRO,))
        built, built_off = self._compile(touched, {}, ()), self._compile(touched, files, ())
        return (
            [one for one in touched if off[one] != stock[one] or built_off[one] != built[one]],
            [one for one in touched if on[one] != patched[one]],
        )

    def _text(self, sources: Sequence[str], changes: Mapping[str, bytes], defines: Sequence[str] = ()) -> Objects:
        """What the compiler sees; how many blank lines the preprocessor leaves depends on line numbers."""
        found = self._compile(sources, changes, TEXT, defines)
        return {
            source: b"\n".join(line for line in text.split(b"\n") if line.strip()) for source, text in found.items()
        }

    def _compile(
        self, sources: Sequence[str], changes: Mapping[str, bytes], flags: Sequence[str], defines: Sequence[str] = ()
    ) -> dict[str, bytes]:
        return self.tree.objects(sources, changes, defines=defines, flags=flags)


@dataclass(frozen=True)
class _Reached:
    """Unchanged sources that a changed header reaches, by what their preprocessed text shows."""

    laid_out: Sequence[str] = ()
    """Where structs grow, the compiler sees other text than in stock."""
    patched: Sequence[str] = ()
    """With the whole patch it sees yet another text: their objects have to be compared."""
    off: Sequence[str] = ()
    """With the guard off, the compiler would not see stock's text."""
    on: Sequence[str] = ()
    """With the guard on, it would not see the patch's."""
    unexplained: Sequence[str] = ()
    """What the compiler sees of declarations that grow, and that is more than that."""


def _differences(source: str, before: Objects, after: Objects) -> list[Difference]:
    if before[source] == after[source]:
        return []
    return differences(source, _read(source, before), _read(source, after))


def _read(source: str, objects: Objects) -> Object:
    try:
        return read(objects[source])
    except ValueError as error:
        raise CompileError(f"the object made from {source} can't be read", why=str(error)) from error
