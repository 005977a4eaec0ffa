"""No storm: compare the most that a variant promises to send with every trial."""

from __future__ import annotations

from collections.abc import Iterator

from patchkit.lab.model.campaign import Arm
from patchkit.lab.model.trial import Direction, Sending, Trial
from patchkit.patching.variants import Bound


def exceeded(arm: Arm, trial: Trial, senders: int) -> list[str]:
    """List where a side of ``arm`` sent more in ``trial`` than its variant promises; ``senders`` counts the clients.

    A side that promises nothing, or whose packet IDs could not be read, is never listed. The second with most packets
    is compared by itself: a storm that is over soon does not hide in a long handshake.
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
    """Return packets, different packets and seconds: of the whole trial, and of its fullest second."""
    yield packets, sent.messages, sent.seconds
    yield sent.peak, sent.peak_messages, 1.0
