"""The drawing of an incident: two ends as vertical lines, packets as arrows, time downwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patchkit.diagnosis.finding import Moment

LEFT, RIGHT, WIDTH = 250, 650, 940
"""Where the two ends stand, and the drawing's width, in pixels."""
_TOP, _STEP, _SLANT = 46, 17, 9
_MOST = 120  # moments that are drawn
_BEFORE = 40  # of these, before the packet that is stuck, where it is not among the first
_PAUSE = 0.5  # seconds from which on a pause is marked


@dataclass(frozen=True)
class Stroke:
    """A moment at ``y``: an arrow, an event, or a pause."""

    y: int
    kind: str
    """out, in, event or pause."""
    label: str
    clock: str
    stuck: bool

    @property
    def start(self) -> int:
        """Where its arrow begins."""
        return LEFT if self.kind == "out" else RIGHT

    @property
    def stop(self) -> int:
        """Where its arrow ends, before the head."""
        return RIGHT - 7 if self.kind == "out" else LEFT + 7

    @property
    def stop_y(self) -> int:
        """How far down its arrow ends: a packet takes its time."""
        return self.y + _SLANT


@dataclass(frozen=True)
class Timeline:
    """What a drawing has."""

    strokes: Sequence[Stroke]
    height: int
    left_out: int


def timeline(moments: Sequence[Moment]) -> Timeline | None:
    """Lay out ``moments``; None where there are none."""
    if not moments:
        return None
    stuck = next((index for index, moment in enumerate(moments) if moment.stuck), 0)
    begin = max(0, min(stuck - _BEFORE, len(moments) - _MOST)) if stuck >= _MOST - _BEFORE else 0
    drawn = moments[begin : begin + _MOST]
    strokes = list(_strokes(drawn))
    return Timeline(strokes, strokes[-1].y + 40, len(moments) - len(drawn))


def _strokes(moments: Sequence[Moment]) -> Iterator[Stroke]:
    y, before = _TOP, moments[0].seconds
    for moment in moments:
        pause = moment.seconds - before
        if pause >= _PAUSE:
            y += 6
            yield Stroke(y, "pause", f"{pause:.1f} s", "", False)
            y += _STEP + int(8 * math.log1p(min(pause, 1000)))
        yield Stroke(y, moment.direction, moment.label[:90], f"{moment.seconds:.3f}", moment.stuck)
        y += _STEP
        before = max(before, moment.seconds)
