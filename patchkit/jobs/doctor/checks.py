"""All probes in their order, and what their results mean for each purpose."""

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
    """A use of patchkit: needs all probes of ``always``, and all of one of ``ways``, the better way first."""

    always: Sequence[str]
    ways: Sequence[Sequence[str]] = ((),)

    @property
    def probes(self) -> set[str]:
        """The names of all probes that concern the purpose."""
        return {*self.always, *(name for way in self.ways for name in way)}


_DOCKER = ("docker", "images")
_SOURCES = ("tarballs", "disk", "cache")
PURPOSES: Mapping[str, Purpose] = {
    "build": Purpose(_SOURCES, (_DOCKER, ("compiler",))),
    "windows": Purpose(_SOURCES, (_DOCKER, ("compiler", "mingw", "wine"))),
    "lab": Purpose(
        _SOURCES, [(*engine, link) for link in ("kernel", "machine", "netns") for engine in (_DOCKER, ("compiler",))]
    ),
    "matrix": Purpose(("git",)),
    "verify": Purpose(
        ("git", "openpgp", *_SOURCES),
        [(*engine, link) for link in ("kernel", "machine") for engine in (_DOCKER, ("compiler",))],
    ),
}


@dataclass(frozen=True)
class Readiness:
    """Whether a purpose is ready."""

    purpose: str
    works: bool
    by: Sequence[str]
    """The probes of the way that works, where there are several ways."""
    lacks: Sequence[str]
    """The probes that fail, of the way that lacks least."""


def probes(distribution: Distribution, context: Context) -> list[Probe]:
    """Return all probes, in the order in which they run."""
    compilers = Compilers(distribution, context.ui)
    return [
        Probe("docker", "build --engine docker", docker.container, "docker", ("dockerd",)),
        Probe("images", "build --engine docker", docker.images, "images"),
        Probe("compiler", "build --engine host, prove", compilers.native, "compiler", ("cc", "make")),
        Probe("mingw", "build --target windows-amd64 --engine host", compilers.mingw, "mingw",
              ("x86_64-w64-mingw32-gcc",)),
        Probe("wine", "build --target windows-amd64 --engine host", compilers.wine, "wine", ("wine",)),
        Probe("kernel", "lab run, verify", partial(lab_links.kernel, distribution, context), "kernel"),
        Probe("machine", "lab run, verify", partial(lab_links.booted, context), "machine", ("qemu-system-x86_64",)),
        Probe("netns", "lab run --link netns", lab_links.netem, "netns", ("ip", "tc", "nft", "ping")),
        Probe("git", "matrix, verify, --git", git_and_gpg.git, "git", ("git",)),
        Probe("openpgp", "verify", git_and_gpg.gpg, "openpgp", ("gpg",)),
        Probe("tarballs", "every release that is not in the cache", network.tarballs),
        Probe("debian", "images, the lab's packages, some tarballs", network.debian_mirror),
        Probe("disk", "builds, lab run", partial(disk.room, context.cache)),
        Probe("leftovers", "room on the disk", disk.leftovers),
        Probe("cache", "everything", partial(cache_health.checked, context.cache)),
    ]  # fmt: skip


def purposes(names: Sequence[str]) -> dict[str, Purpose]:
    """Return the purposes called ``names``, or all where it is empty. Raises BadUsageError for an unknown name."""
    for name in names:
        if name not in PURPOSES:
            raise BadUsageError(f"unknown purpose: {name!r}", why=f"known are: {', '.join(PURPOSES)}")
    return {name: PURPOSES[name] for name in names or PURPOSES}


def examine(names: Sequence[str], distribution: Distribution, context: Context) -> Iterator[ProbeResult]:
    """Run the probes of the purposes called ``names``, or all where it is empty; give results as they come.

    Raises BadUsageError for an unknown name.
    """
    needed = {name for purpose in purposes(names).values() for name in purpose.probes}
    for probe in probes(distribution, context):
        if not names or probe.name in needed:
            context.ui.step(f"Check {probe.name}")
            yield run_probe(probe, distribution)


def readiness(names: Sequence[str], results: Sequence[ProbeResult]) -> list[Readiness]:
    """Judge from ``results`` the purposes called ``names``, or all. Raises BadUsageError for an unknown name."""
    good = {result.name for result in results if result.state == "works"}
    judged = []
    for name, purpose in purposes(names).items():
        lacking = [[probe for probe in (*purpose.always, *way) if probe not in good] for way in purpose.ways]
        least = min(lacking, key=len)
        way = purpose.ways[lacking.index(least)]
        judged.append(Readiness(name, not least, [] if least or len(purpose.ways) == 1 else way, least))
    return judged
