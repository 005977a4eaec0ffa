"""Prove from object files what a variant changes: the functions it names, and nothing with the guard off."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchkit.building.answers import ConfigureAnswers
from patchkit.building.choose import choose
from patchkit.building.engine import EngineName, Identity, cores
from patchkit.building.log import build_log
from patchkit.building.recipe import OpenVpnTree
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.errors import BadUsageError, CompileError, ToolchainError
from patchkit.jobs.crypto import compiled, library_source, refuse_needless
from patchkit.patching.combination import Combination, combination
from patchkit.patching.render import Rendered, render
from patchkit.patching.variants import GUARD_MACRO
from patchkit.proving.compare import Difference, differences, visible_differences
from patchkit.proving.lines import neutral
from patchkit.proving.objects import Object, read
from patchkit.source.cache import Cache
from patchkit.source.obtain import Obtained, Request, obtain
from patchkit.source.tree import Origin
from patchkit.ui import Ui

APART = ("-O0", "-ffunction-sections", "-fdata-sections", "-fmerge-constants")
"""Flags that keep functions apart: an optimiser carries a change in one into those that call it. Without the
last, -O0 would lay strings among the data, where a longer one moves all that follow."""
TEXT = ("-E", "-P")
"""The preprocessor alone, without line numbers: the same text is compiled to the same code."""
Objects = Mapping[str, bytes]


@dataclass(frozen=True)
class Claim:
    """What is to be proven."""

    request: Request
    variant: str
    target: str = "linux-amd64"
    engine: EngineName = "auto"
    configure: Sequence[str] = ()
    """Further arguments for configure."""
    jobs: int = field(default_factory=cores)
    crypto: str | None = None
    """As in a build's order; otherwise the system's headers, which do for most."""
    openssl_sources: Sequence[str] = ()


@dataclass(frozen=True)
class Proof:
    """What the object files show."""

    release: str
    origin: Origin
    variant: str
    identity: Identity
    flags: Sequence[str]
    """The compiler flags as built; functions are told apart with ``APART`` behind them."""
    sources: Sequence[str]
    """The sources that the variant changes."""
    reached: Sequence[str]
    """Others that include a header that it changes, and were compiled as well."""
    functions: int
    """How many functions all of these hold; an inline function counts in each."""
    same: int
    """How many of them do not differ."""
    changed: Sequence[Difference]
    """What the variant names, and what does differ."""
    strays: Sequence[Difference]
    """What differs and is not named by the variant: must be empty."""
    exposed: Sequence[str]
    """Symbols that other files can see and that differ: must be empty."""
    guard: bool
    """Whether the variant has a guarded form, which the next two are about."""
    guard_off: Sequence[str]
    """Sources whose object, with the guard off, is not stock's to the byte, and unchanged ones that the compiler
    would not see as in stock: must be empty."""
    guard_on: Sequence[str]
    """The same with the guard on, against the unguarded patch: must be empty."""
    renumbered: Sequence[Difference]
    """Functions that differ only because they hold the numbers of their own lines, which the patch moves."""

    @property
    def failures(self) -> list[str]:
        """Why it is not proven; empty if it is."""
        said = [f"{one.name} in {one.source} differs and is not named by {self.variant}" for one in self.strays]
        said += [f"the symbol {name} differs" for name in self.exposed]
        said += [f"with the guard off, {source} is not compiled to what stock is" for source in self.guard_off]
        said += [f"with the guard on, {source} is not compiled to what the patch is" for source in self.guard_on]
        return said if self.changed else [f"{self.variant} changes no function at all", *said]


def prove(claim: Claim, cache: Cache, ui: Ui) -> Proof:
    """Compile what the variant touches, stock, patched and guarded, and compare. Raises the rooms' errors."""
    combined = combination(claim.variant)
    if combined.is_stock:
        raise BadUsageError("stock changes nothing: there is nothing to prove", advice="--variant retransmit")
    ui.step(f"Source of {claim.request.version}")
    obtained = obtain(claim.request, cache, ui)
    tools = toolchain(obtained.version, claim.target, crypto=claim.crypto, linking=False)
    refuse_needless(tools, claim.openssl_sources)
    source = library_source(tools, claim.openssl_sources, cache, ui, offline=claim.request.offline)
    plain = render(combined, obtained.tree, obtained.label, series=obtained.series)
    guard = None
    if combined.guard:
        guard = render(combined, obtained.tree, obtained.label, series=obtained.series, guard=True)
    ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
    with choose(claim.engine, cache, ui) as engine:
        identity = engine.prepare(tools, offline=claim.request.offline)
        ui.note(f"{engine.name}: {identity.compiler}")
        library = compiled(source, tools, engine, identity, cache, ui, claim.jobs)
        name = f"prove-{obtained.label}-{tools.target.name}-{os.getpid()}.log"
        with (
            build_log(cache.folder("logs") / name, ui) as log,
            engine.workspace(identity, keep=False) as workspace,
        ):
            answers = ConfigureAnswers(cache, identity, obtained.tree.origin)
            tree = OpenVpnTree(
                workspace, obtained.tree, tools, jobs=claim.jobs, log=log, answers=answers, library=library
            )
            ui.step(f"Configure {obtained.label}")
            tree.configure(*claim.configure)
            ui.step(f"Compile what {combined.name} touches: stock, patched{', guarded' if guard else ''}")
            try:
                return _Prover(tree, plain, guard).proof(combined, obtained, tools, identity)
            except CompileError as error:
                if tools.crypto.links:
                    raise
                raise ToolchainError(
                    f"{combined.name} can't be proven on {obtained.label} with this toolchain",
                    why=f"{error.what}\n{error.why}\nwith the system's OpenSSL, only sources compile here that do not "
                    f"need the OpenSSL of their time; wanted: {', '.join(combined.files)}",
                    advice="--crypto pinned",
                ) from error


@dataclass(frozen=True)
class _Prover:
    tree: OpenVpnTree
    plain: Rendered
    guard: Rendered | None

    def proof(self, combined: Combination, obtained: Obtained, tools: Toolchain, identity: Identity) -> Proof:
        touched = [path for path in self.plain.files if path.endswith(".c")]
        stock = self._compile(touched, {}, APART)  # first of all: what does not compile here is told soon
        reached = self._reached(touched)
        apart = [*touched, *reached.patched]
        stock |= self._compile(reached.patched, {}, APART)
        patched = self._compile(apart, neutral(self.plain), APART)
        shipped = self._compile(touched, self.plain.files, APART)
        unequal = [one for source in apart for one in _differences(source, stock, patched)]
        off, on = self._guarded(touched, stock, patched)
        return Proof(
            release=obtained.label,
            origin=obtained.tree.origin,
            variant=combined.name,
            identity=identity,
            flags=[*tools.target.cppflags, *self.tree.cflags],
            sources=touched,
            reached=reached.patched,
            functions=sum(len(_read(source, stock).functions) for source in apart),
            same=sum(
                len(_read(source, stock).functions - {one.name for one in unequal if one.source == source})
                for source in apart
            ),
            changed=[one for one in unequal if one.name in combined.functions],
            strays=[one for one in unequal if one.name not in combined.functions],
            exposed=[
                name
                for source in apart
                for name in visible_differences(_read(source, stock), _read(source, patched), combined.functions)
            ],
            guard=self.guard is not None,
            guard_off=[*off, *reached.off],
            guard_on=[*on, *reached.on],
            renumbered=[
                one
                for source in touched
                for one in _differences(source, patched, shipped)
                if one.name not in combined.functions
            ],
        )

    def _reached(self, touched: Sequence[str]) -> _Reached:
        """What a changed header does to sources that are not changed themselves: the preprocessor tells."""
        if all(path in touched for path in self.plain.files):
            return _Reached()
        others = [path for path in self.tree.sources() if path not in touched]
        stock = self._text(others, {})
        patched = self._text(others, neutral(self.plain))
        off = on = None
        if self.guard is not None:
            files = neutral(self.guard)
            off = self._text(others, files)
            on = self._text(others, files, defines=(GUARD_MACRO,))
        return _Reached(
            patched=[one for one in others if patched[one] != stock[one]],
            off=[one for one in others if off and off[one] != stock[one]],
            on=[one for one in others if on and on[one] != patched[one]],
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

    patched: Sequence[str] = ()
    """The compiler sees other text than in stock: their objects have to be compared."""
    off: Sequence[str] = ()
    """With the guard off, the compiler would not see stock's text."""
    on: Sequence[str] = ()
    """With the guard on, it would not see the patch's."""


def _differences(source: str, before: Objects, after: Objects) -> list[Difference]:
    if before[source] == after[source]:
        return []
    return differences(source, _read(source, before), _read(source, after))


def _read(source: str, objects: Objects) -> Object:
    try:
        return read(objects[source])
    except ValueError as error:
        raise CompileError(f"the object made from {source} can't be read", why=str(error)) from error
