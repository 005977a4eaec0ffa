"""Anonymised logs: nothing that names somebody is left, and the verdict is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.diagnosis.anonymizer import Anonymizer
from patchkit.diagnosis.diagnose import diagnose
from patchkit.diagnosis.input.files import LogFile
from patchkit.jobs.diagnose.anonymize import anonymize
from tests.diagnosis.samples import VERDICTS

PERSONAL = """\
Mar  9 06:30:00 border7 ovpn-office[99]: 198.51.100.5:40005 VERIFY OK: depth=0, C=DE, O=Acme, Ltd, CN=anna.k, emailAddress=anna@acme.example
Mar  9 06:30:00 border7 ovpn-office[99]: 198.51.100.5:40005 [anna.k] Peer Connection Initiated with [AF_INET]198.51.100.5:40005
Mar  9 06:30:01 border7 ovpn-office[99]: anna.k/198.51.100.5:40005 PUSH: 'PUSH_REPLY,dhcp-option DOMAIN corp.acme.com,ifconfig 10.8.0.6 255.255.255.0'
Mar  9 06:30:02 border7 ovpn-office[99]: anna.k/198.51.100.5:40005 MULTI: Learn: 2a01:4f8:1:2::77 -> anna.k/198.51.100.5:40005
Mar  9 06:30:03 border7 ovpn-office[99]: TLS: Username/Password authentication succeeded for username 'anna.k'
Mar  9 06:30:04 border7 ovpn-office[99]: MANAGEMENT: CMD 'password "Auth" "hunter2"'
Mar  9 06:30:05 border7 ovpn-office[99]: /home/annakrause/vpn/up.sh tun0 aa:bb:cc:dd:ee:ff
"""  # noqa: E501 - lines of logs are as long as they are


def replaced(text: str) -> str:
    replacing = Anonymizer()
    for line in text.splitlines():
        replacing.learn(line)
    return "".join(replacing.replaced(line) + "\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "secret",
    ["anna", "Acme", "198.51.100.5", "2a01:4f8", "10.8.0.6", "acme.com", "border7", "hunter2", "krause", "aa:bb:cc"],
)
def test_what_names_somebody_is_gone(secret: str) -> None:
    assert secret in PERSONAL
    assert secret not in replaced(PERSONAL)


def test_what_is_the_same_stays_the_same() -> None:
    text = replaced(PERSONAL)
    assert text.count("name1/198.18.0.1:40005") == 3
    assert "255.255.255.0" in text
    assert "up.sh" in text


@pytest.mark.parametrize("kind", VERDICTS)
def test_the_verdict_is_the_same(tmp_path: Path, kind: str) -> None:
    log, out = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text(VERDICTS[kind])
    anonymize([log], out)
    before, after = (diagnose([LogFile(path.name, path)]).findings for path in (log, out))
    assert [(finding.kind, finding.certainty, finding.count) for finding in before] == [
        (finding.kind, finding.certainty, finding.count) for finding in after
    ]
    assert [line.line for line in before[0].evidence] == [line.line for line in after[0].evidence]


def test_a_family_of_addresses_is_no_name() -> None:
    line = "2024-01-01 00:00:00 TLS State Error: No TLS state for client [AF_INET]192.0.2.1:5, opcode=4"
    assert replaced(line).endswith("client [AF_INET]198.18.0.1:5, opcode=4\n")


def test_lines_that_a_terminal_has_broken_hide_no_name(tmp_path: Path) -> None:
    log, out = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text("\n".join(line[at : at + 80] for line in PERSONAL.splitlines() for at in range(0, len(line), 80)))
    anonymize([log], out)
    assert "nna.k" not in out.read_text()


def test_several_logs_share_their_words(tmp_path: Path) -> None:
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    for log in logs:
        log.write_text(PERSONAL)
    anonymize(logs, tmp_path / "out")
    assert (tmp_path / "out/a.log").read_text() == (tmp_path / "out/b.log").read_text()
