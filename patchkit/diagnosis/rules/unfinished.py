"""Rules for an attempt that ran into its limit, by the last step that it reached."""

from __future__ import annotations

import re

from patchkit.diagnosis.finding import Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.rules.steps import asks_users, losses, slow
from patchkit.diagnosis.rules.verdict import CERTAIN, LIKELY, POSSIBLE, TIMER, WAITED, Verdict, is_over, marks_of

_MANY_LETTERS = 10  # packets: more than a first packet that is sent again for a minute
_MANY_TIMES = 3


def failed_steps(handshake: Handshake, end: End) -> Verdict | None:
    """Judge an attempt that ran into its limit, by the last step that it reached."""
    has = handshake.has
    has_asked = has("push-asked") or handshake.counts.get("push-request", 0) >= _MANY_TIMES
    is_asking = has_asked and not has("push-reply", "completed") and is_over(handshake, end)
    if has("no-push-reply") or is_asking:
        why = "TLS completed, and the server did not answer the request for the client's options"
        marks = marks_of(handshake, "push-asked", "push-request", "no-push-reply", "auth-deferred", "timeout")
        return Verdict(Kind.AUTH, LIKELY, why, marks, "pending")
    if handshake.is_complete or not is_over(handshake, end):
        return None
    if handshake.side == "server":
        return _server_failed(handshake, end)
    return _client_failed(handshake, end)


def _client_failed(handshake: Handshake, end: End) -> Verdict | None:
    has = handshake.has
    if has("initial", "auth-state", "verified-leaf", "tls-done", "initiated"):
        if (handshake.is_tcp or end.is_tcp) and has("timeout") and not has("verified-leaf", "initiated"):
            return tcp_hole(handshake)
        late = slow(handshake, end) if has("verified-leaf") else None
        return late or _busy(handshake, end) or _crept(handshake, end) or swallowed(handshake, end)
    knows = end.verb >= 3 or has("wait", "contacting")
    is_begun = has("link-remote", "wait", "contacting", "cookie", "timeout")
    has_waited = handshake.has_failed or (handshake.seconds or 0) >= WAITED
    if not (knows and is_begun and has_waited):
        return None
    why = 'nothing came from the server: there is no "TLS: Initial packet from"'
    if has("wait"):
        why += ", and the state stays WAIT"
    marks = marks_of(handshake, "link-remote", "contacting", "wait", "timeout", "poll-timeout")
    return Verdict(Kind.NO_REPLY, CERTAIN if has("timeout", "poll-timeout") else LIKELY, why, marks)


def _undecided(handshake: Handshake, end: End) -> Verdict:
    late = None if asks_users(handshake, end) else slow(handshake, end) or _late(handshake, end)
    if late is not None:
        return late
    why = (
        "certificates and the client's version came, so TLS was through; then nobody decided on the user until "
        "the time was over. The network is not the reason, whatever the message says"
    )
    marks = [*marks_of(handshake, "verified-leaf", "peer-info", "auth-deferred", "timeout"), *end.management_marks[:4]]
    return Verdict(Kind.AUTH, LIKELY, why, marks, "pending")


def _late(handshake: Handshake, end: End) -> Verdict | None:
    """By the limit in the message, the attempt's begin is known: certificates that came late met losses."""
    timeout, verified = handshake.first.get("timeout"), handshake.time("verified-leaf", "peer-info")
    limit = re.search(r"within (\d{1,5}) seconds", timeout.text) if timeout else None
    if timeout is None or limit is None or timeout.time is None or verified is None:
        return None
    seconds = verified - (timeout.time - int(limit[1]))
    if not TIMER + 1 <= seconds <= int(limit[1]):
        return None
    why = f"{seconds:.0f} s of the {limit[1]} passed up to the other end's certificate, which needs a few round trips"
    return losses(end, POSSIBLE, why, marks_of(handshake, "verified-leaf", "peer-info", "timeout"))


def _busy(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize an attempt without an end in which, by the letters of verb 5, much went both ways."""
    read, written = handshake.letters_read, handshake.letters_written
    is_begun = handshake.has("initial", "instance", "verified-leaf") and handshake.has("timeout")
    if min(read, written) < _MANY_LETTERS or handshake.is_tcp or not is_begun:
        return None
    if end.sends_small and handshake.has("verified-leaf"):
        return None  # a certificate of twenty packets and more came whole, without any losses
    why = f"{read} packets were read and {written} written by verb 5's letters, and it did not come to its end"
    return losses(end, LIKELY, why, marks_of(handshake, "initial", "verified-leaf", "timeout"))


def _crept(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a client, with packets of 100 bytes, that got the server's first packet and never the certificate."""
    is_begun = handshake.has("initial") and not handshake.has("verified-leaf")
    if not (end.sends_small and is_begun and handshake.has_failed) or end.is_tcp:
        return None
    why = (
        "both directions worked for the first packets, and the server's certificate, which this release sends in some "
        "twenty packets of 100 bytes, did not come whole within the limit"
    )
    return losses(end, LIKELY, why, marks_of(handshake, "initial", "verified-leaf", "timeout"))


def swallowed(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a client, with packets of 1250 bytes, that got the first packet at once and never the certificate."""
    begin, first = handshake.time("link-remote", "contacting", "wait"), handshake.time("initial", "auth-state")
    is_prompt = begin is None or (first is not None and first - begin < TIMER - 0.1)
    is_begun = handshake.has("initial") and not handshake.has("verified-leaf", "tls-done", "initiated")
    if handshake.side != "client" or handshake.reliable.control_read or handshake.letters_read >= _MANY_LETTERS:
        return None
    if not (end.sends_large and is_begun and is_prompt and handshake.has("timeout")) or end.is_tcp:
        return None
    why = (
        "both directions worked for the first packets, which are small; the server's certificate, in packets of up to "
        "1250 bytes, never came, though each is sent five times. A firewall that knows OpenVPN looks the same"
    )
    return Verdict(Kind.MTU, POSSIBLE, why, marks_of(handshake, "link-remote", "initial", "timeout"))


def _server_failed(handshake: Handshake, end: End) -> Verdict | None:
    has = handshake.has
    if has("peer-info", "auth-deferred", "auth-pending") and has("timeout"):
        return _undecided(handshake, end)
    left = gave_up(handshake)
    if left is not None:
        return left
    if (handshake.is_tcp or end.is_tcp) and has("timeout") and not has("verified-leaf"):
        return tcp_hole(handshake)
    if handshake.counts.get("cookie", 0) >= 3 and not has("initial", "instance", "verified-leaf"):
        why = "the client's first packet came several times; each was answered, and no answer was taken up"
        return Verdict(Kind.ONE_WAY, LIKELY, why, marks_of(handshake, "cookie"))
    is_begun = has("initial", "instance") and not handshake.has_failed
    late = slow(handshake, end) if has("verified-leaf") or is_begun else None
    return late or _busy(handshake, end) or _heard_one_packet(handshake, end)


def gave_up(handshake: Handshake) -> Verdict | None:
    """Recognize a client that gave up after some seconds, which no timer does, and came back with another port."""
    if not handshake.has("returned") or handshake.has("verified-leaf") or handshake.is_complete:
        return None
    begin, again = handshake.begin, handshake.first["returned"]
    seconds = (again.time or 0.0) - (begin.time or 0.0) if begin is not None else 0.0
    why = (
        f"the client gave up without a word and came back after {seconds:.0f} s, long before its time was over: it "
        "refuses something, in most cases this server's certificate; its own log has the reason"
    )
    return Verdict(Kind.CERTIFICATE, POSSIBLE, why, marks_of(handshake, "instance", "initial", "returned"), "other-end")


def _heard_one_packet(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a server that got a first packet and never a certificate, where it is known that answers arrive."""
    count = handshake.counts.get("wrong-id", 0)
    if count >= _MANY_TIMES:
        why = f"the client's second packet came {count} times, and the first one, which is larger, never did"
        return Verdict(Kind.MTU, LIKELY, why, marks_of(handshake, "wrong-id", "timeout"), "first-packet")
    begin, timeout = handshake.begin, handshake.first.get("timeout")
    if timeout is None or timeout.time is None or handshake.has("verified-leaf", "peer-info") or end.verb < 3:
        return None
    limit = re.search(r"within (\d{1,5}) seconds", timeout.text)
    since = timeout.time - int(limit[1]) if limit else begin.time if begin else None
    is_refused = since is not None and any(since <= time <= timeout.time for time in end.refusals)
    if end.sends_small and is_refused:
        why = (
            "the client's host answered that a port of it was closed, so packets get through to it; and its "
            "certificate did not come whole within the limit"
        )
        return losses(end, POSSIBLE, why, marks_of(handshake, "initial", "timeout"))
    if not end.asks_back and not (end.sends_large and is_refused):
        return None
    why = (
        "the client took up this server's answer, so both directions work for small packets; its certificate, in "
        "packets of up to 1250 bytes, never came. A firewall that knows OpenVPN looks the same"
    )
    return Verdict(Kind.MTU, POSSIBLE, why, marks_of(handshake, "instance", "initial", "timeout"))


def tcp_hole(handshake: Handshake) -> Verdict:
    """Make the verdict for an attempt over TCP whose certificates never come."""
    letters = ""
    if handshake.letters_read + handshake.letters_written:
        letters = (
            f" ({handshake.letters_read} packets read and {handshake.letters_written} written by verb 5's letters)"
        )
    why = (
        f"over TCP, which loses nothing, the first packets were exchanged{letters} and the certificates never came: "
        "full-sized segments do not get through"
    )
    return Verdict(
        Kind.MTU, LIKELY, why, marks_of(handshake, "tcp-accepted", "initial", "packet-read", "timeout"), "mss"
    )
