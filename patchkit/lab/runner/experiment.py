"""One trial: two peers, a link, and what is done with them."""

from __future__ import annotations

import os
import select
import time

from . import network
from .namespaces import Inside
from .process import SIGINT, SIGXCPU, Peer, now, spawn

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .capture import Capture

START = 20.0  # seconds for a peer to say that it is ready, or to send its first packet
_SETTLE = 1.0  # seconds after completion in which packets still count: the last ACKs, and a storm that goes on
_LOOK = 0.5  # seconds between two looks at the packet sockets
_NS = 1_000_000_000


class EndedError(Exception):
    """The trial is over: the outcome and its details."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class LateError(EndedError):
    """Something did not happen in time."""


class Experiment:
    """A trial in the making: a ``turn`` of the order ``job``, in ``namespaces``."""

    def __init__(
        self, job: Mapping[str, Any], turn: Mapping[str, Any], namespaces: Mapping[str, int], capture: Capture
    ) -> None:
        self.job = job
        self.turn = turn
        self.namespaces = namespaces
        self.capture = capture
        self.peers: dict[str, Peer] = {}
        self.gone: list[Peer] = []
        self.closed: set[int] = set()
        self._next_look = 0.0
        """When the packet sockets are read next, on the monotonic clock. Their buffers hold what comes meanwhile."""
        self.outages: list[tuple[float, str]] = []
        self.seconds: float | None = None
        self.pings = (0, 0, b"")
        """When they began and ended, and what ping said."""
        self.ended_ns: int | None = None
        """When the trial's question was answered; packets after ``_SETTLE`` more do not count."""

    def run(self) -> dict[str, Any]:
        """What became of it; the peers are gone afterwards."""
        began = now()
        try:
            {"handshake": self._handshake, "reconnect": self._reconnect, "soak": self._soak}[self.job["run"]]()
            outcome, detail = "completed", ""
        except EndedError as end:
            outcome, detail = end.outcome, end.detail
        hung = [name for name, peer in self.peers.items() if not peer.stop()]
        if hung and outcome in ("completed", "timeout"):
            outcome, detail = "hang", f"the {' and the '.join(hung)} did not end when told to"
        self.capture.close()
        everyone = [*self.gone, *self.peers.values()]
        result = {
            "outcome": outcome,
            "detail": detail,
            "seconds": self.seconds if outcome == "completed" else None,
            "until_ns": None if self.ended_ns is None else self.ended_ns + int(_SETTLE * _NS),
            "guest_seconds": (now() - began) / _NS,
            "capture_lost": self.capture.lost,
            "cpu": {name: sum(peer.cpu for peer in everyone if peer.name == name) for name in ("client", "server")},
            "counts": self._counts(everyone),
            "counters": network.counters() if self.job["rules"] else "",
        }
        for peer in everyone:
            peer.close()
        return result

    def logs(self) -> dict[str, bytes]:
        """What the peers said, a peer that was killed first."""
        logs = {"client.log": b"", "server.log": b""}
        for peer in [*self.gone, *self.peers.values()]:
            logs[f"{peer.name}.log"] += peer.log()
        return logs

    def _counts(self, everyone: Sequence[Peer]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for peer in everyone:
            for what, count in peer.counts.items():
                counts[what] = counts.get(what, 0) + count
        return counts

    # What is run.

    def _handshake(self) -> None:
        self._link()
        self._start("server")
        self._until(lambda: self._said("server", "ready"), START, "the server was not ready")
        self._start("client")
        self._completed(since=now())

    def _reconnect(self) -> None:
        self._clean()
        self._up()
        self._link()
        who = self.job["kill"]
        self._forget()
        before = now()
        self._kill(who)
        self._start(who)
        self._completed(since=before)

    def _soak(self) -> None:
        self._clean()
        self._up()
        self._link()
        self._forget()
        soak = self.job["soak"]
        output = os.open("ping.txt", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
        command = ["ping", "-n", "-D", "-W", "5", "-i", str(soak["ping_s"]), soak["address"]]
        began = now()
        self._plan_outages(began)
        with self._inside("client"):
            ping = spawn(command, output)
        try:
            self._until(lambda: False, soak["duration_s"], None)
        finally:
            os.kill(ping, SIGINT)
            os.waitpid(ping, 0)
            self.ended_ns = now()
            self.pings = (began, self.ended_ns, os.pread(output, os.fstat(output).st_size, 0))
            os.close(output)

    # Steps.

    def _up(self) -> None:
        """Peers that have met on a link without faults: the ground for all that is done to them later."""
        self._start("server")
        self._until(lambda: self._said("server", "ready"), START, "the server was not ready")
        self._start("client")
        self._until(self._done, self.job["limit_s"], "they did not even meet on a clean link")
        self.ended_ns = None
        self._until(lambda: False, 2.0, None)

    def _completed(self, *, since: int) -> None:
        """Wait until both are done; the clock starts with the client's first packet after ``since``."""
        self._until(lambda: self.capture.first_up is not None, START, "the client sent nothing", look=0.02)
        first = self.capture.first_up or now()
        self._plan_outages(first)
        deadline = first + int(self.job["limit_s"] * _NS)
        try:
            self._until(lambda: self._done(since), (deadline - now()) / _NS, "")
        except EndedError as end:
            self.ended_ns = min(now(), deadline)
            if isinstance(end, LateError):
                raise EndedError("timeout") from None
            raise
        self.ended_ns = max(self._when(name, since) or 0 for name in ("client", "server"))
        if self.ended_ns > deadline:
            raise EndedError("timeout")
        self.seconds = (self.ended_ns - first) / _NS
        self._until(lambda: False, _SETTLE, None)

    def _plan_outages(self, first: int) -> None:
        """When the link dies and comes back, on the clock of ``now``."""
        self.outages = [(first / _NS + at, rule) for at, rule in self.job["outages"]]

    def _forget(self) -> None:
        """What came before is not what is asked about."""
        self.capture.drain()
        self.capture.first_up = None
        del self.capture.records[:], self.capture.frames[:]

    def _done(self, since: int = 0) -> bool:
        return all(self._when(name, since) for name in ("client", "server"))

    def _when(self, name: str, since: int) -> int | None:
        peer = self.peers.get(name)
        wanted = self.job["peers"][name]["done"].encode()
        return next((when for when, line in peer.lines if when >= since and wanted in line), None) if peer else None

    def _said(self, name: str, what: str) -> bool:
        return self.peers[name].said(self.job["peers"][name][what]) is not None

    def _start(self, name: str) -> None:
        order = self.job["peers"][name]
        words = [str(self.turn["verb"]) if word == "{verb}" else word for word in order["command"]]
        with self._inside(name):
            self.peers[name] = Peer(name, words, cpu_limit=self.job["cpu_limit_s"], counted=order["count"])

    def _kill(self, name: str) -> None:
        peer = self.peers.pop(name)
        peer.stop(kill=True)
        self.closed.discard(peer.fd)
        self.gone.append(peer)

    def _inside(self, name: str) -> Inside:
        return Inside(self.namespaces[name], self.namespaces[network.ROUTER])

    def _clean(self) -> None:
        network.shape(network.PLAIN, network.PLAIN)

    def _link(self) -> None:
        network.shape(self.turn["qdiscs"]["up"], self.turn["qdiscs"]["down"])
        if self.job["rules"]:
            network.rules(self.job["rules"])

    # Waiting.

    def _until(self, reached: Callable[[], bool], seconds: float, late: str | None, look: float = _LOOK) -> None:
        """Until ``reached()``. After ``seconds``: EndedError("hang", late), or nothing where ``late`` is None."""
        deadline = time.monotonic() + seconds
        self._next_look = min(self._next_look, time.monotonic() + look)
        while not reached():
            moment = time.monotonic()
            if moment >= deadline:
                if late is None:
                    return
                raise LateError("hang", late)
            if moment >= self._next_look:
                self.capture.drain()
                self._next_look = moment + look
            self._wait(min(deadline, self._next_look) - moment)

    def _wait(self, seconds: float) -> None:
        if self.outages:
            until = self.outages[0][0] - now() / _NS
            if until <= 0:
                network.rules(self.outages.pop(0)[1])
                return
            seconds = min(seconds, until)
        listened = {peer.fd: peer for peer in self.peers.values() if peer.fd not in self.closed}
        ready, _, _ = select.select(list(listened), [], [], max(seconds, 0))
        for fd in ready:
            if not listened[fd].read():
                self.closed.add(fd)
        for peer in self.peers.values():
            if peer.fd in self.closed and peer.reap():
                raise _ended(peer)


def _ended(peer: Peer) -> EndedError:
    """A peer that nobody had told to end."""
    status = peer.status or 0
    if status == -SIGXCPU:
        return EndedError("hang", f"the {peer.name} used up its CPU time")
    import signal  # of no use where nobody crashes

    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
    return EndedError("crash", f"the {peer.name} {how}\n{peer.tail()}")
