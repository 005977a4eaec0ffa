"""One trial again: exactly as it was, and once more with everything that the peers will say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import ReportError
from patchkit.jobs.lab.batch import arm_of, shift
from patchkit.jobs.lab.binaries import Bench, programs
from patchkit.jobs.lab.links import Link, ready
from patchkit.lab.link.binaries import Asked, Binary
from patchkit.lab.link.runner_order import Turn
from patchkit.lab.model.campaign import Campaign, Cell, Program
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.pcap import pcap
from patchkit.lab.report.folder import Folder
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


def replay(
    report: Path, cell: str, trial: int, *, verbosity: int, out: Path, bench: Bench, context: Context
) -> Replayed:
    """Run a trial of a report again and write its logs and a capture of its link.

    Where this machine or its programs are not those that it was made with, it says so and goes on. Raises ReportError
    where the report holds no such cell, and what building and the link raise.
    """
    check_writable(out, "--out")
    folder = Folder(report)
    todo = folder.campaign()
    where = todo.cell(cell)
    if where is None:
        raise ReportError(
            f"{report} has no cell {cell}", why="it has: " + ", ".join(one.id for one in todo.cells), advice="--cell ID"
        )
    reported = next((one for one in folder.trials() if (one.cell, one.trial) == (cell, trial)), None)
    link = _link(todo, context)
    client, server = _binaries(todo, where, bench, context)
    link.prepare(client, server, where.credentials)

    def once(detail: Turn) -> tuple[Trial, Mapping[str, bytes]]:
        return shift(todo, where, trial, (client, server), link, detail)[-1]

    context.ui.step(f"Trial {trial} of {cell}")
    again, exact = once(Turn(0, keep_logs=True, keep_frames=True))
    if reported is not None and again != reported and todo.machine.link == "machine":
        context.ui.warn("it did not come out as reported: please report it")
    context.ui.step(f"The same with --verb {verbosity}")
    verbose, loud = once(Turn(0, verbosity=verbosity, keep_logs=True))
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
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    replace_all({out / name: data for name, data in files.items()})
    return Replayed(reported, again, verbose, [out / name for name in files])


def asked_for(program: Program) -> Asked:
    """How a report's program is asked for: by its release, or by the commit that was given as a ref."""
    return Asked(program.release.removeprefix("git."), program.variant, program.guard)


def _link(todo: Campaign, context: Context) -> Link:
    link = ready(todo.machine.link, context)
    if link.described != todo.machine:
        differing = [
            f"{name}: {getattr(todo.machine, name)} there, {getattr(link.described, name)} here"
            for name in type(todo.machine).model_fields
            if getattr(todo.machine, name) != getattr(link.described, name)
        ]
        context.ui.warn("this is not the machine that the report was made on: " + "; ".join(differing))
    return link


def _binaries(todo: Campaign, cell: Cell, bench: Bench, context: Context) -> tuple[Binary, Binary]:
    one = arm_of(todo, cell)
    found = programs([asked_for(one.client), asked_for(one.server)], bench, context)
    pair = found[asked_for(one.client)], found[asked_for(one.server)]
    for was, now in zip((one.client, one.server), pair, strict=True):
        if was.sha256 != now.program.sha256:
            context.ui.warn(
                f"{was.name} is not the same program here: {now.program.sha256[:12]}, it was {was.sha256[:12]}"
            )
    return pair
