"""What a handshake that is over was: nothing wrong, or which fault, how certainly, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from patchkit.diagnosis.finding import Certainty, Kind
from patchkit.diagnosis.handshake import Handshake, Mark
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.reliable import Stuck

_TIMER = 2.0  # seconds: --tls-timeout, after which a packet is first sent again
_STUCK = 1.5  # seconds: timers are whole seconds, and the line comes once a second at least
_SLOW_OLD = 7.5  # seconds: up to 2.3.8 a handshake has 75 packets and takes 4.2 s on a link that loses none
_MANY_LETTERS = 10  # packets: more than a first packet that is sent again for a minute
_SPREAD = 1.5  # times what was to be expected
_LONGEST_TRIP = 0.75  # seconds of a round trip: a satellite
_AT_ONCE = 0.01  # seconds: no round trip, but computing
# Round trips up to each step, up to 2.3.8, with RSA 2048: 4 packets of 100 bytes at a time.
_TRIPS = {
    "client": {"the first packet": 1, "the other end's certificate": 5, "the end of TLS": 11},
    "server": {"the other end's certificate": 12, "the end of TLS": 5},
}
_LEAST_PAUSE = 0.9  # seconds that a lost packet costs, where times have fractions
_LOOKS = 1.1  # seconds
_LONGEST_PAUSE = 90.0  # seconds: a longer one is a gap in the log
_LOST, _LOST_OF_ONE = 2, 3  # repeats that an attempt without an end must have, to be one that met losses
_PATIENCE = 20.0  # seconds in which a packet is sent again four times
_WAITED = 9.0  # seconds without an answer that an attempt which is cut off must have had
CERTAIN, LIKELY, POSSIBLE = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a handshake shows. ``detail`` picks the advice among those of a kind."""

    kind: Kind
    certainty: Certainty
    reason: str
    marks: Sequence[Mark]
    detail: str = ""
    stuck: int | None = None
    """The id of the packet that a window waited for."""


def verdict(handshake: Handshake, end: End) -> Verdict | None:
    """Judge ``handshake`` of ``end``; None where nothing is wrong with it, or nothing was begun."""
    for rule in _RULES:
        found = rule(handshake, end)
        if found is not None:
            return None if found is _FINE else found
    return None


_FINE = Verdict(Kind.NOT_ENOUGH, POSSIBLE, "", ())
"""Of a rule: nothing is wrong, and the rules behind it are not asked."""


# What an error line names.


def _named(handshake: Handshake, _end: End) -> Verdict | None:
    found = next((kind for kind in _NAMED if handshake.has(kind)), None)
    if found is None or (found == "cipher" and handshake.has("completed")):
        return None
    text, marks = handshake.first[found].text, _marks(handshake, found)
    if found == "alert":
        return _alert(text, marks)
    if found == "verify-error":
        return Verdict(Kind.CERTIFICATE, CERTAIN, _certificate(text), marks, _cause(text))
    if found == "openssl" and ("verif" in text or "certificate" in text):
        return Verdict(Kind.CERTIFICATE, CERTAIN, "TLS refused the other end's certificate", marks, _cause(text))
    kind, certainty, why, detail = _NAMED[found]
    return Verdict(kind, certainty, why, marks, detail)


_NAMED: dict[str, tuple[Kind, Certainty, str, str]] = {
    "verify-error": (Kind.CERTIFICATE, CERTAIN, "", ""),
    "alert": (Kind.TLS, LIKELY, "the other end refused our TLS version or cipher", ""),
    "openssl": (Kind.TLS, CERTAIN, "the two ends have no TLS version, cipher or key size in common", ""),
    "cipher": (Kind.SETTINGS, LIKELY, "the two ends have no cipher for the data channel in common", "cipher"),
    "auth-failed": (Kind.AUTH, CERTAIN, "the server refused the user, the password or what the client sent", "refused"),
}
"""What an error line names, the most telling first: kind, certainty, reason, and detail for the advice."""


def _alert(text: str, marks: Sequence[Mark]) -> Verdict:
    if "certificate" in text or "unknown ca" in text or "unknown_ca" in text:
        why = f"the other end refused our certificate: {text.rpartition('alert ')[2][:60]}"
        return Verdict(Kind.CERTIFICATE, CERTAIN, why, marks, _cause(text) or "alert")
    why = "the other end refused our TLS version or cipher"
    return Verdict(Kind.TLS, LIKELY, why, marks)


def _keys(handshake: Handshake, _end: End) -> Verdict | None:
    count = handshake.counts.get("wrap", 0)
    if not count or handshake.is_complete or handshake.has("verified-leaf"):
        return None
    certainty = CERTAIN if count > 1 else LIKELY
    why = f"{_times(count, 'packet')} of the peer's did not pass tls-auth or tls-crypt, and none did"
    return Verdict(Kind.KEY, certainty, why, _marks(handshake, "wrap"))


def _system(handshake: Handshake, end: End) -> Verdict | None:
    """What system calls have answered."""
    if handshake.has("too-long"):
        why = "the system refused packets that are larger than the path's MTU"
        return Verdict(Kind.MTU, LIKELY, why, _marks(handshake, "too-long"))
    if handshake.is_complete or handshake.has("initial", "auth-state", "verified-leaf", "packet-read"):
        return None
    count = handshake.counts.get("refused", 0)
    if count:
        why = (
            f"{_times(count, 'packet')} of ours came back as refused (ICMP port unreachable, or a TCP reset), "
            "and none was answered"
        )
        return Verdict(Kind.PORT_CLOSED, CERTAIN if count > 1 else LIKELY, why, _marks(handshake, "refused"))
    if handshake.has("connect-failed"):
        return _connect_failed(handshake)
    if handshake.has("connect-timeout"):
        why = "the TCP connection was not answered"
        return Verdict(Kind.NO_REPLY, CERTAIN, why, _marks(handshake, "connect-timeout"))
    return _unreachable(handshake) or _settings(handshake, end)


def _connect_failed(handshake: Handshake) -> Verdict:
    """Of a reason that Windows did not name: who waited had no answer, who did not was refused."""
    begin, end = handshake.time("tcp-attempt"), handshake.time("connect-failed")
    marks = _marks(handshake, "tcp-attempt", "connect-failed")
    if begin is not None and end is not None and end - begin < _WAITED:
        return Verdict(Kind.PORT_CLOSED, LIKELY, "the TCP connection was refused at once", marks)
    return Verdict(Kind.NO_REPLY, LIKELY, "the TCP connection was not answered", marks)


def _unreachable(handshake: Handshake) -> Verdict | None:
    texts = {
        "unreachable": (CERTAIN, "this host has no route to the other end", "route"),
        "resolve": (CERTAIN, "the server's name has no address", "name"),
        "not-permitted": (LIKELY, "this host's own firewall or policy refuses to send", "local"),
    }
    for kind, (certainty, why, detail) in texts.items():
        if handshake.has(kind) and (kind != "not-permitted" or handshake.has_failed or handshake.counts[kind] > 1):
            return Verdict(Kind.UNREACHABLE, certainty, why, _marks(handshake, kind), detail)
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
            return Verdict(Kind.SETTINGS, POSSIBLE if is_stray else CERTAIN, texts[kind], _marks(handshake, kind), kind)
    return None


# What packets show: verb 6 and more.


def _stalled(handshake: Handshake, _end: End) -> Verdict | None:
    reliable = handshake.reliable
    stuck = reliable.longest
    if stuck is None and reliable.longest_full >= _STUCK and not reliable.is_tcp and reliable.repeated_alive:
        waited = f"{reliable.longest_full:.1f} s"
        why = f"a full window of packets waited {waited} for packet {reliable.longest_full_pid} alone"
        return Verdict(Kind.STALL, LIKELY, why, _marks(handshake, "packet-written"), stuck=reliable.longest_full_pid)
    if stuck is None or handshake.is_tcp:
        return None
    is_open = reliable.now is stuck and not handshake.is_complete
    if stuck.seconds < _STUCK and not (is_open and (stuck.lines > 1 or handshake.has_failed)):
        return None
    if _is_gone(handshake, stuck):
        return None
    long = f"for {stuck.seconds:.1f} s" if stuck.seconds >= 1 else "at the end of this log"
    why = (
        f'"ACK output sequence broken": packet {stuck.pid} is the oldest of a full window of {stuck.window} {long}; '
        f"nothing else can be sent until it arrives ({_times(stuck.lines, 'line')})"
    )
    certainty = CERTAIN if stuck.seconds >= _STUCK and (reliable.repeated or stuck.seconds >= 3) else LIKELY
    if len(handshake.reliable.sends) == 0 and stuck.seconds < _STUCK:
        certainty = LIKELY
    return Verdict(Kind.STALL, certainty, why, _marks(handshake, "broken"), stuck=stuck.pid)


def _is_gone(handshake: Handshake, stuck: Stuck) -> bool:
    """Whether nothing at all was read since ``stuck`` began, and nothing had been lost before: the peer is gone."""
    reliable = handshake.reliable
    if handshake.is_complete or not reliable.reads or reliable.repeated_alive or reliable.read_again:
        return False
    return (
        stuck.since is not None and reliable.last_read is not None and reliable.last_read <= stuck.since + _LEAST_PAUSE
    )


def _packets(handshake: Handshake, end: End) -> Verdict | None:
    reliable = handshake.reliable
    if reliable.reads + reliable.writes == 0 or (reliable.writes == 0 and handshake.has("unknown-session")):
        return None
    if handshake.is_complete and not handshake.has_failed:
        return _lossy_by_packets(handshake)
    if not _is_over(handshake, end):
        return _FINE
    return _one_way(handshake) or (_unanswered(handshake) if reliable.reads == 0 else _interrupted(handshake, end))


def _unanswered(handshake: Handshake) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.side != "client" and not reliable.resets_written:
        return None
    why = f"{_times(reliable.writes, 'packet')} went out and none came"
    return Verdict(Kind.NO_REPLY, CERTAIN if handshake.has_failed else LIKELY, why, _sent(handshake))


def _interrupted(handshake: Handshake, end: End) -> Verdict | None:
    return _hole(handshake, end) or _lossy_by_packets(handshake) or _silence(handshake)


def _one_way(handshake: Handshake) -> Verdict | None:
    reliable = handshake.reliable
    heard = reliable.resets_read
    only_resets = reliable.control_read == 0 and reliable.reads == heard and not reliable.acked
    if handshake.side == "server" and heard >= 3 and only_resets:
        why = (
            f"the client's first packet came {heard} times; {_times(reliable.writes, 'answer')} went out, "
            "and nothing shows that one arrived"
        )
        marks = _marks(handshake, "packet-read", "packet-written")
        return Verdict(Kind.ONE_WAY, CERTAIN if heard >= 4 else LIKELY, why, marks)
    return None


def _hole(handshake: Handshake, end: End) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.is_tcp or reliable.is_tcp:
        if handshake.has_failed and not handshake.has("verified-leaf"):
            return _tcp_hole(handshake)
        return None
    if end.sends_small or reliable.is_garbled:
        return None
    if reliable.big_lost >= 3 and not reliable.big_acked and (reliable.small_acked or reliable.acked):
        why = (
            f"packets of less than 1000 bytes were acknowledged, and a larger one was sent {reliable.big_lost} times "
            "and never was"
        )
        return Verdict(Kind.MTU, LIKELY, why, _marks(handshake, "packet-written", "packet-read"))
    has_waited = handshake.has("timeout") or (handshake.seconds or 0.0) >= _PATIENCE
    if has_waited and reliable.largest_read < 1000 and reliable.has_gap and not reliable.repeated_alive:
        why = "small packets of the peer's came, and one before them, which is larger, never did"
        return Verdict(Kind.MTU, LIKELY, why, _marks(handshake, "packet-read"))
    return None


def _lossy_by_packets(handshake: Handshake) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.is_tcp or reliable.is_tcp:
        return None
    repeated = reliable.repeated_alive
    lost = repeated + reliable.read_again
    seconds = handshake.seconds or 0.0
    # An ACK may have gone with a larger packet that a hole swallowed: one packet that is sent again is no proof then.
    is_one = not reliable.read_again and sum(len(times) > 1 for times in reliable.sends.values()) == 1
    if not handshake.is_complete and lost < (_LOST_OF_ONE if is_one else _LOST):
        return None
    if not (repeated >= 2 or (lost and seconds >= _TIMER - 0.1) or reliable.read_again >= 2):
        return None
    if not (reliable.acked or reliable.got or reliable.control_read):
        return None
    why = (
        f"{_times(repeated, 'packet')} of ours had to be sent again, "
        f"and {_times(reliable.read_again, 'packet')} of the peer's came again; "
        + ("it completed" if handshake.is_complete else "it got further, but not to its end")
        + (f" after {seconds:.1f} s" if seconds else "")
    )
    marks = _marks(handshake, "packet-written", "packet-read", "timeout", "initiated")
    return Verdict(Kind.LOSSY, CERTAIN if lost >= 3 else LIKELY, why, marks)


def _silence(handshake: Handshake) -> Verdict | None:
    if not handshake.has_failed:
        return None
    if handshake.has("verified-leaf", "peer-info") and handshake.side == "server":
        return None
    why = "packets went both ways, and then none came any more: the other end refused, ended, or is cut off"
    return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, _marks(handshake, "packet-read", "timeout"), "one-end")


# What steps and times show: verb 3 to 5.


def _slow(handshake: Handshake, end: End) -> Verdict | None:
    """A handshake that completed, or got far, in steps of which one waited for a timer."""
    if handshake.is_tcp or end.is_tcp:
        return None
    steps = list(_pauses(handshake, end))
    if not steps:
        return None
    pauses = [(seconds, step) for seconds, step, _ in steps]
    longest, step = max(pauses)
    is_exact = end.verb >= 4 and any(mark.time is not None and mark.time % 1 for mark in handshake.marks)
    if not _is_slow(end, pauses, is_exact=is_exact):
        return None
    why = f"{longest:.1f} s passed up to {step}, which needs a few round trips: packets were lost and sent again"
    certainty = LIKELY if is_exact and (longest >= _TIMER - 0.1 or end.sends_small) else POSSIBLE
    if any(is_cut for seconds, _, is_cut in steps if seconds == longest):
        certainty, why = POSSIBLE, f"{why}; but lines were left out in between"
    return Verdict(Kind.LOSSY, certainty, why, handshake.marks[:8])


def _is_slow(end: End, pauses: Sequence[tuple[float, str]], *, is_exact: bool) -> bool:
    """Whether a timer must have been waited for in one of ``pauses``."""
    seconds = [pause for pause, _ in pauses]
    longest, total = max(seconds), sum(seconds)
    if end.sends_small:
        return total >= max(_SLOW_OLD, _SPREAD * _round_trips(end, pauses))
    if is_exact:
        least = min((pause for pause in seconds if pause > _AT_ONCE), default=0.0)
        # Where all steps take as long, the way is long, and not lossy; if it is not longer than any way is.
        is_even = len(seconds) > 1 and longest < min(3 * least, _TIMER - 0.1)
        return longest >= _LEAST_PAUSE and total >= _TIMER - 0.1 and not is_even
    return _TIMER <= longest <= _LONGEST_PAUSE and total >= _TIMER + 1


def _round_trips(end: End, pauses: Sequence[tuple[float, str]]) -> float:
    """What a handshake of packets of 100 bytes takes, in seconds, if the shortest step had no losses."""
    trips = _TRIPS["server" if end.is_server else "client"]
    one = min((pause / trips[step] for pause, step in pauses if step in trips and pause > _AT_ONCE), default=0.0)
    return min(one, _LONGEST_TRIP) * sum(trips.values())


def _pauses(handshake: Handshake, end: End) -> Iterator[tuple[float, str, bool]]:
    """The times between one step and the next, in seconds; not those in which a user or a script may be asked.

    With each, the name of the step, and whether lines were left out before it.
    """
    steps = [
        ("link-remote", "the start"), ("contacting", "the start"), ("wait", "the start"),
        ("instance", "the first packet"), ("initial", "the first packet"), ("reneg", "the start"),
        ("verified-leaf", "the other end's certificate"),
        ("tls-done", "the end of TLS"), ("initiated", "the end of TLS"), ("push-request", "the request for options"),
    ]  # fmt: skip
    before: float | None = None
    begin: Mark | None = None
    for kind, name in steps:
        mark = handshake.first.get(kind)
        if mark is None or mark.time is None:
            continue
        time = mark.time
        is_asked = handshake.side == "server" and kind in ("tls-done", "initiated") and _asks_users(handshake, end)
        if before is not None and time >= before and not is_asked and name != "the start":
            # A client up to 2.5 looks once a second whether it should ask for its options.
            is_cut = begin is not None and end.has_left_out(begin, mark)
            yield max(0.0, time - before - (_LOOKS if kind == "push-request" else 0.0)), name, is_cut
        before, begin = time, mark


def _asks_users(handshake: Handshake, end: End) -> bool:
    return end.management > 0 or handshake.has("auth-ok", "auth-deferred", "auth-pending")


def _failed_steps(handshake: Handshake, end: End) -> Verdict | None:
    """An attempt that ran into its limit, by the last step that it reached."""
    has = handshake.has
    is_asking = has("push-asked") and not has("push-reply", "completed") and _is_over(handshake, end)
    if has("no-push-reply") or is_asking:
        why = "TLS completed, and the server did not answer the request for the client's options"
        return Verdict(Kind.AUTH, LIKELY, why, _marks(handshake, "push-asked", "no-push-reply", "timeout"), "pending")
    if handshake.is_complete or not _is_over(handshake, end):
        return None
    if handshake.side == "server":
        return _server_failed(handshake, end)
    return _client_failed(handshake, end)


def _server_failed(handshake: Handshake, end: End) -> Verdict | None:
    has = handshake.has
    if has("peer-info", "auth-deferred", "auth-pending") and has("timeout"):
        return _undecided(handshake, end)
    if (handshake.is_tcp or end.is_tcp) and has("timeout") and not has("verified-leaf"):
        return _tcp_hole(handshake)
    if handshake.counts.get("cookie", 0) >= 3 and not has("initial", "instance", "verified-leaf"):
        why = "the client's first packet came several times; each was answered, and no answer was taken up"
        return Verdict(Kind.ONE_WAY, LIKELY, why, _marks(handshake, "cookie"))
    is_begun = has("initial", "instance") and not handshake.has_failed
    return (_slow(handshake, end) if has("verified-leaf") or is_begun else None) or _busy(handshake)


def _undecided(handshake: Handshake, end: End) -> Verdict:
    late = None if _asks_users(handshake, end) else _slow(handshake, end) or _late(handshake)
    if late is not None:
        return late
    why = (
        "certificates and the client's version came, so TLS was through; then nobody decided on the user until "
        "the time was over. The network is not the reason, whatever the message says"
    )
    marks = [*_marks(handshake, "verified-leaf", "peer-info", "auth-deferred", "timeout"), *end.management_marks[:4]]
    return Verdict(Kind.AUTH, LIKELY, why, marks, "pending")


def _late(handshake: Handshake) -> Verdict | None:
    """By the limit in the message, the attempt's begin is known: certificates that came late met losses."""
    timeout, verified = handshake.first.get("timeout"), handshake.time("verified-leaf", "peer-info")
    limit = re.search(r"within (\d{1,5}) seconds", timeout.text) if timeout else None
    if timeout is None or limit is None or timeout.time is None or verified is None:
        return None
    seconds = verified - (timeout.time - int(limit[1]))
    if not _TIMER + 1 <= seconds <= int(limit[1]):
        return None
    why = f"{seconds:.0f} s of the {limit[1]} passed up to the other end's certificate, which needs a few round trips"
    return Verdict(Kind.LOSSY, POSSIBLE, why, _marks(handshake, "verified-leaf", "peer-info", "timeout"))


def _client_failed(handshake: Handshake, end: End) -> Verdict | None:
    has = handshake.has
    if has("initial", "auth-state", "verified-leaf", "tls-done", "initiated"):
        if (handshake.is_tcp or end.is_tcp) and has("timeout") and not has("verified-leaf", "initiated"):
            return _tcp_hole(handshake)
        late = _slow(handshake, end) if has("verified-leaf") else None
        return late or _busy(handshake) or _crept(handshake, end)
    knows = end.verb >= 3 or has("wait", "contacting")
    is_begun = has("link-remote", "wait", "contacting", "cookie", "timeout")
    has_waited = handshake.has_failed or (handshake.seconds or 0) >= _WAITED
    if not (knows and is_begun and has_waited):
        return None
    why = 'nothing came from the server: there is no "TLS: Initial packet from"'
    if has("wait"):
        why += ", and the state stays WAIT"
    marks = _marks(handshake, "link-remote", "contacting", "wait", "timeout", "poll-timeout")
    return Verdict(Kind.NO_REPLY, CERTAIN if has("timeout", "poll-timeout") else LIKELY, why, marks)


def _busy(handshake: Handshake) -> Verdict | None:
    """An attempt without an end in which, by the letters of verb 5, much went both ways."""
    read, written = handshake.letters_read, handshake.letters_written
    is_begun = handshake.has("initial", "instance", "verified-leaf") and handshake.has("timeout")
    if min(read, written) < _MANY_LETTERS or handshake.is_tcp or not is_begun:
        return None
    why = f"{read} packets were read and {written} written by verb 5's letters, and it did not come to its end"
    return Verdict(Kind.LOSSY, LIKELY, why, _marks(handshake, "initial", "verified-leaf", "timeout"))


def _crept(handshake: Handshake, end: End) -> Verdict | None:
    """A client of a release whose packets have 100 bytes got the server's first packet, and never the certificate."""
    is_begun = handshake.has("initial") and not handshake.has("verified-leaf")
    if not (end.sends_small and is_begun and handshake.has_failed) or end.is_tcp:
        return None
    why = (
        "both directions worked for the first packets, and the server's certificate, which this release sends in some "
        "twenty packets of 100 bytes, did not come whole within the limit"
    )
    return Verdict(Kind.LOSSY, LIKELY, why, _marks(handshake, "initial", "verified-leaf", "timeout"))


def _tcp_hole(handshake: Handshake) -> Verdict:
    letters = ""
    if handshake.letters_read + handshake.letters_written:
        letters = (
            f" ({handshake.letters_read} packets read and {handshake.letters_written} written by verb 5's letters)"
        )
    why = (
        f"over TCP, which loses nothing, the first packets were exchanged{letters} and the certificates never came: "
        "full-sized segments do not get through"
    )
    return Verdict(Kind.MTU, LIKELY, why, _marks(handshake, "tcp-accepted", "initial", "packet-read", "timeout"), "mss")


# What is left over.


def _unknown(handshake: Handshake, _end: End) -> Verdict | None:
    if not handshake.has("unknown-session") or handshake.is_complete:
        return None
    count = handshake.counts["unknown-session"]
    why = f"{_times(count, 'packet')} came of a session that this end does not have"
    certainty = LIKELY if count > 1 and not handshake.has("timeout") else POSSIBLE
    return Verdict(Kind.UNKNOWN_SESSION, certainty, why, _marks(handshake, "unknown-session"))


def _not_enough(handshake: Handshake, end: End) -> Verdict | None:
    if (not handshake.has_failed and not handshake.has("tls-object")) or handshake.is_complete:
        return None
    if handshake.has("tls-object"):
        why = "TLS refused what came, and the line with the reason is not in this log"
        marks = _marks(handshake, "tls-object", "handshake-failed")
        return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, marks, "tls")
    missing = f"this log has no line above --verb {end.verb}" if end.verb else "this log does not show its --verb"
    reached = "the other end's certificate was verified" if handshake.has("verified-leaf") else (
        "a first packet came" if handshake.has("initial", "instance", "auth-state") else "no more is known"
    )  # fmt: skip
    why = f"the handshake ran into its limit; {reached}, and {missing}"
    detail = "one-end" if end.verb >= 3 else "verb"
    return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, handshake.marks[:6], detail)


def _is_over(handshake: Handshake, end: End) -> bool:
    """Whether the attempt failed, or was waiting long enough when the log or the process ended."""
    if handshake.has_failed or handshake.has("ended", "ping-restart", "no-push-reply"):
        return True
    reliable = handshake.reliable
    if reliable.resets_read >= 3 or reliable.resets_written >= 4 or handshake.counts.get("cookie", 0) >= 3:
        return True
    begin = handshake.begin
    if begin is None or begin.time is None or end.last is None:
        return False
    return end.last - begin.time >= _WAITED


_RULES: tuple[Callable[[Handshake, End], Verdict | None], ...] = (
    _named, _keys, _system, _stalled, _packets, _slow, _failed_steps, _unknown, _not_enough,
)  # fmt: skip

_CAUSES = (
    ("CRL has expired", "crl-expired"), ("CRL is not yet valid", "clock"), ("CRL not loaded", "crl-missing"),
    ("revoked", "revoked"), ("not yet valid", "clock"), ("expired", "expired"), ("self signed", "ca"),
    ("self-signed", "ca"), ("unable to get", "ca"), ("unknown ca", "ca"), ("nsCertType", "usage"),
    ("KU ERROR", "usage"),
    ("X509NAME", "name"), ("SCRIPT", "script"), ("PLUGIN", "script"), ("fingerprint", "ca"), ("too weak", "weak"),
)  # fmt: skip


def _cause(text: str) -> str:
    return next((cause for words, cause in _CAUSES if words in text), "")


def _certificate(text: str) -> str:
    found = re.search(r"error=([^:]{1,80})", text)
    return f"a certificate was refused: {found[1]}" if found else f"a certificate was refused: {text[:100]}"


def _marks(handshake: Handshake, *kinds: str) -> list[Mark]:
    return [mark for mark in handshake.marks if mark.kind in kinds][:8]


def _sent(handshake: Handshake) -> list[Mark]:
    return _marks(handshake, "link-remote", "packet-written", "timeout")


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
