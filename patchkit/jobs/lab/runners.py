"""Where a campaign's batches run: in threads of this process, or wherever else a runner has them run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from patchkit.jobs.lab.batch import FinishedTrial, arm_of, finished_trials
from patchkit.jobs.lab.links import Link
from patchkit.lab.link.binaries import Binary
from patchkit.lab.model.campaign import Campaign, Cell

_Value = TypeVar("_Value")
_LOOK = 1.0  # seconds between two looks at whether waiting makes sense


class Runner(Protocol):
    """Runs batches, several at a time."""

    @property
    def jobs(self) -> int:
        """How many batches run at a time, for the report."""

    def prepare(self, cells: Sequence[Cell]) -> None:
        """Get ready what ``cells`` stand on. Raises what the link raises."""

    def together(self, trials: int) -> int:
        """Return how many batches of a cell go together, where so many ``trials`` are to be run."""

    def submit(self, cell: Cell, numbers: Sequence[int]) -> Future[list[FinishedTrial]]:
        """Begin the trials ``numbers`` of ``cell``, whose batches go together; the future raises what the link does."""

    def room(self) -> int:
        """Return how many batches may be on their way."""

    def check(self) -> None:
        """Raise an error where nothing more can be expected."""

    def stop(self) -> None:
        """End all that runs, at once, and forget what is still to be done."""


def side_by_side(runner: Runner, tasks: Iterable[Callable[[], Future[_Value]]]) -> Iterator[_Value]:
    """Begin ``tasks`` as ``runner`` has room, and yield what each gives, as it comes.

    The first error, or ^C, ends all of them. Raises what a task raises, and what ``runner.check`` does.
    """
    waiting = iter(tasks)
    running: set[Future[_Value]] = set()
    try:
        while True:
            for _ in range(runner.room() - len(running)):
                task = next(waiting, None)
                if task is None:
                    break
                running.add(task())
            if not running:
                return
            done, running = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
            runner.check()
            for future in done:
                yield future.result()
    except BaseException:
        runner.stop()  # or it would go on with trials that nobody wants any more
        raise


@dataclass
class LocalRunner:
    """Runs batches in threads of this process, on a link of this host."""

    campaign: Campaign
    binaries: Mapping[str, Binary]
    """By the hash of the program."""
    link: Link
    jobs: int

    def __post_init__(self) -> None:
        """Open the pool; no thread begins before there is something to do."""
        self._pool = ThreadPoolExecutor(max_workers=self.jobs)

    def prepare(self, cells: Sequence[Cell]) -> None:
        """Start what ``cells`` stand on once; two of them often share it."""
        grounds = {(cell.arm, cell.credentials): cell for cell in cells}
        boots = [partial(self.link.prepare, *self.pair(cell), cell.credentials) for cell in grounds.values()]
        for _ in side_by_side(self, [partial(self._pool.submit, boot) for boot in boots]):
            pass

    def together(self, trials: int) -> int:  # noqa: ARG002
        return 1

    def submit(self, cell: Cell, numbers: Sequence[int]) -> Future[list[FinishedTrial]]:
        return self._pool.submit(finished_trials, self.campaign, cell, numbers, self.pair(cell), self.link)

    def pair(self, cell: Cell) -> tuple[Binary, Binary]:
        """Return the client and the server of ``cell``."""
        arm = arm_of(self.campaign, cell)
        return self.binaries[arm.client.sha256], self.binaries[arm.server.sha256]

    def room(self) -> int:
        return self.jobs

    def check(self) -> None:
        """Do nothing: what runs here ends."""

    def stop(self) -> None:
        self.link.stop()
        self._pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """End the threads, which have nothing to do any more."""
        self._pool.shutdown()
