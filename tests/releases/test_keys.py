"""Upstream's keys: the files are the ones that the table names, and the table says what is in them."""

from __future__ import annotations

import datetime
import subprocess
import sys
from dataclasses import replace
from importlib import resources

from patchkit.releases.keys import expiry_warnings, missing_keys, upstream_keys
from patchkit.source.openpgp.gnupg import key_ring
from tests.conftest import ROOT


def test_each_file_holds_the_key_that_it_is_named_after_and_no_other() -> None:
    folder = resources.files("patchkit.releases") / "keys"
    assert {path.name for path in folder.iterdir()} == {f"{key.fingerprint}.asc" for key in upstream_keys()}
    for key in upstream_keys():
        with key_ring([key.armour]) as ring:
            assert {part.primary for part in ring.parts.values()} == {key.fingerprint}
            assert ring.parts[key.fingerprint].name == key.name
        assert b"PRIVATE" not in key.armour
        assert len(key.records) >= 2


def test_the_table_is_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "ci/pin-keys", "--stdout"], capture_output=True, text=True, check=True
    )
    assert done.stdout == (ROOT / "patchkit/releases/keys.toml").read_text()
    assert done.stderr == ""


def test_a_key_that_nobody_named_is_not_taken_in() -> None:
    from tests.support.source.signers import signer

    with signer() as villain:
        path = villain.home / "villain.asc"
        path.write_bytes(villain.public(villain.key("OpenVPN - Security Mailing List <security@openvpn.net>")))
        done = subprocess.run(
            [sys.executable, ROOT / "ci/pin-keys", "--stdout", path], capture_output=True, text=True, check=True
        )
    assert done.stdout == (ROOT / "patchkit/releases/keys.toml").read_text()
    assert "keys.toml does not name it" in done.stderr


def test_keys_that_are_missing_are_not_there() -> None:
    for missing in missing_keys():
        assert not any(key.fingerprint.endswith(missing.id) for key in upstream_keys())


def test_the_security_lists_key_has_every_signing_subkey_that_its_history_knows() -> None:
    """Read in OpenVPN/openvpn-build, which begins in April 2023; ci/pin-keys --git takes them from there."""
    known = {
        "BE58F539D059B80631C1294A41D20965C2E82DC7": ("2023-04-05", "2027-02-07"),
        "57E95049D76AA39A74439603533A6860529F23C5": ("2024-05-10", "2025-05-31"),
        "381794B484BBAC271E44B750389251C768B5BC16": ("2025-06-19", "2026-06-30"),
        "33DA8C9EAE0EAE8C73172C10822F6DF096D04874": ("2026-07-01", "2027-06-30"),
    }
    (key,) = (key for key in upstream_keys() if key.fingerprint.startswith("F554A368"))
    with key_ring([key.armour]) as ring:
        signing = [part for part in ring.parts.values() if part.signs and part.fingerprint != key.fingerprint]

    def day(seconds: int) -> str:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()

    assert {part.fingerprint: (day(part.created), day(part.expires or 0)) for part in signing} == known


def test_a_key_that_ends_is_told_120_days_before() -> None:
    key = replace(upstream_keys()[0], expires=datetime.date(2027, 2, 7))
    for_ever = replace(key, expires=None)

    def told(year: int, month: int, day: int) -> list[str]:
        return [
            text.split(" on ")[0].split()[-1]
            for text in expiry_warnings(datetime.date(year, month, day), [key, for_ever])
        ]

    assert [told(2026, 10, 9), told(2026, 10, 10), told(2027, 2, 7), told(2027, 2, 8)] == [
        [],
        ["ends"],
        ["ends"],
        ["ended"],
    ]
