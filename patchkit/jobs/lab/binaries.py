"""The programs of a campaign, built when they are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patchkit.cache import keep_newest
from patchkit.context import Context
from patchkit.jobs.build.plan import Order, place
from patchkit.jobs.build.release import build
from patchkit.lab.link.binaries import Asked, Binary, unpacked
from patchkit.source.obtain import Request

_KEPT = 40  # programs, of a megabyte or two each


@dataclass(frozen=True)
class Bench:
    """How programs are built that are not there yet: see ``patchkit build``."""

    git: str | None = None
    source: Path | None = None
    """A tarball or folder that all programs are built from, whatever the version."""
    engine: Literal["auto", "docker", "host"] = "auto"
    crypto: str | None = None
    openssl_sources: Sequence[str] = ()
    allow_known_bad: bool = False
    jobs: int = 1

    def options(self) -> list[str]:
        """The words of the command line that ask for this bench."""
        named = {"--git": self.git, "--crypto": self.crypto, "--engine": None if self.engine == "auto" else self.engine}
        words = [word for option, value in named.items() if value is not None for word in (option, value)]
        words += [word for source in self.openssl_sources for word in ("--openssl-source", source)]
        return words + (["--allow-known-bad"] if self.allow_known_bad else [])


def programs(wanted: Sequence[Asked], bench: Bench, context: Context) -> dict[Asked, Binary]:
    """A program for each, from the cache where the same inputs have made it before. Raises what ``build`` raises."""
    groups = dict.fromkeys((one.version, one.guard) for one in wanted)
    folder = context.cache.programs
    found: dict[Asked, Binary] = {}
    for version, guard in groups:
        members = list(dict.fromkeys(one for one in wanted if (one.version, one.guard) == (version, guard)))
        order = Order(
            request=Request(version=version, git=bench.git, source=bench.source),
            variants=[one.variant for one in members],
            guard=guard,
            engine=bench.engine,
            out=folder,
            apart=True,
            jobs=bench.jobs,
            allow_known_bad=bench.allow_known_bad,
            crypto=bench.crypto,
            openssl_sources=bench.openssl_sources,
            lenient=True,
        )
        for one, outcome in zip(members, build(order, context), strict=True):
            if outcome.artifact is None:  # without --keep-going, build raises instead
                raise RuntimeError(f"{outcome.variant} was neither built nor refused")
            made = place(order, outcome.artifact.inputs)
            found[one] = unpacked(outcome.artifact, made, variant=one.variant, guard=guard)
            keep_newest(folder, _KEPT, used=made)
    return found
