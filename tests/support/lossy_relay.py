"""A UDP relay on loopback that loses, repeats or rewrites datagrams: a bad link for tests between real processes.

Which datagram meets which toss of the coin depends on when two real processes send: tests that use the relay ask
for what every order of events must show.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.support.loopback import Address

Fate = Callable[[bytes, bool], Sequence[bytes]]
"""What arrives in a datagram's place; the second argument tells whether the client sent it."""
_P_ACK_V1 = 5  # the opcode is in the first byte's upper five bits, as long as no tls-crypt hides it


def is_pure_ack(datagram: bytes) -> bool:
    return bool(datagram) and datagram[0] >> 3 == _P_ACK_V1


@contextmanager
def relay(server: Address, fate: Fate) -> Iterator[Address]:
    """Relay between one client and the server; yields where the client finds it."""
    towards_client, towards_server = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    stop = threading.Event()
    with towards_client, towards_server:
        towards_client.bind(("127.0.0.1", 0))
        towards_server.connect(server)
        for end in (towards_client, towards_server):
            end.setblocking(False)  # what select saw may be an error that sending has met in the meantime
        thread = threading.Thread(target=_relay, args=(towards_client, towards_server, fate, stop))
        thread.start()
        try:
            yield towards_client.getsockname()
        finally:
            stop.set()
            thread.join()


def _relay(towards_client: socket.socket, towards_server: socket.socket, fate: Fate, stop: threading.Event) -> None:
    client = None
    while not stop.is_set():
        readable, _, _ = select.select([towards_client, towards_server], [], [], 0.05)
        for end in readable:
            try:
                data, sender = end.recvfrom(65536)
                from_client = end is towards_client
                client = sender if from_client else client
                for arriving in fate(data, from_client):
                    if from_client:
                        towards_server.send(arriving)
                        stop.wait(0.002)  # each an event of its own for the server
                    elif client is not None:
                        towards_client.sendto(arriving, client)
            except (ConnectionRefusedError, BlockingIOError):
                continue  # the server has gone: that is what a test may be waiting for
