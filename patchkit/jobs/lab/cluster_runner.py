"""A campaign on a cluster: what trials stand on is made here, once, and each worker gets the very same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from patchkit.cluster.client import Cluster, Input, connected
from patchkit.context import Context
from patchkit.errors import BadUsageError
from patchkit.jobs.lab.batch import FinishedTrial
from patchkit.jobs.lab.links import Link, LinkName, UmlLink
from patchkit.jobs.lab.on_worker import RECORD, ground_files, read_trials, run_trials
from patchkit.jobs.lab.runners import LocalRunner
from patchkit.lab.model.campaign import Cell
from patchkit.lab.runner.answer import packed

_TOGETHER = 10  # trials of a unit, which then takes some two seconds
_ROUNDS = 20  # units for each that can run: at the end, none waits long for the last


def link_of(asked: LinkName | None) -> LinkName:
    """Return the link of a campaign on a cluster. Raises BadUsageError where ``asked`` is another one."""
    if asked not in (None, "uml"):
        raise BadUsageError(
            f"--on and --link {asked} exclude each other",
            why="only on the link 'uml' does nothing of a trial depend on the host that runs it",
            advice="--link uml",
        )
    return "uml"


@contextmanager
def cluster_runner(address: str, local: LocalRunner, link: Link, context: Context) -> Iterator[ClusterRunner]:
    """Connect, within the context, to the scheduler at ``address``. Raises ClusterError."""
    if not isinstance(link, UmlLink):
        raise TypeError("not the link of a cluster")
    with connected(address, "lab") as cluster:
        context.ui.step(f"{cluster.slots} trials at a time on {address}")
        yield ClusterRunner(cluster, local, link)


@dataclass
class ClusterRunner:
    """Runs batches on the workers of a cluster."""

    cluster: Cluster
    local: LocalRunner
    """What gets ready here what the workers are given."""
    link: UmlLink
    _peers: dict[tuple[str, str], Input] = field(default_factory=dict)
    """By arm and credentials."""

    def __post_init__(self) -> None:
        """Pack what all trials stand on."""
        campaign = self.local.campaign
        self._campaign = Input("campaign", campaign.model_dump_json().encode())
        kernel = self.link.machine.kernel
        record = {"digest": kernel.digest, "release": kernel.release, "config": kernel.config,
                  "syscall_ns": kernel.syscall_ns, "image": self.link.machine.image.digest}  # fmt: skip
        self._ground = Input("kernel and guest", packed({RECORD: record}, ground_files(self.link.machine)))

    @property
    def jobs(self) -> int:
        return self.cluster.slots

    def prepare(self, cells: Sequence[Cell]) -> None:
        """Pack the peers of ``cells``, and start each pair once, on this host."""
        self.local.prepare(cells)
        for cell in cells:
            client, server = self.local.pair(cell)
            name = f"peers of {cell.arm}"
            self._peers[cell.arm, cell.credentials] = Input(name, self.link.packed(client, server, cell.credentials))

    def together(self, trials: int) -> int:
        """Return more than one for a long campaign: each unit costs the scheduler some milliseconds."""
        return max(1, min(_TOGETHER, trials // (_ROUNDS * max(1, self.cluster.slots))))

    def submit(self, cell: Cell, numbers: Sequence[int]) -> Future[list[FinishedTrial]]:
        inputs = [self._campaign, self._ground, self._peers[cell.arm, cell.credentials]]
        unit = {"cell": cell.id, "numbers": list(numbers), "inputs": [given.sha256 for given in inputs]}
        name = (f"{cell.arm} {cell.scenario} {cell.credentials}", numbers[0])
        return self.cluster.submit(run_trials, json.dumps(unit).encode(), inputs, name, read_trials)

    def room(self) -> int:
        return self.cluster.room()

    def check(self) -> None:
        self.cluster.check()

    def stop(self) -> None:
        self.link.stop()
        self.cluster.close()
