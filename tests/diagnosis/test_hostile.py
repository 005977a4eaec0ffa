"""Logs that somebody else wrote: no crash, no quadratic time, nothing of theirs on a terminal or in a page."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from patchkit.cli.output.diagnose import print_findings
from patchkit.diagnosis.anonymizer import Anonymizer
from patchkit.diagnosis.diagnose import Diagnosis, diagnose
from patchkit.diagnosis.events import EVENTS, WORDS
from patchkit.diagnosis.input.files import LogFile
from patchkit.diagnosis.input.framing import Framer, peer_of
from patchkit.diagnosis.input.lines import _hyperscan, _python, blocks, numbered
from patchkit.diagnosis.input.repair import from_json, repaired
from patchkit.diagnosis.reader import Reader
from patchkit.errors import PatchkitError
from patchkit.jobs.diagnose.page import html
from tests.diagnosis.samples import HEALTHY, VERDICTS

CONTROL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2028"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
NUMBERS = st.integers(min_value=-1, max_value=2**70).map(str)
STAMPS = st.sampled_from((
    "2024-01-01 00:00:00 ", "2024-01-01 00:00:07 us=12 ", "Mon Jan  1 00:00:00 2024 ", "",
    "Jan  1 00:00:03 h openvpn[1]: ",
    "RW2024-02-30 25:61:61 ", "9999-99-99 99:99:99 ", "Feb 31 00:00:00 ", "1554845758.123456 50 ", "{", "> ", "a | ",
))  # fmt: skip
PEERS = st.sampled_from(("", "192.0.2.1:1 ", "x/192.0.2.1:1 ", "a b/[2001:db8::1]:99999 ", "/: ", "://:1 "))
TEXTS = st.sampled_from(
    [event.text for event in EVENTS] + [line for log in VERDICTS.values() for line in log.splitlines()]
)
REST = st.one_of(
    st.text(max_size=40),
    st.just("UDPv4 WRITE [26] to [AF_INET]192.0.2.1:1: P_CONTROL_V1 kid=0 [ 1 2 ] pid=3 DATA len=12"),
    NUMBERS.map(lambda number: f"[{number}] {number} 1 2 3"),
    NUMBERS.map(
        lambda n: f"UDPv4 READ [{n}] from [AF_INET]192.0.2.1:1: P_CONTROL_V1 kid={n} [ {n} ] pid={n} DATA len={n}"
    ),
)
LINES = st.builds("".join, st.tuples(STAMPS, PEERS, TEXTS, REST))


def read(data: bytes) -> Reader:
    reader = Reader()
    for first, block in blocks(repaired(iter([data]))):
        reader.block("log", first, block)
    return reader


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, max_size=25))
def test_lines_in_any_order_are_no_crash(lines: list[str]) -> None:
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    for incidents in read(data).finish():
        for finding in incidents.findings():
            assert finding.reason


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=2000))
def test_bytes_are_no_crash(data: bytes) -> None:
    read(data).finish()
    read(b"2024-01-01 00:00:00 TLS Error: " + data + b" TLS: Initial packet from ").finish()
    from_json(b"{" + data + b"}")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_frames_are_no_crash(first: str, second: str) -> None:
    framed = Framer().split(first + "2024-01-01 00:00:00" + second)
    peer_of(framed.message)
    replacing = Anonymizer()
    replacing.learn(first + "CN=" + second)
    assert replacing.replaced(first) is not None


@settings(max_examples=60, deadline=None)
@example(["a TLS Error: b", "...", "...TLS Error: c"], 1)  # dots where a block begins
@given(st.lists(LINES, max_size=20), st.integers(min_value=1, max_value=400))
def test_pieces_of_any_size_are_the_same_log(lines: list[str], size: int) -> None:
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    whole = list(numbered(iter([data]), WORDS))
    assert list(numbered((data[at : at + size] for at in range(0, len(data), size)), WORDS)) == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=20))
def test_hyperscan_and_re_find_the_same_lines(lines: list[str]) -> None:
    finder = _hyperscan(WORDS)
    if finder is None:
        pytest.skip("no hyperscan here")
    data = "\n".join(lines).encode("utf-8", "surrogatepass")

    def found(ends: list[tuple[int, int]]) -> set[int]:
        return {data.count(b"\n", 0, end) for end, _ in ends}

    assert found(finder(data)) == found(_python(WORDS)(data))


LONG = {
    "letters": "RW" * 40_000 + "2024-01-01 00:00:00 TLS Error: TLS handshake failed\n",
    "services": "a|" * 40_000 + "TLS Error: TLS handshake failed\n",
    "quotes": "> " * 40_000 + "TLS Error: TLS handshake failed\n",
    "slashes": "2024-01-01 00:00:00 " + "a/" * 40_000 + "TLS Error: TLS handshake failed\n",
    "acks": "2024-01-01 00:00:00 UDPv4 READ [1] from [AF_INET]192.0.2.1:1: P_ACK_V1 kid=0 [" + " 1" * 40_000 + "\n",
    "ids": "2024-01-01 00:00:00 ACK output sequence broken: [5]" + " 1" * 40_000 + "\n",
    "braces": '{"log":' * 40_000 + "TLS Error: TLS handshake failed\n",
    "colons": "2024-01-01 00:00:00 " + "a:" * 40_000 + "1 TLS Error: TLS handshake failed\n",
    "dots": "2024-01-01 00:00:00 " + "a." * 40_000 + "TLS Error: TLS handshake failed CN=" + "O=" * 9_000 + "\n",
}


@pytest.mark.parametrize("line", LONG.values(), ids=LONG)
def test_long_lines_take_no_quadratic_time(line: str) -> None:
    """80 kB each: in quadratic time it would be minutes, and it is some milliseconds."""
    began = time.process_time()
    read(line.encode() * 3).finish()
    assert time.process_time() - began < 2
    replacing = Anonymizer()
    began = time.process_time()
    replacing.learn(line)
    replacing.replaced(line)
    assert time.process_time() - began < 4


def test_many_peers_take_bounded_memory() -> None:
    lines = (
        f"2024-01-01 00:00:00 10.1.{n >> 8 & 255}.{n & 255}:1000 TLS Error: TLS handshake failed\n".encode()
        for n in range(2_500)
    )
    reader = Reader()
    for first, block in blocks(lines):
        reader.block("log", first, block)
    (incidents,) = reader.finish()
    assert len(incidents.findings()) == 2000
    assert sum(incidents.left_out.values()) == 500


@pytest.fixture
def hostile(tmp_path: Path) -> Diagnosis:
    path = tmp_path / f"{MARKUP.replace('/', '')}.log"
    name = f"{CONTROL}<b onclick=1>"
    path.write_text(
        f"2024-01-01 00:00:00 {name}/192.0.2.1:4000 VERIFY ERROR: depth=0, error={CONTROL}{MARKUP}\n"
        f"2024-01-01 00:00:00 {name}/192.0.2.1:4000 TLS Error: TLS handshake failed {CONTROL}{MARKUP}\n"
        f"2024-01-01 00:00:01 OpenVPN 2.6.14 {CONTROL}{MARKUP}\n"
    )
    return diagnose([LogFile(path.name, path)])


def test_no_escape_sequence_reaches_a_terminal(hostile: Diagnosis, capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(hostile)
    out = capsys.readouterr().out
    assert "certificate" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", out)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_no_markup_of_a_log_is_markup_of_the_page(hostile: Diagnosis) -> None:
    tags = Tags()
    tags.feed(html(hostile))
    assert not tags.names & {"script", "img"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert "\x1b" not in html(hostile)


def test_a_healthy_log_has_a_page(tmp_path: Path) -> None:
    path = tmp_path / "healthy.log"
    path.write_text(HEALTHY)
    assert "Nothing wrong was found" in html(diagnose([LogFile("healthy.log", path)]))


def test_a_folder_raises_one_of_our_own_errors(tmp_path: Path) -> None:
    with pytest.raises(PatchkitError):
        diagnose([LogFile("folder", tmp_path)])
