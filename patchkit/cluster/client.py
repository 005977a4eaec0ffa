"""The client's side of a cluster: units of work go to the workers that can do them, results come back as bytes."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from patchkit.cluster.identity import Ability, identity, resource
from patchkit.cluster.preload import OFFER
from patchkit.cluster.task import ERROR, RESULT, TOPIC, input_value, unit_name
from patchkit.errors import ClusterError, NotRepeatedError, from_document

_CONNECT = 10.0  # seconds for the scheduler to answer
_PATIENCE = 15.0  # seconds without a worker that can do the work
_LOOK = 2.0  # seconds between two looks at the workers
_SETTLING = 5.0  # seconds for what workers have told already to come through the scheduler
_CLOSING = 5.0  # seconds
_AHEAD = 2  # units for each one that can run: a worker never waits for the client
_INPUT_LIMIT = "1 GiB"  # Dask warns of a task with more than 10 MB of inputs
PRELOAD = "patchkit.cluster.preload"
_MARK = "settled"

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Input:
    """Bytes that many units need: each worker gets them once, and knows them by their hash."""

    name: str
    data: bytes

    @cached_property
    def sha256(self) -> str:
        """The hash of the data, in hex."""
        return hashlib.sha256(self.data).hexdigest()


@contextmanager
def connected(address: str, ability: Ability) -> Iterator[Cluster]:
    """Connect, within the context, to the scheduler at ``address``, for work of the kind ``ability``.

    Raises ClusterError where Dask is not installed, the scheduler does not answer, or no worker can do the work, and
    NotRepeatedError at the end of a context that raises nothing itself. Whatever is still to be done then is cancelled.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            "--on needs Dask, which is not installed", why=str(error), advice="pip install 'patchkit[cluster]'"
        ) from error
    # Importing it has given each its own level: what they have to say, the errors below say in patchkit's words.
    for name in ("distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": _INPUT_LIMIT})
    _check_certificates(address)
    try:
        client = Client(
            address, timeout=_CONNECT, set_as_default=False, name="patchkit", direct_to_workers=False,
            serializers=["dask", "msgpack", "pickle"], deserializers=["dask", "msgpack"],
        )  # fmt: skip
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"the scheduler {address} does not answer",
            why=f"{type(error).__name__}: {error}",
            advice="dask scheduler starts one; for tls:// see docs/scale.md",
        ) from error
    cluster = Cluster(client, address, ability)
    try:
        client.subscribe_topic(TOPIC, cluster.heard)
        cluster.wait_for_workers()
        yield cluster
        cluster.settle()
    finally:
        cluster.close()


@dataclass
class Cluster:
    """A scheduler that is connected, and its workers."""

    client: Any
    address: str
    ability: Ability
    _run: str = field(default_factory=lambda: secrets.token_hex(4))
    """Goes into all keys: a second client may do the same work."""
    _inputs: dict[str, Any] = field(default_factory=dict)
    _hashes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of each unit: the hash of its result, and the worker that gave it."""
    _lacking: dict[str, str] = field(default_factory=dict)
    """What workers have said since they began, by address."""
    _error: NotRepeatedError | None = None
    _settled: threading.Event = field(default_factory=threading.Event)
    _looked: float = 0.0
    _slots: int = 0
    _without: float | None = None

    def submit(
        self,
        function: Callable[..., bytes | Awaitable[bytes]],
        unit: bytes,
        inputs: Sequence[Input],
        name: tuple[str | int, ...],
        read: Callable[[bytes], _Value],
    ) -> Future[_Value]:
        """Run ``function`` of ``unit`` and ``inputs`` on a worker; the future has what ``read`` makes of the result.

        ``name`` is for Dask's dashboard. The future raises what the work raised there; ClusterError where the scheduler
        is gone, or the work has ended several workers.
        """
        future: Future[_Value] = Future()
        executor = self._executor
        source = executor.submit(
            function, unit, *map(self._input, inputs), key=(*name, self._run), resources={resource(self.ability): 1}
        )

        def finish(finished: Future[bytes]) -> None:
            if future.cancelled():
                return
            try:
                future.set_result(read(_result(finished, unit_name(name))))
            except Exception as error:  # noqa: BLE001 - the future raises it
                future.set_exception(error)

        future.add_done_callback(lambda done: source.cancel() if done.cancelled() else None)
        source.add_done_callback(finish)
        return future

    @cached_property
    def _executor(self) -> Any:
        return self.client.get_executor(pure=False)

    def _input(self, given: Input) -> Any:
        digest = given.sha256
        if digest not in self._inputs:
            # Where any worker of this patchkit is, if it does no such work: another has no such function.
            self._inputs[digest] = self.client.submit(
                input_value, given.data, key=(f"input {given.name}", digest, self._run), pure=False,
                resources={resource(self.ability): 0},
            )  # fmt: skip
        return self._inputs[digest]

    def room(self) -> int:
        """Return how many units may be on their way: more than can run, so that no worker waits for the client."""
        if time.monotonic() - self._looked > _LOOK:
            self._look()
        return max(1, _AHEAD * self._slots)

    @property
    def slots(self) -> int:
        """How many units can run at a time, as of the last look."""
        return self._slots

    def check(self) -> None:
        """Raise NotRepeatedError or ClusterError where it makes no sense to wait any longer."""
        if self._error is not None:
            raise self._error
        if time.monotonic() - self._looked > _LOOK:
            self._look()
        if self._slots:
            self._without = None
        elif self._without is None:
            self._without = time.monotonic()
        elif time.monotonic() - self._without > _PATIENCE:
            raise self._nobody()

    def settle(self) -> None:
        """Wait, for some seconds, until all that workers have told so far is heard. Raises NotRepeatedError.

        The scheduler passes on events in their order: an event of our own comes behind those.
        """
        # Dask raises errors of many kinds where the scheduler is gone: then it has nothing more to tell.
        with suppress(Exception):
            self.client.log_event(TOPIC, {_MARK: self._run})
            self._settled.wait(_SETTLING)
        if self._error is not None:
            raise self._error

    def wait_for_workers(self) -> None:
        """Wait until a worker can do the work. Raises ClusterError where none comes within some seconds."""
        until = time.monotonic() + _PATIENCE / 3
        while True:
            self._look()
            if self._slots:
                return
            if time.monotonic() > until:
                raise self._nobody()
            time.sleep(0.2)

    def heard(self, event: tuple[float, Any]) -> None:
        """Compare what a worker tells of a unit with what was told of it before; called for each event."""
        message = event[1]
        if not isinstance(message, dict):
            return
        if message.get(_MARK) == self._run:
            self._settled.set()
            return
        worker = str(message.get("worker"))
        if message.get("ability") == self.ability:
            self._lacking[worker] = str(message.get("lacks"))
        unit, digest = message.get("unit"), message.get("sha256")
        if not isinstance(unit, str) or not unit.endswith(self._run):
            return
        first, by = self._hashes.setdefault(unit, (str(digest), worker))
        if first != digest:
            self._error = NotRepeatedError(
                f"{unit.removesuffix(self._run).strip()} gave two results",
                why=f"{first} on {by}, {digest} on {worker}",
                advice="the memory or the disk of one of them is faulty, or patchkit is: please report it",
            )

    def close(self) -> None:
        """Cancel what is not done, and leave."""
        # Dask raises errors of many kinds where the scheduler is gone, and then there is nothing left to cancel.
        with suppress(Exception):
            self._executor.shutdown(wait=False)
        with suppress(Exception):
            self.client.cancel(list(self._inputs.values()), force=True)
        with suppress(Exception):
            self.client.close(timeout=_CLOSING)

    def _look(self) -> None:
        self._looked = time.monotonic()
        workers = self._workers()
        self._slots = int(sum(info.get("resources", {}).get(resource(self.ability), 0) for info in workers.values()))

    def _workers(self) -> dict[str, dict[str, Any]]:
        try:
            if self.client.status == "running":
                return dict(self.client.scheduler_info(n_workers=-1)["workers"])
        except (OSError, TimeoutError, RuntimeError, KeyError):
            pass
        raise _gone(self.address)

    def _nobody(self) -> ClusterError:
        workers = self._workers()
        why = [f"{info.get('name') or address}: {self._reason(address, info)}" for address, info in workers.items()]
        return ClusterError(
            f"no worker of {self.address} can {_WORK[self.ability]}",
            why="\n".join(why) or "it has no workers",
            advice=f"dask worker {self.address} --preload {PRELOAD}, with patchkit {identity()} installed there",
        )

    def _reason(self, address: str, info: dict[str, Any]) -> str:
        if address in self._lacking:
            return self._lacking[address]
        offer = info.get(OFFER)
        if not isinstance(offer, dict):
            return f"it was not started with --preload {PRELOAD}"
        if offer.get("identity") != identity():
            return f"it has another patchkit, {offer.get('version')} ({offer.get('identity')}); this is {identity()}"
        return str(offer.get("lacks", {}).get(self.ability, "it offers nothing"))


_WORK: Mapping[Ability, str] = {"lab": "run trials", "build": "build"}
"""What a worker can do that has an ability, as messages state it."""


def _check_certificates(address: str) -> None:
    """Raise ClusterError where Dask has no certificates for ``address``: it would try without, time and again."""
    from distributed.security import Security

    if not address.startswith("tls://"):
        return
    why = "Dask's configuration names none"
    try:
        if Security().get_connection_args("client")["ssl_context"] is not None:
            return
    except (OSError, ValueError) as error:  # one is missing, or is not one
        why = str(error)
    raise ClusterError(
        f"the certificates for {address} can't be used",
        why=why,
        advice="set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and the others: docs/scale.md",
    )


def _result(finished: Future[bytes], name: str) -> bytes:
    try:
        answer = finished.result()
    except CancelledError as error:
        raise _gone("of the cluster") from error
    except Exception as error:  # Dask's own: the work itself raises nothing, its errors are answers
        raise ClusterError(
            f"{name} was not done",
            why=f"{type(error).__name__}: {error}",
            advice="see the logs of the workers; then run the same command again, lab run with --resume",
        ) from error
    kind, rest = answer[:1], answer[1:]
    if kind == ERROR:
        raise from_document(json.loads(rest))
    if kind != RESULT:
        raise ClusterError(f"{name} was answered by something that is not patchkit")
    return rest


def _gone(which: str) -> ClusterError:
    return ClusterError(
        f"the scheduler {which} is gone",
        why="the connection was lost, or it has dropped the work",
        advice="start it again, with its workers; what is done is kept, and --resume, or the same command, goes on",
    )
