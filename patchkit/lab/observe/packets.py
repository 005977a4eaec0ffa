"""Match the runner's packet records, and sum up what each direction of the link carried."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from patchkit.lab.model.scenario import Flow
from patchkit.lab.model.trial import CONTROL, DIRECTIONS, TCP, TCP_ACK, Direction, Sending, Traffic
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
_MARGIN = 100_000_000  # ns: what is sent less than the longest delay and this before the end may be on its way
_EXACT = 5_000_000  # ns: less than lies between two copies of a packet that `recommended` sends in a pair, 20 ms
_SLACK = 200_000_000  # ns: a storm can keep the router waiting
_OVERTAKEN = 1_000_000  # ns: packets sent closer together than this may have been mistaken for each other


@dataclass(frozen=True)
class Packet:
    """One packet at one point: ``when`` in ns since 1970."""

    when: int
    point: int
    opcode: str
    size: int
    crc: int
    message: int = 0
    """The same for all copies of a control packet; 0 when that cannot be known."""


@dataclass
class _Fates:
    """The packets of one direction; each delivery is matched to the packet that it most likely comes from."""

    sent: list[Packet]
    deliveries: list[int] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    reordered: int = 0
    furthest: int = 0
    """When the last of those that arrived was sent."""


def read(records: bytes) -> list[Packet]:
    """Unpack the runner's ``records``, by time. Raises struct.error when the last one is not complete."""
    packets = [
        Packet(when, point % capture.TCP, _opcode(point, first), size, crc, message)
        for when, point, first, size, crc, message in capture.RECORD.iter_unpack(records)
    ]
    return sorted(packets, key=lambda packet: packet.when)


def _opcode(point: int, first: int) -> str:
    if point >= capture.TCP:
        return TCP if first else TCP_ACK
    return OPCODES.get(first >> 3, f"opcode {first >> 3}")


def traffic(
    packets: Sequence[Packet], direction: Direction, flow: Flow, *, until_ns: int | None, ruled_out: int
) -> Traffic:
    """Sum up what ``direction`` of a link with ``flow`` carried of ``packets``.

    Opcodes are counted up to ``until_ns``; all other figures are of all packets. ``ruled_out`` is how many packets the
    scenario's own rules dropped.
    """
    sent_at, delivered_at = _points(direction)
    sent = [packet for packet in packets if packet.point == sent_at]
    delivered = [packet for packet in packets if packet.point == delivered_at]
    fates = _matched(sent, delivered, flow)
    end = _settled_until(fates, flow, packets[-1].when if packets else 0)
    settled = [times for packet, times in zip(sent, fates.deliveries, strict=True) if packet.when <= end]
    counted = _sent_until(until_ns, sent)
    return Traffic(
        sent=len(settled),
        delivered=sum(settled),
        dropped=settled.count(0),
        duplicated=sum(times > 1 for times in settled),
        reordered=fates.reordered,
        ruled_out=ruled_out,
        delay_ms=_delay_ms(fates),
        opcodes=dict(sorted(Counter(packet.opcode for packet in counted).items())),
        control_bytes=sum(packet.size for packet in counted if packet.opcode not in _DATA),
        sending=_sending([packet for packet in counted if packet.opcode.startswith((CONTROL, TCP))]),
    )


def _sent_until(until_ns: int | None, sent: Sequence[Packet]) -> list[Packet]:
    return [packet for packet in sent if until_ns is None or packet.when <= until_ns]


def _delay_ms(fates: _Fates) -> float | None:
    return round(median(fates.delays) / 1e6, 3) if fates.delays else None


def _keeps_order(flow: Flow) -> bool:
    """Whether packets leave ``flow`` in the order in which they came."""
    return not (flow.jitter_ms or flow.reorder or flow.duplicate)


def _settled_until(fates: _Fates, flow: Flow, last: int) -> int:
    """The time until which packets that were sent have arrived or are lost; ``last`` is that of the last packet."""
    longest = int((flow.delay_ms + 4 * flow.jitter_ms) * 1e6)
    if flow.rate_kbit is None:
        return last - longest - _MARGIN
    end = last - max(longest, *fates.delays, 0) - _MARGIN
    # What was sent before a packet that has arrived is not on its way any more.
    return max(end, fates.furthest) if _keeps_order(flow) else end


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


def _matched(sent: Sequence[Packet], delivered: Sequence[Packet], flow: Flow) -> _Fates:
    """Match ``delivered`` packets with ``sent`` ones. A resent packet often has the same bytes: the delay decides.

    Where packets keep their order, one is taken that took the delay asked for; else the first one that nothing sent
    later has overtaken, if it is not too old.
    Behind a bottleneck packets wait for those before them, with no limit: there, none is too old.
    """
    in_order = _keeps_order(flow)
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
        if in_order and oldest is not None:
            on_time = packet.when - delay
            best = _first(waiting.get(key, []), sent, max(fates.furthest, on_time - _EXACT), on_time + _EXACT)
        if in_order and best is None:
            begin = fates.furthest if oldest is None else max(fates.furthest, packet.when - oldest)
            best = _first(waiting.get(key, []), sent, begin, packet.when)
        if best is None:
            best = _nearest(waiting.get(key, []), sent, packet.when, delay)
        if best is not None:
            waiting[key].remove(best)
        else:  # all of them have been delivered: one is delivered twice
            best = _nearest(all_of.get(key, []), sent, packet.when, delay)
        if best is None:
            continue
        fates.deliveries[best] += 1
        fates.delays.append(packet.when - sent[best].when)
        fates.reordered += sent[best].when < fates.furthest - _OVERTAKEN
        fates.furthest = max(fates.furthest, sent[best].when)
    return fates


def _first(numbers: Sequence[int], sent: Sequence[Packet], begin: int, end: int) -> int | None:
    """Find the first packet of ``numbers`` that was sent from ``begin`` to ``end``."""
    at = bisect_left(numbers, begin, key=lambda n: sent[n].when)
    return numbers[at] if at < len(numbers) and sent[numbers[at]].when <= end else None


def _nearest(numbers: Sequence[int], sent: Sequence[Packet], when: int, delay: int) -> int | None:
    """Find the packet of ``numbers`` that was sent closest to ``delay`` before ``when``, and not after it."""
    at = bisect_right(numbers, when - delay, key=lambda n: sent[n].when)
    neighbours = [n for n in numbers[max(at - 1, 0) : at + 1] if sent[n].when <= when]
    return min(neighbours, key=lambda n: abs(when - delay - sent[n].when), default=None)
