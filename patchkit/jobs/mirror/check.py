"""Check a mirror: every file and tag that its index names is there, undamaged, and as pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patchkit.building.toolchain_table import zig
from patchkit.context import Context
from patchkit.errors import MirrorError, PatchkitError
from patchkit.lab.guest.kernel.pins import pinned as kernel_sources
from patchkit.lab.guest.packages import pins as guest_pins
from patchkit.releases.catalog import catalog
from patchkit.releases.libraries import libraries
from patchkit.source.fetch import mirror
from patchkit.source.fetch.mirror import MirrorFile, MirrorTag
from patchkit.storage import sha256_of

FileState = Literal["good", "missing", "damaged", "not as pinned", "unknown"]


@dataclass(frozen=True)
class FileCheck:
    """The result of checking one file or tag."""

    name: str
    verdict: FileState
    vouched: Literal["pin", "index", "nothing"]
    """What its hash was compared with: patchkit's pins, or only the mirror's own index."""
    detail: str = ""

    @property
    def bad(self) -> bool:
        """Whether a build that needs it would fail; no build uses a file that is not in the index."""
        return self.verdict not in ("good", "unknown")


def check(folder: Path, context: Context) -> list[FileCheck]:
    """Check all files and tags of the mirror ``folder``: those of the index first, what a sync was asked for
    and has not brought, then files that the index does not name.

    What is wrong with them is in the result. Raises MirrorError where there is no index, or none that can be read.
    """
    index = mirror.read_index(folder)
    if index is None:
        raise MirrorError(
            f"{folder} is not a mirror", why=f"it has no {mirror.INDEX}", advice="patchkit mirror sync --to makes one"
        )
    pins = _pins()
    with context.ui.count("verify", len(index.files) + len(index.tags)) as advance:
        checks = []
        for file in index.files:
            checks.append(_file(folder, file, pins))
            advance(1)
        for tag in index.tags:
            checks.append(_tag(folder, tag, context))
            advance(1)
    gaps = [
        FileCheck(gap.what, "missing", "nothing", f"for {', '.join(gap.serves)}: patchkit mirror sync it again")
        for gap in index.gaps
    ]
    return [*checks, *gaps, *_unindexed(folder, {file.name for file in index.files})]


def _pins() -> dict[str, str]:
    """The hash of every pinned tarball, by both of its names, of the lab's packages, and of the compiler's wheel."""
    tarballs = [release.tarball for release in catalog().releases if release.tarball]
    tarballs += [library.tarball for library in libraries().values()]
    packages = {package.file_name: package.sha256 for package in (*guest_pins().package, *kernel_sources())}
    packages[zig().name] = zig().sha256
    return packages | {name: pin.sha256 for pin in tarballs for name in (pin.name, pin.debian) if name}


def _file(folder: Path, file: MirrorFile, pins: dict[str, str]) -> FileCheck:
    path, pinned = folder / file.name, pins.get(file.name)
    vouched: Literal["pin", "index"] = "pin" if pinned else "index"
    if not path.is_file():
        return FileCheck(file.name, "missing", vouched, f"for {', '.join(file.serves)}")
    digest = sha256_of(path)
    if pinned and digest != pinned:
        return FileCheck(file.name, "not as pinned", vouched, f"sha256 {digest}, pinned {pinned}")
    if digest != file.sha256:
        return FileCheck(file.name, "damaged", vouched, f"sha256 {digest}, wanted {file.sha256}")
    return FileCheck(file.name, "good", vouched)


def _tag(folder: Path, tag: MirrorTag, context: Context) -> FileCheck:
    name = f"{mirror.REPOSITORY} {tag.tag}"
    pins = {release.tag.name: release.tag for release in catalog().releases if release.tag}
    pin = pins.get(tag.tag)
    try:
        origin = mirror.tag_in(folder, tag.tag, context)
    except PatchkitError as error:
        missing = not (folder / mirror.REPOSITORY).is_dir()
        return FileCheck(name, "missing" if missing else "damaged", "pin" if pin else "index", error.what)
    present = (origin.commit, origin.tree)
    if pin and present != (pin.commit, pin.tree):
        return FileCheck(name, "not as pinned", "pin", f"commit {origin.commit}, pinned {pin.commit}")
    if present != (tag.commit, tag.tree):
        return FileCheck(name, "damaged", "index", f"commit {origin.commit}, wanted {tag.commit}")
    return FileCheck(name, "good", "pin" if pin else "index")


def _unindexed(folder: Path, known: set[str]) -> Iterator[FileCheck]:
    own_files = {mirror.INDEX, mirror.CHECKSUMS, mirror.REPOSITORY}
    for path in sorted(folder.iterdir()):
        if path.name not in known | own_files and not path.name.startswith("."):
            yield FileCheck(path.name, "unknown", "nothing", f"{mirror.INDEX} does not name it")
