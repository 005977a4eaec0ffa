"""What a rule finds in a handshake, and what all rules share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.diagnosis.finding import Certainty, Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import End

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


FINE = Verdict(Kind.NOT_ENOUGH, POSSIBLE, "", ())
"""Of a rule: nothing is wrong, and the rules behind it are not asked."""


TIMER = 2.0  # seconds: --tls-timeout, after which a packet is first sent again
LEAST_PAUSE = 0.9  # seconds that a lost packet costs, where times have fractions
WAITED = 9.0  # seconds without an answer that an attempt which is cut off must have had


def is_over(handshake: Handshake, end: End) -> bool:
    """Return whether the attempt failed, or was waiting long enough when the log or the process ended."""
    if handshake.has_failed or handshake.has("ended", "ping-restart", "no-push-reply"):
        return True
    reliable = handshake.reliable
    if reliable.resets_read >= 3 or reliable.resets_written >= 4 or handshake.counts.get("cookie", 0) >= 3:
        return True
    begin = handshake.begin
    if begin is None or begin.time is None or end.last is None:
        return False
    return end.last - begin.time >= WAITED


def marks_of(handshake: Handshake, *kinds: str) -> list[Mark]:
    """List the first marks of ``handshake`` that are of one of ``kinds``: a finding's evidence."""
    return [mark for mark in handshake.marks if mark.kind in kinds][:8]


def times(count: int, what: str) -> str:
    """Write ``count`` with the noun ``what``, in the plural where it is not one."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
