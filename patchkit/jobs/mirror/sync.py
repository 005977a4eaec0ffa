"""Fill a mirror with all that a set of builds needs, for places without a network."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from patchkit.building.engine.choose import choose
from patchkit.building.engine.docker import DockerEngine
from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain import Toolchain
from patchkit.context import Context
from patchkit.errors import BadUsageError, GitError, MirrorError, UnknownVersionError
from patchkit.jobs.missing_files import MissingFiles
from patchkit.lab.guest.packages import fetched, pins
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.libraries import Library, libraries
from patchkit.source.fetch import mirror
from patchkit.source.fetch.mirror import FileKind, MirrorFile, MirrorIndex, MirrorTag
from patchkit.source.git import repository as git
from patchkit.source.library import obtain_library_or_pinned, tarball_path
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.source.tree.tree import Origin
from patchkit.storage import check_writable, expanded, locked, replace_all, sha256_of, writing
from patchkit.ui import Ui

TARGET = "linux-amd64"
"""The target of a mirror for which none is named."""


@dataclass(frozen=True)
class MirrorRequest:
    """The builds that a mirror is to serve."""

    versions: Sequence[str]
    to: Path
    source: SourceRequest = field(default_factory=SourceRequest)
    settings: BuildSettings = field(default_factory=BuildSettings)
    """The engine decides whether there is a toolchain image: with ``host``, the compiler is the other machine's."""
    target: str = TARGET
    lab: bool = False
    """Whether the lab is to run there, too."""

    def validate(self) -> None:
        """Raise BadUsageError where no version is named."""
        if not self.versions:
            raise BadUsageError("there is nothing to collect", advice="--versions 2.6.14,2.3.2")


@dataclass(frozen=True)
class Synced:
    """What a mirror holds now."""

    index: MirrorIndex
    engine: str
    packages: Sequence[str]
    """Debian packages that a host needs which builds without Docker; empty where there are images."""
    options: Sequence[str]
    """What `patchkit build` must be told besides in order to take what was collected."""


def sync(request: MirrorRequest, context: Context) -> Synced:
    """Collect what the builds need. What is there already and whole stays, whichever builds it is for.

    Raises one error that names everything that can't be had; what was collected until then stays, and the index
    names only what is there. Also raises what the rooms raise, and UnknownVersionError for a release without a pin:
    nothing could say of its source that it is the right one.
    """
    request.validate()
    releases = list({one.version: one for one in map(catalog().find, request.versions)}.values())
    plans = [(release, request.settings.toolchain(release.version, request.target)) for release in releases]
    check_writable(request.to, "--to")
    with choose(request.settings.engine, context) as engine, locked(request.to):
        filling = _Filling(request, _known(request.to, context.ui), context)
        missing = MissingFiles()
        try:
            for release in releases:
                missing.attempt(partial(filling.source, release))
            for tools, served in _shared(plans, lambda tools: tools.crypto.library):
                missing.attempt(partial(filling.library, served, tools))
            for release, tools in plans:
                for name in tools.series.libraries:
                    missing.attempt(partial(filling.other, libraries()[name], release))
            if request.lab:
                missing.attempt(lambda: filling.guest(releases))
            if isinstance(engine, DockerEngine):
                for tools, served in _shared(plans, engine.image_archives):
                    filling.images(served, tools, engine)
        finally:
            index = filling.write_index()
        if missing.errors:
            raise missing.error()
    packages = [] if engine.name == "docker" else sorted({name for _, tools in plans for name in tools.packages})
    return Synced(index, engine.name, packages, _options(request, filling.given))


def _shared(
    plans: Sequence[tuple[Release, Toolchain]], key: Callable[[Toolchain], object]
) -> list[tuple[Toolchain, list[Release]]]:
    """The releases that need the same thing, with the toolchain of one of them."""
    groups: dict[object, tuple[Toolchain, list[Release]]] = {}
    for release, tools in plans:
        groups.setdefault(key(tools), (tools, []))[1].append(release)
    return list(groups.values())


def _known(folder: Path, ui: Ui) -> MirrorIndex:
    """What the mirror holds already, if its index says so."""
    try:
        return mirror.read_index(folder) or MirrorIndex()
    except MirrorError as error:
        ui.warn(f"{error.what}: it is made anew, and names only what is collected now")
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


class _Filling:
    """A mirror while it is being filled."""

    def __init__(self, request: MirrorRequest, index: MirrorIndex, context: Context) -> None:
        self._request = request
        self._context = context
        self._files = {one.name: one for one in index.files}
        self._tags = {one.tag: one for one in index.tags}
        self.given: list[str] = []
        """The names of the library sources that were given by hand and taken."""
        self._repository_checked = False

    def source(self, release: Release) -> None:
        """The release's tarball, or its tag where it has none or where git was asked for."""
        self._context.ui.step(f"Source of {release.version}")
        obtained = obtain(SourceRequest(release.version.text, git=self._request.source.git), self._context)
        origin = obtained.tree.origin
        if origin.kind == "tarball":
            self._add(self._context.cache.downloads / origin.name, origin.name, "source", [release])
        else:
            self._add_tag(release, origin)

    def library(self, served: Sequence[Release], tools: Toolchain) -> None:
        """The source of the crypto library, where one is to be compiled."""
        pinned = tools.crypto.pinned
        if pinned is None:
            return
        given = self._request.settings.openssl_sources
        source = obtain_library_or_pinned(pinned, given, self._context)
        if source.pinned_tarball is not None:
            self._add(source.pinned_tarball, pinned.tarball.name, "library", served)
            return
        with tempfile.TemporaryDirectory() as folder:
            # Named after what it is, not after what it stands for: nothing shall take it for the pinned one.
            tar = source.tree.tar(pinned.name)
            path = Path(folder) / "given.tar"
            path.write_bytes(tar)
            name = f"given-{pinned.name}-{sha256_of(path)[:12]}.tar"
            self._add(path, name, "given", served)
            self.given.append(name)

    def other(self, library: Library, served: Release) -> None:
        """The source of something else that is linked statically."""
        path = tarball_path(library, self._context)
        self._add(path, library.tarball.name, "library", [served])

    def guest(self, served: Sequence[Release]) -> None:
        """The packages of the lab's machine."""
        for path in fetched(pins(), self._context):
            self._add(path, path.name, "guest", served)

    def images(self, served: Sequence[Release], tools: Toolchain, engine: DockerEngine) -> None:
        """The toolchain's image and the base that it stands on."""
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
        """Write the index and the checksums, together."""
        index = MirrorIndex(
            files=sorted(self._files.values(), key=lambda one: one.name),
            tags=sorted(self._tags.values(), key=lambda one: one.tag),
        )
        text = index.model_dump_json(indent=2).encode() + b"\n"
        sums = "".join(f"{one.sha256}  {one.name}\n" for one in index.files).encode()
        replace_all({self._request.to / mirror.INDEX: text, self._request.to / mirror.CHECKSUMS: sums})
        return index

    def _add(self, path: Path, name: str, kind: FileKind, served: Sequence[Release]) -> None:
        known = self._files.get(name)
        digest, final = sha256_of(path), self._request.to / name
        if not final.is_file() or sha256_of(final) != digest:
            mirror.put(path, self._request.to, name)
        serves = sorted({*(known.serves if known else ()), *(one.version.text for one in served)})
        self._files[name] = MirrorFile(name=name, kind=kind, sha256=digest, size=final.stat().st_size, serves=serves)

    def _is_whole(self, name: str) -> bool:
        known, path = self._files.get(name), self._request.to / name
        return known is not None and path.is_file() and sha256_of(path) == known.sha256

    def _forget_images(self, kept: Sequence[str]) -> None:
        """The base is another one now: what stands on the one before would not be found."""
        for one in [one for one in self._files.values() if one.kind == "image" and one.name not in kept]:
            self._context.ui.warn(f"{one.name} stands on another base image: sync {', '.join(one.serves)} again")
            del self._files[one.name]
            with writing(self._request.to / one.name):
                (self._request.to / one.name).unlink(missing_ok=True)

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
        """git takes what it has for whole, and would not fetch it again."""
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
            self._context.ui.warn(f"{error.what}: kept as {aside.name}, its tags are fetched anew")
