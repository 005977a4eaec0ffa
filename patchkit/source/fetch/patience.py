"""A limit for servers that answer a byte at a time: requests' time-outs count from one byte to the next.

An endless row of ``100 Continue``, or a body of one byte a minute, keeps a connection busy for ever. A thread shuts the
connections of a session down when nothing whole has come for a while.
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


class Patience:
    """Watches the connections of one session, until the context is left."""

    def __init__(self, limit: float) -> None:
        self.exhausted = False
        """Whether the connections were shut down."""
        self._limit = limit
        self._until = time.monotonic() + limit
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def renew(self) -> None:
        """Begin the wait anew: something whole has come."""
        self._until = time.monotonic() + self._limit

    def add(self, connection: socket.socket) -> None:
        """Watch ``connection`` as well, and begin the wait anew."""
        self._sockets.append(connection)
        self.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

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

        class Plain(HTTPConnection):
            def getresponse(self) -> Any:
                patience.add(self.sock)
                return super().getresponse()

        class Secure(HTTPSConnection):
            def getresponse(self) -> Any:
                patience.add(self.sock)
                return super().getresponse()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}
