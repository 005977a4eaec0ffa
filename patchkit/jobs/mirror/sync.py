"""Fill a mirror with every file that a set of builds needs, for machines without a network."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from patchkit.building.engine.choose import choose
from patchkit.building.engine.docker import DockerEngine
from patchkit.building.engine.protocol import Engine
from patchkit.building.engine.zig import wheel as zig_wheel
from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Zig
from patchkit.context import Context
from patchkit.errors import BadUsageError, GitError, MirrorError, UnknownVersionError
from patchkit.jobs.missing_files import MissingFiles
from patchkit.lab.guest.kernel.source import obtained as obtained_kernel
from patchkit.lab.guest.packages import fetched, pins
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.libraries import Library, libraries
from patchkit.source.fetch import mirror
from patchkit.source.fetch.mirror import FileKind, MirrorFile, MirrorGap, MirrorIndex, MirrorTag
from patchkit.source.git import repository as git
from patchkit.source.library import obtain_library_or_pinned, tarball_path
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.source.tree.tree import Origin
from patchkit.storage import check_writable, expanded, locked, replace_all, sha256_of, writing
from patchkit.ui import Ui

TARGET = "linux-amd64"
"""The target by default."""


@dataclass(frozen=True)
class MirrorRequest:
    """The builds that a mirror has to serve, and its folder."""

    versions: Sequence[str]
    to: Path
    source: SourceRequest = field(default_factory=SourceRequest)
    settings: BuildSettings = field(default_factory=BuildSettings)
    """How the builds are made. With the engine ``host`` there is no image: the compiler is the other machine's own."""
    target: str = TARGET
    lab: bool = False
    """Whether the packages of the lab's guest and the source of its kernel are included."""

    def validate(self) -> None:
        """Check the request. Raises BadUsageError where no version is named."""
        if not self.versions:
            raise BadUsageError("there is nothing to collect", advice="--versions 2.6.14,2.3.2")


@dataclass(frozen=True)
class SyncedMirror:
    """What a mirror holds after a sync, and what the machine without a network needs besides."""

    index: MirrorIndex
    engine: str
    packages: Sequence[str]
    """The Debian packages that a host needs that builds without Docker; empty where the mirror has images."""
    options: Sequence[str]
    """The options with which ``patchkit build`` uses what was collected."""


def sync(request: MirrorRequest, context: Context) -> SyncedMirror:
    """Collect the files that the builds of ``request`` need. Undamaged files stay, whichever builds they are for.

    Raises one NetworkUnavailableError, OfflineError or PlacesExhaustedError for all files that are not available; what
    was collected until then stays, and the index names what is there, and what was asked for and is missing. Raises
    UnknownVersionError for a release without a pin, whose source could not be verified; BadUsageError for a request
    without versions; StorageError or DiskFullError where the folder cannot be written to; DockerMissingError or
    DockerSilentError for an engine that is not available; and the errors of a source that is not as pinned, such as
    WrongHashError.
    """
    request.validate()
    releases = list({release.version: release for release in map(catalog().find, request.versions)}.values())
    plans = [(release, request.settings.toolchain(release.version, request.target)) for release in releases]
    check_writable(request.to, "--to")
    engine_name = request.settings.engine_of(plans[0][1])
    with choose(engine_name, context) as engine, locked(request.to):
        writer = _MirrorWriter(request, _previous_index(request.to, context.ui), context)
        missing = MissingFiles()
        tasks = list(_tasks(request, releases, plans, writer, engine))
        for task in tasks:
            writer.ask_for(task)
        writer.write_index()  # a sync that is killed leaves an index that names what it has not brought
        try:
            for task in tasks:
                before = len(missing.errors)
                (task.do if task.vital else partial(missing.attempt, task.do))()
                if len(missing.errors) == before:
                    writer.has(task)
        finally:
            index = writer.write_index()
        if missing.errors:
            raise missing.error()
    packages = [] if engine.name == "docker" else sorted({name for _, tools in plans for name in tools.packages})
    return SyncedMirror(index, engine.name, packages, _options(request, writer.given))


@dataclass(frozen=True)
class _Task:
    """One thing that a mirror has to get."""

    what: str
    served: Sequence[Release]
    do: Callable[[], None]
    vital: bool = False
    """Whether the sync ends where it fails; otherwise it goes on, and fails at the end."""


def _tasks(
    request: MirrorRequest,
    releases: Sequence[Release],
    plans: Sequence[tuple[Release, Toolchain]],
    writer: _MirrorWriter,
    engine: Engine,
) -> Iterator[_Task]:
    for release in releases:
        yield _Task("source of OpenVPN", [release], partial(writer.source, release))
    for tools, served in _shared(plans, lambda tools: tools.crypto.library):
        if tools.crypto.pinned is not None:
            what = f"source of {tools.crypto.pinned.title} {tools.crypto.pinned.version}"
            yield _Task(what, served, partial(writer.library, served, tools))
    for release, tools in plans:
        for name in tools.series.libraries:
            yield _Task(f"source of {name}", [release], partial(writer.other, libraries()[name], release))
    for tools, served in _shared(plans, lambda tools: tools.zig and tools.zig.sha256):
        if tools.zig is not None:
            yield _Task(f"zig {tools.zig.version}", served, partial(writer.compiler, tools.zig, served))
    if request.lab:
        yield _Task("packages of the guest", releases, lambda: writer.guest(releases))
        yield _Task("source of the kernel", releases, lambda: writer.kernel(releases))
    if isinstance(engine, DockerEngine):
        for tools, served in _shared(plans, engine.image_archives):
            what = f"images for {tools.series.name} on {tools.target.name}"
            yield _Task(what, served, partial(writer.images, served, tools, engine), vital=True)


def _shared(
    plans: Sequence[tuple[Release, Toolchain]], key: Callable[[Toolchain], object]
) -> list[tuple[Toolchain, list[Release]]]:
    """Group the releases that need the same thing, by ``key``, with the toolchain of the first of them."""
    groups: dict[object, tuple[Toolchain, list[Release]]] = {}
    for release, tools in plans:
        groups.setdefault(key(tools), (tools, []))[1].append(release)
    return list(groups.values())


def _previous_index(folder: Path, ui: Ui) -> MirrorIndex:
    """The index that is there; an empty one where there is none, or none that can be read."""
    try:
        return mirror.read_index(folder) or MirrorIndex()
    except MirrorError as error:
        ui.warn(f"{error.what}: a new index is written, which names only what is collected now")
        return MirrorIndex()


def _options(request: MirrorRequest, given: Sequence[str]) -> list[str]:
    options = [] if request.settings.engine == "auto" else ["--engine", request.settings.engine]
    options += [] if request.target == TARGET else ["--target", request.target]
    options += [] if request.settings.crypto is None else ["--crypto", request.settings.crypto]
    for feature in request.settings.features:
        options += ["--with", feature]
    for name in given:
        options += ["--openssl-source", str(request.to / name)]
    return options


class _MirrorWriter:
    """Puts files into a mirror, and keeps what its index will name."""

    def __init__(self, request: MirrorRequest, index: MirrorIndex, context: Context) -> None:
        self._request = request
        self._context = context
        self._files = {file.name: file for file in index.files}
        self._tags = {tag.tag: tag for tag in index.tags}
        self._gaps = {gap.what: set(gap.serves) for gap in index.gaps}
        self.given: list[str] = []
        """The names of the library sources that the user has given and that the builds use."""
        self._repository_checked = False

    def ask_for(self, task: _Task) -> None:
        """Keep in the index that ``task`` is to be done."""
        self._gaps.setdefault(task.what, set()).update(release.version.text for release in task.served)

    def has(self, task: _Task) -> None:
        """Keep in the index that ``task`` was done."""
        self._gaps[task.what] -= {release.version.text for release in task.served}

    def source(self, release: Release) -> None:
        """Add the tarball of ``release``, or its tag where it has no tarball or a repository was named."""
        self._context.ui.step(f"Source of {release.version}")
        obtained = obtain(SourceRequest(release.version.text, git=self._request.source.git), self._context)
        origin = obtained.tree.origin
        if origin.kind == "tarball":
            self._add(self._context.cache.downloads / origin.name, origin.name, "source", [release])
        else:
            self._add_tag(release, origin)

    def library(self, served: Sequence[Release], tools: Toolchain) -> None:
        """Add the source of the crypto library, where the toolchain compiles it."""
        pinned = tools.crypto.pinned
        if pinned is None:
            return
        given = self._request.settings.openssl_sources
        source = obtain_library_or_pinned(pinned, given, self._context)
        if source.pinned_tarball is not None:
            self._add(source.pinned_tarball, pinned.tarball.name, "library", served)
            return
        with tempfile.TemporaryDirectory() as folder:
            # Its name holds its own hash: it must not be mistaken for the pinned source that it replaces.
            tar = source.tree.tar(pinned.name)
            path = Path(folder) / "given.tar"
            path.write_bytes(tar)
            name = f"given-{pinned.name}-{sha256_of(path)[:12]}.tar"
            self._add(path, name, "given", served)
            self.given.append(name)

    def other(self, library: Library, served: Release) -> None:
        """Add the source of another library that is linked statically."""
        path = tarball_path(library, self._context)
        self._add(path, library.tarball.name, "library", [served])

    def compiler(self, pin: Zig, served: Sequence[Release]) -> None:
        """Add the wheel of the compiler of static programs."""
        path = zig_wheel(pin, self._context)
        self._add(path, path.name, "compiler", served)

    def guest(self, served: Sequence[Release]) -> None:
        """Add the packages of the lab's guest."""
        for path in fetched(pins(), self._context):
            self._add(path, path.name, "guest", served)

    def kernel(self, served: Sequence[Release]) -> None:
        """Add the source of the kernel of the lab's guest: it is compiled where it is used."""
        _, path = obtained_kernel(self._context)
        self._add(path, path.name, "guest", served)

    def images(self, served: Sequence[Release], tools: Toolchain, engine: DockerEngine) -> None:
        """Add the toolchain's image, and the base image that it is built on."""
        names = engine.image_archives(tools)
        if all(self._is_whole(name) for name in names):
            for name in names:
                self._add(self._request.to / name, name, "image", served)
            return
        before = self._files.get(names[0])
        self._context.ui.step(f"Images for {tools.series.name} on {tools.target.name}")
        with tempfile.TemporaryDirectory(dir=self._request.to, prefix=".images-") as folder:
            for path in engine.save_images(tools, Path(folder)):
                self._add(path, path.name, "image", served)
        if before is not None and before.sha256 != self._files[names[0]].sha256:
            self._forget_images(names)

    def write_index(self) -> MirrorIndex:
        """Write the index and the checksums, together. Raises StorageError or DiskFullError."""
        index = MirrorIndex(
            files=sorted(self._files.values(), key=lambda file: file.name),
            tags=sorted(self._tags.values(), key=lambda tag: tag.tag),
            gaps=[MirrorGap(what=what, serves=sorted(served)) for what, served in sorted(self._gaps.items()) if served],
        )
        text = index.model_dump_json(indent=2).encode() + b"\n"
        sums = "".join(f"{file.sha256}  {file.name}\n" for file in index.files).encode()
        replace_all({self._request.to / mirror.INDEX: text, self._request.to / mirror.CHECKSUMS: sums})
        return index

    def _add(self, path: Path, name: str, kind: FileKind, served: Sequence[Release]) -> None:
        known = self._files.get(name)
        digest, final = sha256_of(path), self._request.to / name
        if not final.is_file() or sha256_of(final) != digest:
            mirror.put(path, self._request.to, name)
        serves = sorted({*(known.serves if known else ()), *(release.version.text for release in served)})
        self._files[name] = MirrorFile(name=name, kind=kind, sha256=digest, size=final.stat().st_size, serves=serves)

    def _is_whole(self, name: str) -> bool:
        known, path = self._files.get(name), self._request.to / name
        return known is not None and path.is_file() and sha256_of(path) == known.sha256

    def _forget_images(self, kept: Sequence[str]) -> None:
        """Remove all images but ``kept``: the base image is a new one, and those on the one before cannot be used."""
        for image in [file for file in self._files.values() if file.kind == "image" and file.name not in kept]:
            self._context.ui.warn(f"{image.name} needs another base image: sync {', '.join(image.serves)} again")
            del self._files[image.name]
            with writing(self._request.to / image.name):
                (self._request.to / image.name).unlink(missing_ok=True)

    def _add_tag(self, release: Release, origin: Origin) -> None:
        self._set_damaged_repository_aside()
        tag = MirrorTag(tag=release.ref, commit=str(origin.commit), tree=str(origin.tree))
        tags = {**self._tags, tag.tag: tag}
        path = self._request.to / mirror.REPOSITORY
        if path.exists() and self._tags.get(tag.tag) == tag:
            return
        missing = [tag.tag] if path.exists() else list(tags)
        where = (
            self._request.source.git or git.default_repository() or mirror.repository_with(release.ref) or git.UPSTREAM
        )
        if not git.is_url(where):  # a relative path would be looked for from inside the mirror
            where = str(expanded(where).absolute())
        with writing(self._request.to):
            repository = git.bare_repository(path)
        try:
            for name in missing:
                git.fetch_tag(repository, where, name)
        finally:
            repository.close()
        # Every object is read and hashed, so that the index says what is true.
        for name in missing:
            mirror.tag_in(self._request.to, name, self._context)
        self._tags = tags

    def _set_damaged_repository_aside(self) -> None:
        """Rename a damaged repository: git assumes that the objects it has are undamaged, and does not fetch them."""
        path = self._request.to / mirror.REPOSITORY
        checked, self._repository_checked = self._repository_checked, True
        if checked or not path.exists():
            return
        try:
            git.open_repository(path).close()
            for name in self._tags:
                mirror.tag_in(self._request.to, name, self._context)
        except (GitError, UnknownVersionError) as error:
            aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
            with writing(path):
                path.rename(aside)
            self._context.ui.warn(
                f"{error.what}: the repository is kept as {aside.name}, and its tags are fetched again"
            )
