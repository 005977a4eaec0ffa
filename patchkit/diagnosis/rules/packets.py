"""Rules for what packets show: --verb 6 and more."""

from __future__ import annotations

from patchkit.diagnosis.finding import Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.reliable import Stuck
from patchkit.diagnosis.rules.unfinished import gave_up, swallowed, tcp_hole
from patchkit.diagnosis.rules.verdict import (
    CERTAIN,
    FINE,
    LEAST_PAUSE,
    LIKELY,
    POSSIBLE,
    TIMER,
    Verdict,
    is_over,
    marks_of,
    times,
)
from patchkit.diagnosis.window import Waited

_THEN = 0.01  # seconds between the lines of one packet
_STUCK = 1.5  # seconds: timers are whole seconds, and the line comes once a second at least
_LOST, _LOST_OF_ONE = 2, 3  # repeats that an attempt without an end must have, to be one that met losses
_PATIENCE = 20.0  # seconds in which a packet is sent again four times


def stalled(handshake: Handshake, end: End) -> Verdict | None:
    """Recognize a full window that waits for one packet."""
    if handshake.is_tcp or handshake.reliable.is_tcp or gave_up(handshake) is not None:
        return None
    stuck = _stuck(handshake, end)
    waited = handshake.reliable.windows.longest
    if stuck is not None or waited is None or waited.seconds < _STUCK or _is_unsent(handshake, waited, end):
        return stuck
    return _waited(handshake, waited)


def _is_unsent(handshake: Handshake, waited: Waited, end: End) -> bool:
    """Return whether this host's socket refused the packet, as it does once where another client's port is closed."""
    sent = handshake.reliable.sends.get(waited.pid, ())[:1] if waited.is_own else ()
    return any(0 <= refused - written <= _THEN for written in sent for refused in end.refusals)


def _stuck(handshake: Handshake, end: End) -> Verdict | None:
    """Read what the lines "ACK output sequence broken" of verb 7 show."""
    reliable = handshake.reliable
    stuck = reliable.longest
    if stuck is None:
        return None
    is_open = reliable.now is stuck and not handshake.is_complete
    if stuck.seconds < _STUCK and not (is_open and (stuck.lines > 1 or handshake.has_failed)):
        return None
    if _is_gone(handshake, stuck, end):
        return None
    long = f"for {stuck.seconds:.1f} s" if stuck.seconds >= 1 else "at the end of this log"
    why = (
        f'"ACK output sequence broken": packet {stuck.pid} is the oldest of a full window of {stuck.window} {long}; '
        f"nothing else can be sent until it arrives ({times(stuck.lines, 'line')})"
    )
    certainty = CERTAIN if stuck.seconds >= _STUCK and (reliable.repeated or stuck.seconds >= 3) else LIKELY
    if len(handshake.reliable.sends) == 0 and stuck.seconds < _STUCK:
        certainty = LIKELY
    return Verdict(Kind.STALL, certainty, why, list(dict.fromkeys((stuck.first, stuck.last))), stuck=stuck.pid)


def _waited(handshake: Handshake, waited: Waited) -> Verdict:
    long = f"{waited.seconds:.1f} s"
    if waited.is_own:
        why = f"a full window waited {long} for packet {waited.pid} alone, and the next was sent when its ACK came"
        return Verdict(Kind.STALL, LIKELY, why, marks_of(handshake, "packet-written"), stuck=waited.pid)
    why = (
        f"the peer sent nothing new for {long}; packet {waited.pid}, three or more before its last one, came, and at "
        "once so did new ones: its window was full"
    )
    return Verdict(Kind.STALL, LIKELY, why, marks_of(handshake, "packet-read"), stuck=waited.pid)


def _is_gone(handshake: Handshake, stuck: Stuck, end: End) -> bool:
    """Return whether nothing at all was read since ``stuck`` began, and nothing had been lost before: the peer is gone.

    What was lost before does not count where the peer's host refuses our packets.
    """
    reliable = handshake.reliable
    since = stuck.since
    if handshake.is_complete or not reliable.reads or since is None or reliable.last_read is None:
        return False
    is_refused = any(time >= since for time in end.refusals)
    if (reliable.repeated_alive or reliable.read_again) and not is_refused:
        return False
    return reliable.last_read <= since + LEAST_PAUSE


def packets(handshake: Handshake, end: End) -> Verdict | None:
    """Judge an attempt by the packets that its lines show."""
    reliable = handshake.reliable
    if reliable.reads + reliable.writes == 0 or (reliable.writes == 0 and handshake.has("unknown-session")):
        return None
    if handshake.is_complete and not handshake.has_failed:
        return _lossy_by_packets(handshake, end)
    if not is_over(handshake, end):
        return FINE
    return _one_way(handshake) or (_unanswered(handshake) if reliable.reads == 0 else _interrupted(handshake, end))


def _unanswered(handshake: Handshake) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.side != "client" and not reliable.resets_written:
        return None
    why = f"{times(reliable.writes, 'packet')} went out and none came"
    return Verdict(Kind.NO_REPLY, CERTAIN if handshake.has_failed else LIKELY, why, _sent(handshake))


def _interrupted(handshake: Handshake, end: End) -> Verdict | None:
    return (
        gave_up(handshake)
        or _hole(handshake, end)
        or _lossy_by_packets(handshake, end)
        or swallowed(handshake, end)
        or _silence(handshake)
    )


def _one_way(handshake: Handshake) -> Verdict | None:
    reliable = handshake.reliable
    heard = reliable.resets_read
    only_resets = reliable.control_read == 0 and reliable.reads == heard and not reliable.acked
    if handshake.side == "server" and heard >= 3 and only_resets:
        why = (
            f"the client's first packet came {heard} times; {times(reliable.writes, 'answer')} went out, "
            "and nothing shows that one arrived"
        )
        marks = marks_of(handshake, "packet-read", "packet-written")
        return Verdict(Kind.ONE_WAY, CERTAIN if heard >= 4 else LIKELY, why, marks)
    return None


def _hole(handshake: Handshake, end: End) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.is_tcp or reliable.is_tcp:
        if handshake.has_failed and not handshake.has("verified-leaf"):
            return tcp_hole(handshake)
        return None
    if end.sends_small or reliable.is_garbled:
        return None
    if (
        reliable.big_lost >= 3
        and not reliable.big_acked
        and (reliable.small_acked or reliable.acked or reliable.acks_read)
    ):
        why = (
            f"packets of less than 1000 bytes were acknowledged, and a larger one was sent {reliable.big_lost} times "
            "and never was"
        )
        return Verdict(Kind.MTU, LIKELY, why, marks_of(handshake, "packet-written", "packet-read"))
    has_waited = handshake.has("timeout") or (handshake.seconds or 0.0) >= _PATIENCE
    if has_waited and reliable.largest_read < 1000 and reliable.has_gap and not reliable.repeated_alive:
        why = "small packets of the peer's came, and one before them, which is larger, never did"
        return Verdict(Kind.MTU, LIKELY, why, marks_of(handshake, "packet-read"))
    return None


def _lossy_by_packets(handshake: Handshake, end: End) -> Verdict | None:
    reliable = handshake.reliable
    if handshake.is_tcp or reliable.is_tcp:
        return None
    repeated = reliable.repeated_alive
    lost = repeated + reliable.read_again
    seconds = handshake.seconds or 0.0
    # An ACK may have gone with a larger packet that a hole swallowed: one packet sent again does not prove a loss then.
    is_one = not reliable.read_again and sum(len(times) > 1 for times in reliable.sends.values()) == 1
    if not handshake.is_complete and lost < (_LOST_OF_ONE if is_one else _LOST):
        return None
    if not handshake.is_complete and is_one and end.sends_large and not reliable.control_read:
        return None
    if not (repeated >= 2 or (lost and seconds >= TIMER - 0.1) or reliable.read_again >= 2):
        return None
    if not (reliable.acked or reliable.got or reliable.control_read):
        return None
    why = (
        f"{times(repeated, 'packet')} of ours had to be sent again, "
        f"and {times(reliable.read_again, 'packet')} of the peer's came again; "
        + ("it completed" if handshake.is_complete else "it got further, but not to its end")
        + (f" after {seconds:.1f} s" if seconds else "")
    )
    marks = marks_of(handshake, "packet-written", "packet-read", "timeout", "initiated")
    return Verdict(Kind.LOSSY, CERTAIN if lost >= 3 else LIKELY, why, marks)


def _silence(handshake: Handshake) -> Verdict | None:
    if not handshake.has_failed:
        return None
    if handshake.has("verified-leaf", "peer-info") and handshake.side == "server":
        return None
    why = "packets went both ways, and then none came any more: the other end refused, ended, or is cut off"
    return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, marks_of(handshake, "packet-read", "timeout"), "one-end")


def _sent(handshake: Handshake) -> list[Mark]:
    return marks_of(handshake, "link-remote", "packet-written", "timeout")
