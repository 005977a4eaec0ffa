"""No storm: what a variant promises to send at most, held against every trial."""

from __future__ import annotations

from collections.abc import Iterator

from patchkit.lab.model.campaign import Arm
from patchkit.lab.model.trial import Direction, Sending, Trial
from patchkit.patching.variants import Bound


def exceeded(arm: Arm, trial: Trial, senders: int) -> list[str]:
    """Where a side of a trial sent more than its variant promises; ``senders`` is how many clients there were.

    Empty for a side that promises nothing, and where packet IDs could not be read. The second that had most packets
    is looked at by itself: a storm that is over soon does not hide in a long handshake.
    """
    return list(_exceeded(arm, trial, senders))


def _exceeded(arm: Arm, trial: Trial, senders: int) -> Iterator[str]:
    sides: tuple[tuple[Direction, str, Bound | None], ...] = (
        ("up", "client", arm.client.bound),
        ("down", "server", arm.server.bound),
    )
    for direction, side, bound in sides:
        carried = trial.traffic.get(direction)
        if bound is None or carried is None or carried.sending is None:
            continue
        sent = carried.sending
        for packets, messages, seconds in _intervals(carried.control, sent):
            most = bound.copies * messages + bound.per_second * senders * seconds
            if packets > most:
                yield (
                    f"the {side} sent {packets} control packets, {messages} of them different, within {seconds:g} s: "
                    f"more than {most:g}"
                )


def _intervals(packets: int, sent: Sending) -> Iterator[tuple[int, int, float]]:
    """Packets, different ones and seconds: of the whole trial, and of its fullest second."""
    yield packets, sent.messages, sent.seconds
    yield sent.peak, sent.peak_messages, 1.0
