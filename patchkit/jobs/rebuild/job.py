"""Build artifacts again from their manifest alone, and compare them bit for bit."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchkit.building.engine.choose import choose
from patchkit.building.inventory import inventory
from patchkit.building.toolchain import Toolchain
from patchkit.context import Context
from patchkit.errors import BadUsageError, ManifestError, ToolchainError, WrongHashError
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest
from patchkit.jobs.rebuild.request import RebuildRequest, build_request
from patchkit.packaging.differences import differences
from patchkit.packaging.dist import read_manifest
from patchkit.packaging.manifest import Artifact, File, Manifest
from patchkit.releases.version import Version, base_of
from patchkit.storage import reading, sha256_of, writing

_SHOWN = 40  # lines for one file
_DIFFOSCOPE = 300.0  # seconds


@dataclass(frozen=True)
class ComparedFile:
    """One file of an artifact against what was built again."""

    name: str
    expected: str
    """The sha256 that the manifest states."""
    built: str
    """The sha256 of what was built again."""
    lines: tuple[str, ...] = ()
    """What differs; empty where nothing does, or where the artifact's own file is not there to compare."""

    @property
    def is_equal(self) -> bool:
        """Whether the two are the same to the byte."""
        return self.expected == self.built


@dataclass(frozen=True)
class Rebuilt:
    """What became of one artifact."""

    name: str
    engine: str
    files: tuple[ComparedFile, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all files are the same to the byte."""
        return all(file.is_equal for file in self.files)


def rebuild(request: RebuildRequest, context: Context) -> list[Rebuilt]:
    """Build what ``request`` names again, on the engines that the manifest names, and compare each file.

    Raises ManifestError for a manifest that is truncated or of another patchkit, ToolchainError where the toolchain
    that it names is not here, WrongHashError where a source is another one, BadUsageError, and what ``build`` raises.
    """
    folder, manifest = read_manifest(request.manifest)
    chosen = _chosen(manifest, request)
    for artifact in chosen:  # all that can be refused, before anything is compiled
        build_request(artifact, request, Path())
    return [_rebuilt(artifact, folder, request, context) for artifact in chosen]


def _chosen(manifest: Manifest, request: RebuildRequest) -> list[Artifact]:
    names = [artifact.name for artifact in manifest.artifacts]
    if unknown := [name for name in request.names if name not in names]:
        raise BadUsageError(f"the manifest has no artifact {unknown[0]}", why=f"it has {', '.join(names)}")
    if not names:
        raise ManifestError(f"{request.manifest} names no artifact")
    return [artifact for artifact in manifest.artifacts if not request.names or artifact.name in request.names]


def _rebuilt(artifact: Artifact, folder: Path, request: RebuildRequest, context: Context) -> Rebuilt:
    if artifact.signature is not None:
        raise ManifestError(
            f"the programs in {artifact.name} are signed",
            why="without the private key nobody can make the same bytes again",
            advice="build it without --sign-key, and rebuild that",
        )
    with _place(request.out) as out:
        asked = build_request(artifact, request, out)
        _check_toolchain(artifact, asked, context, anyway=request.anyway)
        (outcome,) = build(asked, context)
        if outcome.artifact is None:
            raise outcome.error or ManifestError(f"{artifact.name} could not be built again")
        if not outcome.fresh:  # it would be compared with itself
            raise BadUsageError(f"{out} holds {artifact.name} already", advice="--out DIR, a folder without it")
        _check_sources(artifact, outcome.artifact)
        made = {file.name: file.sha256 for file in outcome.artifact.all_files}
        files = [*artifact.files, *artifact.packages]
        if outcome.artifact.inputs == artifact.inputs:  # otherwise they state what differs in them
            files += artifact.documents
        compared = tuple(_compared(file, made.get(file.name, ""), folder, out) for file in files)
    return Rebuilt(artifact.name, artifact.build.engine, compared)


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="patchkit-rebuild-") as place:
        yield Path(place)


def _check_toolchain(artifact: Artifact, asked: BuildRequest, context: Context, *, anyway: bool) -> None:
    """Compare what the artifact was compiled with to what is here, package by package."""
    version = base_of(artifact.release)
    tools = asked.toolchain(version if version is not None and version.is_upstreams else Version.parse(artifact.series))
    context.ui.step(f"Toolchain of {artifact.name}")
    here, compiler = _here(tools, asked, context)
    wheel = artifact.build.wheel
    lacking = _lacking(artifact.build.installed | ({wheel.name: wheel.sha256} if wheel else {}), here)
    if not artifact.build.installed and compiler != artifact.build.compiler:
        lacking = [f"{artifact.build.compiler}, here {compiler}"]
    if lacking and not anyway:
        raise ToolchainError(
            f"the toolchain that built {artifact.name} is not here: {len(lacking)} packages differ",
            why="\n".join([*lacking[:_SHOWN], *(["…"] if len(lacking) > _SHOWN else [])]),
            advice="install those versions (snapshot.debian.org keeps them; PATCHKIT_DEBIAN_MIRROR names a mirror for "
            "the docker engine); --anyway builds with what is here and compares",
        )
    for line in lacking:
        context.ui.warn(f"toolchain: {line}")
    if not lacking:
        context.ui.note(f"the same {len(here)} packages, to the byte" if here else f"the same compiler: {compiler}")


def _here(tools: Toolchain, asked: BuildRequest, context: Context) -> tuple[dict[str, str], str]:
    with choose(asked.settings.engine_of(tools), context) as engine:
        identity = engine.prepare(tools)
        with engine.workspace(identity, keep=False) as workspace:
            system = inventory(workspace, tools.packages, tools.target.debian_arch)
    packages = {package.full_name: package.stated for package in system.toolchain}
    packages |= {tools.zig.name: tools.zig.sha256} if tools.zig else {}
    return packages, identity.compiler


def _lacking(expected: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """List the packages that ``here`` does not have as ``expected``, by name."""
    lines = []
    for name, state in sorted(expected.items()):
        version, own = state.partition(" ")[0], here.get(name)
        if own is None:
            lines.append(f"{name} {version} is missing")
        elif own != state:
            other = own.partition(" ")[0]
            lines.append(f"{name} {version}, here {'another build of it' if other == version else other}")
    return lines


def _check_sources(artifact: Artifact, built: Artifact) -> None:
    """Raise WrongHashError where what was built again is from another source, which no comparison would explain."""
    pairs = [("OpenVPN", artifact.source, built.source)]
    if artifact.build.crypto and artifact.build.crypto.source and built.build.crypto and built.build.crypto.source:
        pairs.append((artifact.build.crypto.library, artifact.build.crypto.source, built.build.crypto.source))
    for name, expected, given in pairs:
        facts = ("sha256", "commit", "tree", "contents")
        wrong = [fact for fact in facts if getattr(expected, fact) not in (None, getattr(given, fact))]
        if wrong:
            raise WrongHashError(
                f"the source of {name} is not the one that the manifest names",
                why=f"{wrong[0]}: {getattr(expected, wrong[0])}, here {getattr(given, wrong[0])}",
                advice="give the same source",
            )


def _compared(file: File, built: str, folder: Path, out: Path) -> ComparedFile:
    ours, theirs = out / file.name, folder / file.name
    if built == file.sha256 or not theirs.is_file() or not ours.is_file():
        return ComparedFile(file.name, file.sha256, built)
    if sha256_of(theirs) != file.sha256:
        return ComparedFile(file.name, file.sha256, built, (f"{theirs} itself is not what the manifest states",))
    with reading(theirs):
        lines = _diffoscope(theirs, ours) or differences(file.name, theirs.read_bytes(), ours.read_bytes())
    return ComparedFile(file.name, file.sha256, built, tuple(lines[:_SHOWN]))


def _diffoscope(before: Path, after: Path) -> list[str]:
    """Return the report of diffoscope, a line each; empty where it is not installed, or finds nothing to say."""
    if shutil.which("diffoscope") is None:
        return []
    command = ["diffoscope", "--no-progress", "--text", "-", str(before), str(after)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_DIFFOSCOPE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.splitlines()
