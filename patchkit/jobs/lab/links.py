"""The links that a campaign can run on: User-Mode Linux, a QEMU machine, or network namespaces of this host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BaseImageError, CompileError, GuestError, LinkError, ToolchainError
from patchkit.lab.guest.image import Guest, guest
from patchkit.lab.guest.kernel.given import given_program
from patchkit.lab.guest.kernel.tools import check_processor
from patchkit.lab.link import netns, qemu, uml
from patchkit.lab.link.binaries import Binary
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.qemu import Snapshot
from patchkit.lab.link.qemu_process import has_qemu, installed_qemu
from patchkit.lab.link.run_output import RunOutput, count_of
from patchkit.lab.model.campaign import LinkDescription
from patchkit.lab.model.scenario import Scenario
from patchkit.pki.credentials import credentials
from patchkit.ui import Ui

LinkName = Literal["uml", "qemu", "netns"]
BATCH_SIZE = 10
"""Trials that one QEMU runs, one behind the other, before it is thrown away. Starting one costs as much as running
three: QEMU translates all code again."""
_WALL_LEAST = 600.0  # seconds of wall time for a trial
_UML_WALL_LEAST = 120.0  # seconds for a trial that takes 0.1 s: beyond it, a peer computes for ever
_UML_CLIENTS = 5  # for which a trial gets its time once; fifty took as long as twelve trials with one
_UML_WALL_SHARE = 0.2  # of a trial's guest time, which passes a thousand times as fast
_WALL_SHARE = 2.0  # of a trial's guest time: real time needs all of it, and virtual time mostly far less


class Link(Protocol):
    """Where trials run."""

    @property
    def described(self) -> LinkDescription:
        """What decides the figures of this link, for the report."""

    def prepare(self, client: Binary, server: Binary, profile: str) -> None:
        """Prepare the first trial of ``client`` and ``server`` with the credentials of ``profile``."""

    def run(
        self, client: Binary, server: Binary, profile: str, order: Mapping[str, object], scenario: Scenario
    ) -> list[RunOutput]:
        """Run the trials of ``order`` and return the output of each, in order. Any thread may call this."""

    def stop(self) -> None:
        """End all running trials at once."""


def ready(name: LinkName | None, context: Context) -> Link:
    """Return the link ``name``, or the default one of this host: ``uml``, and ``qemu`` where that cannot run.

    Raises GuestError or LinkError where this host lacks what the link needs.
    """
    if name is None:
        return _default(context)
    links: dict[LinkName, Callable[[Context], Link]] = {
        "uml": UmlLink.ready, "qemu": QemuLink.ready, "netns": NetnsLink.ready,
    }  # fmt: skip
    return links[name](context)


def _default(context: Context) -> Link:
    try:
        return UmlLink.ready(context)
    except (BaseImageError, CompileError, GuestError, LinkError, ToolchainError) as error:
        # A kernel that the user has named must be it. Without QEMU, this error's advice is better than one for two.
        if given_program() is not None or not has_qemu():
            raise
        why = f" ({error.why.splitlines()[0]})" if error.why else ""
        context.ui.note(f"--link qemu, which is several times as slow: {error.what}{why}")
        return QemuLink.ready(context)


@dataclass
class UmlLink:
    """User-Mode Linux, whose clock stands still while anything computes; a guest for each trial."""

    cache: Cache
    machine: uml.Machine
    groups: ProcessGroups = field(default_factory=ProcessGroups)
    _peers: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def ready(cls, context: Context) -> UmlLink:
        """Return the link on this host.

        Raises LinkError where this host cannot run it, and what making its kernel and image raises.
        """
        check_processor()
        groups = ProcessGroups()
        machine = uml.machine(context, groups)
        uml.check(machine, groups)
        return cls(context.cache, machine, groups)

    @property
    def described(self) -> LinkDescription:
        kernel = self.machine.kernel
        return LinkDescription(
            link="uml",
            guest=self.machine.digest,
            qemu=None,
            kernel=kernel.release,
            config=kernel.config,
            syscall_ns=kernel.syscall_ns,
            shift=1,
        )

    def prepare(self, client: Binary, server: Binary, profile: str) -> None:
        packed = uml.packed_peers(self.machine, materials(client, server, profile, self.cache), self.groups)
        self.take(client, server, profile, packed)

    def packed(self, client: Binary, server: Binary, profile: str) -> bytes:
        """Return what was prepared, packed for the guest; it is the same on every host."""
        return self._peers[_key(client, server, profile)]

    def take(self, client: Binary, server: Binary, profile: str, packed: bytes) -> None:
        """Take what another host has prepared and ``packed``."""
        with self._lock:
            self._peers[_key(client, server, profile)] = packed

    def run(
        self, client: Binary, server: Binary, profile: str, order: Mapping[str, object], scenario: Scenario
    ) -> list[RunOutput]:
        peers = self._peers[_key(client, server, profile)]
        limit = (_UML_WALL_LEAST + _UML_WALL_SHARE * scenario.longest_s) * max(1, scenario.clients / _UML_CLIENTS)
        return uml.run(self.machine, peers, order, wall_limit=limit, groups=self.groups, clients=scenario.clients)

    def stop(self) -> None:
        self.groups.stop()


@dataclass
class QemuLink:
    """QEMU in virtual time; a booted machine for each pair of programs and set of credentials."""

    cache: Cache
    guest: Guest
    ui: Ui
    groups: ProcessGroups = field(default_factory=ProcessGroups)
    _booted: dict[tuple[str, str, str], Snapshot] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def ready(cls, context: Context) -> QemuLink:
        """Return the link on this host. Raises GuestError where QEMU or the guest's packages are missing."""
        installed_qemu()
        return cls(context.cache, guest(context), context.ui)

    @property
    def described(self) -> LinkDescription:
        return LinkDescription(
            link="qemu",
            guest=self.guest.digest,
            qemu=installed_qemu()[1],
            kernel=self.guest.release,
            shift=BATCH_SIZE,
        )

    def prepare(self, client: Binary, server: Binary, profile: str) -> None:
        self.ui.note(f"booting: {client.program.name} as client, {server.program.name} as server, {profile}")
        files = materials(client, server, profile, self.cache)
        snapshot = qemu.snapshot(self.guest, files, ("peers/client", "peers/server"), self.cache, self.groups)
        with self._lock:
            self._booted[_key(client, server, profile)] = snapshot

    def run(
        self, client: Binary, server: Binary, profile: str, order: Mapping[str, object], scenario: Scenario
    ) -> list[RunOutput]:
        snapshot = self._booted[_key(client, server, profile)]
        return qemu.run(snapshot, order, wall_limit=wall_limit(scenario, order), groups=self.groups)

    def stop(self) -> None:
        self.groups.stop()


@dataclass
class NetnsLink:
    """Network namespaces of this host's kernel, in real time, as root."""

    cache: Cache
    kernel: netns.Kernel
    groups: ProcessGroups = field(default_factory=ProcessGroups)

    @classmethod
    def ready(cls, context: Context) -> NetnsLink:
        """Return the link on this host. Raises LinkError where this host's kernel or user cannot be the link."""
        kernel = netns.check()
        if not kernel.seeded:
            context.ui.warn(
                "this netem knows no seeds: each trial meets losses of its own, and no figure can be repeated"
            )
        return cls(context.cache, kernel)

    @property
    def described(self) -> LinkDescription:
        return LinkDescription(
            link="netns", guest=self.kernel.release, qemu=None, kernel=self.kernel.release, shift=BATCH_SIZE
        )

    def prepare(self, client: Binary, server: Binary, profile: str) -> None:
        materials(client, server, profile, self.cache)

    def run(
        self, client: Binary, server: Binary, profile: str, order: Mapping[str, object], scenario: Scenario
    ) -> list[RunOutput]:
        files = materials(client, server, profile, self.cache)
        possible = order if self.kernel.seeded else netns.unseeded(order)
        return netns.run(files, possible, wall_limit=wall_limit(scenario, order), groups=self.groups)

    def stop(self) -> None:
        self.groups.stop()


def materials(client: Binary, server: Binary, profile: str, cache: Cache) -> dict[str, bytes]:
    """Return the peers' programs and credentials, by path below the folder where they run."""
    files = {"peers/client": client.data, "peers/server": server.data}
    return files | {f"credentials/{name}": data for name, data in credentials(profile, cache).items()}


def wall_limit(scenario: Scenario, order: Mapping[str, object]) -> float:
    """Return the seconds of wall time after which ``order`` is given up."""
    return count_of(order) * max(_WALL_LEAST, _WALL_SHARE * scenario.longest_s)


def _key(client: Binary, server: Binary, profile: str) -> tuple[str, str, str]:
    return client.program.sha256, server.program.sha256, profile
