"""From the runner's packet records to what each direction of the link carried."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from patchkit.lab.model.scenario import Flow
from patchkit.lab.model.trial import CONTROL, DIRECTIONS, Direction, Sending, Traffic
from patchkit.lab.runner import capture

# ssl_pkt.h of 2.6, ssl.h before it: the upper five bits of a packet's first byte.
OPCODES = {
    1: "P_CONTROL_HARD_RESET_CLIENT_V1",
    2: "P_CONTROL_HARD_RESET_SERVER_V1",
    3: "P_CONTROL_SOFT_RESET_V1",
    4: "P_CONTROL_V1",
    5: "P_ACK_V1",
    6: "P_DATA_V1",
    7: "P_CONTROL_HARD_RESET_CLIENT_V2",
    8: "P_CONTROL_HARD_RESET_SERVER_V2",
    9: "P_DATA_V2",
    10: "P_CONTROL_HARD_RESET_CLIENT_V3",
    11: "P_CONTROL_WKC_V1",
}
_DATA = ("P_DATA_V1", "P_DATA_V2")
_SECOND = 1_000_000_000  # ns
_MARGIN = 100_000_000  # ns: what is sent later than the longest delay and this before the end may be on its way
_SLACK = 200_000_000  # ns: a storm can keep the router waiting; OpenVPN itself waits longer before it sends again
_OVERTAKEN = 1_000_000  # ns: of packets sent closer together than this, it may be their likeness that misleads


@dataclass(frozen=True)
class Packet:
    """One packet at one point: ``when`` in ns since 1970."""

    when: int
    point: int
    opcode: str
    size: int
    crc: int
    message: int = 0
    """The same for all copies of a control packet; 0 where that can't be told."""


@dataclass
class _Fates:
    """What became of the packets of one direction, each delivery matched to the sending it most likely comes from."""

    sent: list[Packet]
    deliveries: list[int] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    reordered: int = 0
    furthest: int = 0
    """When the last of those that arrived was sent."""


def read(records: bytes) -> list[Packet]:
    """The runner's records, by time. Raises struct.error where they are not whole."""
    packets = [
        Packet(when, point, OPCODES.get(first >> 3, f"opcode {first >> 3}"), size, crc, message)
        for when, point, first, size, crc, message in capture.RECORD.iter_unpack(records)
    ]
    return sorted(packets, key=lambda packet: packet.when)


def traffic(
    packets: Sequence[Packet], direction: Direction, flow: Flow, *, until_ns: int | None, ruled_out: int
) -> Traffic:
    """What one direction carried. Opcodes are counted up to ``until_ns``; the link is judged by everything."""
    sent_at, delivered_at = _points(direction)
    sent = [packet for packet in packets if packet.point == sent_at]
    delivered = [packet for packet in packets if packet.point == delivered_at]
    in_a_row = not (flow.jitter_ms or flow.reorder or flow.duplicate)
    fates = _matched(sent, delivered, flow, in_a_row=in_a_row)
    last = packets[-1].when if packets else 0
    waits = int((flow.delay_ms + 4 * flow.jitter_ms) * 1e6)
    if flow.rate_kbit is not None:
        waits = max(waits, *fates.delays, 0)
    end = last - waits - _MARGIN
    if in_a_row and flow.rate_kbit is not None:  # what was sent before one that has arrived is not on its way any more
        end = max(end, fates.furthest)
    settled = [n for n, packet in enumerate(sent) if packet.when <= end]
    counted = [packet for packet in sent if until_ns is None or packet.when <= until_ns]
    return Traffic(
        sent=len(settled),
        delivered=sum(fates.deliveries[n] for n in settled),
        dropped=sum(fates.deliveries[n] == 0 for n in settled),
        duplicated=sum(fates.deliveries[n] > 1 for n in settled),
        reordered=fates.reordered,
        ruled_out=ruled_out,
        delay_ms=round(median(fates.delays) / 1e6, 3) if fates.delays else None,
        opcodes=dict(sorted(Counter(packet.opcode for packet in counted).items())),
        control_bytes=sum(packet.size for packet in counted if packet.opcode not in _DATA),
        sending=_sending([packet for packet in counted if packet.opcode.startswith(CONTROL)]),
    )


def _sending(control: Sequence[Packet]) -> Sending | None:
    if not all(packet.message for packet in control):
        return None
    copies = Counter(packet.message for packet in control)
    begin, fullest = 0, (0, 0)
    for end, packet in enumerate(control, start=1):
        while packet.when - control[begin].when >= _SECOND:
            begin += 1
        fullest = max(fullest, (begin, end), key=lambda span: span[1] - span[0])
    peak = control[slice(*fullest)]
    return Sending(
        messages=len(copies),
        copies=max(copies.values(), default=0),
        seconds=round((control[-1].when - control[0].when) / _SECOND, 6) if control else 0.0,
        peak=len(peak),
        peak_messages=len({packet.message for packet in peak}),
    )


def _points(direction: Direction) -> tuple[int, int]:
    if direction == DIRECTIONS[0]:
        return capture.UP_SENT, capture.UP_DELIVERED
    return capture.DOWN_SENT, capture.DOWN_DELIVERED


def _matched(sent: Sequence[Packet], delivered: Sequence[Packet], flow: Flow, *, in_a_row: bool) -> _Fates:
    """A resent packet is often the same bytes once more: of several, the one that the delay fits best is taken.

    Where packets come ``in_a_row``, it is the first one that nothing sent later has overtaken, if it is not too old.
    Behind a bottleneck packets wait for those before them, for nobody knows how long: there, none is too old.
    """
    delay = int(flow.delay_ms * 1e6)
    oldest = None if flow.rate_kbit is not None else delay + _SLACK
    fates = _Fates(list(sent), [0] * len(sent))
    all_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for n, packet in enumerate(sent):
        all_of[packet.crc, packet.size].append(n)
    waiting = {key: list(numbers) for key, numbers in all_of.items()}
    for packet in delivered:
        key = (packet.crc, packet.size)
        best = None
        if in_a_row:
            begin = fates.furthest if oldest is None else max(fates.furthest, packet.when - oldest)
            best = _first(waiting.get(key, []), sent, begin, packet.when)
        if best is None:
            best = _nearest(waiting.get(key, []), sent, packet.when, delay)
        if best is not None:
            waiting[key].remove(best)
        else:  # all of them have been delivered: once more, then
            best = _nearest(all_of.get(key, []), sent, packet.when, delay)
        if best is None:
            continue
        fates.deliveries[best] += 1
        fates.delays.append(packet.when - sent[best].when)
        fates.reordered += sent[best].when < fates.furthest - _OVERTAKEN
        fates.furthest = max(fates.furthest, sent[best].when)
    return fates


def _first(numbers: Sequence[int], sent: Sequence[Packet], begin: int, end: int) -> int | None:
    """The first of the packets that were sent from ``begin`` to ``end``."""
    at = bisect_left(numbers, begin, key=lambda n: sent[n].when)
    return numbers[at] if at < len(numbers) and sent[numbers[at]].when <= end else None


def _nearest(numbers: Sequence[int], sent: Sequence[Packet], when: int, delay: int) -> int | None:
    """Which of the packets was sent closest to ``delay`` before ``when``, and not after it."""
    at = bisect_right(numbers, when - delay, key=lambda n: sent[n].when)
    near = [n for n in numbers[max(at - 1, 0) : at + 1] if sent[n].when <= when]
    return min(near, key=lambda n: abs(when - delay - sent[n].when), default=None)
