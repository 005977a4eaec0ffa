"""The verdict on each kind of log, whatever carried it."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import json
import lzma
import re
import textwrap
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
import zstandard

from patchkit.diagnosis.diagnose import Diagnosis, diagnose
from patchkit.diagnosis.finding import Certainty
from patchkit.diagnosis.input.files import LogFile
from patchkit.errors import NotALogError, UnreadableLogError
from tests.diagnosis.samples import (
    AUTH,
    CERTIFICATE,
    HEALTHY,
    KEY,
    MSS,
    NO_REPLY,
    PORT_CLOSED,
    STALL,
    VERB_1,
    VERDICTS,
)  # fmt: skip

Diagnosed = Callable[..., Diagnosis]


@pytest.fixture
def diagnosed(tmp_path: Path) -> Diagnosed:
    def run(*texts: str | bytes, name: str = "openvpn{}.log") -> Diagnosis:
        files = []
        for number, text in enumerate(texts):
            path = tmp_path / name.format(number)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            files.append(LogFile(path.name, path))
        return diagnose(files)

    return run


def kinds(found: Diagnosis) -> list[str]:
    return [finding.kind.value for finding in found.findings]


@pytest.mark.parametrize("kind", VERDICTS)
def test_each_kind_of_log_has_one_finding_of_that_kind(diagnosed: Diagnosed, kind: str) -> None:
    (finding,) = diagnosed(VERDICTS[kind]).findings
    assert finding.kind == kind
    assert finding.evidence


def test_nothing_is_found_in_a_healthy_log(diagnosed: Diagnosed) -> None:
    found = diagnosed(HEALTHY)
    assert kinds(found) == []
    assert (found.ends[0].handshakes, found.ends[0].completed, found.ends[0].side) == (2, 2, "server")


@pytest.mark.parametrize("kind", ["no-reply", "port-closed", "certificate", "mtu", "key-mismatch", "one-way", "auth"])
def test_that_no_patch_will_help_is_said_plainly(diagnosed: Diagnosed, kind: str) -> None:
    (finding,) = diagnosed(VERDICTS[kind]).findings
    assert finding.advice.helps is False
    assert finding.advice.patch.startswith("No patch will help: ")
    assert finding.advice.instead


def test_the_patch_comes_with_the_figures_of_the_release(diagnosed: Diagnosed) -> None:
    version = "2014-05-02 10:11:11 OpenVPN 2.3.2 x86_64-pc-linux-gnu\n"
    (finding,) = diagnosed(version + STALL).findings
    assert finding.advice.helps is True
    assert "`recommended`" in finding.advice.patch
    assert finding.advice.figures[0].startswith("2.3.2 ")


def test_evidence_names_the_lines(diagnosed: Diagnosed) -> None:
    (finding,) = diagnosed(STALL).findings
    assert [line.line for line in finding.evidence] == [3, 5]
    assert finding.peer == "Außenstelle-7/198.51.100.9:40001"
    assert "packet 5 is the oldest of a full window of 4" in finding.reason


def test_at_verb_1_it_is_not_guessed(diagnosed: Diagnosed) -> None:
    (finding,) = diagnosed(VERDICTS["not-enough"]).findings
    assert finding.certainty == Certainty.POSSIBLE
    assert any("--verb 4" in text for text in finding.advice.instead)


# Carriers.


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress, zstd])
def test_compressed_logs(diagnosed: Diagnosed, compress: Callable[[bytes], bytes]) -> None:
    assert kinds(diagnosed(compress(AUTH.encode()))) == ["auth"]


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, zstd])
def test_what_was_read_of_a_truncated_file_counts(diagnosed: Diagnosed, compress: Callable[[bytes], bytes]) -> None:
    filler = "".join(f"2024-01-01 00:00:00 us={n * 7919 % 1000000} MULTI: REAP range {n} -> 2\n" for n in range(9_000))
    whole = compress((AUTH + filler).encode())
    found = diagnosed(whole[: len(whole) // 2])
    assert kinds(found) == ["auth"]
    assert found.damaged


def test_zstd_with_a_window_beyond_the_memory_that_is_promised(diagnosed: Diagnosed) -> None:
    """What ``zstd --long`` writes of a large file; and what the level 19 writes."""
    for window, is_read in ((23, True), (26, True), (27, False)):
        parameters = zstandard.ZstdCompressionParameters(window_log=window, enable_ldm=True)
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()  # knows no size: a whole window
        data = stream.compress(AUTH.encode()) + stream.flush()
        assert zstandard.get_frame_parameters(data).window_size == 1 << window
        if is_read:
            assert kinds(diagnosed(data)) == ["auth"]
            continue
        with pytest.raises(UnreadableLogError, match="too large a window") as refusal:
            diagnosed(data)
        assert refusal.value.advice.startswith("zstd -dc --long=31 ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(diagnosed: Diagnosed, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (finding,) = diagnosed((mark + STALL).encode(encoding)).findings
    assert finding.kind == "stall"
    assert finding.peer.startswith("Außenstelle-7/")


def test_windows_line_ends(diagnosed: Diagnosed) -> None:
    assert kinds(diagnosed(PORT_CLOSED.replace("\n", "\r\n"))) == ["port-closed"]


def message_of(line: str) -> str:
    return re.sub(r"^.*?\d\d:\d\d:\d\d(?: \d{4})?(?: us=\d+)? +(?:\S+ )?(?:\S+\[\d+\]: )?", "", line, count=1)


def journald_json(log: str) -> str:
    rows = []
    for number, line in enumerate(log.splitlines()):
        fields = {"__REALTIME_TIMESTAMP": str(1_700_000_000_000_000 + number * 20_000_000), "MESSAGE": message_of(line)}
        rows.append(json.dumps({"_HOSTNAME": "h", "SYSLOG_IDENTIFIER": "openvpn", "_PID": "7", **fields}))
    return "\n".join(rows) + "\n"


def journald_bytes(log: str) -> str:
    """A message that is not UTF-8, or has control characters, is a list of numbers."""
    rows = [json.loads(row) for row in journald_json(log).splitlines()]
    return "".join(
        json.dumps({**row, "MESSAGE": list(row["MESSAGE"].encode())}, separators=(",", ":")) + "\n" for row in rows
    )


def journald_export(log: str) -> str:
    rows = [json.loads(row) for row in journald_json(log).splitlines()]
    return "\n".join("__CURSOR=s=1;i=2\n" + "".join(f"{name}={value}\n" for name, value in row.items()) for row in rows)


def docker_json(log: str) -> str:
    row = {"stream": "stdout", "time": "2024-01-01T00:00:00.123456789Z"}
    return "".join(json.dumps({"log": line + "\n", **row}) + "\n" for line in log.splitlines())


CARRIERS: dict[str, Callable[[str], str]] = {
    "journald's JSON": journald_json,
    "journald's JSON with bytes": journald_bytes,
    "journald's export": journald_export,
    "docker's JSON": docker_json,
    "docker compose": lambda log: "".join(f"openvpn-1  | {line}\n" for line in log.splitlines()),
    "Kubernetes": lambda log: "".join(f"2024-01-01T00:00:00.1234Z stdout F {line}\n" for line in log.splitlines()),
    "commas": lambda log: "".join(f"{line},\n" for line in log.splitlines()),
    "a reply to a mail": lambda log: "".join(f"> {line}\n" for line in log.splitlines()),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("kind", ["stall", "auth", "certificate", "port-closed", "key-mismatch"])
def test_carriers(diagnosed: Diagnosed, carrier: str, kind: str) -> None:
    assert kinds(diagnosed(CARRIERS[carrier](VERDICTS[kind]))) == [kind]


SYSLOGS = {
    "short-iso": "2024-03-04T05:06:{:02}+0100 host openvpn[12]: ",
    "logread": "Mon Mar  4 05:06:{:02} 2024 daemon.notice openvpn(sample)[12]: ",
    "pfSense": "Mar  4 05:06:{:02} openvpn 12 ",
    "rsyslog": "2024-03-04T05:06:{:02}.123456+01:00 host ovpn-x[12]: ",
    "NetworkManager": "Mar  4 05:06:{:02} host nm-openvpn[12]: ",
    "logcat": "03-04 05:06:{:02}.123  4321  4322 I openvpn : ",
    "OpenVPN GUI": "Mon Mar 04 05:06:{:02} 2024 ",
    "--machine-readable-output": "17095250{:02}.123456 50 ",
    "Viscosity": "2024-03-04 05:06:{:02}: ",
    "Connect": "[Mar 04, 2024, 05:06:{:02}] ",
    "no time at all": "",
    "gluetun": "2024-03-04T05:06:{:02}-07:00 INFO [openvpn] ",
    "pritunl": "[quiet-lake-12] Mon Mar  4 05:06:{:02} 2024 ",
    "a program that prints its child's lines": (
        "2024-03-04T05:06:{0:02}.537 DBG log/openvpn.go:63   > [openvpn] Stdout: Mon Mar  4 05:06:{0:02} 2024 "
    ),
    "openvpn3-linux": "Mon Mar  4 05:06:{:02} 2024  {{tag:8958017124777}} Client VERB2: {{tag:8958017124777}} ",
    "Connect on a phone": "05:06:{:02}.969 -- ",
    "Connect in Persian": "\u06f0\u06f5:\u06f0\u06f6:{:02}.\u06f9\u06f6\u06f9 -- ",
    "Android Studio": "03-04 05:06:{0:02}.311 16601-8159/com.example D/OpenVPN: 17095250{0:02}.187358 20 ",
    "Android, brief": "W/OpenVPN: 17095250{:02}.815908 1 ",
    "the management interface": ">LOG:17095250{:02},N,",
    "Amnezia": "2024-03-04 05:06:{0:02} debug >LOG:17095250{0:02},N,",
    "blanks in microseconds": "Mon Mar 4 05:06:{:02} 2024 us = 771550 ",
    "a level, and no time": "INFO      -  us=1268{:02} ",
    "a comma before": ",Mon Mar  4 05:06:{:02} 2024 ",
}


@pytest.mark.parametrize("prefix", SYSLOGS.values(), ids=SYSLOGS)
@pytest.mark.parametrize("kind", ["stall", "certificate", "key-mismatch", "one-way"])
def test_loggers(diagnosed: Diagnosed, prefix: str, kind: str) -> None:
    lines = [prefix.format(n) + message_of(line) for n, line in enumerate(VERDICTS[kind].splitlines())]
    assert kinds(diagnosed("\n".join(lines))) == [kind]


def test_lines_that_were_pasted_into_one(diagnosed: Diagnosed) -> None:
    """A page that shows line ends as signs."""
    first, *rest = VERDICTS["no-reply"].splitlines()
    assert kinds(diagnosed(f"⏎{first} ⏎{' ⏎'.join(rest[:5])}\n" + "\n⏎".join(rest[5:]))) == ["no-reply"]


@pytest.mark.parametrize("prefix", ["gluetun", "pritunl", "a program that prints its child's lines", "a comma before"])
def test_peers_behind_unusual_frames(diagnosed: Diagnosed, prefix: str) -> None:
    lines = [SYSLOGS[prefix].format(n) + line for n, line in enumerate(SERVER_REFUSES_USER)]
    (finding,) = diagnosed("\n".join(lines)).findings
    assert (finding.kind, finding.peer, finding.side) == ("certificate", "203.0.113.8:1194", "server")


SERVER_REFUSES_USER = (
    "203.0.113.8:1194 TLS: Initial packet from [AF_INET]203.0.113.8:1194, sid=01020304 05060708",
    "203.0.113.8:1194 VERIFY ERROR: depth=0, error=certificate is not yet valid: CN=dora",
    "203.0.113.8:1194 TLS Error: TLS handshake failed",
)


# Traps.


def test_what_the_poster_left_out(diagnosed: Diagnosed) -> None:
    """Lines in place of which there are dots: what they had is not known, and what is left counts."""
    whole = NO_REPLY.splitlines()
    for dots in ("...", "[...]", "…", "    ...", "<snip>", "..", "- - - 8< - - -"):
        assert kinds(diagnosed("\n".join([*whole[:4], dots, *whole[4:6], dots, *whole[6:]]))) == ["no-reply"]
        assert kinds(diagnosed(STALL.replace("...", dots))) == ["stall"]


def test_a_step_that_the_poster_left_out_is_no_loss(diagnosed: Diagnosed) -> None:
    """What passed between two lines with dots between them may have been anything."""
    steps = [
        "2021-03-04 08:00:01 us=100000 UDP link remote: [AF_INET]198.51.100.7:1194",
        "2021-03-04 08:00:01 us=200000 TLS: Initial packet from [AF_INET]198.51.100.7:1194, sid=01020304 05060708",
        "...",
        "2021-03-04 08:10:31 us=300000 TLS: Initial packet from [AF_INET]198.51.100.7:1194, sid=11020304 05060708",
        "2021-03-04 08:10:31 us=400000 VERIFY OK: depth=0, CN=server",
        "2021-03-04 08:10:31 us=500000 [server] Peer Connection Initiated with [AF_INET]198.51.100.7:1194",
        "2021-03-04 08:10:32 us=500000 Initialization Sequence Completed",
    ]
    assert kinds(diagnosed("\n".join(steps))) == []
    cut = [*steps[:3], *steps[4:]]
    (finding,) = diagnosed("\n".join(cut).replace("08:10:3", "08:00:4")).findings
    assert (finding.kind, finding.certainty) == ("lossy-link", "possible")


def test_a_client_that_was_never_up_has_no_session_that_ends(diagnosed: Diagnosed) -> None:
    """With --ping-restart shorter than --hand-window, the first attempt ends in the words of a session's end."""
    lines = [*NO_REPLY.splitlines()[:5], "2021-03-04 08:00:31 [UNDEF] Inactivity timeout (--ping-restart), restarting"]
    assert kinds(diagnosed("\n".join(lines))) == ["no-reply"]


def test_a_key_that_differs_where_addresses_are_hidden(diagnosed: Diagnosed) -> None:
    for address in ("[AF_INET]xx.xx.xx.xx:xxxxx", "[ AF_INET]198.51.100.5:4000"):
        line = f"Tue Mar  7 14:12:42 2017 TLS Error: cannot locate HMAC in incoming packet from {address}\n"
        (finding,) = diagnosed(line * 3).findings
        assert (finding.kind, finding.peer, finding.side) == ("key-mismatch", address, "server")


def test_an_attempt_that_ping_restart_ends_at_verb_1_is_not_enough(diagnosed: Diagnosed) -> None:
    lines = [*VERB_1.splitlines()[:3], "2024-04-05 06:08:08 [UNDEF] Inactivity timeout (--ping-restart), restarting"]
    assert kinds(diagnosed("\n".join(lines))) == ["not-enough"]


@pytest.mark.parametrize(("seconds", "kind"), [(2, "port-closed"), (21, "no-reply")])
def test_windows_does_not_name_why_a_connection_failed(diagnosed: Diagnosed, seconds: int, kind: str) -> None:
    lines = (
        "Sun Jun 10 12:00:02 2018 Attempting to establish TCP connection with [AF_INET]198.51.100.7:1194 [nonblock]",
        f"Sun Jun 10 12:00:{seconds + 2:02} 2018 TCP: connect to [AF_INET]198.51.100.7:1194 failed: Unknown error",
    )
    assert kinds(diagnosed("\n".join(lines))) == [kind]


@pytest.mark.parametrize("kind", VERDICTS)
def test_lines_broken_at_80_columns(diagnosed: Diagnosed, kind: str) -> None:
    """In the middle of a word: the message itself is in two parts."""
    broken = "\n".join(line[at : at + 80] for line in VERDICTS[kind].splitlines() for at in range(0, len(line), 80))
    found = diagnosed(broken)
    assert kinds(found) == [kind]


@pytest.mark.parametrize("kind", ["one-way", "certificate", "auth", "mtu"])
def test_lines_wrapped_between_words(diagnosed: Diagnosed, kind: str) -> None:
    wrapped = "\n".join(part for line in VERDICTS[kind].splitlines() for part in textwrap.wrap(line, 78))
    assert kinds(diagnosed(wrapped)) == [kind]


def test_a_broken_log_keeps_its_line_numbers(diagnosed: Diagnosed) -> None:
    lines = [line[at : at + 80] for line in CERTIFICATE.splitlines() for at in range(0, len(line), 80)]
    (finding,) = diagnosed("\n".join(lines)).findings
    first = finding.evidence[0]
    assert lines[first.line - 1].endswith(first.text[:20]) or first.text[:20] in lines[first.line - 1]


def test_letters_of_verb_5_are_counted_and_the_day_is_not_one_of_them(diagnosed: Diagnosed) -> None:
    (finding,) = diagnosed(MSS.replace("Tue Feb 1", "Wed Feb 2")).findings
    assert finding.kind == "mtu"
    assert "3 packets read and 3 written" in finding.reason


def test_a_backoff_is_no_stall(diagnosed: Diagnosed) -> None:
    """3, 5, 8 and 16 s between two lines look like retransmissions."""
    assert kinds(diagnosed(PORT_CLOSED)) == ["port-closed"]
    assert kinds(diagnosed(KEY)) == ["key-mismatch"]


def test_the_start_of_a_server_is_no_success_of_a_client(diagnosed: Diagnosed) -> None:
    assert diagnosed(KEY).ends[0].completed == 0


def test_network_connectivity_is_not_to_blame_when_tls_was_through(diagnosed: Diagnosed) -> None:
    (finding,) = diagnosed(AUTH).findings
    assert finding.kind == "auth"
    assert finding.advice.helps is False


def test_time_that_runs_backwards(diagnosed: Diagnosed) -> None:
    for kind, log in VERDICTS.items():
        lines = log.splitlines()
        times = [re.search(r"\d\d:\d\d:\d\d", line) for line in lines]
        stamps = [found[0] for found in times if found]
        backwards = [
            line.replace(found[0], stamp, 1) if found else line
            for line, found, stamp in zip(lines, times, [*reversed(stamps), *["00:00:00"] * len(lines)], strict=False)
        ]
        if kind in ("port-closed", "certificate", "key-mismatch", "auth", "one-way", "mtu"):
            assert kinds(diagnosed("\n".join(backwards))) == [kind]
        else:
            diagnosed("\n".join(backwards))


def test_other_daemons_and_languages_between(diagnosed: Diagnosed) -> None:
    others = (
        "Nov 14 10:24:00 vpn systemd[1]: Started Daily apt download activities.",
        "Nov 14 10:24:00 vpn named[77]: error (connection refused) resolving 'example.org/A/IN': 192.0.2.53#53",
        "Nov 14 10:24:00 vpn kernel: [12345.678901] eth0: Link is Up",
        "il y a eu une erreur de connexion",
    )
    mixed = [text for number, line in enumerate(AUTH.splitlines()) for text in (line, others[number % len(others)])]
    assert kinds(diagnosed("\n".join(mixed))) == ["auth"]


def test_a_replayed_packet_is_no_other_key(diagnosed: Diagnosed) -> None:
    """After a restart of the client, old packets fail with the same line."""
    texts = (
        "Authenticate/Decrypt packet error: bad packet ID (may be a replay): [ #1 ]",
        "TLS Error: incoming packet authentication failed from [AF_INET]198.51.100.3:4444",
    )
    lines = [f"2024-01-01 00:00:0{second} 198.51.100.3:4444 {text}" for second in range(5) for text in texts]
    assert kinds(diagnosed("\n".join(lines))) == []


@pytest.mark.parametrize(("pause", "found"), [(0.5, ["settings"]), (60.0, [])])
def test_replays_count_where_they_are_many_in_a_minute(diagnosed: Diagnosed, pause: float, found: list[str]) -> None:
    """A busy server has some each hour."""
    lines = ["2024-01-01 00:00:00 Initialization Sequence Completed"]
    for number in range(25):
        clock = f"{int(number * pause) // 60:02}:{int(number * pause) % 60:02}"
        lines.append(f"2024-01-01 00:{clock} AEAD Decrypt error: bad packet ID (may be a replay): [ #{number} ]")
    assert kinds(diagnosed("\n".join(lines))) == found


RESET = (
    "Fri Apr  9 09:22:30 2021 Attempting to establish TCP connection with [AF_INET]198.51.100.7:443 [nonblock]",
    "Fri Apr  9 09:22:30 2021 TCP connection established with [AF_INET]198.51.100.7:443",
    "Fri Apr  9 09:22:30 2021 TCP_CLIENT link remote: [AF_INET]198.51.100.7:443",
    "Fri Apr  9 09:22:30 2021 TLS: Initial packet from [AF_INET]198.51.100.7:443, sid=4f46762c e9fc0bc9",
    "Fri Apr  9 09:22:30 2021 VERIFY OK: depth=0, CN=server",
    "Fri Apr  9 09:22:31 2021 Connection reset, restarting [-1]",
)


@pytest.mark.parametrize(("until", "certainty"), [(3, "likely"), (4, "likely"), (5, "possible")])
def test_a_connection_that_is_reset_in_the_handshake(diagnosed: Diagnosed, until: int, certainty: str) -> None:
    (finding,) = diagnosed("\n".join([*RESET[:until], RESET[-1]])).findings
    assert (finding.kind, finding.certainty) == ("tcp-reset", certainty)


def test_one_host_has_one_name(diagnosed: Diagnosed) -> None:
    """Of a server's lines, some have the client before them, and some in the text."""
    lines = (
        "Sun Sep 15 11:40:31 2019 Authenticate/Decrypt packet error: packet HMAC authentication failed",
        "Sun Sep 15 11:40:31 2019 TLS Error: incoming packet authentication failed from [AF_INET]192.0.2.101:38254",
        "Sun Sep 15 11:48:40 2019 192.0.2.101:53951 TLS Error: TLS key negotiation failed to occur within 60 seconds",
        "Sun Sep 15 11:48:40 2019 192.0.2.101:53951 TLS Error: TLS handshake failed",
    )
    (finding,) = diagnosed("\n".join(lines)).findings
    assert (finding.kind, finding.peer) == ("key-mismatch", "192.0.2.101:38254")


# Several files.


def test_parts_of_a_rotated_log_are_one_end(diagnosed: Diagnosed, tmp_path: Path) -> None:
    lines = AUTH.splitlines(keepends=True)
    (tmp_path / "openvpn.log.1.gz").write_bytes(gzip.compress("".join(lines[:5]).encode()))
    (tmp_path / "openvpn.log").write_text("".join(lines[5:]))
    files = [LogFile(name, tmp_path / name) for name in ("openvpn.log", "openvpn.log.1.gz")]
    found = diagnose(files)
    assert kinds(found) == ["auth"]
    assert len(found.ends) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("openvpn-20240131.log.gz", "openvpn-20240201.log", "openvpn.log"),
        ("openvpn-2024-01-31.log", "openvpn-2024-02-01.log", "openvpn.log"),
        ("openvpn.log-20240131.gz", "openvpn.log-20240201", "openvpn.log"),
        ("openvpn.log.2.gz", "openvpn.log.1", "openvpn.log"),
    ],
)
def test_rotated_parts_are_put_in_order(names: tuple[str, str, str], tmp_path: Path) -> None:
    lines = AUTH.splitlines(keepends=True)
    parts = dict(zip(names, (lines[:3], lines[3:5], lines[5:]), strict=True))
    for name, part in parts.items():
        data = "".join(part).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "whole").write_text(AUTH)
    (end,) = diagnose([LogFile("whole", tmp_path / "whole")]).ends
    whole = (end.begin, end.end, end.handshakes)
    oldest_first = {name: place for place, name in enumerate(names)}
    for order in permutations(names):
        found = diagnose([LogFile(name, tmp_path / name) for name in order])
        assert len(found.ends) == 1
        assert kinds(found) == ["auth"]
        assert (found.ends[0].begin, found.ends[0].end, found.ends[0].handshakes) == whole
        lines_of = [(oldest_first[line.file], line.line) for line in found.findings[0].evidence]
        assert lines_of == sorted(lines_of)
        assert len({file for file, _ in lines_of}) > 1


def test_logs_of_several_clients_are_several_ends(tmp_path: Path) -> None:
    for number in 1, 2:
        (tmp_path / f"client-{number}.log").write_text(NO_REPLY)
    files = [LogFile(path.name, path) for path in sorted(tmp_path.iterdir())]
    assert len(diagnose(files).ends) == 2


def test_cycles_are_sought_as_often_as_before(tmp_path: Path) -> None:
    threshold = gc.get_threshold()
    (tmp_path / "log").write_bytes(bytes(9000))
    with pytest.raises(UnreadableLogError):
        diagnose([LogFile("log", tmp_path / "log")])
    assert gc.get_threshold() == threshold


SERVER_HEARS = """\
2021-03-04 08:00:00 MULTI: multi_init called, r=256 v=256
2021-03-04 08:00:02 198.51.100.3:5000 TLS: Initial packet from [AF_INET]198.51.100.3:5000, sid=01020304 05060708
2021-03-04 08:01:02 198.51.100.3:5000 TLS Error: TLS key negotiation failed to occur within 60 seconds
2021-03-04 08:01:02 198.51.100.3:5000 TLS Error: TLS handshake failed
2021-03-04 08:01:02 198.51.100.3:5000 SIGUSR1[soft,tls-error] received, client-instance restarting
"""
SERVER_REFUSES = """\
2021-03-04 08:00:02 tls-crypt unwrap error: packet authentication failed
2021-03-04 08:00:02 TLS Error: tls-crypt unwrapping failed from [AF_INET]198.51.100.3:5000
2021-03-04 08:00:04 tls-crypt unwrap error: packet authentication failed
2021-03-04 08:00:04 TLS Error: tls-crypt unwrapping failed from [AF_INET]198.51.100.3:5000
"""


def test_both_ends_show_together_that_one_direction_is_dead(diagnosed: Diagnosed) -> None:
    assert kinds(diagnosed(SERVER_HEARS)) == ["not-enough"]
    assert kinds(diagnosed(NO_REPLY)) == ["no-reply"]
    (finding,) = diagnosed(SERVER_HEARS, NO_REPLY).findings
    assert finding.kind == "one-way"
    assert {line.file for line in finding.evidence} == {"openvpn0.log", "openvpn1.log"}


def test_what_one_end_cannot_tell_the_other_one_may(diagnosed: Diagnosed) -> None:
    """A server that got one packet does not know why; its client met losses."""
    late = "2021-03-04 08:00:08 TLS: Initial packet from [AF_INET]198.51.100.7:1194, sid=01020304 05060708"
    lossy = NO_REPLY.replace(
        "2021-03-04 08:01:02 TLS Error: TLS key", f"{late}\n2021-03-04 08:01:02 TLS Error: TLS key"
    )
    version = "2021-03-04 08:00:00 OpenVPN 2.3.2 x86_64-pc-linux-gnu [SSL (OpenSSL)]\n"
    assert kinds(diagnosed(version + lossy)) == ["stall"]
    assert kinds(diagnosed(SERVER_HEARS, version + lossy)) == ["stall"]


def test_letters_at_the_server_and_silence_at_the_client_are_one_way(diagnosed: Diagnosed) -> None:
    server = (
        "2021-03-04 08:00:00 us=10000 OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]\n"
        "2021-03-04 08:00:00 us=13845 MULTI: multi_init called, r=256 v=256\n"
        "WWWWWW2021-03-04 08:01:00 us=23966 Connection Attempt SIGTERM[hard,] received, process exiting\n"
    )
    (finding,) = diagnosed(server, NO_REPLY).findings
    assert (finding.kind, finding.certainty) == ("one-way", "likely")


def test_the_reason_may_be_in_the_other_ends_log(diagnosed: Diagnosed) -> None:
    found = diagnosed(NO_REPLY, SERVER_REFUSES)
    assert kinds(found) == ["key-mismatch"]
    assert sorted(end.side for end in found.ends) == ["client", "server"]


def test_logs_of_different_days_explain_nothing(diagnosed: Diagnosed) -> None:
    other_day = NO_REPLY.replace("2021-03-04", "2021-03-06")
    assert sorted(kinds(diagnosed(other_day, SERVER_REFUSES))) == ["key-mismatch", "no-reply"]


def test_daemons_in_one_syslog_are_ends_of_their_own(diagnosed: Diagnosed) -> None:
    found = diagnosed(AUTH + KEY)
    assert sorted(kinds(found)) == ["auth", "key-mismatch"]
    assert len(found.ends) == 2


# What is no log.


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\n" * 1000, b"{" * 5000, b"[" * 5000])
def test_no_line_of_openvpn(diagnosed: Diagnosed, content: bytes) -> None:
    with pytest.raises(NotALogError):
        diagnosed(content)


def test_a_program_is_refused(diagnosed: Diagnosed) -> None:
    with pytest.raises(UnreadableLogError, match="not a log"):
        diagnosed(Path("/bin/sh").read_bytes())


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.log"):
        with pytest.raises(UnreadableLogError):
            diagnose([LogFile(str(path), path)])


def test_a_line_that_never_ends_is_passed_over(diagnosed: Diagnosed) -> None:
    assert kinds(diagnosed(b"x" * (5 << 20) + b"\n" + AUTH.encode())) == ["auth"]


def test_numbers_of_lines_behind_a_line_of_megabytes(diagnosed: Diagnosed) -> None:
    (finding,) = diagnosed(b"one\n" + b"x" * (3 << 20) + b"\n" + STALL.encode()).findings
    assert [line.line for line in finding.evidence] == [5, 7]


def test_a_log_from_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_text(AUTH)
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert kinds(diagnose([LogFile("-", None)])) == ["auth"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdin", closed)
    with pytest.raises(UnreadableLogError, match="closed"):
        diagnose([LogFile("-", None)])
