"""Old releases, built with the OpenSSL of their time, and whether a modern peer can talk to them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patchkit.building.check.elf import linkage
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError
from patchkit.releases.libraries import libraries
from patchkit.source.library import tarball_path
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.handshakes import Peer, handshake
from tests.support.jobs.builds import GIT, run, unpack, version_of
from tests.support.jobs.old_releases import RELEASES, Release

OPENSSL_102 = os.environ.get("PATCHKIT_OPENSSL_102")
"""A source of OpenSSL 1.0.2, for --openssl-source: read at import, like GIT."""

VARIANTS = {"stock": "", "retransmit": "+retransmit"}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Built:
    release: Release
    programs: dict[str, Path]
    """By the variant's name."""
    manifest: Any
    stderr: str


def build(version: str, out: Path, *options: str) -> str:
    done = run("build", "--version", version, *options, "--engine", "host", "--out", str(out))
    return done.stderr


def program(version: str, out: Path) -> Path:
    return unpack(out / f"openvpn-{version}-linux-amd64.tar.gz", out) / "sbin/openvpn"


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Built:
    """An old release, stock and patched."""
    release: Release = request.param
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    options = ["--git", GIT]
    if release.library == "openssl-1.0.2":
        if not OPENSSL_102:
            pytest.skip("PATCHKIT_OPENSSL_102 is not set to a source of OpenSSL 1.0.2, which no mirror of Debian has")
        options += ["--openssl-source", OPENSSL_102]
    elif release.library != "system":
        try:
            tarball_path(libraries()[release.library], Context(shared_cache, Ui(quiet=True), offline=False))
        except (NetworkUnavailableError, PlacesExhaustedError) as error:
            pytest.skip(f"no place in reach has {release.library} today: {error.why}")
    out = tmp_path_factory.mktemp(release.version)
    stderr = build(release.version, out, "--variant", "stock", "--variant", "retransmit", *options)
    programs = {name: program(f"{release.version}{suffix}", out) for name, suffix in VARIANTS.items()}
    return Built(release, programs, json.loads((out / "manifest.json").read_text()), stderr)


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a modern peer, as upstream has it."""
    out = tmp_path_factory.mktemp("modern")
    build(PINNED, out, "--variant", "stock")
    return program(PINNED, out)


def test_the_manifest_says_which_library_and_the_end_of_its_life_is_warned_of_once(old: Built) -> None:
    library_name = old.release.library
    assert len(old.manifest["artifacts"]) == len(VARIANTS)
    for artifact in old.manifest["artifacts"]:
        crypto = artifact["build"]["crypto"]
        assert crypto["library"] == library_name
        if library_name == "system":
            assert (crypto["choice"], crypto["linked"], crypto["verified"]) == ("system", "shared", None)
            assert crypto["end_of_life"] is None
            continue
        library = libraries()[library_name]
        assert (crypto["choice"], crypto["linked"]) == ("pinned", "static")
        assert crypto["version"].startswith(library.branch)
        assert crypto["end_of_life"] == str(library.end_of_life)
        # Only bytes that a pin knows are called verified, whoever brought them.
        assert crypto["verified"] is (crypto["source"]["sha256"] == library.tarball.sha256)
        verdict = "verified, sha256 as pinned" if crypto["verified"] else "NOT verified, there is no pin for it"
        assert f"OpenSSL {crypto['version']}: {verdict}" in old.stderr
    # All pinned libraries of old releases are past their end, and no build here is of a new one.
    assert old.stderr.count("has had no fixes from upstream since") == (library_name != "system")


def test_the_programs_say_what_they_are_and_load_no_openssl_where_theirs_is_pinned(old: Built) -> None:
    for name, suffix in VARIANTS.items():
        openvpn = old.programs[name]
        assert version_of(openvpn) == f"{old.release.version}{suffix}"
        loaded = [
            library for library in linkage(openvpn.read_bytes()).needed if library.startswith(("libssl", "libcrypto"))
        ]
        assert bool(loaded) is (old.release.library == "system")


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_with_the_options_of_the_table_a_modern_peer_talks_to_it(
    variant: str, role: str, old: Built, modern: Path, tmp_path: Path
) -> None:
    here = Peer(old.programs[variant], old.release.series.old_peer)
    there = Peer(modern, old.release.series.modern_peer)
    done = handshake(tmp_path, here, there) if role == "server" else handshake(tmp_path, there, here)
    assert done.completed, f"{done.server}\n{done.client}"
    assert done.data_passed, f"{done.server}\n{done.client}"
    assert (done.tls, done.ciphers) == ({old.release.tls}, {old.release.cipher})


def test_the_modern_side_needs_each_of_its_options_and_no_more(old: Built, modern: Path, tmp_path: Path) -> None:
    """The table serves a whole series: some of a series need less than others."""
    here = Peer(old.programs["stock"], old.release.series.old_peer)
    table = old.release.series.modern_peer
    needed = {name: value for name, value in zip(table[::2], table[1::2], strict=True) if name in old.release.needs}
    assert handshake(tmp_path, here, Peer(modern, flat(needed))).data_passed
    for missing, complaint in old.release.needs.items():
        rest = {name: value for name, value in needed.items() if name != missing}
        done = handshake(tmp_path, here, Peer(modern, flat(rest)), window=5)
        assert not done.completed, missing
        assert re.search(complaint, done.client), f"{missing}\n{done.client}"


def flat(options: dict[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]


def test_the_old_side_needs_its_cipher_or_no_data_passes(old: Built, modern: Path, tmp_path: Path) -> None:
    """The handshake completes all the same, unless OpenSSL 3 refuses the default of old, BF-CBC, at once."""
    here, there = Peer(old.programs["stock"], []), Peer(modern, old.release.series.modern_peer)
    done = handshake(tmp_path, here, there)
    assert not done.data_passed
    if old.release.library == "system":
        assert "digital envelope routines::unsupported" in done.server
    else:
        assert done.completed
        assert done.unreadable
