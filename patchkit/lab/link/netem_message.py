"""A scenario's flow as netem's options in a message of rtnetlink(7): what ``tc`` would send, and no program."""

from __future__ import annotations

import struct

from patchkit.lab.model.scenario import Flow

# linux/pkt_sched.h
_LOSS, _REORDER, _RATE, _RATE64, _LATENCY, _JITTER = 5, 3, 6, 8, 10, 11
_GILBERT_ELLIOTT = 2
_NESTED = 0x8000  # NLA_F_NESTED, linux/netlink.h
_WHOLE = 0xFFFF_FFFF  # a probability of 1
_NS_PER_MS = 1_000_000
_BYTES_PER_KBIT = 125


def options(flow: Flow) -> bytes:
    """Encode ``flow``, apart from its seed and the table of its distribution, as the value of TCA_OPTIONS."""
    gap = 1 if flow.reorder else 0  # each packet may overtake, not every n-th
    head = struct.pack("=6I", 0, flow.queue, _share(flow.loss), gap, _share(flow.duplicate), 0)
    parts = [_attribute(_LATENCY, _nanoseconds(flow.delay_ms)), _attribute(_JITTER, _nanoseconds(flow.jitter_ms))]
    if flow.burst:
        burst = flow.burst
        # The kernel's h is the share that a bad phase lets through.
        let_through = _WHOLE - _share(burst.loss_in_bad)
        model = (_share(burst.to_bad), _share(burst.to_good), let_through, _share(burst.loss_in_good))
        parts.append(_attribute(_LOSS | _NESTED, _attribute(_GILBERT_ELLIOTT, struct.pack("=4I", *model))))
    if flow.reorder:
        parts.append(_attribute(_REORDER, struct.pack("=2I", _share(flow.reorder), 0)))
    if flow.rate_kbit:
        rate = int(flow.rate_kbit * _BYTES_PER_KBIT)
        parts.append(_attribute(_RATE, struct.pack("=IiIi", min(rate, _WHOLE), 0, 0, 0)))
        parts += [_attribute(_RATE64, struct.pack("=Q", rate))] if rate > _WHOLE else []
    return head + b"".join(parts)


def _share(percent: float) -> int:
    return round(percent / 100 * _WHOLE)


def _nanoseconds(milliseconds: float) -> bytes:
    return struct.pack("=q", round(milliseconds * _NS_PER_MS))


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
