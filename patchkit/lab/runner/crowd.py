"""One server and many clients, each a process of its own with a tun device of its own. All begin at once, or nearly."""

from __future__ import annotations

from .experiment import START, Experiment
from .process import Peer, now

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_NS = 1_000_000_000


class Client(Peer):
    """One of many: it notes itself when it began to send and when it was done."""

    def __init__(self, number: int, command: Sequence[str], cpu_limit: float, begun: str, done: str) -> None:
        super().__init__("client", command, cpu_limit=cpu_limit, counted={})
        self.number = number
        self.begun: int | None = None
        self.done: int | None = None
        self._begun = begun.encode()
        self._done = done.encode()

    def _line(self, when: int, line: bytes) -> None:
        self.lines.append((when, line))
        if self.begun is None and self._begun in line:
            self.begun = when
        if self.done is None and self._done in line:
            self.done = when


class Crowd(Experiment):
    """A handshake of many: completed when the last one is done."""

    clients: Sequence[Client] = ()

    def run(self) -> dict[str, Any]:
        """What became of it, and of each client."""
        outcome = super().run()
        outcome["crowd"] = [self._seconds(client) for client in self.clients]
        return outcome

    def logs(self) -> dict[str, bytes]:
        """What they said, the clients one behind the other."""
        said = [b"== client %d ==\n%b" % (client.number, client.log()) for client in self.clients]
        return {"client.log": b"".join(said), "server.log": self.peers["server"].log()}

    def _handshake(self) -> None:
        self._link()
        self._start("server")
        self._until(lambda: self._said("server", "ready"), START, "the server was not ready")
        began = now()
        self.clients = []
        for number, after in enumerate(self.turn["starts"], start=1):
            self._until(lambda: False, began / _NS + after - now() / _NS, None)
            self.clients.append(self._client(number))
            self.peers[f"client {number}"] = self.clients[-1]
        self._completed(since=began)

    def _client(self, number: int) -> Client:
        order = self.job["peers"]["client"]
        words = [str(self.turn["verb"]) if word == "{verb}" else word for word in order["command"]]
        with self._inside("client"):
            return Client(number, words, self.job["cpu_limit_s"], self.job["crowd"]["begun"], order["done"])

    def _when(self, name: str, since: int) -> int | None:
        """When the last one was done. A client is done when the server is done with it."""
        if name == "server":
            return since
        last = since
        for client in self.clients:
            if client.done is None:
                return None
            last = max(last, client.done)
        return last

    def _seconds(self, client: Client) -> float | None:
        if client.begun is None or client.done is None or self.ended_ns is None or client.done > self.ended_ns:
            return None
        return (client.done - client.begun) / _NS
