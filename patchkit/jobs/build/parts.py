"""Parts of a build of all releases, on several machines: which releases are a part, and how parts become one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from patchkit import __version__
from patchkit.errors import StorageError
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.request import ReleasesRequest
from patchkit.json_schema import Part, validated
from patchkit.packaging.dist import MANIFEST, Dist
from patchkit.packaging.manifest import Artifact
from patchkit.patching.combination import combination
from patchkit.patching.own.variant import BroughtVariant
from patchkit.printable import listed
from patchkit.shard import Shard, missing
from patchkit.storage import check_writable, contents, reading, replace_all, whole_folder, writing

PART = "part.json"
"""Lies beside the manifest of a folder that holds a part."""


class BuiltPart(Part):
    """A part of the releases, and what was asked for."""

    patchkit: str = Field(description="version of patchkit")
    asked: list[str] = Field(description="targets, variants and options: the same for all parts")
    shard: Shard = Field(description="which part it is")
    artifacts: list[str] = Field(description="names of the artifacts that belong to it")
    failed: dict[str, str] = Field(description="what failed, by release and target")


@dataclass(frozen=True, kw_only=True)
class DistMergeRequest:
    """Output folders that are parts of one build of all releases."""

    folders: Sequence[Path]
    out: Path
    allow_missing: bool = False
    """Whether a part that is not among ``folders`` is noted in ``out``, and not refused."""


@dataclass(frozen=True)
class Merged:
    """What all parts have built, in one folder."""

    artifacts: list[Artifact]
    failed: dict[str, str]
    missing: list[int]
    """The parts that were not there."""


def versions_of_part(request: ReleasesRequest, versions: Sequence[str]) -> list[str]:
    """Return those of ``versions`` that belong to the part that ``request`` asks for."""
    return [version for index, version in enumerate(versions) if request.shard is None or request.shard.holds(index)]


def record(request: ReleasesRequest, outcomes: Sequence[ReleaseOutcome]) -> None:
    """Write into the output folder which part of what it is. Raises StorageError."""
    if request.shard is None:
        raise ValueError("not a part")
    part = BuiltPart(
        patchkit=__version__,
        asked=_asked(request),
        shard=request.shard,
        artifacts=sorted(
            outcome.artifact.name for result in outcomes for outcome in result.outcomes if outcome.artifact is not None
        ),
        failed={
            f"{result.version} {result.target}": result.failure.what
            for result in outcomes
            if result.failure is not None
        },
    )
    with writing(request.build.out):
        request.build.out.mkdir(parents=True, exist_ok=True)  # the part may have no release
    replace_all({request.build.out / PART: part.model_dump_json(indent=2).encode() + b"\n"})


def merge(request: DistMergeRequest) -> Merged:
    """Write the artifacts of all parts into ``request.out``, with the manifest that one machine would have written.

    Raises StorageError where a part is missing, is there twice, is damaged, or is of another build; DiskFullError.
    """
    check_writable(request.out, "--out")
    if (request.out / MANIFEST).exists():
        raise StorageError(f"{request.out} has artifacts already", advice="give another --out")
    parts = [(folder, _read(folder)) for folder in request.folders]
    _refuse_others(parts)
    there = _there(parts)
    lacking = missing(there, parts[0][1].shard.of)
    if lacking and not request.allow_missing:
        raise StorageError(
            f"of {parts[0][1].shard.of} parts {len(lacking)} are missing: {listed(lacking)}",
            advice="name their folders as well; --allow-missing leaves them out",
        )
    with_folders = [(folder, artifact) for folder, part in parts for artifact in _artifacts(folder, part)]
    for folder, artifact in with_folders:
        Dist(folder).check(artifact)
    failed = {what: why for _, part in parts for what, why in part.failed.items()}
    with whole_folder(request.out) as out:
        Dist(out).gather(with_folders)
        if lacking:
            first = parts[0][1]
            whole = first.model_copy(
                update={
                    "shard": Shard(of=first.shard.of, parts=there),
                    "artifacts": sorted(artifact.name for _, artifact in with_folders),
                    "failed": failed,
                }
            )
            replace_all({out / PART: whole.model_dump_json(indent=2).encode() + b"\n"})
    return Merged([artifact for _, artifact in with_folders], failed, lacking)


def _asked(request: ReleasesRequest) -> list[str]:
    """Write down all of ``request`` that decides what is built; not how many at a time, where, or which part."""
    build = request.build
    words = [*sorted(set(request.targets)), *build.variants, *(["--guard"] if build.guard else [])]
    own = [part for name in build.variants for part in combination(name).own if isinstance(part, BroughtVariant)]
    words += [f"{part.name} {part.digest}" for part in own]
    words += [f"--since {request.since}"] if request.since else []
    words += ["--with-source"] if build.with_source else []
    words += ["--spdx"] if build.with_spdx else []
    words += [f"--package {kind}" for kind in sorted(set(build.packages))]
    settings = iter(build.settings.words())
    words += [word for word in settings if word != "--jobs" or not next(settings, None)]
    return words


def _read(folder: Path) -> BuiltPart:
    path = folder / PART
    with reading(path):
        if not path.is_file():
            raise StorageError(
                f"{folder} is not a part of a build", why=f"it has no {PART}", advice="patchkit build --shard K/N"
            )
    try:
        return validated(BuiltPart, contents(path))
    except ValueError as error:
        raise StorageError(f"{path} is damaged", why=str(error), advice="build that part again") from error


def _refuse_others(parts: Sequence[tuple[Path, BuiltPart]]) -> None:
    """Raise StorageError where one of ``parts`` is of another build than the first."""
    first_folder, first = parts[0]
    for folder, part in parts[1:]:
        differing = [name for name in ("patchkit", "asked") if getattr(part, name) != getattr(first, name)]
        differing += ["the number of parts"] if part.shard.of != first.shard.of else []
        if differing:
            raise StorageError(
                f"{folder} and {first_folder} are not parts of one build",
                why=f"these differ: {', '.join(differing)}",
                advice="the same patchkit and options are needed for all parts",
            )


def _there(parts: Sequence[tuple[Path, BuiltPart]]) -> list[int]:
    owner: dict[int, Path] = {}
    for folder, part in parts:
        for number in part.shard.parts:
            if number in owner:
                raise StorageError(f"part {number} is there twice", why=f"in {owner[number]} and in {folder}")
            owner[number] = folder
    return sorted(owner)


def _artifacts(folder: Path, part: BuiltPart) -> list[Artifact]:
    known = {artifact.name: artifact for artifact in Dist(folder).artifacts()}
    absent = [name for name in part.artifacts if name not in known]
    if absent:
        raise StorageError(f"{folder} lacks {absent[0]}", why=f"{PART} names it, {MANIFEST} does not")
    return [known[name] for name in part.artifacts]
