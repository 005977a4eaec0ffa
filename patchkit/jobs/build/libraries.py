"""The libraries of a build: the crypto library, the system's own or one that is compiled first, and all others."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial

from patchkit.building.check import pe
from patchkit.building.check.elf import Linkage, check_static, linkage
from patchkit.building.recipe.static_library import CompiledLibrary
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Target
from patchkit.context import Context
from patchkit.errors import CompileError
from patchkit.jobs.missing_files import MissingFiles
from patchkit.releases.libraries import Library, libraries
from patchkit.source.library import LibrarySource, obtain_library, obtain_library_or_pinned
from patchkit.ui import Ui


def library_source(tools: Toolchain, given: Sequence[str], context: Context) -> LibrarySource | None:
    """Return the source of the crypto library that ``tools`` compile; None where they have the system's library.

    ``given`` are the values of --openssl-source. Raises BadUsageError where there are some and none is of the needed
    branch, and what the source package raises.
    """
    return _library_source(tools, partial(obtain_library, given=given, context=context), context.ui)


def library_source_or_pinned(tools: Toolchain, given: Sequence[str], context: Context) -> LibrarySource | None:
    """Return what :func:`library_source` does, or the pinned source where none of ``given`` is of the needed branch.

    Raises what the source package raises.
    """
    return _library_source(tools, partial(obtain_library_or_pinned, given=given, context=context), context.ui)


def _library_source(tools: Toolchain, obtain: Callable[[Library], LibrarySource], ui: Ui) -> LibrarySource | None:
    pinned = tools.crypto.pinned
    if pinned is None:
        return None
    source = obtain(pinned)
    ui.note(f"{pinned.title} {source.version}: {evidence(source.verified, 'sha256')}")
    warn_of_age(pinned, ui)
    return source


def evidence(is_verified: bool, pinned_as: str) -> str:
    """Return the words for a source that its pin, ``pinned_as`` what, has verified, or that has no pin."""
    return f"verified, {pinned_as} as pinned" if is_verified else "NOT verified, there is no pin for it"


def other_sources(tools: Toolchain, missing: MissingFiles, context: Context) -> list[LibrarySource]:
    """Return the sources of the other libraries that ``tools`` link statically: pinned tarballs, verified.

    Raises what the source package raises, unless ``missing`` gathers it.
    """
    needed = [libraries()[name] for name in tools.series.libraries]
    sources = [missing.attempt(partial(obtain_library, library, (), context)) for library in needed]
    return [source for source in sources if source is not None]


def warn_of_age(library: Library, ui: Ui) -> None:
    """Warn that upstream no longer maintains ``library``, where that is so."""
    if library.is_over(datetime.datetime.now(datetime.UTC).date()):
        ui.warn(
            f"{library.title} {library.branch} has had no fixes from upstream since {library.end_of_life}: "
            "what is linked with it is for tests and for networks that you trust"
        )


def _elf(program: bytes, target: Target) -> Linkage:
    try:
        linked = linkage(program)
        if target.zig:
            check_static(program)
    except ValueError as error:
        raise CompileError("what make linked is not a program", why=str(error)) from error
    if linked.executable_stack:
        raise CompileError(
            "the program's stack would be executable",
            why="an object file in it does not declare that it needs none: usually one from an assembler file",
        )
    return linked


def check_linked(program: bytes, library: CompiledLibrary | None, target: Target, *, epoch: int) -> tuple[Linkage, str]:
    """Check that ``program`` is linked with ``library`` (None: the system's own), and with no other in its place.

    Returns what the program needs, and a line on it. Raises CompileError where it is linked otherwise, which configure
    would not report. ``epoch`` is the build's SOURCE_DATE_EPOCH.
    """
    is_windows = target.system == "windows"
    linked = pe.check("openvpn.exe", program, target, epoch=epoch) if is_windows else _elf(program, target)
    loaded = [name for name in linked.needed if name.startswith(("libssl", "libcrypto"))]
    if library is None:
        if not loaded:
            raise CompileError("the program does not load the system's OpenSSL", why=f"it loads {linked.needed}")
        return linked, f"loads {', '.join(linked.needed)}"
    text = f"{library.source.library.title} {library.source.version}"
    if loaded or text.encode() not in program:
        raise CompileError(
            f"the program was not linked with {text}",
            why=f"it loads {', '.join(loaded)}" if loaded else "its version text is not in it",
        )
    return linked, f"holds {text}, loads {', '.join(linked.needed) or 'nothing, not even a loader'}"
