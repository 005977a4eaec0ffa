"""Run a campaign: build what is compared, let it meet on the link, and write the report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from patchkit.context import Context
from patchkit.errors import InterruptedByUserError, PatchkitError
from patchkit.jobs.lab.batch import FinishedTrial, batches, refuse_altered
from patchkit.jobs.lab.binaries import programs
from patchkit.jobs.lab.cluster_runner import cluster_runner, link_of
from patchkit.jobs.lab.finished import TIMING, Done, refuse_storms, refuse_void, write_report
from patchkit.jobs.lab.links import Link, ready
from patchkit.jobs.lab.request import CampaignRequest
from patchkit.jobs.lab.runners import LocalRunner, Runner, side_by_side
from patchkit.json_schema import validated
from patchkit.lab.link.openvpn_options import refuse_unknown
from patchkit.lab.model.campaign import Campaign, Cell
from patchkit.lab.model.new_campaign import REFERENCE_TRIALS, arm
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder, file_stem
from patchkit.lab.report.report import Timing
from patchkit.storage import check_writable, contents
from patchkit.ui import Ui


def run(request: CampaignRequest, context: Context) -> Done:
    """Run what is missing of the campaign that ``request`` asks for, and write its report.

    Raises what ``request.validate()`` and building raise, and GuestError, MachineError, LinkError, ReportError,
    NoEvidenceError and StormError; on a cluster also ClusterError and NotRepeatedError. ^C ends it: what is done is
    kept and reported, and InterruptedByUserError says how it is resumed.
    """
    request.validate()
    check_writable(request.out, "--out")
    folder = Folder(request.out)
    if not request.resume:
        folder.refuse_taken()  # before anything is built
    link = ready(request.link if request.on is None else link_of(request.link), context)
    name = hashlib.sha256(os.fsencode(request.out.resolve())).hexdigest()[:16]
    with context.cache.lock(f"report-{name}", busy=str(request.out)):
        return _run(request, folder, link, context)


def _run(request: CampaignRequest, folder: Folder, link: Link, context: Context) -> Done:
    sides = [side for asked in request.arms for side in (asked.client, asked.server)]
    binaries = programs(sides, request.source, request.settings, context)
    arms = [
        arm(
            binaries[asked.client].program,
            binaries[asked.server].program,
            asked.client_options,
            asked.server_options,
            asked.proto,
        )
        for asked in request.arms
    ]
    for name, scenario in request.scenarios.items():
        for side in sides:
            refuse_unknown(name, scenario, binaries[side].version)
        for measured in arms:
            measured.over(name, scenario)  # refused now, and not at its first trial
    todo = request.campaign(arms, link.described)
    kept = folder.resume(todo) if request.resume else folder.begin(todo)
    refuse_altered(folder.path, todo, kept)
    by_hash = {binary.program.sha256: binary for binary in binaries.values()}
    local = LocalRunner(todo, by_hash, link, request.settings.jobs)
    with contextlib.ExitStack() as stack:
        stack.callback(local.close)
        runner: Runner = local
        if request.on is not None:
            runner = stack.enter_context(cluster_runner(request.on, local, link, context))
        return _completed(_Job(todo, runner, folder, context.ui, kept), request, context)


def _completed(job: _Job, request: CampaignRequest, context: Context) -> Done:
    try:
        job.work()
    except KeyboardInterrupt as interrupt:
        done = job.finish()
        again = shlex.join(resume_command(request, offline=context.offline))
        raise InterruptedByUserError(
            f"interrupted: {len(done.trials)} trials are kept in {request.out}",
            why="the report there is of these alone",
            advice=f"the same command with --resume runs the rest, or: {again}",
        ) from interrupt
    except PatchkitError:
        job.finish()  # what is there is evidence
        raise
    done = job.finish()
    refuse_void(done)
    refuse_storms(done)
    return done


def resume_command(request: CampaignRequest, *, offline: bool) -> list[str]:
    """Return the words of the command that completes the campaign of ``request`` after an interruption."""
    git = ["--git", request.source.git] if request.source.git else []
    words = [*git, *request.settings.words(), *(["--offline"] if offline else [])]
    words += ["--on", request.on] if request.on is not None else []
    return ["patchkit", "lab", "run", "--resume", "--out", str(request.out), *words]


@dataclass
class _Job:
    """The trials that are still to be run, several at a time."""

    campaign: Campaign
    runner: Runner
    folder: Folder
    ui: Ui
    trials: list[Trial]
    fresh_guest_seconds: float = 0.0
    fresh_wall_seconds: float = 0.0

    def work(self) -> None:
        missing = list(self._missing())
        if not missing:
            self.ui.step(f"Nothing is missing: {self.folder.path} is complete")
            return
        self.runner.prepare(list({cell.id: cell for cell, _ in missing}.values()))
        todo = batches(missing, self.campaign.machine.shift * self.runner.together(len(missing)))
        self.ui.step(f"{len(missing)} trials, {self.runner.jobs} at a time")
        began = time.monotonic()
        with self.ui.tally("trials", len(missing)) as advance:
            for batch in side_by_side(self.runner, (partial(self.runner.submit, *batch) for batch in todo)):
                trials = [finished.trial for finished in batch]
                self.trials += trials  # first: finish() writes these, whatever came of the lines below
                for finished in batch:
                    self._keep_logs(finished)
                self.folder.add(trials)
                self.fresh_guest_seconds += sum(trial.guest_seconds for trial in trials)
                self.fresh_wall_seconds = time.monotonic() - began
                advance(len(trials), self._rates())

    def finish(self) -> Done:
        """Write the report of what is there."""
        return write_report(self.folder, self.campaign, self.trials, self._timing())

    def _missing(self) -> Iterator[tuple[Cell, int]]:
        """By number first: whenever it is interrupted, every cell has as many trials as the others."""
        there = {(trial.cell, trial.trial) for trial in self.trials}
        for number in self.campaign.numbers():
            for cell in self.campaign.cells:
                if (cell.id, number) not in there:
                    yield cell, number
            for cell in self.campaign.reference if number <= REFERENCE_TRIALS else ():
                if (cell.id, number) not in there:
                    yield cell, number

    def _keep_logs(self, finished: FinishedTrial) -> None:
        if not finished.logs:
            return
        stem = file_stem(finished.trial.cell, finished.trial.trial)
        (self.folder.path / "logs").mkdir(exist_ok=True)
        self.folder.write({f"logs/{stem}-{name}": text for name, text in finished.logs.items()})

    def _rates(self) -> str:
        """The share of each arm's trials that have completed so far."""
        counted = [trial for trial in self.trials if trial.outcome != "void"]
        ours = {cell.id: cell.arm for cell in self.campaign.cells}
        all_of = Counter(ours[trial.cell] for trial in counted if trial.cell in ours)
        good = Counter(ours[trial.cell] for trial in counted if trial.cell in ours and trial.outcome == "completed")
        return "  ".join(f"{name} {good[name]}/{all_of[name]}" for name in all_of)

    def _timing(self) -> Timing:
        before = self._timing_before()
        return Timing(
            guest_seconds=round(self.fresh_guest_seconds + (before.guest_seconds if before else 0.0), 3),
            wall_seconds=round(self.fresh_wall_seconds + (before.wall_seconds if before else 0.0), 3),
            jobs=self.runner.jobs,
        )

    def _timing_before(self) -> Timing | None:
        path = self.folder.path / TIMING
        if not path.exists() or len(self.trials) == 0:
            return None
        with contextlib.suppress(ValueError):
            return validated(Timing, contents(path))
        return None
