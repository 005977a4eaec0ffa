"""What each direction carried, from records made by hand."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import pytest

from patchkit.lab.model.scenario import Flow
from patchkit.lab.model.trial import Traffic
from patchkit.lab.observe.packets import OPCODES, read, traffic
from patchkit.lab.runner.capture import DOWN_DELIVERED, DOWN_SENT, RECORD, TCP, UP_DELIVERED, UP_SENT

BEGAN = 1_796_083_200_000_000_000
CONTROL, ACK, DATA = 4 << 3, 5 << 3, 9 << 3


def records(*seen: tuple[float, int, bytes], first: int = CONTROL) -> bytes:
    """(ms, point, contents), in any order. Of a TCP segment nobody knows which message it is."""
    return b"".join(
        RECORD.pack(
            BEGAN + round(ms * 1e6), point, first, len(data), zlib.crc32(data), 0 if point >= TCP else zlib.crc32(data)
        )
        for ms, point, data in seen
    )


def up(*seen: tuple[float, int, bytes], until: float | None = None, ruled_out: int = 0, **flow: Any) -> Traffic:
    """What went up, on a link of 50 ms, with a last packet at 5 s that comes too late to count."""
    until_ns = None if until is None else BEGAN + round(until * 1e6)
    whole_flow = Flow(**{"delay_ms": 50, **flow})
    return traffic(
        read(records(*seen, (5000, UP_SENT, b"last"))), "up", whole_flow, until_ns=until_ns, ruled_out=ruled_out
    )


def counts(one: Traffic) -> tuple[int, int, int, int, int]:
    return one.sent, one.delivered, one.dropped, one.duplicated, one.reordered


def test_records_are_read_by_time_and_opcode() -> None:
    data = records((2, UP_SENT, b"b")) + records((1, DOWN_SENT, b"a"), first=31 << 3)
    assert [(packet.when - BEGAN, packet.point, packet.opcode, packet.size) for packet in read(data)] == [
        (1_000_000, DOWN_SENT, "opcode 31", 1),
        (2_000_000, UP_SENT, "P_CONTROL_V1", 1),
    ]
    for number, name in OPCODES.items():
        for key_id in (0, 7):
            assert read(records((0, 0, b""), first=number << 3 | key_id))[0].opcode == name
    with pytest.raises(struct.error):
        read(data[:-1])
    assert read(b"") == []


def test_segments_of_tcp_have_no_opcode_and_no_bound() -> None:
    syn, data, ack = b"s" * 40, b"d" * 132, b"a" * 32
    carried = traffic(
        read(
            records((0, UP_SENT + TCP, syn), (100, UP_SENT + TCP, data), (150, UP_DELIVERED + TCP, data), first=1)
            + records((101, UP_SENT + TCP, ack), (5000, UP_SENT + TCP, b"last"), first=0)
        ),
        "up", Flow(delay_ms=50), until_ns=BEGAN + 10**9, ruled_out=0,
    )  # fmt: skip
    assert carried.opcodes == {"TCP": 2, "TCP_ACK": 1}
    assert (carried.control, carried.acks, carried.control_bytes) == (2, 1, 40 + 132 + 32)
    assert (carried.sent, carried.dropped, carried.delay_ms) == (3, 2, 50.0)
    assert carried.sending is None


def test_nothing_at_all() -> None:
    nothing = traffic([], "up", Flow(), until_ns=None, ruled_out=0)
    assert counts(nothing) == (0, 0, 0, 0, 0)
    assert nothing.delay_ms is None


def test_lost_and_delivered() -> None:
    seen = up((0, UP_SENT, b"a"), (50, UP_DELIVERED, b"a"), (60, UP_SENT, b"b"), ruled_out=1)
    assert counts(seen) == (2, 1, 1, 0, 0)
    assert (seen.delay_ms, seen.ruled_out) == (50.0, 1)


def test_directions_do_not_mix() -> None:
    seen = read(records((0, UP_SENT, b"a"), (50, DOWN_DELIVERED, b"a"), (60, DOWN_SENT, b"b"),
                        (110, UP_DELIVERED, b"b"), (5000, UP_SENT, b"last")))  # fmt: skip
    for direction in ("up", "down"):
        assert counts(traffic(seen, direction, Flow(delay_ms=50), until_ns=None, ruled_out=0)) == (1, 0, 1, 0, 0)


def test_doubled() -> None:
    seen = up((0, UP_SENT, b"a"), (50, UP_DELIVERED, b"a"), (50, UP_DELIVERED, b"a"), duplicate=10)
    assert counts(seen) == (1, 2, 0, 1, 0)


def test_overtaken() -> None:
    seen = up((0, UP_SENT, b"a"), (10, UP_SENT, b"b"), (10, UP_DELIVERED, b"b"), (50, UP_DELIVERED, b"a"), reorder=25)
    assert counts(seen) == (2, 2, 0, 0, 1)


def test_the_same_bytes_again_are_told_apart_by_the_delay() -> None:
    seen = up((0, UP_SENT, b"a"), (2000, UP_SENT, b"a"), (2050, UP_DELIVERED, b"a"))
    assert (*counts(seen), seen.delay_ms) == (2, 1, 1, 0, 0, 50.0)
    # Sent again before the first one arrives.
    seen = up((0, UP_SENT, b"a"), (20, UP_SENT, b"a"), (30, UP_SENT, b"b"), (50, UP_DELIVERED, b"a"),
              (70, UP_DELIVERED, b"a"), (80, UP_DELIVERED, b"b"))  # fmt: skip
    assert (*counts(seen), seen.delay_ms) == (3, 3, 0, 0, 0, 50.0)
    # In a pair whose first one is lost.
    seen = up((0, UP_SENT, b"a"), (20, UP_SENT, b"a"), (70, UP_DELIVERED, b"a"))
    assert (*counts(seen), seen.delay_ms) == (2, 1, 1, 0, 0, 50.0)
    # Late, both of them, by less than a copy: the first one is the first one.
    seen = up((0, UP_SENT, b"a"), (20, UP_SENT, b"a"), (62, UP_DELIVERED, b"a"), (82, UP_DELIVERED, b"a"))
    assert (*counts(seen), seen.delay_ms) == (2, 2, 0, 0, 0, 62.0)


def test_what_is_on_its_way_at_the_end_is_not_lost() -> None:
    seen = read(records((0, UP_SENT, b"a"), (50, UP_DELIVERED, b"a"), (100, UP_SENT, b"b"), (240, DOWN_SENT, b"x")))
    assert counts(traffic(seen, "up", Flow(delay_ms=50), until_ns=None, ruled_out=0)) == (1, 1, 0, 0, 0)
    later = read(records((0, UP_SENT, b"a"), (50, UP_DELIVERED, b"a"), (100, UP_SENT, b"b"), (250, DOWN_SENT, b"x")))
    assert counts(traffic(later, "up", Flow(delay_ms=50), until_ns=None, ruled_out=0)) == (2, 1, 1, 0, 0)


def test_opcodes_are_counted_up_to_the_end_of_the_handshake_and_the_link_by_all() -> None:
    data = (
        records((0, UP_SENT, b"abc"))
        + records((1, UP_SENT, b"de"), first=ACK)
        + records((2, UP_SENT, b"f"), first=DATA)
    )
    data += records((3, UP_SENT, b"more")) + records((900, UP_SENT, b"last"), first=DATA)
    seen = traffic(read(data), "up", Flow(delay_ms=50), until_ns=BEGAN + 2_000_000, ruled_out=0)
    assert seen.opcodes == {"P_ACK_V1": 1, "P_CONTROL_V1": 1, "P_DATA_V2": 1}
    assert (seen.control, seen.acks, seen.control_bytes) == (1, 1, 5)
    assert counts(seen) == (4, 0, 4, 0, 0)
    assert traffic(read(data), "up", Flow(), until_ns=None, ruled_out=0).control == 2


def test_a_delivery_of_nothing_that_was_sent_does_not_count() -> None:
    """It was sent before the capture began."""
    assert counts(up((0, UP_DELIVERED, b"a"), (10, UP_SENT, b"b"), (60, UP_DELIVERED, b"b"))) == (1, 1, 0, 0, 0)


def bottleneck(seed: int, queue: int) -> list[tuple[float, int, bytes]]:
    """128 kbit/s with room for a few packets, and a peer that sends the same bytes again and again."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    now, free = 0.0, 0.0
    waiting: list[float] = []
    seen: list[tuple[float, int, bytes]] = []
    for _ in range(200):
        now += chance.choice((0.1, 5, 40, 300))
        data = bytes([chance.randrange(4)]) * chance.choice((60, 1200))
        seen.append((now, UP_SENT, data))
        waiting = [when for when in waiting if when > now]
        if len(waiting) >= queue or chance.random() < 0.05:
            continue
        free = max(free, now) + len(data) * 8 / 128
        waiting.append(free + 50)
        seen.append((free + 50, UP_DELIVERED, data))
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_a_bottleneck_keeps_packets_in_a_row(seed: int) -> None:
    sent = bottleneck(seed, queue=50)
    seen = up(*sent, (40_000, DOWN_SENT, b"much later"), rate_kbit=128, queue=50)
    arrived = sum(point == UP_DELIVERED for _, point, _ in sent)
    assert counts(seen) == (201, arrived, 201 - arrived, 0, 0)


def test_a_bottleneck_with_room_for_all_settles_as_packets_arrive() -> None:
    seen = read(records((0, UP_SENT, b"a"), (1, UP_SENT, b"b"), (2, UP_SENT, b"c"), (50, UP_DELIVERED, b"a"),
                        (52, UP_DELIVERED, b"c"), (53, UP_SENT, b"d")))  # fmt: skip
    assert counts(traffic(seen, "up", Flow(delay_ms=50, rate_kbit=128), until_ns=None, ruled_out=0)) == (3, 2, 1, 0, 0)
