"""Fill a mirror with all that a set of builds needs, for places without a network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock

from patchkit.building.choose import choose
from patchkit.building.docker import DockerEngine
from patchkit.building.engine import EngineName
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.errors import BadUsageError
from patchkit.jobs.shortages import Shortages
from patchkit.releases.catalog import Release, catalog
from patchkit.source import git, mirror
from patchkit.source.cache import Cache
from patchkit.source.library import obtain_library, tarball_path
from patchkit.source.mirror import FileKind, MirrorFile, MirrorIndex, MirrorTag
from patchkit.source.obtain import Request, obtain
from patchkit.source.tree import Origin
from patchkit.storage import check_writable, replace_all, writing
from patchkit.ui import Ui


@dataclass(frozen=True)
class Wish:
    """The builds that a mirror is to serve."""

    versions: Sequence[str]
    to: Path
    git: str | None = None
    target: str = "linux-amd64"
    engine: EngineName = "auto"
    """Whether there is to be a toolchain image: with ``host``, the compiler is the other machine's own."""
    crypto: str | None = None
    features: Sequence[str] = ()
    openssl_sources: Sequence[str] = ()


@dataclass(frozen=True)
class Synced:
    """What a mirror holds now."""

    index: MirrorIndex
    engine: str
    packages: Sequence[str]
    """Debian packages that a host needs which builds without Docker; empty where there are images."""


def sync(wish: Wish, cache: Cache, ui: Ui) -> Synced:
    """Collect what the builds need. What is there already and whole stays, whichever builds it is for.

    Raises one error that names everything that can't be had; what was collected until then stays, and the index
    names only what is there. Also raises what the rooms raise, and UnknownVersionError for a release without a pin:
    nothing could say of its source that it is the right one.
    """
    if not wish.versions:
        raise BadUsageError("there is nothing to collect", advice="--versions 2.6.14,2.3.2")
    releases = list({one.version: one for one in map(catalog().find, wish.versions)}.values())
    plans = [(one, toolchain(one.version, wish.target, crypto=wish.crypto, wanted=wish.features)) for one in releases]
    check_writable(wish.to, "--to")
    with _writing_to(wish.to), choose(wish.engine, cache, ui) as engine:
        filling = _Filling(wish, mirror.read_index(wish.to) or MirrorIndex(), cache, ui)
        shortages = Shortages()
        try:
            for release, tools in plans:
                shortages.attempt(partial(filling.source, release, tools))
                shortages.attempt(partial(filling.library, release, tools))
            if isinstance(engine, DockerEngine):
                for release, tools in plans:
                    filling.images(release, tools, engine)
        finally:
            index = filling.write_index()
        if shortages.errors:
            raise shortages.error()
    packages = [] if engine.name == "docker" else sorted({name for _, tools in plans for name in tools.packages})
    return Synced(index, engine.name, packages)


class _Filling:
    """A mirror while it is being filled."""

    def __init__(self, wish: Wish, index: MirrorIndex, cache: Cache, ui: Ui) -> None:
        self._wish = wish
        self._cache = cache
        self._ui = ui
        self._files = {one.name: one for one in index.files}
        self._tags = {one.tag: one for one in index.tags}

    def source(self, release: Release, tools: Toolchain) -> None:  # noqa: ARG002
        """The release's tarball, or its tag where it has none or where git was asked for."""
        self._ui.step(f"Source of {release.version}")
        obtained = obtain(Request(release.version.text, git=self._wish.git), self._cache, self._ui)
        origin = obtained.tree.origin
        if origin.kind == "tarball":
            self._add(self._cache.folder("downloads") / origin.name, origin.name, "source", release)
        else:
            # Every object is read and hashed on its way here, so that the index says what is true.
            obtained.tree.tar("whole")
            self._fetch_tag(release, origin)

    def library(self, release: Release, tools: Toolchain) -> None:
        """The source of the crypto library, where one is to be compiled."""
        pinned = tools.crypto.pinned
        if pinned is None:
            return
        given = self._wish.openssl_sources
        source = obtain_library(pinned, given, self._cache, self._ui, strict=False)
        if source.verified:
            path = tarball_path(pinned, self._cache, self._ui, offline=False)
            self._add(path, pinned.tarball.name, "library", release)
            return
        with tempfile.TemporaryDirectory() as folder:
            # Named after what it is, not after what it stands for: nothing shall take it for the pinned one.
            tar = source.tree.tar(pinned.name)
            path = Path(folder) / "given.tar"
            path.write_bytes(tar)
            self._add(path, f"given-{pinned.name}-{mirror.sha256_of(path)[:12]}.tar", "given", release)

    def images(self, release: Release, tools: Toolchain, engine: DockerEngine) -> None:
        """The toolchain's image and the base that it stands on."""
        names = engine.image_archives(tools)
        there = [name for name in names if name in self._files and (self._wish.to / name).is_file()]
        if len(there) == len(names):
            for name in names:
                self._add(self._wish.to / name, name, "image", release)
            return
        self._ui.step(f"Images for {tools.series.name} on {tools.target.name}")
        with tempfile.TemporaryDirectory(dir=self._wish.to, prefix=".images-") as folder:
            for path in engine.save_images(tools, Path(folder)):
                self._add(path, path.name, "image", release)

    def write_index(self) -> MirrorIndex:
        """Write the index and the checksums, together."""
        index = MirrorIndex(
            files=sorted(self._files.values(), key=lambda one: one.name),
            tags=sorted(self._tags.values(), key=lambda one: one.tag),
        )
        text = index.model_dump_json(indent=2).encode() + b"\n"
        sums = "".join(f"{one.sha256}  {one.name}\n" for one in index.files).encode()
        replace_all({self._wish.to / mirror.INDEX: text, self._wish.to / mirror.CHECKSUMS: sums})
        return index

    def _add(self, path: Path, name: str, kind: FileKind, release: Release) -> None:
        known = self._files.get(name)
        digest, final = mirror.sha256_of(path), self._wish.to / name
        if not final.is_file() or mirror.sha256_of(final) != digest:
            mirror.put(path, self._wish.to, name)
        serves = sorted({*(known.serves if known else ()), release.version.text})
        self._files[name] = MirrorFile(name=name, kind=kind, sha256=digest, size=final.stat().st_size, serves=serves)

    def _fetch_tag(self, release: Release, origin: Origin) -> None:
        where = self._wish.git or git.default_repository() or git.UPSTREAM
        with writing(self._wish.to):
            repository = git.bare_repository(self._wish.to / mirror.REPOSITORY)
        try:
            git.fetch_tag(repository, where, release.ref)
        finally:
            repository.close()
        self._tags[release.ref] = MirrorTag(tag=release.ref, commit=str(origin.commit), tree=str(origin.tree))


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """One at a time; a second run waits."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
