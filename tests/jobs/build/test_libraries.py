"""A release with the OpenSSL of its time: compiled from pinned source, linked static, named in the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from patchkit.building.check.elf import linkage
from patchkit.building.toolchain_table import known_target
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BadUsageError, CompileError, NetworkUnavailableError, PlacesExhaustedError
from patchkit.jobs.build.libraries import check_linked
from patchkit.releases.libraries import libraries
from patchkit.source.library import tarball_path
from patchkit.ui import Ui
from tests.conftest import upstream
from tests.support.jobs.builds import engine_or_skip, run, unpack, version_of
from tests.support.jobs.old_releases import OLD
from tests.support.settings import SOONER

LIBRARY = libraries()["openssl-1.1.1"]
TARGET = known_target("linux-amd64")


@pytest.fixture(scope="module", params=["host", "docker"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache
) -> tuple[Path, Any, str]:
    """(folder, manifest, what was said)"""
    engine = engine_or_skip(request.param)
    upstream(OLD, shared_cache)
    try:
        tarball_path(LIBRARY, Context(shared_cache, Ui(quiet=True), offline=False))
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        pytest.skip(f"no place in reach has {LIBRARY.tarball.name} today: {error.why}")
    out = tmp_path_factory.mktemp(engine)
    done = run("build", "--version", OLD, "--variant", "stock", "--variant", "retransmit", "--engine", engine,
               *SOONER, "--out", str(out))  # fmt: skip
    return out, json.loads((out / "manifest.json").read_text()), done.stderr


@pytest.mark.slow
def test_the_manifest_says_which_library_and_the_end_of_its_life_is_warned_of_once(
    built: tuple[Path, Any, str],
) -> None:
    _, manifest, stderr = built
    assert len(manifest["artifacts"]) == 2
    for artifact in manifest["artifacts"]:
        crypto = artifact["build"]["crypto"]
        assert (crypto["choice"], crypto["linked"], crypto["verified"]) == ("pinned", "static", True)
        assert (crypto["version"], crypto["end_of_life"]) == (LIBRARY.version, str(LIBRARY.end_of_life))
        assert crypto["source"]["sha256"] == LIBRARY.tarball.sha256
        assert not [name for name in artifact["build"]["needed"] if name.startswith(("libssl", "libcrypto"))]
        assert [check["detail"] for check in artifact["checks"] if check["name"] == "linkage"] == [
            f"holds OpenSSL {LIBRARY.version}, loads {', '.join(artifact['build']['needed'])}"
        ]
        of_library = [found for found in artifact["vulnerabilities"] if found["component"] == LIBRARY.name]
        assert {found["state"] for found in of_library} == {"affected"}
        assert stderr.count(f"which is compiled in, has {len(of_library)} known vulnerabilities") == 1
    assert stderr.count("has had no fixes from upstream since 2023-09-11") == 1


@pytest.mark.slow
def test_the_program_holds_it_and_no_folder_of_the_build(built: tuple[Path, Any, str], tmp_path: Path) -> None:
    out, manifest, _ = built
    openvpn = unpack(out / f"openvpn-{OLD}+retransmit-linux-amd64.tar.gz", tmp_path) / "sbin/openvpn"
    assert version_of(openvpn) == f"{OLD}+retransmit"
    program = openvpn.read_bytes()
    assert f"OpenSSL {LIBRARY.version} ".encode() in program
    assert not [word for word in (b"/deps/", b"patchkit-", b"/build/") if word in program]
    linked = linkage(program)
    artifact = next(entry for entry in manifest["artifacts"] if "retransmit" in entry["name"])
    assert (list(linked.needed), linked.glibc) == (artifact["build"]["needed"], artifact["build"]["glibc"])


@pytest.mark.slow
def test_an_openssl_of_another_branch_is_refused_before_anything_is_compiled(shared_cache: Cache) -> None:
    upstream(OLD, shared_cache)
    path = tarball_path(LIBRARY, Context(shared_cache, Ui(quiet=True), offline=False))
    done = run("build", "--version", OLD, "--crypto", "openssl-1.1.1", "--openssl-source", str(path.parent / "none"),
               "--engine", "host", code=25)  # fmt: skip
    assert "there is no tarball, folder or repository" in done.stderr
    done = run("build", "--version", "2.6.14", "--crypto", "openssl-3.0", "--openssl-source", str(path),
               "--engine", "host", code=BadUsageError.exit_code)  # fmt: skip
    assert f"OpenSSL {LIBRARY.version}" in done.stderr
    assert "Compile" not in done.stderr


def test_a_program_with_another_library_than_the_meant_one_is_no_artifact() -> None:
    """configure would not say a word if it had found the system's."""
    program = Path("/bin/sh").read_bytes()
    with pytest.raises(CompileError, match="does not load the system's OpenSSL"):
        check_linked(program, None, TARGET, epoch=0)
    with pytest.raises(CompileError, match="not a program"):
        check_linked(b"#!/bin/sh\n# as libtool leaves it", None, TARGET, epoch=0)
