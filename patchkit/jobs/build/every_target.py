"""``--target all``: every target for which this machine, or Docker on it, can build a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from patchkit.building.engine.choose import choose
from patchkit.building.engine.host import HostEngine
from patchkit.building.toolchain_table import newest, targets
from patchkit.context import Context
from patchkit.errors import BadUsageError, PatchkitError, ToolchainError, UnknownTargetError
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.request import EVERY, ReleasesRequest
from patchkit.releases.version import Version


def every_target(request: ReleasesRequest, context: Context) -> tuple[ReleasesRequest, list[ReleaseOutcome]]:
    """Return ``request`` for each target that can be built here, and an outcome for each that is left out, with why.

    What fails for one target does not keep the others back. A request that names its targets comes back as it is.
    Raises BadUsageError together with a cluster, ToolchainError where no target can be built, and what ``choose``
    raises.
    """
    if EVERY not in request.targets:
        return request, []
    if request.on is not None:
        raise BadUsageError(
            f"--on and --target {EVERY} exclude each other",
            why="which targets a worker can build is not known here",
            advice="name the targets",
        )
    left_out = {
        name: ReleaseOutcome(request.build.source.version, name, left_out=error)
        for name, error in _refusals(request, context)
        if error is not None
    }
    there = [name for name in targets() if name not in left_out]
    if not there:
        reasons = [outcome.left_out for outcome in left_out.values() if outcome.left_out]
        raise ToolchainError(
            "no target can be built here",
            why="\n".join(f"{error.what}: {error.why}" for error in reasons),
            advice="patchkit doctor build",
        )
    build = replace(request.build, keep_going=True)
    return replace(request, build=build, targets=there, every=True), list(left_out.values())


def _refusals(request: ReleasesRequest, context: Context) -> Iterator[tuple[str, PatchkitError | None]]:
    """Yield each target, and why it cannot be built: no toolchain for the release, or this machine lacks tools."""
    version = (None if request.all_releases else request.build.version) or Version.parse(newest())
    with choose(request.build.settings.engine, context) as engine:
        host = HostEngine(context.ui, context)
        for name in targets():
            try:
                tools = request.build.settings.toolchain(version, name)
                if request.build.settings.engine_of(tools) == "host" or engine.name == "host":
                    host.check(tools)
                elif tools.zig is not None:
                    engine.prepare(tools)  # refused
            except (ToolchainError, UnknownTargetError, BadUsageError) as error:
                yield name, error
            else:
                yield name, None
