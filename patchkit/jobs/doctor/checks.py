"""All that is tried, in order, and what it means for what somebody wants to do here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from patchkit.context import Context
from patchkit.errors import BadUsageError
from patchkit.jobs.doctor import cache_health, disk, docker, git_and_gpg, lab_links, network
from patchkit.jobs.doctor.compilers import Compilers
from patchkit.jobs.doctor.distribution import Distribution
from patchkit.jobs.doctor.model import Probe, ProbeResult, run_probe


@dataclass(frozen=True)
class Purpose:
    """What somebody may want to do here: wants all of ``always``, and all of one of ``ways``, the better one first."""

    always: Sequence[str]
    ways: Sequence[Sequence[str]] = ((),)

    @property
    def probes(self) -> set[str]:
        """Everything that says something about it."""
        return {*self.always, *(name for way in self.ways for name in way)}


_DOCKER = ("docker", "images")
_SOURCES = ("tarballs", "disk", "cache")
PURPOSES: Mapping[str, Purpose] = {
    "build": Purpose(_SOURCES, (_DOCKER, ("compiler",))),
    "windows": Purpose(_SOURCES, (_DOCKER, ("compiler", "mingw", "wine"))),
    "lab": Purpose(_SOURCES, [(*engine, link) for link in ("machine", "netns") for engine in (_DOCKER, ("compiler",))]),
    "matrix": Purpose(("git",)),
    "verify": Purpose(("git", "openpgp", *_SOURCES), [(*engine, "machine") for engine in (_DOCKER, ("compiler",))]),
}


@dataclass(frozen=True)
class Readiness:
    """Whether a purpose can be served."""

    purpose: str
    works: bool
    by: Sequence[str]
    """The way that works, where there are several."""
    lacks: Sequence[str]
    """What is missing or broken, of the way that lacks least."""


def probes(distribution: Distribution, context: Context) -> list[Probe]:
    """All of them, in the order that they are made."""
    compilers = Compilers(distribution, context.ui)
    return [
        Probe("docker", "build --engine docker", docker.container, "docker", ("dockerd",)),
        Probe("images", "build --engine docker", docker.images, "images"),
        Probe("compiler", "build --engine host, prove", compilers.native, "compiler", ("cc", "make")),
        Probe("mingw", "build --target windows-amd64 --engine host", compilers.mingw, "mingw",
              ("x86_64-w64-mingw32-gcc",)),
        Probe("wine", "build --target windows-amd64 --engine host", compilers.wine, "wine", ("wine",)),
        Probe("machine", "lab run, verify", partial(lab_links.booted, context), "machine", ("qemu-system-x86_64",)),
        Probe("netns", "lab run --link netns", lab_links.netem, "netns", ("ip", "tc", "nft", "ethtool", "ping")),
        Probe("git", "matrix, verify, --git", git_and_gpg.git, "git", ("git",)),
        Probe("openpgp", "verify", git_and_gpg.gpg, "openpgp", ("gpg",)),
        Probe("tarballs", "every release that is not in the cache", network.tarballs),
        Probe("debian", "images, the lab's packages, some tarballs", network.debian_mirror),
        Probe("disk", "builds, lab run", partial(disk.room, context.cache)),
        Probe("cache", "everything", partial(cache_health.checked, context.cache)),
    ]  # fmt: skip


def purposes(names: Sequence[str]) -> dict[str, Purpose]:
    """Those of these names; all where none is given. Raises BadUsageError."""
    for name in names:
        if name not in PURPOSES:
            raise BadUsageError(f"doctor knows nothing of {name!r}", why=f"there are: {', '.join(PURPOSES)}")
    return {name: PURPOSES[name] for name in names or PURPOSES}


def examine(names: Sequence[str], distribution: Distribution, context: Context) -> Iterator[ProbeResult]:
    """Try everything that these purposes want, or everything; a finding each, as they come."""
    wanted = {name for purpose in purposes(names).values() for name in purpose.probes}
    for probe in probes(distribution, context):
        if not names or probe.name in wanted:
            context.ui.step(f"Try {probe.name}")
            yield run_probe(probe, distribution)


def readiness(names: Sequence[str], found: Sequence[ProbeResult]) -> list[Readiness]:
    """What the findings mean for each purpose."""
    good = {one.name for one in found if one.state == "works"}
    results = []
    for name, purpose in purposes(names).items():
        lacking = [[one for one in (*purpose.always, *way) if one not in good] for way in purpose.ways]
        least = min(lacking, key=len)
        way = purpose.ways[lacking.index(least)]
        results.append(Readiness(name, not least, [] if least or len(purpose.ways) == 1 else way, least))
    return results
