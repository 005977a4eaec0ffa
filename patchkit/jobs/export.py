"""Write a release's diffs into a folder: all of them or none, and never over something else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import BadUsageError, StorageError
from patchkit.jobs.check_compile import check_compile
from patchkit.jobs.vulnerabilities import Assessment, as_compiled, assess
from patchkit.patching.combination import Combination
from patchkit.patching.formats import quilt
from patchkit.patching.formats.export import Format, files
from patchkit.patching.own.variant import OwnPatch
from patchkit.patching.render import render
from patchkit.patching.variants import GUARD_MACRO
from patchkit.source.obtain import Obtained, SourceRequest, obtain
from patchkit.storage import check_writable, folder_made, reading, replace_all
from patchkit.ui import Ui


@dataclass(frozen=True)
class ExportRequest:
    """One release's diffs, in one form, into one folder."""

    source: SourceRequest
    variant: Combination
    guard: bool = False
    form: Format = "quilt"
    to: Path | None = None
    check_compile: bool = False
    """Whether what changes is compiled before anything is written."""
    fail_on_vulnerable: bool = False
    """Whether nothing is written where the patched source has known vulnerabilities, or it cannot be told."""

    @property
    def folder(self) -> Path:
        """Where the files go: ``to``, otherwise ``debian/patches`` for quilt and the current folder for the others."""
        return self.to or Path("debian/patches" if self.form == "quilt" else ".")

    def validate(self) -> None:
        """Refuse what can be refused without a network, before anything is fetched.

        Raises BadUsageError for stock and for a variant that has no guarded form, StorageError for the folder, and
        ConflictError where quilt's series lists a variant that excludes this one.
        """
        if self.variant.is_stock:
            raise BadUsageError(
                "there is nothing to export in stock",
                why="it is the source without any change",
                advice="patchkit fetch --version V --to DIR",
            )
        if self.guard:
            self.variant.check_guard()
        check_writable(self.folder, "--to")
        if self.form == "quilt":
            _series(self)


@dataclass(frozen=True)
class Exported:
    """What is in the folder now."""

    label: str
    files: Mapping[str, bytes]
    """By name; for quilt with ``series``, which may list other patches too."""
    written: frozenset[str]
    """The names that were not there already, as they are now."""
    assessment: Assessment
    """The known vulnerabilities of the source with these diffs."""


def export(request: ExportRequest, context: Context) -> Exported:
    """Render the diffs that ``request`` asks for and write them.

    Raises what :meth:`ExportRequest.validate`, obtaining, rendering and :func:`check_compile` raise, VulnerableError
    where known vulnerabilities are to be refused, and StorageError where a file of one of the names exists with other
    content or nothing can be written. Then nothing has been written.
    """
    request.validate()
    obtained = obtain(request.source, context)
    rendered = files(
        request.form, request.variant, obtained.tree, obtained.label, series=obtained.series, guard=request.guard
    )
    _warn_of_line_ends(request, obtained, context.ui)
    joined = render(request.variant, obtained.tree, obtained.label, series=obtained.series, guard=request.guard)
    assessment = assess(obtained, "posix", as_compiled(joined, defined=False))
    error = assessment.error() if request.fail_on_vulnerable else None
    if error is not None:
        raise error
    if assessment.line:
        context.ui.warn(assessment.line)
    if request.check_compile:
        check_compile(obtained, joined, context, BuildSettings(engine="host"))
    with context.cache.lock(f"export-{hashlib.sha256(os.fsencode(request.folder.resolve())).hexdigest()[:16]}"):
        missing = {name: data for name, data in rendered.items() if _is_missing(request.folder / name, data)}
        if request.form == "quilt":
            # Read again: another run may have added its line meanwhile.
            before, series = _series(request)
            rendered[quilt.SERIES] = series
            if series != before:
                missing[quilt.SERIES] = series  # the last: it never lists what is not there
            _warn_of_others(request, obtained, series, context.ui)
        _write(request.folder, missing)
    if request.guard:
        context.ui.note(f"built without -D{GUARD_MACRO}, the source stays what it was")
    return Exported(obtained.label, rendered, frozenset(missing), assessment)


def _series(request: ExportRequest) -> tuple[bytes, bytes]:
    """quilt's series as it is, and with our patches."""
    before = _there(request.folder / quilt.SERIES) or b""
    return before, quilt.with_patches(before, request.variant.one_by_one, guard=request.guard)


def _write(folder: Path, missing: Mapping[str, bytes]) -> None:
    if missing:
        with folder_made(folder):
            replace_all({folder / name: data for name, data in missing.items()})


def _there(path: Path) -> bytes | None:
    """A file's bytes, or None. Raises StorageError for anything but a file: a link would be replaced, not followed."""
    with reading(path):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise StorageError(
                f"{path} is not a plain file",
                why="it is " + ("a symbolic link" if path.is_symlink() else "something else") + "; nothing was written",
                advice="move it away, or give another --to",
            )
        return path.read_bytes() if path.exists() else None


def _is_missing(path: Path, data: bytes) -> bool:
    there = _there(path)
    if there is not None and there != data:
        raise StorageError(
            f"{path} is there already, with other content",
            why="it may have been made for another release, by another patchkit, or by hand; nothing was written",
            advice=f"look at it, then remove it or give another --to: rm {path}",
        )
    return there is None


def _applied(folder: Path | None) -> frozenset[str]:
    """The patches that quilt has applied to ``folder``; none where quilt was not used there."""
    path = (folder or Path()) / ".pc" / "applied-patches"
    if not path.is_file():
        return frozenset()
    with reading(path):
        return frozenset(path.read_text("utf-8", "surrogateescape").split("\n"))


def _warn_of_line_ends(request: ExportRequest, obtained: Obtained, ui: Ui) -> None:
    """A work tree with CRLF, of a repository that keeps LF, is not what others have."""
    if obtained.tree.origin.kind != "directory":
        return
    crlf = [path for path in _changed(request, obtained) if b"\r\n" in obtained.tree.read(path)]
    if crlf:
        ui.warn(
            f"{', '.join(crlf)} {'has' if len(crlf) == 1 else 'have'} CRLF line ends here, and so has the diff (git am "
            "--keep-cr); if the repository keeps LF, export from a commit: --git . --version COMMIT"
        )


def _brought(request: ExportRequest) -> frozenset[str]:
    """The paths of new files, which the source does not have."""
    return frozenset(path for part in request.variant.parts if isinstance(part, OwnPatch) for path in part.brought)


def _changed(request: ExportRequest, obtained: Obtained) -> list[str]:
    """The paths of the source's files that change."""
    return [obtained.tree.find(name) for name in request.variant.files if name not in _brought(request)]


def _warn_of_others(request: ExportRequest, obtained: Obtained, series: bytes, ui: Ui) -> None:
    """Other patches of the series may move the lines that ours name; quilt would then apply them with an offset."""
    is_folder = obtained.tree.origin.kind == "directory"
    applied = _applied(request.source.source) if is_folder else frozenset()
    paths = [*_changed(request, obtained), *_brought(request)]
    ours = {quilt.file_name(part.name, guard=request.guard) for part in request.variant.one_by_one.parts}
    for name in quilt.listed(series):
        path = request.folder / name
        if name in ours or name in applied or not path.is_file():
            continue
        with reading(path):
            also = quilt.touches(path.read_bytes(), paths)
        if also and is_folder:
            ui.warn(
                f"{name} changes {', '.join(also)} too and is not applied to {request.source.source}: ours is made for "
                f"the tree as it is; quilt push {name} there, then export again"
            )
        elif also:
            ui.warn(
                f"{name} changes {', '.join(also)} too: for an exact patch, quilt push up to it and export "
                "with --source . from that tree"
            )
