"""Compile a variant's sources in all their forms, and compare.

A variant whose structs grow changes the code of every function that knows them. It is compared with stock that has
the new members, and prototypes of new functions, and nothing else of the patch. An unchanged source, of which the
compiler sees the same text in both, needs no further comparison; stock against that shows what the layout alone does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from patchkit.building.engine.protocol import Identity
from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.toolchain import Toolchain
from patchkit.errors import CompileError
from patchkit.jobs.prove.header_reach import HeaderReach, Reached
from patchkit.jobs.prove.result import Proof
from patchkit.patching.combination import Combination
from patchkit.patching.csource.file import parse
from patchkit.patching.render import Rendered
from patchkit.patching.variants import GUARD_MACRO
from patchkit.proving.compare import Difference, differences, visible_differences
from patchkit.proving.elf_object import Object, read
from patchkit.proving.grown_structs import Grown, grown
from patchkit.proving.line_directives import neutral
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import SourceTree

APART = ("-O0", "-ffunction-sections", "-fdata-sections", "-fmerge-constants")
"""Flags that keep functions apart: an optimiser carries a change in one into those that call it. Without the
last, -O0 would lay strings among the data, where a longer one moves all that follow."""
INLINE = (*APART, "-fkeep-inline-functions")
"""Flags that compile inline functions also where nothing uses them; GCC's."""
Objects = Mapping[str, bytes]
"""Object files, by the path of their source."""


@dataclass(frozen=True)
class Prover:
    """One variant in one configured tree."""

    tree: AutotoolsTree
    plain: Rendered
    guard: Rendered | None
    combined: Combination

    def proof(self, obtained: Obtained, tools: Toolchain, identity: Identity) -> Proof:
        """Compile the sources of ``obtained`` in all forms and compare the objects; ``tools`` and ``identity`` are
        named in the proof.

        Raises CompileError when a source does not compile, or an object can't be read.
        """
        touched = [path for path in self.plain.files if path.endswith(".c")]
        stock = self._compile(touched, {}, APART)  # first of all: what does not compile here is reported soon
        declared = grown(self.plain, obtained.tree, self.combined)
        reach = HeaderReach(self.tree, self.plain, self.guard, self.combined, declared)
        reached = reach.reached(touched, obtained.tree)
        forms = self._forms(touched, reached, declared, stock)
        by_patch = forms.differences(forms.base, forms.patched)
        by_layout = forms.differences(forms.stock, forms.base)
        changed = [difference for difference in by_patch if self._is_named(difference)]
        unnamed = [difference for difference in by_patch if difference not in changed]
        inlines = self._inlines(unnamed, declared, forms.patched)
        strays = [difference for difference in unnamed if difference not in inlines]
        off, on = self._guarded(touched, forms)
        functions = forms.functions
        patched_places, layout_places = _places(by_patch), _places(by_layout)
        return Proof(
            release=obtained.label,
            origin=obtained.tree.origin,
            variant=self.combined.name,
            identity=identity,
            flags=[*tools.target.cppflags, *self.tree.cflags],
            sources=touched,
            reached=reached.sources,
            functions=len(functions),
            same=sum(place not in patched_places | layout_places for place in functions),
            changed=changed,
            strays=[*strays, *(difference for difference in by_layout if difference.kind != "changed")],
            exposed=self._exposed(forms),
            guard=self.guard is not None,
            guard_off=[*off, *reached.off],
            guard_on=[*on, *reached.on],
            renumbered=self._renumbered(touched, forms),
            structs=declared.structs,
            layout=[difference for difference in by_layout if difference.place not in patched_places],
            inlines=inlines,
            unexplained=[
                *declared.unexplained,
                *reached.unexplained,
                *self._without_code(touched, obtained.tree, forms.patched),
            ],
        )

    def _forms(self, touched: Sequence[str], reached: Reached, declared: Grown, stock: Objects) -> _Forms:
        """Compile what is compared; ``stock`` has the objects of ``touched`` already."""
        stock = {**stock, **self._compile(reached.sources, {}, APART)}
        base = stock
        if declared.files:
            base = {**stock, **self._compile([*touched, *reached.laid_out], declared.files, APART)}
        patched = {**base, **self._compile([*touched, *reached.patched], neutral(self.plain), APART)}
        shipped = self._compile(touched, self.plain.files, APART)
        return _Forms([*touched, *reached.sources], stock, base, patched, shipped)

    def _is_named(self, difference: Difference) -> bool:
        """Whether the variant names it, and as what it is."""
        if difference.kind == "added":
            return difference.name in self.combined.added
        return difference.kind == "changed" and difference.name in self.combined.functions

    def _inlines(self, unnamed: Sequence[Difference], declared: Grown, patched: Objects) -> list[Difference]:
        """The unnamed functions that stock has too, word for word, and does not use in that source."""
        fresh = [difference for difference in unnamed if difference.kind == "added"]
        if not fresh or not self.combined.added:
            return []
        sources = list(dict.fromkeys(difference.source for difference in fresh))
        with_inlines = self._compile(sources, declared.files, INLINE)
        other = _places(_differences(sources, with_inlines, patched))
        return [difference for difference in fresh if difference.place not in other]

    def _without_code(self, touched: Sequence[str], tree: SourceTree, patched: Objects) -> list[str]:
        """New functions that the compiler leaves out in this configuration: nothing is shown of those."""
        lines = []
        for source in touched:
            new = parse(source, self.plain.files[source]).defined - parse(source, tree.read(source)).defined
            left_out = new - _read(source, patched).functions
            lines += [f"{name} is new in {source} and has no code there" for name in sorted(left_out)]
        return lines

    def _exposed(self, forms: _Forms) -> list[str]:
        """Symbols that differ; new members may change sizes, and nothing else."""
        symbols = []
        for source in forms.sources:
            stock, base, patched = (_read(source, form) for form in (forms.stock, forms.base, forms.patched))
            every = {symbol.name for symbol in stock.symbols | base.symbols}
            symbols += visible_differences(stock, base, every)
            symbols += visible_differences(base, patched, self.combined.touched, self.combined.added)
        return symbols

    def _renumbered(self, touched: Sequence[str], forms: _Forms) -> list[Difference]:
        """What differs, besides what the variant names, because the patch moves lines."""
        moved = _differences(touched, forms.patched, forms.shipped)
        return [difference for difference in moved if difference.name not in self.combined.touched]

    def _guarded(self, touched: Sequence[str], forms: _Forms) -> tuple[list[str], list[str]]:
        """Sources that are not as they should be with the guard off and on; also as built, where off is concerned."""
        if self.guard is None:
            return [], []
        files = neutral(self.guard)
        off = self._compile(touched, files, APART)
        on = self._compile(touched, files, APART, defines=(GUARD_MACRO,))
        built, built_off = self._compile(touched, {}, ()), self._compile(touched, files, ())
        return (
            [path for path in touched if off[path] != forms.stock[path] or built_off[path] != built[path]],
            [path for path in touched if on[path] != forms.patched[path]],
        )

    def _compile(
        self, sources: Sequence[str], changes: Mapping[str, bytes], flags: Sequence[str], defines: Sequence[str] = ()
    ) -> dict[str, bytes]:
        return self.tree.objects(sources, changes, defines=defines, flags=flags)


@dataclass(frozen=True)
class _Forms:
    """The objects that are compared, with functions kept apart."""

    sources: Sequence[str]
    """All sources that are compared; ``shipped`` has only those that the variant changes."""
    stock: Objects
    base: Objects
    """Stock with the new members and prototypes; stock itself when no struct grows."""
    patched: Objects
    """The whole patch, lines called by their old numbers."""
    shipped: Objects
    """The whole patch as it is."""

    @property
    def functions(self) -> list[tuple[str, str]]:
        """The source and the name of each function that stock has; an inline function counts in each source."""
        return [(source, name) for source in self.sources for name in _read(source, self.stock).functions]

    def differences(self, before: Objects, after: Objects) -> list[Difference]:
        """Compare the objects of all sources in two forms."""
        return _differences(self.sources, before, after)


def _differences(sources: Sequence[str], before: Objects, after: Objects) -> list[Difference]:
    return [
        difference
        for source in sources
        if before[source] != after[source]
        for difference in differences(source, _read(source, before), _read(source, after))
    ]


def _places(of: Sequence[Difference]) -> set[tuple[str, str]]:
    return {difference.place for difference in of}


def _read(source: str, objects: Objects) -> Object:
    try:
        return _parsed(objects[source])
    except ValueError as error:
        raise CompileError(f"the object made from {source} can't be read", why=str(error)) from error


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> Object:
    # Forms of one source are mostly the same bytes, and each is looked at several times.
    return read(data)
