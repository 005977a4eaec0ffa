"""Run a campaign: build what is compared, let it meet on the link, and write the report."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from typing import TypeVar

from patchkit.context import Context
from patchkit.errors import InterruptedByUserError, PatchkitError
from patchkit.jobs.lab.batch import arm_of, batches, run_batch
from patchkit.jobs.lab.binaries import programs
from patchkit.jobs.lab.finished import TIMING, Done, refuse_storms, refuse_void, write_report
from patchkit.jobs.lab.links import Link, ready
from patchkit.jobs.lab.request import CampaignRequest
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.openvpn_options import refuse_unknown
from patchkit.lab.model.campaign import Campaign, Cell
from patchkit.lab.model.new_campaign import REFERENCE_TRIALS, arm
from patchkit.lab.model.trial import Trial
from patchkit.lab.report.folder import Folder, file_stem
from patchkit.lab.report.report import Timing
from patchkit.storage import check_writable
from patchkit.ui import Ui

_Value = TypeVar("_Value")


def run(request: CampaignRequest, context: Context) -> Done:
    """Run what is missing of the campaign that ``request`` asks for, and write its report.

    Raises what ``request.validate()`` and building raise, and GuestError, MachineError, LinkError, ReportError,
    NoEvidenceError and StormError. ^C ends it: what is done is kept and reported, and InterruptedByUserError says
    how it is resumed.
    """
    request.validate()
    check_writable(request.out, "--out")
    folder = Folder(request.out)
    if not request.resume:
        folder.refuse_taken()  # before anything is built
    link = ready(request.link, context)
    name = hashlib.sha256(os.fsencode(request.out.resolve())).hexdigest()[:16]
    with context.cache.lock(f"report-{name}", busy=str(request.out)):
        return _run(request, folder, link, context)


def _run(request: CampaignRequest, folder: Folder, link: Link, context: Context) -> Done:
    sides = [side for asked in request.arms for side in (asked.client, asked.server)]
    binaries = programs(sides, request.source, request.settings, context)
    arms = [
        arm(binaries[it.client].program, binaries[it.server].program, it.client_options, it.server_options, it.proto)
        for it in request.arms
    ]
    for name, scenario in request.scenarios.items():
        for side in sides:
            refuse_unknown(name, scenario, binaries[side].version)
        for its_arm in arms:
            its_arm.over(name, scenario)  # refused now, and not at its first trial
    todo = request.campaign(arms, link.described)
    kept = folder.resume(todo) if request.resume else folder.begin(todo)
    by_hash = {binary.program.sha256: binary for binary in binaries.values()}
    job = _Job(todo, link, folder, by_hash, request.settings.jobs, context.ui, kept)
    try:
        job.work()
    except KeyboardInterrupt as signal:
        done = job.finish()
        again = shlex.join(resume_command(request, offline=context.offline))
        raise InterruptedByUserError(
            f"interrupted: {len(done.trials)} trials are kept in {request.out}",
            why="the report there is of these alone",
            advice=f"the same command with --resume goes on, or: {again}",
        ) from signal
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
    return ["patchkit", "lab", "run", "--resume", "--out", str(request.out), *words]


@dataclass
class _Job:
    """The trials that are still to be run, several at a time."""

    campaign: Campaign
    link: Link
    folder: Folder
    binaries: Mapping[str, Binary]
    jobs: int
    ui: Ui
    trials: list[Trial]
    fresh_guest_seconds: float = 0.0
    fresh_wall_seconds: float = 0.0

    def work(self) -> None:
        missing = list(self._missing())
        if not missing:
            self.ui.step(f"Nothing is missing: {self.folder.path} is complete")
            return
        cells = {cell.id: cell for cell, _ in missing}
        self._boot(list(cells.values()))
        size = self.campaign.machine.shift
        self.ui.step(f"{len(missing)} trials, {self.jobs} at a time")
        began = time.monotonic()
        with self.ui.tally("trials", len(missing)) as advance:
            for trials in self._side_by_side([self._batch(cell, numbers) for cell, numbers in batches(missing, size)]):
                self.trials += trials  # first: finish() writes these, whatever came of the lines below
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

    def _boot(self, cells: Sequence[Cell]) -> None:
        """Get ready what the cells stand on; two of them often share it."""
        grounds = {(cell.arm, cell.credentials): cell for cell in cells}
        boots = [self._boot_of(cell) for cell in grounds.values()]
        for _ in self._side_by_side(boots):
            pass

    def _boot_of(self, cell: Cell) -> Callable[[], None]:
        def boot() -> None:
            self.link.prepare(*self._pair(cell), cell.credentials)

        return boot

    def _batch(self, cell: Cell, numbers: Sequence[int]) -> Callable[[], list[Trial]]:
        """The trials of those numbers, and those that the machine has to run before them."""
        trial_numbers = set(numbers)

        def work() -> list[Trial]:
            seen = []
            for trial, parts in run_batch(self.campaign, cell, max(numbers), self._pair(cell), self.link):
                if trial.trial in trial_numbers:
                    self._keep_logs(trial, parts)
                    seen.append(trial)
            return seen

        return work

    def _pair(self, cell: Cell) -> tuple[Binary, Binary]:
        cell_arm = arm_of(self.campaign, cell)
        return self.binaries[cell_arm.client.sha256], self.binaries[cell_arm.server.sha256]

    def _keep_logs(self, trial: Trial, parts: Mapping[str, bytes]) -> None:
        """The logs of a peer that died or hung are evidence."""
        logs = {name: data for name, data in parts.items() if name.endswith(".log")}
        if not logs:
            return
        stem = file_stem(trial.cell, trial.trial)
        (self.folder.path / "logs").mkdir(exist_ok=True)
        self.folder.write({f"logs/{stem}-{name}": data.decode(errors="replace") for name, data in logs.items()})

    def _side_by_side(self, work: Sequence[Callable[[], _Value]]) -> Iterator[_Value]:
        """What each gives, as it comes. The first error, or ^C, ends all of them."""
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            todo = iter(work)
            running: set[Future[_Value]] = set()
            try:
                for task in todo:
                    running.add(pool.submit(task))
                    if len(running) < self.jobs:
                        continue
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
                for future in as_completed(running):
                    yield future.result()
            except BaseException:
                self.link.stop()  # or the pool would wait for trials that nobody wants any more
                raise

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
            jobs=self.jobs,
        )

    def _timing_before(self) -> Timing | None:
        path = self.folder.path / TIMING
        if not path.exists() or len(self.trials) == 0:
            return None
        with contextlib.suppress(ValueError):
            return Timing.model_validate_json(path.read_bytes())
        return None
