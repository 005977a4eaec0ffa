"""What a handshake that is over was: nothing wrong, or which fault, how certainly, and why."""

from __future__ import annotations

from collections.abc import Callable

from patchkit.diagnosis.finding import Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.rules.named import keys, named
from patchkit.diagnosis.rules.packets import packets, stalled
from patchkit.diagnosis.rules.steps import slow
from patchkit.diagnosis.rules.system import system, tcp_reset
from patchkit.diagnosis.rules.unfinished import failed_steps
from patchkit.diagnosis.rules.verdict import FINE, LIKELY, POSSIBLE, Verdict, marks_of, times

_MANY = 3


def verdict(handshake: Handshake, end: End) -> Verdict | None:
    """Judge ``handshake`` of ``end``; None where nothing is wrong with it, or nothing was begun."""
    for rule in _RULES:
        judged = rule(handshake, end)
        if judged is not None:
            return None if judged is FINE else judged
    return None


def _unknown(handshake: Handshake, _end: End) -> Verdict | None:
    if not handshake.has("unknown-session") or handshake.is_complete:
        return None
    count = handshake.counts["unknown-session"]
    if count < _MANY and handshake.has("timeout"):
        return None  # packets of the attempt before, that were late
    why = f"{times(count, 'packet')} came of a session that this end does not have"
    certainty = LIKELY if count > 1 and not handshake.has("timeout") else POSSIBLE
    return Verdict(Kind.UNKNOWN_SESSION, certainty, why, marks_of(handshake, "unknown-session"))


def _not_enough(handshake: Handshake, end: End) -> Verdict | None:
    if (not handshake.has_failed and not handshake.has("tls-object", "ping-restart")) or handshake.is_complete:
        return None
    if handshake.has("tls-object"):
        why = "TLS refused what came, and the line with the reason is not in this log"
        marks = marks_of(handshake, "tls-object", "handshake-failed")
        return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, marks, "tls")
    missing = f"this log has no line above --verb {end.verb}" if end.verb else "this log does not show its --verb"
    reached = "the other end's certificate was verified" if handshake.has("verified-leaf") else (
        "a first packet came" if handshake.has("initial", "instance", "auth-state") else "no more is known"
    )  # fmt: skip
    why = f"the handshake ran into its limit; {reached}, and {missing}"
    detail = "one-end" if end.verb >= 3 else "verb"
    return Verdict(Kind.NOT_ENOUGH, POSSIBLE, why, handshake.marks[:6], detail)


_RULES: tuple[Callable[[Handshake, End], Verdict | None], ...] = (
    named, keys, system, stalled, packets, tcp_reset, slow, failed_steps, _unknown, _not_enough,
)  # fmt: skip
