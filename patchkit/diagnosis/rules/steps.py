"""The rule for steps that waited for a timer: what --verb 3 to 5 show of losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from patchkit.diagnosis.finding import Certainty, Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.rules.verdict import LEAST_PAUSE, LIKELY, POSSIBLE, TIMER, Verdict

_SLOW_OLD = 7.5  # seconds: up to 2.3.8 a handshake has 75 packets and takes 4.2 s on a link that loses none
_SPREAD = 1.5  # times what was to be expected
_LONGEST_TRIP = 0.75  # seconds of a round trip: a satellite
_AT_ONCE = 0.01  # seconds: no round trip, but computing
_OPTIONS, _REPLY = "the request for options", "the server's reply with the options"
# Round trips up to each step, up to 2.3.8, with RSA 2048: 4 packets of 100 bytes at a time.
_TRIPS = {
    "client": {"the first packet": 1, "the other end's certificate": 5, "the end of TLS": 11},
    "server": {"the other end's certificate": 12, "the end of TLS": 5},
}
_LATE = 1.25  # seconds: a first timer, less what the round trip may have been thought too long
_LOOKS = 1.1  # seconds
_LONGEST_PAUSE = 90.0  # seconds: a longer one is a gap in the log


def slow(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a handshake that completed, or got far, in steps of which one waited for a timer."""
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
    certainty = LIKELY if is_exact and (longest >= TIMER - 0.1 or end.sends_small) else POSSIBLE
    if step == _REPLY:
        certainty, why = POSSIBLE, f"{why}, unless the server asked a script or a user"
    if any(is_cut for seconds, _, is_cut in steps if seconds == longest):
        certainty, why = POSSIBLE, f"{why}; but lines were left out in between"
    return losses(end, certainty, why, handshake.marks[:8])


def losses(end: End, certainty: Certainty, why: str, marks: Sequence[Mark]) -> Verdict:
    """Name losses, of which no packet is known: up to 2.3.8 nearly each one stalls a full window."""
    if not end.sends_small:
        return Verdict(Kind.LOSSY, certainty, why, marks)
    why += "; this release sends a certificate in twenty packets of 100 bytes, four at a time: what is lost stops all"
    return Verdict(Kind.STALL, certainty, why, marks)


def _is_slow(end: End, pauses: Sequence[tuple[float, str]], *, is_exact: bool) -> bool:
    """Return whether a timer must have been waited for in one of ``pauses``."""
    seconds = [pause for pause, _ in pauses]
    longest, total = max(seconds), sum(seconds)
    if end.sends_small:
        return total >= max(_SLOW_OLD, _SPREAD * _round_trips(end, pauses)) or _is_late(end, pauses, is_exact=is_exact)
    if is_exact:
        least = min((pause for pause, step in pauses if pause > _AT_ONCE and step != _OPTIONS), default=0.0)
        # Where all steps take as long, the way is long, and not lossy; if it is not longer than any way is.
        is_even = len(seconds) > 1 and longest < min(3 * least, TIMER - 0.1)
        return longest >= LEAST_PAUSE and total >= TIMER - 0.1 and not is_even
    return TIMER <= longest <= _LONGEST_PAUSE and total >= TIMER + 1


def _is_late(end: End, pauses: Sequence[tuple[float, str]], *, is_exact: bool) -> bool:
    """Return whether a step of packets of 100 bytes took so much more than its round trips that a timer was waited for.

    Larger certificates than the lab's take twice as many; the first packet is one, whatever comes then.
    """
    trips = _TRIPS["server" if end.is_server else "client"]
    first = dict(reversed([(step, pause) for pause, step in pauses]))
    known = [(pause, trips[step]) for step, pause in first.items() if step in trips]
    coarse = 0.0 if is_exact else 1.0  # seconds
    shortest = min(((pause + coarse) / count for pause, count in known if pause + coarse > _AT_ONCE), default=0.0)
    end.trip = min(shortest, end.trip or _LONGEST_TRIP, _LONGEST_TRIP) or end.trip
    trip = end.trip or _LONGEST_TRIP
    return any(pause - (2 * count if count > 1 else 1) * trip >= _LATE + coarse for pause, count in known)


def _round_trips(end: End, pauses: Sequence[tuple[float, str]]) -> float:
    """Estimate what a handshake of packets of 100 bytes takes, in seconds, if the shortest step had no losses."""
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
        ("tls-done", "the end of TLS"), ("initiated", "the end of TLS"), ("push-request", _OPTIONS),
    ]  # fmt: skip
    before: float | None = None
    begin: Mark | None = None
    for kind, name in steps:
        mark = handshake.first.get(kind)
        if mark is None or mark.time is None:
            continue
        time = mark.time
        is_asked = handshake.side == "server" and kind in ("tls-done", "initiated") and asks_users(handshake, end)
        if before is not None and time >= before and not is_asked and name != "the start":
            # A client up to 2.5 looks once a second whether it should ask for its options.
            is_cut = begin is not None and end.has_left_out(begin, mark)
            yield max(0.0, time - before - (_LOOKS if kind == "push-request" else 0.0)), name, is_cut
        before, begin = time, mark
    asked, replied = handshake.first.get("push-asked"), handshake.first.get("push-reply")
    if handshake.side == "client" and asked is not None and replied is not None:
        yield from _options_late(handshake, end, asked, replied)


def _options_late(handshake: Handshake, end: End, asked: Mark, replied: Mark) -> Iterator[tuple[float, str, bool]]:
    """How long a client waited for its options: a timer, where it is not for a user, or 2.6 asks by other means."""
    if asked.time is None or replied.time is None or asks_users(handshake, end):
        return
    if TIMER - 0.1 <= replied.time - asked.time <= _LONGEST_PAUSE:
        yield replied.time - asked.time, _REPLY, end.has_left_out(asked, replied)


def asks_users(handshake: Handshake, end: End) -> bool:
    """Return whether a user or a script may be asked, which takes any time."""
    return end.management > 0 or handshake.has("auth-ok", "auth-deferred", "auth-pending")
