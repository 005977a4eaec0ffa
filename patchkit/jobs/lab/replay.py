"""One trial again: exactly as it was, and once more with everything that the peers will say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import BadUsageError, ReportError, UnknownVariantError
from patchkit.jobs.lab.batch import arm_of, run_batch
from patchkit.jobs.lab.binaries import programs
from patchkit.jobs.lab.links import Link, ready
from patchkit.jobs.lab.request import ReplayRequest, asked_for
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.runner_order import Turn
from patchkit.lab.model.campaign import Campaign, Cell
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.pcap import pcap
from patchkit.lab.report.folder import Folder
from patchkit.patching.combination import combination
from patchkit.storage import check_writable, replace_all, writing


@dataclass(frozen=True)
class Replayed:
    """The trial as reported, as it was now, and what was written."""

    reported: Trial | None
    again: Trial
    verbose: Trial
    files: list[Path]

    @property
    def same(self) -> bool:
        """Whether it came out as reported, to the last digit."""
        return self.again == self.reported


def replay(request: ReplayRequest, context: Context) -> Replayed:
    """Run the trial that ``request`` names again and write its logs and a capture of its link.

    Where this machine or its programs are not those that the report was made with, a warning says so. Raises
    ReportError where the report holds no such cell, and what building and the link raise.
    """
    check_writable(request.out, "--out")
    folder = Folder(request.report)
    campaign = folder.campaign()
    cell, trial = campaign.cell(request.cell), request.trial
    if cell is None:
        raise ReportError(
            f"{request.report} has no cell {request.cell}",
            why="it has: " + ", ".join(known.id for known in campaign.cells),
            advice="--cell ID",
        )
    _check_variants(campaign, cell, request.own)
    reported = next((row for row in folder.trials() if (row.cell, row.trial) == (cell.id, trial)), None)
    if reported is None:
        context.ui.note(f"the report has no trial {trial} of {cell.id}: there is nothing to compare it with")
    link = _link(campaign, context)
    client, server = _binaries(campaign, cell, request, context)
    link.prepare(client, server, cell.credentials)

    def once(detail: Turn) -> tuple[Trial, Mapping[str, bytes]]:
        return run_batch(campaign, cell, trial, (client, server), link, detail)[-1]

    context.ui.step(f"Trial {trial} of {cell.id}")
    again, exact = once(Turn(0, keep_logs=True, keep_frames=True))
    if reported is not None and again != reported and campaign.machine.link != "netns":
        context.ui.warn("it did not come out as reported: please report it")
    context.ui.step(f"The same with --verb {request.verbosity}")
    verbose, loud = once(Turn(0, verbosity=request.verbosity, keep_logs=True))
    if (verbose.outcome, verbose.seconds) != (again.outcome, again.seconds):
        context.ui.note(
            "writing so much takes time of its own: the verbose run is not the same to the last microsecond"
        )
    files = {
        "link.pcap": pcap(exact["frames"]),
        "trial.json": (again.model_dump_json(indent=2) + "\n").encode(),
        **{name: exact[name] for name in ("client.log", "server.log")},
        **{f"verbose-{name}": loud[name] for name in ("client.log", "server.log")},
    }
    out = request.out
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    replace_all({out / name: data for name, data in files.items()})
    return Replayed(reported, again, verbose, [out / name for name in files])


def _check_variants(campaign: Campaign, cell: Cell, own: Sequence[str]) -> None:
    """Check that each variant of ``cell`` is known, and that each of ``own`` is one of the report's.

    Raises UnknownVariantError and BadUsageError.
    """
    arm = arm_of(campaign, cell)
    of_cell = [arm.client.variant, arm.server.variant]
    of_report = {
        piece for arm in campaign.arms for program in (arm.client, arm.server) for piece in program.variant.split("+")
    }
    foreign = [name for name in own if name not in of_report]
    if foreign:
        raise BadUsageError(
            f"the report has no build of {', '.join(foreign)}",
            why=f"it is of: {', '.join(sorted(of_report))}; the end of a patch's name is from the hash of its bytes",
            advice="give the patch that lab run got",
        )
    for name in of_cell:
        try:
            combination(name)
        except UnknownVariantError as error:
            raise UnknownVariantError(
                f"the report is of {name}, which this patchkit does not know",
                why=error.what,
                advice="--patch FILE|DIR or --variant ./FOLDER, as lab run got it",
            ) from error


def _link(campaign: Campaign, context: Context) -> Link:
    link = ready(campaign.machine.link, context)
    if link.described != campaign.machine:
        differing = [
            f"{name}: {getattr(campaign.machine, name)} there, {getattr(link.described, name)} here"
            for name in type(campaign.machine).model_fields
            if getattr(campaign.machine, name) != getattr(link.described, name)
        ]
        context.ui.warn("this is not the machine that the report was made on: " + "; ".join(differing))
    return link


def _binaries(campaign: Campaign, cell: Cell, request: ReplayRequest, context: Context) -> tuple[Binary, Binary]:
    arm = arm_of(campaign, cell)
    client, server = asked_for(arm.client), asked_for(arm.server)
    built = programs([client, server], request.source, request.settings, context)
    for program, binary in ((arm.client, client), (arm.server, server)):
        sha256 = built[binary].program.sha256
        if program.sha256 != sha256:
            context.ui.warn(f"{program.name} is not the same program here: {sha256[:12]}, it was {program.sha256[:12]}")
    return built[client], built[server]
