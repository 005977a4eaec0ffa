"""The recipe on a small tree of our own, with a real make and a real compiler: what is compiled, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Identity, Workspace, one_file
from patchkit.building.recipe.autotools import ANSWERS, AutotoolsTree
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.log import build_log
from patchkit.building.recipe.tree import TREE
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadSourceError, CompileError, StorageError
from patchkit.releases.version import Version
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.ui import Ui
from tests.support.building.workspaces import run

CONFIGURE = b"""#!/bin/sh
cp config.cache seen.cache
printf '#define PACKAGE_VERSION "1.2"\\n#define VERSION "1.2"\\n#define OTHER "1.2"\\n' >config.h
echo answered >config.cache
"""
# Every object says in compiled.log that it was made.
MAKEFILE = b"""
src/openvpn/openvpn: main.o reliable.o
\t$(CC) -o $@ main.o reliable.o
main.o: src/openvpn/main.c config.h
reliable.o: src/openvpn/reliable.c config.h
%.o:
\techo $@ >>compiled.log
\t$(CC) $(CPPFLAGS) -I. -c -o $@ src/openvpn/$*.c
"""
MAIN = b"""#include <stdio.h>
#include "config.h"
const char *reliable (void);
int main (void) { printf ("%s %s\\n", PACKAGE_VERSION, reliable ()); return 0; }
"""
RELIABLE = b"""#include "config.h"
const char *reliable (void) { return "stock"; }
"""
PATCHED = b"""#include "config.h"
const char *reliable (void) {
#ifdef RETRY
return "guarded";
#else
return "patched";
#endif
}
"""
FILES = {
    "configure": (CONFIGURE, 0o755),
    "Makefile": (MAKEFILE, 0o644),
    "src/openvpn/main.c": (MAIN, 0o644),
    "src/openvpn/reliable.c": (RELIABLE, 0o644),
}
ORIGIN = Origin(kind="tarball", name="sample", verified=True, epoch=1_600_000_000, sha256="5a")
IDENTITY = Identity("host", "cc", {}, system="this")
NATIVE = toolchain(Version("2.6.14"), "linux-amd64")


def source(origin: Origin = ORIGIN, more: Mapping[str, bytes] = MappingProxyType({})) -> SourceTree:
    entries = {path: Entry.of(data, mode=mode, mtime=origin.epoch) for path, (data, mode) in FILES.items()}
    return SourceTree(origin, entries | {path: Entry.of(data) for path, data in more.items()})


@contextmanager
def opened(
    tree: SourceTree, context: Context, folder: Path, tools: Toolchain = NATIVE
) -> Iterator[tuple[AutotoolsTree, Workspace]]:
    with (
        build_log(folder / "log", context.ui) as log,
        HostEngine(context.ui).workspace(IDENTITY, keep=False) as workspace,
    ):
        answers = ConfigureAnswers(context.cache, IDENTITY, tree.origin)
        yield AutotoolsTree(workspace, tree, tools, jobs=2, log=log, answers=answers), workspace


def compiled(workspace: Workspace) -> list[str]:
    """What was compiled since this was last asked."""
    output = run(workspace, "sh", "-c", f"cd {TREE}; sort compiled.log 2>/dev/null; rm -f compiled.log")[1]
    return [line for line in output if line.endswith(".o")]


def test_only_what_a_variant_reaches_is_compiled_again(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    with opened(source(), Context(cache, ui), tmp_path) as (tree, workspace):
        tree.configure()
        changes = {"src/openvpn/reliable.c": PATCHED}
        output = {}
        for name, variant, defines, suffix in (
            ("stock", {}, (), ""),
            ("patched", changes, (), "+p"),
            ("again", changes, (), "+q"),
            ("guarded", changes, ("RETRY",), "+g"),
            ("back", {}, (), ""),
        ):
            binary = tree.build(name, variant, defines=defines, suffix=suffix)
            output[name] = (run(workspace, f"./{binary}")[1], compiled(workspace))
        assert output == {
            "stock": (["1.2 stock"], ["main.o", "reliable.o"]),
            "patched": (["1.2+p patched"], ["main.o", "reliable.o"]),
            "again": (["1.2+q patched"], ["main.o", "reliable.o"]),
            "guarded": (["1.2+g guarded"], ["main.o", "reliable.o"]),
            "back": (["1.2 stock"], ["main.o", "reliable.o"]),
        }
        assert tree.version("+p") == "1.2+p"
        config_h, _ = one_file(workspace.get(f"{TREE}/config.h"))
        assert b'OTHER "1.2"' in config_h


def test_what_neither_patch_nor_version_reaches_is_compiled_once(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    silent = MAIN.replace(b"PACKAGE_VERSION", b'"x"')
    whole = source()
    entries = {**whole.entries, "src/openvpn/main.c": Entry.of(silent, mtime=ORIGIN.epoch)}
    with opened(SourceTree(ORIGIN, entries), Context(cache, ui), tmp_path) as (tree, workspace):
        tree.configure()
        tree.build("stock", {}, defines=(), suffix="")
        assert compiled(workspace) == ["main.o", "reliable.o"]
        tree.build("patched", {"src/openvpn/reliable.c": PATCHED}, defines=(), suffix="+p")
        assert compiled(workspace) == ["reliable.o"]


def test_for_windows_make_is_given_what_configure_found_and_what_the_release_needs(
    cache: Cache, ui: Ui, tmp_path: Path
) -> None:
    makefile = b"""
CPPFLAGS = -DFOUND
CFLAGS = -Wno-error=implicit-function-declaration
src/openvpn/openvpn.exe:
\techo $(CPPFLAGS) : $(CFLAGS) >seen.log
\techo >$@
"""
    tools = toolchain(Version("2.6.14"), "windows-amd64")
    tools = tools.model_copy(update={"target": tools.target.model_copy(update={"cppflags": ["-DNEEDED"]})})
    tree = source(more={"src/openvpn/Makefile": makefile, "Makefile": makefile})
    with opened(tree, Context(cache, ui), tmp_path, tools) as (openvpn, workspace):
        openvpn.configure()
        openvpn.build("stock", {}, defines=("RETRY",), suffix="")
        # What is last wins: a release may take back that functions must be declared.
        assert one_file(workspace.get(f"{TREE}/seen.log"))[0].split() == [
            b"-DFOUND", b"-DNEEDED", b"-DRETRY", b":",
            b"-Werror=implicit-function-declaration", b"-Wno-error=implicit-function-declaration",
        ]  # fmt: skip


def seen_by_configure(tree: SourceTree, context: Context, folder: Path) -> bytes:
    with opened(tree, context, folder) as (openvpn, workspace):
        openvpn.configure()
        return one_file(workspace.get(f"{TREE}/seen.cache"))[0]


def test_answers_are_kept_for_the_very_same_verified_source(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    assert seen_by_configure(source(), Context(cache, ui), tmp_path) == b""
    assert seen_by_configure(source(), Context(cache, ui), tmp_path) == b"answered\n"
    assert seen_by_configure(source(replace(ORIGIN, sha256="5b")), Context(cache, ui), tmp_path) == b""


def test_an_unverified_source_neither_gives_answers_nor_brings_its_own(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    """Configure runs config.cache as a script: what a stranger put there must not reach anybody's build."""
    stranger = source(replace(ORIGIN, verified=False), {ANSWERS: b"CC=/tmp/evil\n"})
    assert seen_by_configure(stranger, Context(cache, ui), tmp_path) == b""
    assert seen_by_configure(source(), Context(cache, ui), tmp_path) == b""


@pytest.mark.parametrize("left", ["config.status", "src/openvpn/argv.o", "src/compat/libcompat.a"])
def test_a_tree_that_was_built_in_is_refused(left: str, cache: Cache, ui: Ui, tmp_path: Path) -> None:
    with (
        opened(source(more={left: b""}), Context(cache, ui), tmp_path) as (tree, _),
        pytest.raises(BadSourceError, match="built in already"),
    ):
        tree.configure()


def test_errors_inside_a_build_are_not_taken_for_the_logs(ui: Ui, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), build_log(tmp_path / "log", ui):
        raise ConnectionResetError
    with pytest.raises(StorageError), build_log(tmp_path / "missing/log", ui):
        pass


def test_a_failing_command_keeps_its_log(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    broken = source(more={"src/openvpn/main.c": b"#error broken by a test\n"})

    def build() -> None:
        with opened(broken, Context(cache, ui), tmp_path) as (tree, _):
            tree.configure()
            tree.build("stock", {}, defines=(), suffix="")

    with pytest.raises(CompileError) as caught:
        build()
    assert "broken by a test" in caught.value.why
    assert "broken by a test" in (tmp_path / "log").read_text()


def test_a_log_that_an_error_names_outlives_a_run_that_goes_on(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    """As with --keep-going: one variant does not compile, the others do."""
    with opened(source(), Context(cache, ui), tmp_path) as (tree, _):
        tree.configure()
        with pytest.raises(CompileError, match="make"):
            tree.build("bad", {"src/openvpn/reliable.c": b"#error broken by a test\n"}, defines=(), suffix="+bad")
        tree.build("stock", {}, defines=(), suffix="")
    assert "broken by a test" in (tmp_path / "log").read_text()


def test_the_log_of_a_build_that_worked_goes(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    with opened(source(), Context(cache, ui), tmp_path) as (tree, _):
        tree.configure()
    assert not (tmp_path / "log").exists()
