"""Network devices, addresses, routes and neighbours, set through rtnetlink(7): a message each, and no program."""

from __future__ import annotations

import _socket as socket  # see capture.py
import fcntl
import os
import struct
from array import array

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Mapping

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h, linux/veth.h
_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE, _NEW_NEIGHBOUR, _NEW_QDISC = 16, 20, 24, 28, 36
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_ERROR = 2
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 1, 3, 4, 18, 26, 28
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_INET_CONF, _CONF_FORWARDING = 1, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_GATEWAY = 5
_TABLE_MAIN, _PROTOCOL_STATIC, _UNICAST = 254, 4, 1
_NDA_DST, _NDA_LLADDR, _PERMANENT = 1, 2, 0x80
_TCA_KIND, _TCA_OPTIONS, _ROOT = 1, 2, 0xFFFFFFFF
_UP = 1
# linux/sockios.h, linux/ethtool.h: the receiving and sending checksum, scatter-gather, TSO, GSO and GRO.
_SIOCETHTOOL, _SIOCGSKNS = 0x8946, 0x894C
_OFFLOADS = (0x15, 0x17, 0x19, 0x1F, 0x24, 0x2C)


class Netlink:
    """A socket in the namespace where it was made; it works there from whatever namespace it is used."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)

    def namespace(self) -> int:
        """Open a descriptor of the namespace: it lives until the last one is closed and the last process has left."""
        return fcntl.ioctl(self._socket, _SIOCGSKNS)

    def add_cable(self, name: str, mac: bytes, other: str, other_mac: bytes, namespace: int) -> None:
        """Make the device ``name`` here, and at the other end of its cable ``other`` in ``namespace``."""
        far = attributes({_IFLA_IFNAME: _text(other), _IFLA_ADDRESS: other_mac, _IFLA_NET_NS_FD: _u32(namespace)})
        data = {_VETH_INFO_PEER: _link_head(0) + far}
        kind = {_INFO_KIND: b"veth", _INFO_DATA: attributes(data)}
        own = {_IFLA_IFNAME: _text(name), _IFLA_ADDRESS: mac, _IFLA_LINKINFO: attributes(kind)}
        self._ask(_NEW_LINK, _link_head(0) + attributes(own), _CREATE | _EXCLUSIVE)

    def set_up(self, index: int, mtu: int | None = None) -> None:
        """Take the device into operation."""
        self._ask(_NEW_LINK, _link_head(index, _UP) + attributes({_IFLA_MTU: _u32(mtu)} if mtu else {}))

    def forward(self, index: int) -> None:
        """Forward what comes in from the device."""
        conf = attributes({_INET_CONF: attributes({_CONF_FORWARDING: _u32(1)})})
        spec = attributes({_IFLA_AF_SPEC: attributes({socket.AF_INET: conf})})
        self._ask(_NEW_LINK, _link_head(index) + spec)

    def add_address(self, index: int, address: str, prefix: int) -> None:
        """Give the device an address."""
        packed = socket.inet_aton(address)
        head = struct.pack("BBBBi", socket.AF_INET, prefix, 0, 0, index)
        self._ask(_NEW_ADDRESS, head + attributes({_IFA_LOCAL: packed, _IFA_ADDRESS: packed}), _CREATE | _EXCLUSIVE)

    def add_default_route(self, gateway: str) -> None:
        """Send what is for nobody near to ``gateway``."""
        head = struct.pack("BBBBBBBBI", socket.AF_INET, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, 0, _UNICAST, 0)
        self._ask(_NEW_ROUTE, head + attributes({_RTA_GATEWAY: socket.inet_aton(gateway)}), _CREATE | _EXCLUSIVE)

    def add_neighbour(self, index: int, address: str, mac: bytes) -> None:
        """Tell where ``address`` is, for good."""
        head = struct.pack("BxxxiHBB", socket.AF_INET, index, _PERMANENT, 0, 0)
        parts = {_NDA_DST: socket.inet_aton(address), _NDA_LLADDR: mac}
        self._ask(_NEW_NEIGHBOUR, head + attributes(parts), _CREATE | _EXCLUSIVE)

    def replace_qdisc(self, index: int, kind: str, options: bytes) -> None:
        """Make a qdisc the root of the device, with the defaults of ``kind`` where there are no ``options``."""
        head = struct.pack("=BxxxiIII", socket.AF_UNSPEC, index, 0, _ROOT, 0)
        parts = {_TCA_KIND: _text(kind), **({_TCA_OPTIONS: options} if options else {})}
        self._ask(_NEW_QDISC, head + attributes(parts), _CREATE | _REPLACE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send a request. Raises OSError with the kernel's reason."""
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body)
        answer = self._socket.recv(65536)
        answer_kind, code = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
        if answer_kind != _ERROR:
            raise RuntimeError(f"rtnetlink answered message {kind} with one of type {answer_kind}")
        if code:
            raise OSError(-code, f"{os.strerror(-code)} (rtnetlink message {kind})")


def without_offloads(device: str) -> None:
    """Switch off the offloads of ``device``, which is in this namespace. Raises OSError.

    They would let one packet through netem where the wire has several, and without checksums.
    """
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for command in _OFFLOADS:
            value = array("I", [command, 0])  # struct ethtool_value
            request = struct.pack("16sQ16x", device.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request)
    finally:
        control.close()


def _link_head(index: int, flags: int = 0) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def attributes(parts: Mapping[int, bytes]) -> bytes:
    """Pack the attributes of a message, by their types."""
    packed = b""
    for kind, data in parts.items():
        packed += struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
    return packed


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _u32(value: int) -> bytes:
    return struct.pack("I", value)
