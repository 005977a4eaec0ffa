"""That the rules can be broken: small faults put into upstream's reliable.c, and what is said of each."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.conftest import PINNED
from tests.reliable.conftest import DriverOf
from tests.reliable.harness import Change, ViolationError

pytestmark = pytest.mark.slow

LINE = "flights=5,20,25,6 loss=150 dup=50 jitter=100 runs=50 limit=20000000"


def swapped(*pairs: tuple[str, str]) -> Change:
    """Each text, which must be there, replaced everywhere."""

    def change(source: str) -> str:
        for old, new in pairs:
            assert old in source, f"{old!r} is not in this reliable.c"
            source = source.replace(old, new)
        return source

    return change


def inside(function: str, old: str, new: str) -> Change:
    """A text in one function."""

    def change(source: str) -> str:
        match = re.search(rf"^{function}\(.*?^}}", source, re.MULTILINE | re.DOTALL)
        assert match, f"{function} is not in this reliable.c"
        assert old in match[0], f"{old!r} is not in {function}"
        return source[: match.start()] + match[0].replace(old, new) + source[match.end() :]

    return change


def both(*changes: Change) -> Change:
    def change(source: str) -> str:
        for change in changes:
            source = change(source)
        return source

    return change


FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "an ACK frees all before it": (
        inside("reliable_send_purge", "e->packet_id == pid", "e->packet_id <= pid"),
        r"\d+ ids are open, and \d+ entries active",
    ),
    "the lowest entry is dropped when the window is full": (
        inside("reliable_get_buf_output_sequenced", "        dmsg(",
               "        for (i = 0; i < rel->size; ++i)\n"
               "            if (rel->array[i].packet_id == min_id) rel->array[i].active = false;\n        dmsg("),
        r"\d+ ids are open, and \d+ entries active",
    ),
    "nothing is sent again": (
        both(
            inside("reliable_send", "local_now + best->timeout", "local_now + 1000000000"),
            swapped(("N_ACK_RETRANSMIT", "1000000")),
        ),
        r"not finished",
    ),
    "the window is exceeded": (
        both(
            inside("reliable_get_buf_output_sequenced", "reliable_pid_in_range1(rel->packet_id, min_id, rel->size)",
                   "true"),
            inside("reliable_get_num_output_sequenced_available", "ret -= subtract_pid(rel->packet_id, min_id);",
                   "ret = reliable_can_get(rel);"),
        ),
        r"the window is exceeded",
    ),
    "what comes first goes first": (
        inside("reliable_get_entry_sequenced", "e->active && e->packet_id == rel->packet_id", "e->active"),
        r"id \d+ comes out where|comes out with",
    ),
    "a replay is taken for new": (
        inside("reliable_not_replay", "goto bad;", ";"),
        r"ASSERT at reliable.c|comes out",
    ),
    "a later packet is sent that is not due": (
        inside("reliable_can_send", "n_current > 0", "n_active > 0"),
        r"reliable_can_send, and reliable_send has nothing",
    ),
    "a packet is due at once": (
        both(
            inside("reliable_send", "local_now + best->timeout", "local_now"),
            inside("reliable_send", "best->timeout *= 2;", ""),
        ),
        r"at one moment and no end",
    ),
    "another id is acknowledged": (
        inside("reliable_ack_acknowledge_packet_id", "packet_id[ack->len++] = pid", "packet_id[ack->len++] = pid + 1"),
        r"an ACK for id \d+, which has not arrived",
    ),
    "a packet is acknowledged and lost": (
        inside("reliable_mark_active_incoming", "e->active = true;", "e->active = pid % 7 != 5;"),
        r"not finished",
    ),
    "bytes change": (
        inside("reliable_mark_active_incoming", "e->active = true;",
               "e->active = true; if (buf->len > 9) BPTR(buf)[9]++;"),
        r"comes out with another byte 9",
    ),
    "one entry too many is read": (
        inside("reliable_empty", "i < rel->size", "i <= RELIABLE_CAPACITY"),
        r"AddressSanitizer|runtime error",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, driver_of: DriverOf) -> None:
    change, message = FAULTS[fault]
    driver = driver_of(PINNED, "stock", change)
    with pytest.raises(ViolationError, match=message) as caught:
        driver.run(LINE.replace("runs=50", "runs=2000"))
    assert "repeat: " in str(caught.value) or "Sanitizer" in str(caught.value) or "runtime error" in str(caught.value)


def test_memory_that_leaks_is_found_at_the_end(driver_of: DriverOf) -> None:
    driver = driver_of(PINNED, "stock", inside("reliable_free", "free_buf(&e->buf);", ""))
    driver.run(LINE)
    with pytest.raises(ViolationError, match="LeakSanitizer"):
        driver.close()


def test_the_same_line_gives_the_same_runs_and_a_failure_says_which(driver_of: DriverOf) -> None:
    driver = driver_of(PINNED)
    first = driver.run(LINE)
    assert first == driver.run(LINE)
    assert [driver.run(f"{LINE} seed={1 + number} runs=1")[0] for number in range(5)] == first[:5]
    broken = driver_of(PINNED, "stock", FAULTS["the window is exceeded"][0])
    with pytest.raises(ViolationError) as caught:
        broken.run(LINE)
    repeat = re.search("repeat: (.*)", str(caught.value))
    assert repeat
    with pytest.raises(ViolationError) as again:
        broken.run(repeat[1])
    assert str(again.value).split("\nrepeat")[0] == str(caught.value).split("\nrepeat")[0]
