"""Check a mirror: everything that its index names is there, whole, and what the pins say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patchkit.context import Context
from patchkit.errors import MirrorError, PatchkitError
from patchkit.lab.guest.packages import pins as guest_pins
from patchkit.releases.catalog import catalog
from patchkit.releases.libraries import libraries
from patchkit.source.fetch import mirror
from patchkit.source.fetch.mirror import MirrorFile, MirrorTag
from patchkit.storage import sha256_of

Verdict = Literal["good", "missing", "damaged", "not as pinned", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What was found of one file or tag."""

    name: str
    verdict: Verdict
    vouched: Literal["pin", "index", "nothing"]
    """What says that it is right: patchkit's pins, or only the mirror's own index."""
    detail: str = ""

    @property
    def bad(self) -> bool:
        """Whether a build that needs it would fail; a file that the index does not know only lies around."""
        return self.verdict not in ("good", "unknown")


def check(folder: Path, context: Context) -> list[Finding]:
    """All findings, the index's files first, then its tags, then files that it does not name.

    Raises MirrorError where there is no index, or none that can be read.
    """
    index = mirror.read_index(folder)
    if index is None:
        raise MirrorError(
            f"{folder} is no mirror", why=f"it has no {mirror.INDEX}", advice="patchkit mirror sync --to makes one"
        )
    pins = _pins()
    with context.ui.count("verify", len(index.files) + len(index.tags)) as advance:
        findings = []
        for file in index.files:
            findings.append(_file(folder, file, pins))
            advance(1)
        for tag in index.tags:
            findings.append(_tag(folder, tag, context))
            advance(1)
    return [*findings, *_strangers(folder, {one.name for one in index.files})]


def _pins() -> dict[str, str]:
    """The hash of every pinned tarball, by both of its names, and of the packages of the lab's guest."""
    tarballs = [one.tarball for one in catalog().releases if one.tarball]
    tarballs += [one.tarball for one in libraries().values()]
    packages = {one.file_name: one.sha256 for one in guest_pins().package}
    return packages | {name: pin.sha256 for pin in tarballs for name in (pin.name, pin.debian) if name}


def _file(folder: Path, file: MirrorFile, pins: dict[str, str]) -> Finding:
    path, pinned = folder / file.name, pins.get(file.name)
    vouched: Literal["pin", "index"] = "pin" if pinned else "index"
    if not path.is_file():
        return Finding(file.name, "missing", vouched, f"for {', '.join(file.serves)}")
    found = sha256_of(path)
    if pinned and found != pinned:
        return Finding(file.name, "not as pinned", vouched, f"sha256 {found}, pinned {pinned}")
    if found != file.sha256:
        return Finding(file.name, "damaged", vouched, f"sha256 {found}, wanted {file.sha256}")
    return Finding(file.name, "good", vouched)


def _tag(folder: Path, tag: MirrorTag, context: Context) -> Finding:
    name = f"{mirror.REPOSITORY} {tag.tag}"
    pins = {one.tag.name: one.tag for one in catalog().releases if one.tag}
    pin = pins.get(tag.tag)
    try:
        origin = mirror.tag_in(folder, tag.tag, context)
    except PatchkitError as error:
        missing = not (folder / mirror.REPOSITORY).is_dir()
        return Finding(name, "missing" if missing else "damaged", "pin" if pin else "index", error.what)
    found = (origin.commit, origin.tree)
    if pin and found != (pin.commit, pin.tree):
        return Finding(name, "not as pinned", "pin", f"commit {found[0]}, pinned {pin.commit}")
    if found != (tag.commit, tag.tree):
        return Finding(name, "damaged", "index", f"commit {found[0]}, wanted {tag.commit}")
    return Finding(name, "good", "pin" if pin else "index")


def _strangers(folder: Path, known: set[str]) -> Iterator[Finding]:
    ours = {mirror.INDEX, mirror.CHECKSUMS, mirror.REPOSITORY}
    for path in sorted(folder.iterdir()):
        if path.name not in known | ours and not path.name.startswith("."):
            yield Finding(path.name, "unknown", "nothing", f"{mirror.INDEX} does not name it")
