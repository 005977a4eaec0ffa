"""The kernel of the link ``uml``: from the cache, made now, or brought by the user."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.json_schema import Part
from patchkit.lab.guest.kernel import changes, compile, configuration, given, tools, unpack  # noqa: A004
from patchkit.lab.guest.kernel.pins import SourcePackage, pinned
from patchkit.lab.guest.kernel.source import obtained
from patchkit.storage import replace_all, sha256_of, writing

PROGRAM = "linux"
RECORD = "kernel.json"
_KEPT = 4  # kernels in the cache, some 5 MB each


@dataclass(frozen=True)
class UmlKernel:
    """A kernel of User-Mode Linux that the lab can use."""

    program: Path
    digest: str
    """The SHA-256 of the program, in hex."""
    release: str
    """Its release, and where it comes from: ``7.2.12 (Debian 7.2.12-1~bpo13+1)``."""
    config: str
    """A short hash of the configuration and patchkit's changes."""
    syscall_ns: int
    """Nanoseconds of the guest's time that a system call takes; 0 for a kernel without patchkit's changes."""


class _Record(Part):
    """What lies beside a kept program, written after it."""

    sha256: str
    recipe: str
    """What the program was made by, besides source and compiler."""
    config: str
    compiler: str
    source: SourcePackage


def kernel(context: Context) -> UmlKernel:
    """Return the kernel: the program that ``PATCHKIT_UML`` names, else one in the cache, else one that is made now.

    Raises GuestError where a given program is not a kernel for the lab, the source is in no place, its package is
    damaged, the changes do not fit it, or there is nothing to compile with; CompileError, DiskFullError, StorageError,
    and the errors of Docker where it has to compile.
    """
    program = given.given_program()
    if program is not None:
        return _given(program, context)
    tools.check_processor()
    kernel = kept(context)
    if kernel is not None:
        return kernel
    waiting = partial(context.ui.note, "waiting for another patchkit, which makes the lab's kernel")
    with context.cache.lock("uml-kernel", waiting=waiting):
        return kept(context) or _made(context)


def kept(context: Context) -> UmlKernel | None:
    """Return the kernel in the cache that the same inputs have made; None where there is none, or it is damaged.

    Of several, that of the preferred source. Where this host could not compile one, any compiler's: it may come from a
    container. Changes nothing.
    """
    recipe, compiler = _recipe(), None if tools.lacking() else tools.host_compiler()
    order = [source.sha256 for source in pinned()]
    usable: list[tuple[int, Path, _Record]] = []
    for folder, record in _records(context.cache.read_only().kernels):
        if record.recipe == recipe and compiler in (None, record.compiler):
            place = order.index(record.source.sha256) if record.source.sha256 in order else len(order)
            usable.append((place, folder, record))
    for _, folder, record in sorted(usable, key=lambda entry: (entry[0], entry[1])):
        program = folder / PROGRAM
        if program.is_file() and sha256_of(program) == record.sha256:
            return _kernel(program, record)
    return None


def damaged(folder: Path) -> tuple[int, list[Path]]:
    """Count the kernels in ``folder``, and list those that are not what they were when they were made."""
    bad, count = [], 0
    for path, record in _records(folder):
        count += 1
        if not (path / PROGRAM).is_file() or sha256_of(path / PROGRAM) != record.sha256:
            bad.append(path)
    return count, bad


def _given(program: Path, context: Context) -> UmlKernel:
    release, config, syscall_ns = given.described(program)
    if syscall_ns != changes.SYSCALL_NS:
        context.ui.warn(
            f"{program}: a system call takes {syscall_ns} ns in it, {changes.SYSCALL_NS} ns in patchkit's own kernel"
            + (
                "; a program that never sleeps will hold its time still, and no trial can be repeated"
                if syscall_ns == 0
                else ""
            )
        )
    return UmlKernel(program, sha256_of(program), release, config, syscall_ns)


def _made(context: Context) -> UmlKernel:
    downloads = context.cache.downloads
    before = {path.name for path in downloads.glob("linux-source-*.deb")}
    recipe = _recipe()
    for bad in damaged(context.cache.kernels)[1]:
        context.ui.warn(f"the kept kernel {bad / PROGRAM} is damaged: making it anew")
    context.ui.step("Kernel of the lab: Linux for User-Mode Linux, compiled once, in some minutes")
    with tools.workspace(context) as (workspace, compiler):
        source, package = obtained(context)
        context.ui.note(f"Linux {source.release}: unpacking what the build reads")
        program = compile.compiled(source, package, workspace, context)
    digest = hashlib.sha256(program).hexdigest()
    record = _Record(sha256=digest, recipe=recipe, config=_config(), compiler=compiler, source=source)
    key = hashlib.sha256(f"{recipe} {compiler} {source.sha256}".encode()).hexdigest()[:16]
    folder = context.cache.made("kernels", key)
    # The record is written last: if it exists, the program is complete.
    replace_all({folder / PROGRAM: program}, mode=0o755)
    replace_all({folder / RECORD: record.model_dump_json(indent=2).encode() + b"\n"})
    keep_newest(folder.parent, _KEPT, used=folder)
    if package.name not in before:
        with writing(package):
            package.unlink(missing_ok=True)  # 165 MB, and fetched again when it is needed
    return _kernel(folder / PROGRAM, record)


def _kernel(program: Path, record: _Record) -> UmlKernel:
    return UmlKernel(program, record.sha256, record.source.release, record.config, changes.SYSCALL_NS)


def _records(folder: Path) -> Iterator[tuple[Path, _Record]]:
    """Yield the folders in ``folder`` that hold a whole kernel, and their records."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            yield path, _Record.model_validate_json((path / RECORD).read_bytes())
        except (OSError, ValidationError):
            continue


def _config() -> str:
    return hashlib.sha256(json.dumps([configuration.fragment(), changes.texts()]).encode()).hexdigest()[:12]


def _recipe() -> str:
    """Hash what makes the program, besides the source and the compiler: configuration, changes, code."""
    # Without comments and layout: the program takes minutes to make, and depends on neither.
    code = [ast.unparse(ast.parse(inspect.getsource(module))) for module in (compile, unpack)]
    return hashlib.sha256(json.dumps([configuration.fragment(), changes.texts(), code]).encode()).hexdigest()
