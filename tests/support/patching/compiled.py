"""Altered trees, patched and compiled: the right edit, or a refusal. What is right is decided by the compiler.

An alteration that leaves the compiler's output of the unpatched files as it was must leave that of the patched files as
it was, too. With any other one, the functions whose output the patch changes must be those that it changes in the tree
as it was. Code is compared as assembly without optimisation, where no function is part of another one.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from patchkit.errors import AlreadyPatchedError, AnchorError, ConflictError, PatchkitError
from patchkit.patching.combination import combination
from patchkit.patching.render import Rendered, render
from patchkit.source.tree.tree import Entry, SourceTree
from patchkit.source.tree.write import place
from tests.support.patching.alterations import BREAKING, KEEPING, Alteration
from tests.support.patching.config_h import configure
from tests.support.patching.vendor_changes import CHANGES, Change, Files

GCC = [
    "gcc", "-S", "-O0", "-w", "-fcommon", "-Werror=implicit-function-declaration", "-Wno-builtin-macro-redefined",
    "-D__LINE__=0", '-DPLUGIN_LIBDIR=""', "-DHAVE_CONFIG_H", "-I.", "-I../..", "-I../../include", "-I../compat",
    "-o", "-",
]  # fmt: skip
CODE = "src/openvpn/"

Assembly = dict[str, str]
"""The compiler's output by path."""


class NotCError(Exception):
    """The compiler refuses a file: its first error."""


@dataclass
class Bench:
    """A configured tree in ``folder``, in which sources are compiled; from 2.5 on, with this host's OpenSSL."""

    tree: SourceTree
    folder: Path
    known: dict[tuple[str, ...], object] = field(default_factory=dict)

    def configure(self) -> None:
        """Write the tree and its config.h."""
        place(self.tree, self.folder)
        configure(self.folder)

    @cached_property
    def sources(self) -> dict[str, str]:
        """All C files, in which any byte is one of latin-1."""
        return {
            path: self.tree.read(path).decode("latin-1")
            for path in self.tree.entries
            if path.startswith(CODE) and path.endswith((".c", ".h"))
        }

    def compiled(self, paths: list[str], changed: Mapping[str, bytes]) -> Assembly:
        """Compile the files ``paths`` with ``changed`` files in the tree. Raises NotCError."""
        for path, data in changed.items():
            (self.folder / path).write_bytes(data)
        try:
            return {path: self._assembly(path) for path in paths}
        finally:
            for path in changed:
                (self.folder / path).write_bytes(self.tree.read(path))

    def as_changed(self, variant: str, changed: Mapping[str, bytes], patched: Mapping[str, bytes]) -> Assembly:
        """Compile the files of ``variant`` with ``changed`` files in the tree, and ``patched`` ones over them.

        What is known of files that are as they were is not found out again. Raises NotCError.
        """
        rendered, paths, before, after = self.reference(variant)
        known, files = (after, rendered.files) if patched else (before, {})
        different = {
            path
            for path in {*changed, *patched}
            if {**changed, **patched}[path] != files.get(path, self.tree.read(path))
        }
        stale = [path for path in paths if path in different or any(each.endswith(".h") for each in different)]
        return {**known, **self.compiled(stale, {**changed, **patched})}

    def outcome(self, variant: str, changed: Mapping[str, bytes]) -> tuple[str, str]:
        """What becomes of the tree with the files ``changed``, and why."""
        before = self.reference(variant)[2]
        entries = {**self.tree.entries, **{path: Entry.of(data) for path, data in changed.items()}}
        try:
            patched = render(combination(variant), SourceTree(self.tree.origin, entries), "x").files
        except (AnchorError, AlreadyPatchedError, ConflictError) as error:
            try:
                is_same = self.as_changed(variant, changed, {}) == before
            except NotCError:
                return "refused, not C", f"{error.what}: {error.why}"
            return ("refused, same code" if is_same else "refused"), f"{error.what}: {error.why}"
        except PatchkitError as error:
            return "WRONG ERROR", f"{type(error).__name__} {error.what}: {error.why}"
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            return "FAULT", repr(error)
        return compared(self, variant, changed, patched)

    def _assembly(self, path: str) -> str:
        done = subprocess.run(
            [*GCC, path.removeprefix(CODE)], cwd=self.folder / CODE, capture_output=True, text=True, errors="replace",
            timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error:" in line]
            raise NotCError((errors or [f"gcc ended with {done.returncode}"])[0])
        return done.stdout

    def reference(self, variant: str) -> tuple[Rendered, list[str], Assembly, Assembly]:
        """Return what ``variant`` makes of the tree as it is, its C files, and these compiled before and after."""
        known = self.known.get((variant,))
        if known is None:
            rendered = render(combination(variant), self.tree, "x")
            paths = [path for path in rendered.files if path.endswith(".c")]
            known = (rendered, paths, self.compiled(paths, {}), self.compiled(paths, rendered.files))
            self.known[variant,] = known
        return known  # type: ignore[return-value]


@dataclass(frozen=True)
class Trial:
    """What became of one altered tree."""

    seed: str
    variant: str
    kinds: tuple[str, ...]
    outcome: str
    """not C, refused, same code, same functions; or what is wrong, in capitals."""
    why: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether patchkit was wrong."""
        return self.outcome.isupper()


def trial(bench: Bench, variant: str, seed: str) -> Trial:
    """Alter the tree once to three times near what ``variant`` changes, render, compile, compare."""
    chance = Random(seed)  # noqa: S311 - repeatable
    rendered = bench.reference(variant)[0]
    texts, kinds = dict(bench.sources), []
    for _ in range(chance.choice((1, 1, 2, 3))):
        path = chance.choice(sorted(rendered.files))
        at = chance.choice(_changed_places(bench.sources[path], rendered.files[path])) + chance.randint(-300, 300)
        name, alter = chance.choice(KINDS)
        kinds.append(name)
        texts.update(alter(texts, path, min(max(at, 0), len(texts[path])), chance))
    changed = {path: text.encode("latin-1") for path, text in texts.items() if text != bench.sources[path]}
    outcome, why = bench.outcome(variant, changed)
    return Trial(seed, variant, tuple(kinds), outcome, why)


def compared(bench: Bench, variant: str, changed: Mapping[str, bytes], patched: Mapping[str, bytes]) -> tuple[str, str]:
    """What the compiler says of the files ``changed`` and of what ``variant`` has made of them, ``patched``."""
    _, _, before, after = bench.reference(variant)
    try:
        own = bench.as_changed(variant, changed, {})
    except NotCError as error:
        return "not C", str(error)
    try:
        own_after = bench.as_changed(variant, changed, patched)
    except NotCError as error:
        return "DOES NOT COMPILE", str(error)
    if own == before:
        return ("same code", "") if own_after == after else ("OTHER CODE", ", ".join(_changes(own_after, after)))
    # The members of a struct move: functions change that the patch does not touch, and one of them may be gone.
    gone = _names(before) - {name.removeprefix("vendor_") for name in _names(own)}
    wanted = _changes(before, after) - gone
    found = {name.removeprefix("vendor_") for name in _changes(own, own_after)}
    return ("same functions", "") if found == wanted else ("OTHER FUNCTIONS", f"{sorted(found ^ wanted)}")


def _of_one_file(alteration: Alteration) -> Change:
    def change(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
        return {path: alteration(files[path], at, chance.randint(0, 32))}

    return change


KINDS: list[tuple[str, Change]] = [
    *2 * [(change.__name__, change) for change in CHANGES],
    *[(each.__name__, _of_one_file(each)) for each in (*KEEPING, *BREAKING)],
]
"""All alterations by name; a vendor's twice."""


def _changed_places(before: str, after: bytes) -> list[int]:
    """Where the patch changes a file: the first byte of each line that it takes out or puts something before."""
    from difflib import SequenceMatcher

    lines, new = before.splitlines(keepends=True), after.decode("latin-1").splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    matcher = SequenceMatcher(None, lines, new, autojunk=False)
    return [starts[first] for tag, first, _, _, _ in matcher.get_opcodes() if tag != "equal"]


_FUNCTION = re.compile(r"(?ms)^(\w+):\n\.LFB\d+:\n(.*?)\n\.LFE\d+:")


def _functions(assembly: str) -> dict[str, str]:
    """The output of each function, without the numbers of labels."""
    return {match[1]: re.sub(r"\.L[A-Z]*\d+", ".L", match[2]) for match in _FUNCTION.finditer(assembly)}


def _names(assembly: Assembly) -> set[str]:
    return {name for text in assembly.values() for name in _functions(text)}


def _changes(before: Assembly, after: Assembly) -> set[str]:
    """The functions that differ, come or go."""
    out = set()
    for path, text in before.items():
        old, new = _functions(text), _functions(after[path])
        out |= {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return out
