"""Handshakes that are not parsed: what is found must be what parsing every line finds."""

from __future__ import annotations

import random

import pytest

from patchkit.diagnosis.events import WORDS
from patchkit.diagnosis.input.lines import blocks, numbered
from patchkit.diagnosis.reader import Reader

HANDSHAKE = (
    "{a} TLS: Initial packet from [AF_INET]{a}, sid=01020304 05060708",
    "{a} VERIFY OK: depth=0, CN=c{n}",
    "{a} peer info: IV_VER=2.6.14",
    "{a} Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384",
    "{a} [c{n}] Peer Connection Initiated with [AF_INET]{a}",
    "c{n}/{a} SENT CONTROL [c{n}]: 'PUSH_REPLY,ping 10' (status=1)",
)
RENEGOTIATION = (
    "c{n}/{a} TLS: soft reset sec=3600/3600 bytes=1/-1 pkts=1/0",
    "c{n}/{a} VERIFY OK: depth=0, CN=c{n}",
    "c{n}/{a} Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384",
)
RESTART = (
    "c{n}/{a} [c{n}] Inactivity timeout (--ping-restart), restarting",
    "c{n}/{a} SIGUSR1[soft,ping-restart] received, client-instance restarting",
)
FAILED = (
    "{a} TLS: Initial packet from [AF_INET]{a}, sid=01020304 05060708",
    "{a} VERIFY ERROR: depth=0, error=certificate has expired: CN=c{n}",
    "{a} TLS Error: TLS handshake failed",
    "{a} SIGUSR1[soft,tls-error] received, client-instance restarting",
)
TIMES = {
    "plain": "2024-01-01 {h:02}:{m:02}:{s:02} ",
    "verb 4": "2024-01-01 {h:02}:{m:02}:{s:02} us=123456 ",
    "verb 5": "{letters}2024-01-01 {h:02}:{m:02}:{s:02} us=123456 ",
    "asctime": "Mon Jan  1 {h:02}:{m:02}:{s:02} 2024 ",
    "syslog": "Jan  1 {h:02}:{m:02}:{s:02} host openvpn[7]: ",
}


def log_of(rng: random.Random, time: str) -> bytes:
    """Several peers at a time; some handshakes take long, and some are cut off."""
    lines, clock = [], 0
    for _ in range(60):
        running = [
            (number, list(rng.choice((HANDSHAKE, HANDSHAKE, RENEGOTIATION, RESTART, FAILED))))
            for number in rng.sample(range(6), rng.randint(1, 3))
        ]
        pause = rng.choice((0, 0, 0, 1, 7))
        while running:
            number, texts = rng.choice(running)
            letters = rng.choice(("", "", "", "R", "WRW"))
            stamp = time.format(h=clock // 3600, m=clock // 60 % 60, s=clock % 60, letters=letters)
            lines.append(stamp + texts.pop(0).format(n=number, a=f"192.0.2.{number}:4000"))
            clock += pause if rng.random() < 0.2 else 0
            running = [(other, rest) for other, rest in running if rest and rng.random() > 0.01]
        clock += 20
    return ("\n".join(lines) + "\n").encode()


def shown(reader: Reader) -> list[tuple[object, ...]]:
    """Without common names, which the two may learn from different lines."""
    ends = reader.finish()
    return [(end.handshakes, end.completed) for end in ends] + [
        (
            finding.kind,
            finding.certainty,
            finding.peer.rpartition("/")[2],
            finding.count,
            tuple(line.line for line in finding.evidence),
        )
        for incidents in ends
        for finding in incidents.findings()
    ]


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("seed", range(5))
def test_the_same_is_found_as_by_parsing_all_lines(time: str, seed: int) -> None:
    data = log_of(random.Random(seed), time)  # noqa: S311 - not for keys
    quick, whole = Reader(), Reader()
    for first, block in blocks([data[: len(data) // 2], data[len(data) // 2 :]]):
        quick.block("log", first, block)
    whole.block("log", 1, b"")
    for number, raw, word in numbered([data], WORDS):
        whole._parse("log", number, raw, word)
    assert sorted(map(str, shown(quick))) == sorted(map(str, shown(whole)))


def test_an_attempt_that_ends_within_a_second_did_not_complete() -> None:
    """A client with a fixed port is killed, and begins anew: nothing stands between the two attempts."""
    reader = Reader()
    text = ""
    for second, texts in (10, HANDSHAKE), (20, HANDSHAKE[:3]), (30, HANDSHAKE):
        stamp = TIMES["plain"].format(h=0, m=0, s=second)
        text += "".join(f"{stamp}{line}\n" for line in texts)
    reader.block("log", 1, text.format(n=1, a="192.0.2.1:4000").encode())
    (end,) = reader.finish()
    assert (end.handshakes, end.completed) == (3, 2)


def test_who_waits_longest_is_not_taken_for_who_comes() -> None:
    """Of 4,097 attempts at once the first one is parsed: its address is that of its own lines."""
    stamp = TIMES["plain"].format(h=0, m=0, s=0)
    reader = Reader()
    text = "".join(f"{stamp}{line}\n" for line in HANDSHAKE).format(n=1, a="192.0.2.1:4000")
    for number in range(4097):
        text += "".join(f"{stamp}{line}\n" for line in HANDSHAKE[:2]).format(
            n=number, a=f"198.51.100.1:{number + 1000}"
        )
    reader.block("log", 1, text.encode())
    (end,) = reader.finish()
    assert (end.handshakes, end.completed) == (4098, 1)


def test_numbers_of_lines_are_counted_across_pages() -> None:
    """Blocks of several kB; lines that wait, and lines that do not, have the numbers that the file gives them."""
    lines = [f"Jan  1 00:00:{number % 60:02} host cron[1]: line {number}" for number in range(1000)]
    stamp = TIMES["plain"].format(h=0, m=0, s=0)
    timeout = "{a} TLS Error: TLS key negotiation failed to occur within 60 seconds"
    for at in range(7, 1000, 100):
        for place, text in (at, HANDSHAKE[0]), (at + 80, timeout):
            lines[place] = stamp + text.format(a=f"192.0.2.{at // 100}:4000")
    reader = Reader()
    data = "\n".join(lines).encode()
    for first, block in blocks([data[:20_000], data[20_000:]]):
        reader.block("log", first, block)
    (end,) = reader.finish()
    numbers = [line.line for finding in end.findings() for line in finding.evidence]
    assert sorted(numbers) == [at + offset for at in range(8, 1000, 100) for offset in (0, 80)]
