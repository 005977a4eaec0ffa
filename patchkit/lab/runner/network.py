"""Three network namespaces: client - router - server. The runner itself lives in the router's.

They have no names: descriptors hold them, and with the runner and its peers they are gone.
"""

from __future__ import annotations

import _socket as socket  # see capture.py
import os

from . import netem
from .namespaces import Inside, make
from .netlink import Netlink, without_offloads
from .process import call

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PLAIN = {"kind": "pfifo"}
"""A qdisc that does nothing."""
CLIENT, ROUTER, SERVER = "client", "router", "server"
TO_CLIENT, TO_SERVER = "toclient", "toserver"
"""The router's two devices."""
_MTU = 1500
_NO_IPV6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6"


def build() -> dict[str, int]:
    """Make the namespaces and the cables, and enter the router's namespace. Raises OSError.

    Returns a descriptor of each namespace, by :data:`CLIENT`, :data:`ROUTER` and :data:`SERVER`.
    """
    namespaces, sockets = {}, {}
    for who in (CLIENT, SERVER, ROUTER):
        make()
        if os.path.exists(_NO_IPV6):  # noqa: PTH110 - pathlib would be compiled at every boot
            with open(_NO_IPV6, "w") as setting:  # noqa: PTH123
                setting.write("1")
        sockets[who] = Netlink()
        namespaces[who] = sockets[who].namespace()
    router = sockets[ROUTER]
    for net, (who, device) in enumerate(((CLIENT, TO_CLIENT), (SERVER, TO_SERVER)), start=1):
        near, far = _mac(net, 1), _mac(net, 2)
        router.add_cable(device, near, "eth0", far, namespaces[who])
        _configure(router, device, f"10.77.{net}.1", f"10.77.{net}.2", far)
        router.forward(socket.if_nametoindex(device))
        with Inside(namespaces[who], namespaces[ROUTER]):
            sockets[who].set_up(socket.if_nametoindex("lo"))
            _configure(sockets[who], "eth0", f"10.77.{net}.2", f"10.77.{net}.1", near)
            sockets[who].add_default_route(f"10.77.{net}.1")
    for netlink in sockets.values():
        netlink.close()
    return namespaces


def _configure(netlink: Netlink, device: str, address: str, other: str, other_mac: bytes) -> None:
    """Set up one end of a cable, in its namespace."""
    index = socket.if_nametoindex(device)
    without_offloads(device)
    netlink.set_up(index, _MTU)
    netlink.add_address(index, address, 24)
    # No ARP on a link that loses packets: what is measured is the handshake.
    netlink.add_neighbour(index, other, other_mac)


def _mac(net: int, end: int) -> bytes:
    return bytes((2, 0, 0, 77, net, end))  # 2: locally administered


def shape(up: Mapping[str, Any], down: Mapping[str, Any]) -> None:
    """Put a qdisc on each of the router's devices. In the router's namespace, as all that follows. Raises OSError."""
    netlink = Netlink()
    for device, qdisc in ((TO_SERVER, up), (TO_CLIENT, down)):
        netlink.replace_qdisc(socket.if_nametoindex(device), qdisc["kind"], netem.options(qdisc))
    netlink.close()


def rules(text: str) -> None:
    """Load a set of rules for nft."""
    call(["nft", "-f", "-"], stdin=text)


def counters() -> str:
    """The rules' named counters, as nft's JSON."""
    return call(["nft", "-j", "list", "counters"])
