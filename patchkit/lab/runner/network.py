"""Three network namespaces: client - router - server. The runner itself lives in the router's."""

from __future__ import annotations

import subprocess

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENT, ROUTER, SERVER = "client", "router", "server"
TO_CLIENT, TO_SERVER = "toclient", "toserver"
"""The router's two devices."""
_MTU = "1500"
_NO_IPV6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6"


def namespace(prefix: str, who: str) -> str:
    """The namespace's name on this host; ``prefix`` keeps two runs apart."""
    return f"{prefix}{who}"


def inside(prefix: str, who: str, command: Sequence[str]) -> list[str]:
    """A command, in one of the namespaces."""
    return ["ip", "netns", "exec", namespace(prefix, who), *command]


def build(prefix: str) -> None:
    """Make the namespaces and the cables. Raises RuntimeError with what ``ip`` said."""
    run("-batch", "-", stdin="".join(f"netns add {namespace(prefix, who)}\n" for who in (CLIENT, ROUTER, SERVER)))
    cables = [(CLIENT, TO_CLIENT, 1), (SERVER, TO_SERVER, 2)]
    router = namespace(prefix, ROUTER)
    for who, device, _ in cables:
        other_end = ["peer", "name", "eth0", "netns", namespace(prefix, who)]
        run("-n", router, "link", "add", device, "type", "veth", *other_end)
    for who, device, net in cables:
        end = namespace(prefix, who)
        # Offloads would let one packet through netem where the wire has several, and without checksums.
        for where, name in ((router, device), (end, "eth0")):
            call(["ip", "netns", "exec", where, "ethtool", "-K", name, "tx", "off", "rx", "off", "tso", "off",
                  "gso", "off", "gro", "off"])  # fmt: skip
            call(["ip", "netns", "exec", where, "sh", "-c", f"[ ! -e {_NO_IPV6} ] || echo 1 >{_NO_IPV6}"])
        run("-n", router, "addr", "add", f"10.77.{net}.1/24", "dev", device)
        run("-n", end, "addr", "add", f"10.77.{net}.2/24", "dev", "eth0")
        run("-n", router, "link", "set", device, "up", "mtu", _MTU)
        run("-n", end, "link", "set", "eth0", "up", "mtu", _MTU)
        run("-n", end, "link", "set", "lo", "up")
        run("-n", end, "route", "add", "default", "via", f"10.77.{net}.1")
        # No ARP on a link that loses packets: what is measured is the handshake.
        _neighbour(end, "eth0", f"10.77.{net}.1", _mac(router, device))
        _neighbour(router, device, f"10.77.{net}.2", _mac(end, "eth0"))
    call(["ip", "netns", "exec", router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])


def tear_down(prefix: str) -> None:
    """Remove the namespaces, and with them all that is in them."""
    for who in (CLIENT, ROUTER, SERVER):
        tear_down_one(namespace(prefix, who))


def tear_down_one(name: str) -> None:
    """Remove a namespace, if it is there."""
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def shape(up: str, down: str) -> None:
    """Put a qdisc on each of the router's devices. In the router's namespace, as all that follows."""
    lines = [f"qdisc replace dev {device} root {qdisc}\n" for device, qdisc in ((TO_SERVER, up), (TO_CLIENT, down))]
    call(["tc", "-batch", "-"], stdin="".join(lines))


def rules(text: str) -> None:
    """Load a set of rules for nft."""
    call(["nft", "-f", "-"], stdin=text)


def counters() -> str:
    """The rules' named counters, as nft's JSON."""
    return call(["nft", "-j", "list", "counters"])


def _neighbour(where: str, device: str, address: str, mac: str) -> None:
    run("-n", where, "neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")


def _mac(where: str, device: str) -> str:
    shown = run("-n", where, "-o", "link", "show", "dev", device)
    return shown.split("link/ether ", 1)[1].split(" ", 1)[0]


def run(*arguments: str, stdin: str = "") -> str:
    """``ip``. Raises RuntimeError."""
    return call(["ip", *arguments], stdin=stdin)


def call(command: Sequence[str], stdin: str = "") -> str:
    """What a command printed. Raises RuntimeError with the first line of its complaint."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        # What follows the first line is tc's whole manual.
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise RuntimeError(f"{' '.join(command)}: {said}")
    return done.stdout
