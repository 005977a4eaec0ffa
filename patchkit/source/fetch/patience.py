"""A limit for servers that answer a byte at a time: requests' time-outs count from one byte to the next.

An endless row of ``100 Continue``, a body or a TLS handshake of one byte a minute keeps a connection busy for ever. A
thread shuts the connections of a session down when nothing whole has come for a while.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class PatienceError(Exception):
    """The limit was reached. Neither urllib3 nor requests knows this error, so neither of them tries again."""


class Patience:
    """Watches the connections of one session, until the context is left."""

    def __init__(self, limit: float) -> None:
        self.exhausted = False
        """Whether the connections were shut down."""
        self.limit = limit
        """Seconds."""
        self._until = time.monotonic() + limit
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Begin the wait anew: something whole has come."""
        self._until = time.monotonic() + self.limit

    def add(self, connection: socket.socket) -> None:
        """Watch ``connection`` as well, and begin the wait anew. Raises PatienceError where the limit was reached."""
        self.check()
        # TLS takes the socket's descriptor over; this one stays.
        self._sockets.append(connection.dup())
        self.renew()

    def check(self) -> None:
        """Raise PatienceError where the limit was reached."""
        if self.exhausted:
            raise PatienceError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for connection in self._sockets:
            connection.close()

    def _watch(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            if self._ended.wait(left):
                return
        self.exhausted = True
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class WatchedAdapter(HTTPAdapter):
    """An adapter of requests whose connections ``patience`` watches."""

    def __init__(self, patience: Patience, **settings: Any) -> None:
        self._patience = patience
        super().__init__(**settings)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools with connections that are watched."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools of a proxy with connections that are watched."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools()
        return manager

    def _pools(self) -> dict[str, type]:
        patience = self._patience

        class Watched(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                made: socket.socket = super()._new_conn()
                patience.add(made)
                return made

            def connect(self) -> None:
                try:
                    super().connect()
                except Exception:
                    patience.check()
                    raise

            def getresponse(self) -> Any:
                try:
                    return super().getresponse()
                except Exception:
                    patience.check()
                    raise

        class Plain(Watched):
            pass

        class Secure(Watched, HTTPSConnection):
            pass

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}
