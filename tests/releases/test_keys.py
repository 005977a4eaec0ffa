"""Upstream's keys: the files are the ones that the table names, and the table says what is in them."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

from patchkit.releases.keys import missing_keys, upstream_keys
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
