"""One end's log, line by line: who it is, which peers it has, and the handshakes of each."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator

from patchkit.diagnosis.events import Event
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.input.framing import Framed
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import BACK_WITHIN, End, Ending, LoggedPeer
from patchkit.diagnosis.reliable import broken_ids, packet_of
from patchkit.diagnosis.window import NEW_WINDOW, OLD_WINDOW

_MOST_PEERS = 20_000  # of which something is remembered: the one that was seen longest ago is judged and forgotten
_MOST_HOSTS = 4096
_SOONEST, _SOON = 0.2, 9.0  # seconds: apps give up a server that is silent after 10
_TRANSPORT = re.compile(r"^(?:udp|tcp)[46]?(?:-\w+)?:")
_ADDRESS = re.compile(
    r"\[(?:AF_\w+|undef)\]\s*(\S+?:\d{1,5})(?=[\s,:;)\]]|$)|\bfrom (?:\[AF_\w+\])?(\S+:\d{1,5})(?=[\s,]|$)"
)
_HIDDEN = re.compile(r" from (\[ ?AF_INET6?\]\S{1,80})$")  # an address that was made unreadable
_VERSION = re.compile(r"(?:OpenVPN|core) (?:core )?v?(\d+\.\d+(?:\.\d+)?(?:[._-]?(?:alpha|beta|rc)\d*)?)")
_OUR_CALLS = re.compile(
    r"(?:read|write) (?:UDP|TCP)|(?:UDP|TCP)|Attempting|TCP/UDP|Transport|NETWORK|connect|Connection|recv|send"
)
_OLD_SERIES = (2, 5)

Sink = Callable[[Handshake, End], None]


class Stream:
    """The state of one end. Each handshake that is over is given to ``judge``, and so are endings of sessions."""

    def __init__(self, end: End, judge: Sink, ending: Callable[[Ending, End], None]) -> None:
        self.end = end
        self._judge = judge
        self._ending = ending
        self._peers: OrderedDict[str, LoggedPeer] = OrderedDict()
        self._own = LoggedPeer("")
        """A client's server, or the other one of two."""
        self._replay_line = -9
        self._names: OrderedDict[str, tuple[float | None, Mark]] = OrderedDict()
        self._last: float | None = None
        self._handlers: dict[str, Callable[[Mark, str, LoggedPeer], None]] = {
            "version": self._version, "multi-init": self._server, "link-remote": self._link_remote,
            "contacting": self._link_remote, "tcp-accepted": self._tcp_accepted, "state": self._state,
            "event": self._core_event, "initial": self._initial, "instance": self._instance, "reneg": self._reneg,
            "push-reply": self._push_reply,
            "initiated": self._initiated, "completed": self._completed, "session-active": self._initiated,
            "tls-done": self._tls_done, "timeout": self._failed, "handshake-failed": self._failed,
            "poll-timeout": self._failed, "ended": self._ended, "ping-restart": self._ping_restart,
            "broken": self._broken, "packet": self._packet, "cookie": self._cookie, "wrap": self._wrap,
            "decrypt": self._decrypt, "refused": self._call, "unreachable": self._call, "not-permitted": self._call,
            "too-long": self._call, "tcp-reset": self._call, "management-client": self._management,
            "auth-deferred": self._management, "closing": self._nothing, "mute": self._mute, "buffers": self._nothing,
            "fatal": self._anyone, "options": self._anyone, "resolve": self._anyone, "in-use": self._anyone,
            "duplicate-cn": self._duplicate, "cipher": self._anyone, "bad-length": self._anyone,
        }  # fmt: skip

    def ordinary(self, peer: LoggedPeer, time: Callable[[], float | None]) -> bool:
        """Take a handshake with ``peer`` that completed within a second: it has a key that works.

        Returns False, and takes nothing, where a handshake is open whose first lines were parsed, and where the peer
        had gone shortly before ``time()``: then its return counts.
        """
        end = self.end
        if peer.handshake is not None:
            return False
        gone = (end.left.get(peer.name) or end.left.get(peer.host)) if end.left else None
        if gone is not None:
            now = time()
            if now is None or gone.time is None or 0 <= now - gone.time <= BACK_WITHIN:
                return False
            end.left.pop(peer.name, None)
            end.left.pop(peer.host, None)
        end.is_server = True
        end.verb = max(end.verb, 3)
        end.lines += 1
        peer.is_up, peer.settling = True, False
        return True

    def feed(self, event: Event, framed: Framed, peer_prefix: tuple[str, str, str], file: str, line: int) -> None:
        """Take a line that was recognised as ``event``, ``line`` of ``file``; see ``peer_of`` for ``peer_prefix``."""
        name, address, message = peer_prefix
        mark = Mark(event.kind, framed.time, file, line, framed.stamp, message)
        end = self.end
        end.lines += 1
        end.verb = max(end.verb, event.verb, 4 if framed.micro else 0, 5 if framed.letters else 0)
        if framed.time is not None:
            end.see(framed.time, framed.stamp)
        if address:
            end.is_server = True
            peer = self.peer(address, name)
        else:
            peer = self._addressed(message) if end.is_server and event.kind in _BY_ADDRESS else self._own
        before = peer.handshake
        if before is not None and framed.letters:
            before.letters(framed.letters)
        handler = self._handlers.get(event.kind)
        if handler is not None:
            handler(mark, message, peer)
        else:
            self._add(peer, mark)
        if before is None and peer.handshake is not None:
            peer.handshake.letters(framed.letters)
        elif event.kind == "cookie" and before is None and "R" not in framed.letters:
            end.unheard += framed.letters.count("W")
            end.unheard_line = end.unheard_line or mark

    def finish(self) -> None:
        """Judge what is open: the log is over."""
        for peer in [*self._peers.values(), self._own]:
            self._close(peer)

    # Who it is.

    def _version(self, _mark: Mark, message: str, _peer: LoggedPeer) -> None:
        match = _VERSION.search(message)
        if match and not message.startswith("OpenVPN 2.x"):
            self.end.version = match[1]
            numbers = tuple(int(part) for part in re.findall(r"\d+", match[1])[:2])
            self.end.window = OLD_WINDOW if numbers <= _OLD_SERIES else NEW_WINDOW

    def _server(self, _mark: Mark, _message: str, _peer: LoggedPeer) -> None:
        self.end.is_server = True
        self.end.is_multi = True
        self._own = LoggedPeer("")

    def peer(self, address: str, name: str = "") -> LoggedPeer:
        """Return the peer at ``address``, which is the one that was seen last from now on."""
        peer = self._peers.get(address)
        if peer is None and address.startswith(("udp", "tcp")):  # 2.7 has it in front, though not in its texts
            address = _TRANSPORT.sub("", address)
            peer = self._peers.get(address)
        if peer is None:
            peer = self._peers[address] = LoggedPeer(address)
            if len(self._peers) > _MOST_PEERS:
                _, oldest = self._peers.popitem(last=False)
                self._close(oldest)
        else:
            self._peers.move_to_end(address)
        if name and not peer.name:
            peer.name = name
        return peer

    def _addressed(self, message: str) -> LoggedPeer:
        match = _ADDRESS.search(message)
        return self.peer(match[1] or match[2]) if match else self._own

    # Handshakes.

    def _open(self, peer: LoggedPeer, mark: Mark, *, renegotiation: bool = False) -> Handshake:
        self._close(peer)
        side = "server" if self.end.is_server else "client"
        peer.handshake = Handshake(peer.label, side, is_renegotiation=renegotiation, is_tcp=self.end.is_tcp)
        peer.is_up = peer.is_up and renegotiation
        if self.end.is_server and not renegotiation and peer is not self._own and mark.time is not None:
            self._begun(peer, mark, mark.time)
        self._add(peer, mark)
        return peer.handshake

    def _begun(self, peer: LoggedPeer, mark: Mark, time: float) -> None:
        """Note whether the host of ``peer`` had begun an attempt a moment ago, and gave it up: no timer is so short."""
        begun = self.end.begun
        earlier = begun.pop(peer.host, None)
        begun[peer.host] = (time, peer.address)
        if len(begun) > _MOST_HOSTS:
            begun.popitem(last=False)
        if earlier is None or earlier[1] == peer.address or not _SOONEST <= time - earlier[0] <= _SOON:
            return
        left = self._peers.get(earlier[1])
        if left is not None and left.handshake is not None and not left.is_up:
            left.handshake.mark(Mark("returned", mark.time, mark.file, mark.line, mark.stamp, mark.text))

    def _add(self, peer: LoggedPeer, mark: Mark) -> Handshake | None:
        """Add ``mark`` to the handshake of ``peer``; begin one where an excerpt begins in the middle of it."""
        if peer.handshake is None:
            if peer.is_up and mark.kind in _MEANS_NOTHING_WHEN_UP:
                return None
            side = "server" if self.end.is_server else "client"
            peer.handshake = Handshake(
                peer.label, side, is_renegotiation=peer.is_up, is_tcp=self.end.is_tcp and not self.end.is_udp
            )
        peer.handshake.peer = peer.label
        peer.handshake.mark(mark)
        return peer.handshake

    def _close(self, peer: LoggedPeer) -> None:
        if peer.handshake is not None:
            handshake, peer.handshake = peer.handshake, None
            handshake.peer = peer.label
            self._judge(handshake, self.end)

    def _nothing(self, _mark: Mark, _message: str, _peer: LoggedPeer) -> None:
        pass

    def _anyone(self, mark: Mark, _message: str, peer: LoggedPeer) -> None:
        self._add(peer, mark)

    def _duplicate(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        name = message.partition("client '")[2].partition("'")[0][:64]
        self._ending(Ending("duplicate-cn", name, mark), self.end)

    def _link_remote(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        transport = message[:4]
        end = self.end
        if end.is_server or "[AF_UNSPEC]" in message or message.endswith(("[undef]", "[undef]:0")):
            if "[AF_UNSPEC]" in message or "SERVER" in message[:12]:
                end.is_server = True
            self._transport(transport)
            return
        self._transport("TCP" if "TCP" in message else transport)
        match = _ADDRESS.search(message)
        if match:
            self._own.address = match[1] or match[2]
        elif " link remote: " in message:
            self._own.address = message.rpartition(" link remote: ")[2].strip()[:80]
        if mark.kind == "contacting" and self._own.handshake is not None and not self._own.handshake.has("initial"):
            self._add(self._own, mark)
            return
        self._open(self._own, mark)

    def _transport(self, text: str) -> None:
        self.end.is_tcp = self.end.is_tcp or text.startswith(("TCPv", "TCP"))
        self.end.is_udp = self.end.is_udp or text.startswith("UDP")

    def _tcp_accepted(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        self.end.is_tcp = True
        if "TCP connection established with" in message and (match := _ADDRESS.search(message)):
            if self._own.address == (match[1] or match[2]) or (self._own.handshake and not self.end.is_server):
                self._add(self._own, mark)
                return
            self.end.accepted = mark
            if self.end.is_server:
                self._open(self.peer(match[1] or match[2]), mark).is_tcp = True

    def _instance(self, mark: Mark, _message: str, peer: LoggedPeer) -> None:
        if peer.address and self.end.is_server and peer is not self._own:
            if peer.handshake is not None and peer.handshake.first.keys() == {"cookie"}:
                peer.handshake.mark(mark)
            else:
                self._open(peer, mark)

    def _initial(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        handshake = peer.handshake
        # The packet itself may be logged before this line; a later one of the same peer begins anew.
        is_fresh = handshake is not None and not (
            handshake.is_renegotiation
            or handshake.has("initial", "verified-leaf", "timeout")
            or handshake.reliable.control_read
        )
        if peer is self._own and not peer.address and (match := _ADDRESS.search(message)):
            peer.address = match[1] or match[2]
        if is_fresh:
            self._add(peer, mark)
        else:
            self._open(peer, mark)
        if self.end.accepted is not None and peer.handshake is not None and not self.end.is_udp:
            peer.handshake.is_tcp = True

    def _reneg(self, mark: Mark, _message: str, peer: LoggedPeer) -> None:
        peer.is_up = True
        self._open(peer, mark, renegotiation=True)

    def _tls_done(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        handshake = self._add(peer, mark)
        if handshake is not None and handshake.is_renegotiation and message.startswith("Control Channel"):
            self._close(peer)

    def _initiated(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        name, bracket, _ = message.partition("] Peer Connection")
        if bracket and name.startswith("["):
            peer.name = peer.name or name[1:65]
        self._add(peer, mark)
        peer.is_up = True
        self._came_back(peer, mark)
        if self.end.is_server:
            peer.settling = True

    def _completed(self, mark: Mark, _message: str, peer: LoggedPeer) -> None:
        self.end.completions += 1
        if peer is self._own and self.end.is_server:
            return  # the server's own start
        own = self._own
        if own.handshake is None or not own.handshake.has("initial", "initiated", "verified-leaf", "packet-read"):
            # Without a sign of a peer: a server's start, or an excerpt of a client's that begins at the end.
            self.end.is_ready = True
            if own.handshake is None:
                own.is_up = True
                return
        self._add(own, mark)
        own.is_up = True
        self._came_back(own, mark)
        self._close(own)

    def _push_reply(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        handshake = self._add(peer, mark)
        if handshake is not None and mark.time is not None and message.startswith("SENT"):
            handshake.reliable.windows.said(mark.time)
        if peer.is_up and peer.settling and message.startswith("SENT"):
            peer.settling = False
            self._close(peer)

    def _came_back(self, peer: LoggedPeer, mark: Mark) -> None:
        left = self.end.left.pop(peer.name or peer.host, None)
        if left is not None:
            self._ending(Ending("ping-restart", peer.label, left, mark), self.end)

    def _failed(self, mark: Mark, _message: str, peer: LoggedPeer) -> None:
        handshake = peer.handshake
        if mark.kind == "timeout" and handshake is not None and handshake.has("timeout"):
            self._open(peer, mark)
            return
        self._add(peer, mark)

    def _ended(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if "hard" in message[:16] and peer.handshake is not None and not peer.is_up:
            peer.handshake.mark(mark)
        elif peer.handshake is not None:
            self._add(peer, mark)
        if "process" in message or "client-instance" in message:
            if "process exiting" in message and self.end.is_server:
                self.finish()
            self._close(peer)
            peer.is_up = False

    def _ping_restart(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        name, bracket, _ = message.partition("] Inactivity")
        was_up = name != "[UNDEF"
        if bracket and name.startswith("[") and was_up:
            peer.name = peer.name or name[1:65]
        if peer.handshake is not None and not peer.is_up:
            peer.handshake.mark(mark)  # a client that waits for an answer, or for its options
        self._close(peer)
        if not was_up:
            peer.is_up = False
            return
        self.end.restarts += 1
        self.end.left[peer.name or peer.host] = mark
        while len(self.end.left) > _MOST_PEERS:
            self.end.left.pop(next(iter(self.end.left)))
        peer.is_up = False

    # Packets.

    def _packet(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if message.startswith("Connection Attempt "):
            self._cookie(mark, message, peer)
            return
        packet = packet_of(message)
        if packet is None:
            return
        self._transport("TCP" if packet.is_tcp else "UDP")
        if peer is self._own and not peer.address and not self.end.is_multi:
            peer.address = packet.address.rpartition("]")[2]
        handshake = peer.handshake
        if "CLIENT" in packet.opcode and "HARD_RESET" in packet.opcode and not self.end.is_server and packet.is_read:
            self.end.is_server = not self.end.is_multi and self.end.is_server
        if handshake is None and peer.is_up and "SOFT_RESET" in packet.opcode:
            self._open(peer, mark, renegotiation=True)
        kind = "packet-read" if packet.is_read else "packet-written"
        added = self._add(peer, Mark(kind, mark.time, mark.file, mark.line, mark.stamp, mark.text))
        if added is not None:
            added.reliable.packet(packet, mark.time, self.end.window)
            added.moment(packet, mark.time)
            added.is_tcp = added.is_tcp or packet.is_tcp

    def _broken(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        ids = broken_ids(message)
        if ids is None:
            return
        handshake = self._add(peer, mark)
        if handshake is not None:
            handshake.reliable.broken(*ids, mark)

    def _cookie(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        """Take a line of a server since 2.6 that has not yet made an instance for the peer."""
        self.end.is_server = True
        match = _ADDRESS.search(message)
        if match is None:
            return
        peer = self.peer(match[1] or match[2])
        if " WRITE [" in message:
            self._add(peer, Mark("cookie", mark.time, mark.file, mark.line, mark.stamp, mark.text))

    # Errors.

    def _wrap(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if mark.line - self._replay_line <= 2 and "authentication failed" in message:
            self._add(peer, Mark("replay", mark.time, mark.file, mark.line, mark.stamp, mark.text))
            return
        if "unwrap error" in message and ("replay" in message or "bad packet ID" in message):
            self._replay_line = mark.line
            return
        match = _ADDRESS.search(message) or _HIDDEN.search(message)
        if peer is self._own and match is None and self._own.handshake is None:
            self.end.wrap_line = mark  # the address follows in the next line
            return
        if match is not None and self._own.handshake is None and not self._own.address:
            self.end.is_server = True
            peer = self.peer(next(filter(None, match.groups())))
        earlier, self.end.wrap_line = self.end.wrap_line, None
        if earlier is not None and mark.line - earlier.line <= 2:
            self._add(peer, earlier)
        if peer.is_up and peer.handshake is None:
            peer.strays += 1
            return
        self._add(peer, mark)

    def _decrypt(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if "replay" in message:
            self._replay_line = mark.line
            self.end.replays.append(mark) if len(self.end.replays) < 8 else None
            self.end.replay(mark.time)
        elif peer.is_up:
            self.end.undecryptable.append(mark) if len(self.end.undecryptable) < 8 else None
            self.end.undecryptable_count += 1

    def _call(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if _OUR_CALLS.match(message) is None:
            return
        if self.end.is_server and mark.kind == "refused":
            if mark.time is not None:
                self.end.refusals.append(mark.time)
            return  # a client that is gone: its host refuses what was still on its way
        if peer.is_up and peer.handshake is None:
            if mark.kind == "too-long":
                self._add(peer, mark)
            elif mark.kind == "refused" and peer is self._own:
                self.end.refused_when_up = self.end.refused_when_up or mark
            elif mark.kind == "tcp-reset":
                self._ending(Ending("tcp-reset", peer.label, mark), self.end)
            return
        self._add(peer, mark)

    def _mute(self, _mark: Mark, _message: str, _peer: LoggedPeer) -> None:
        self.end.is_muted = True

    def _management(self, mark: Mark, message: str, peer: LoggedPeer) -> None:
        if mark.kind == "management-client":
            self.end.management += 1
            if self.end.management <= 4:
                self.end.management_marks.append(mark)
        else:
            match = re.search(r">CLIENT:(?:CONNECT|REAUTH),", message)
            if not match:
                self._add(peer, mark)

    def _state(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        fields = message.partition(">STATE:")[2].split(",")
        state = fields[1] if len(fields) > 1 else ""
        self._reached(state, mark)

    def _core_event(self, mark: Mark, message: str, _peer: LoggedPeer) -> None:
        state = message.removeprefix("EVENT: ").split(" ")[0].strip()
        self._reached(state, mark)

    def _reached(self, state: str, mark: Mark) -> None:
        """Take a client's ``state``, of the management interface or of the OpenVPN 3 core."""
        kind = _STATES.get(state)
        own = self._own
        if kind is None or self.end.is_server:
            return
        if kind == "completed":
            self._completed(Mark("completed", mark.time, mark.file, mark.line, mark.stamp, mark.text), "", own)
        elif kind == "reconnecting":
            self._close(own)
        elif kind == "wait" and own.handshake is not None and own.handshake.has("wait", "timeout"):
            self._open(own, Mark("wait", mark.time, mark.file, mark.line, mark.stamp, mark.text))
        else:
            self._add(own, Mark(kind, mark.time, mark.file, mark.line, mark.stamp, mark.text))

    def peers(self) -> Iterator[LoggedPeer]:
        """Yield the peers that are remembered."""
        yield from self._peers.values()
        yield self._own


_BY_ADDRESS = frozenset(("wrap", "unknown-session", "timeout", "refused", "initial", "duplicate-cn", "wrong-id"))
"""Events of a server that name their peer in the text alone."""
_MEANS_NOTHING_WHEN_UP = frozenset((
    "peer-info", "push-request", "push-reply", "push-asked", "verified-leaf", "tls-done", "ended", "management-client",
    "auth-ok", "wait", "auth-state", "handshake-failed", "tls-object", "initiated", "packet-written", "packet-read",
    "buffers", "completed", "instance", "auth-deferred", "connect-timeout",
))  # fmt: skip
_STATES = {
    "WAIT": "wait", "AUTH": "auth-state", "GET_CONFIG": "initiated", "CONNECTED": "completed",
    "RECONNECTING": "reconnecting", "CONNECTION_TIMEOUT": "poll-timeout", "AUTH_FAILED": "auth-failed",
    "AUTH_PENDING": "auth-pending", "TRANSPORT_ERROR": "refused", "CERT_VERIFY_FAIL": "verify-error",
    "TLS_ERROR": "tls-object", "CLIENT_HALT": "auth-failed", "CLIENT_RESTART": "reconnecting",
    "TLS_VERSION_MIN": "openssl", "RESOLVE_ERROR": "resolve",
}  # fmt: skip
