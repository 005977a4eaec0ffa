"""Rules for what system calls have answered, and for options that OpenVPN refuses."""

from __future__ import annotations

from patchkit.diagnosis.finding import Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.rules.verdict import CERTAIN, LIKELY, POSSIBLE, WAITED, Verdict, marks_of, times

_ERRORS = 2  # more than one that a packet of an earlier attempt left behind


def system(handshake: Handshake, end: End) -> Verdict | None:
    """Judge by what system calls have answered."""
    if handshake.has("too-long"):
        why = "the system refused packets that are larger than the path's MTU"
        return Verdict(Kind.MTU, LIKELY, why, marks_of(handshake, "too-long"))
    if handshake.is_complete or handshake.has("initial", "auth-state", "verified-leaf", "packet-read"):
        return None
    count = handshake.counts.get("refused", 0)
    if count:
        why = (
            f"{times(count, 'packet')} of ours came back as refused (ICMP port unreachable, or a TCP reset), "
            "and none was answered"
        )
        return Verdict(Kind.PORT_CLOSED, CERTAIN if count > 1 else LIKELY, why, marks_of(handshake, "refused"))
    if handshake.counts.get("read-error", 0) >= _ERRORS:
        why = "after each packet of ours, reading the socket failed: the system had an answer that nothing takes it"
        return Verdict(Kind.PORT_CLOSED, LIKELY, why, marks_of(handshake, "packet-written", "read-error"))
    return _connect_failed(handshake) or _unreachable(handshake) or _settings(handshake, end)


def _connect_failed(handshake: Handshake) -> Verdict | None:
    """Recognize a TCP connection that failed. Of a reason that Windows did not name: who waited had no answer."""
    if not handshake.has("connect-failed", "connect-timeout"):
        return None
    begin, end = handshake.time("tcp-attempt"), handshake.time("connect-failed")
    marks = marks_of(handshake, "tcp-attempt", "connect-failed", "connect-timeout")
    if begin is not None and end is not None and end - begin < WAITED:
        return Verdict(Kind.PORT_CLOSED, LIKELY, "the TCP connection was refused at once", marks)
    certainty = CERTAIN if handshake.has("connect-timeout") else LIKELY
    return Verdict(Kind.NO_REPLY, certainty, "the TCP connection was not answered", marks)


def _unreachable(handshake: Handshake) -> Verdict | None:
    texts = {
        "unreachable": (CERTAIN, "this host has no route to the other end", "route"),
        "resolve": (CERTAIN, "the server's name has no address", "name"),
        "not-permitted": (LIKELY, "this host's own firewall or policy refuses to send", "local"),
    }
    for kind, (certainty, why, detail) in texts.items():
        if handshake.has(kind) and (kind != "not-permitted" or handshake.has_failed or handshake.counts[kind] > 1):
            return Verdict(Kind.UNREACHABLE, certainty, why, marks_of(handshake, kind), detail)
    return None


def _settings(handshake: Handshake, end: End) -> Verdict | None:
    kinds = ("options", "in-use", "fatal", "bad-length")
    texts = {
        "options": "OpenVPN refuses an option", "in-use": "another program has the address and port",
        "fatal": "OpenVPN ended with a fatal error of its own", "bad-length": "the other end speaks another protocol",
    }  # fmt: skip
    for kind in kinds:
        if handshake.has(kind):
            # Servers on the internet meet programs that look for other servers.
            is_stray = kind == "bad-length" and end.is_server
            return Verdict(
                Kind.SETTINGS, POSSIBLE if is_stray else CERTAIN, texts[kind], marks_of(handshake, kind), kind
            )
    return None


def tcp_reset(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a client's TCP connection that was reset before the handshake came to its end."""
    if not handshake.has("tcp-reset") or handshake.is_complete or end.is_server:
        return None
    count = handshake.counts["tcp-reset"]
    if handshake.has("verified-leaf", "tls-done"):
        why = "the TCP connection was reset behind the server's certificate: the server's log has the reason"
        return Verdict(Kind.TCP_RESET, POSSIBLE, why, marks_of(handshake, "tcp-accepted", "verified-leaf", "tcp-reset"))
    why = f"the TCP connection came up and was reset {'' if count == 1 else f'{count} times '}before TLS had begun"
    if handshake.has("initial"):
        why = "the TCP connection was reset behind the first packet, before a certificate came"
    return Verdict(Kind.TCP_RESET, LIKELY, why, marks_of(handshake, "tcp-accepted", "initial", "tcp-reset"))
