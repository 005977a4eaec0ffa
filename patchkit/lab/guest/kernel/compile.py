"""From a kernel's source package to the program, in a workspace of either engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from patchkit.building.engine.protocol import Workspace, files, one_file
from patchkit.building.recipe.log import BuildLog, build_log
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.lab.guest.kernel import changes, configuration
from patchkit.lab.guest.kernel.pins import SourcePackage
from patchkit.lab.guest.kernel.unpack import source_files
from patchkit.processors import cores

_TREE = "linux"  # the folder in the workspace
_BATCH = 8 << 20  # bytes of files that go into the workspace at a time
_FRAGMENT = "lab.config"
# The configuration, which is in the program, would name the versions of these where a host has them. None is used.
_NOT_USED = ("RUSTC=false", "BINDGEN=false", "PAHOLE=false")
_MAKE = ("make", "ARCH=um", "SUBARCH=x86_64", *_NOT_USED)
# The same program from the same source and compiler, wherever and whenever it is built.
_ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "patchkit",
    "KBUILD_BUILD_HOST": "lab",
    "KBUILD_BUILD_VERSION": "1",
}
_STEPS = 1150  # lines that make prints, for the progress alone


def compiled(source: SourcePackage, package: Path, workspace: Workspace, context: Context) -> bytes:
    """Compile the kernel in ``package``, the file of ``source``, in ``workspace``; return the program, stripped.

    Raises GuestError where the package is damaged, the changes do not fit, or the kernel can't be configured as the lab
    needs it; CompileError, DiskFullError, StorageError, and the engine's errors.
    """
    with build_log(context.cache.logs / f"kernel-{source.version}.log", context.ui) as log:
        _unpack(source, package, workspace)
        _configure(source, workspace, log)
        with context.ui.count("kernel", _STEPS) as advance:
            _run(workspace, log, *_MAKE, f"-j{cores()}", "linux", seen=lambda line: advance(line.startswith("  ")))
        _run(workspace, log, "strip", "linux")
        return one_file(workspace.get(f"{_TREE}/linux"))[0]


def _unpack(source: SourcePackage, package: Path, workspace: Workspace) -> None:
    """Put the source into ``workspace``, with patchkit's changes."""
    changed: dict[str, bytes] = {}

    def kept() -> Iterator[tuple[str, int, bytes]]:
        for path, mode, data in source_files(package):
            if path in changes.FILES:
                changed[path] = data
            yield path, mode, data

    for batch in _batches(kept()):
        for mode in (0o644, 0o755):
            content = {path: data for path, its_mode, data in batch if its_mode == mode}
            if content:
                workspace.put(files(content, mode=mode, folder=_TREE))
    rendered = changes.render(changed, source.release)
    workspace.put(files({**rendered.files, _FRAGMENT: configuration.fragment().encode()}, folder=_TREE))


def _batches(content: Iterable[tuple[str, int, bytes]]) -> Iterator[list[tuple[str, int, bytes]]]:
    batch: list[tuple[str, int, bytes]] = []
    size = 0
    for file in content:
        batch.append(file)
        size += len(file[2])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _configure(source: SourcePackage, workspace: Workspace, log: BuildLog) -> None:
    _run(workspace, log, *_MAKE, "allnoconfig", f"KCONFIG_ALLCONFIG={_FRAGMENT}")
    try:
        found = one_file(workspace.get(f"{_TREE}/.config"))[0]
    except FileNotFoundError as error:
        raise GuestError(
            f"Linux {source.release} was not configured", why="make allnoconfig left no .config"
        ) from error
    wanted = configuration.values(configuration.fragment())
    configuration.refuse_other(wanted, found.decode("utf-8", "replace"), f"Linux {source.release}")


def _run(workspace: Workspace, log: BuildLog, *command: str, seen: Callable[[str], None] | None = None) -> None:
    log.run(workspace, command, cwd=_TREE, env=_ENVIRONMENT, seen=seen)
