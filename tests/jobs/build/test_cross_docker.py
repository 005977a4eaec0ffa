"""Other targets on the docker engine: a toolchain image with packages of a second architecture, and one with wine."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from patchkit.building.engine.docker import connect
from patchkit.errors import DockerMissingError
from patchkit.source.fetch import debian
from tests.conftest import PINNED
from tests.support.jobs.windows_builds import AMD64, I686, build, members

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.usefixtures("_docker")]


@pytest.fixture
def _docker() -> None:
    try:
        connect().close()
    except DockerMissingError as error:
        pytest.skip(f"{error.what}: {error.why}")


@pytest.fixture
def one_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of two architectures must be of one version: a mirror of security updates may lack one of the two."""
    monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", debian.mirrors()[0])


@pytest.mark.usefixtures("one_suite")
def test_another_processor(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    variants = ("--variant", "stock", "--variant", "retransmit")
    artifacts = build(out, "--version", PINNED, "--target", "linux-arm64", *variants, engine="docker")
    for artifact in artifacts:
        assert artifact["build"]["triplet"] == "aarch64-linux-gnu"
        assert "libssl-dev:arm64" in artifact["build"]["packages"]
        # Version, encryption, refusal and three handshakes, or one for stock: all of them under QEMU.
        assert all(check["passed"] for check in artifact["checks"])
        with tarfile.open(out / artifact["files"][0]["name"]) as packed:
            content = packed.extractfile(f"{artifact['name']}/sbin/openvpn")
            assert content is not None
            assert ELFFile(io.BytesIO(content.read()))["e_machine"] == "EM_AARCH64"


@pytest.mark.usefixtures("one_suite")
@pytest.mark.parametrize("target", [AMD64, I686])
def test_windows(target: str, tmp_path: Path) -> None:
    """In a container, without a network; with 64 bits the programs are the host's to the byte."""
    words = ("--version", PINNED, "--target", target, "--variant", "retransmit")
    (artifact,) = build(tmp_path / "docker", *words, engine="docker")
    assert all(check["passed"] for check in artifact["checks"])
    inside = members(artifact, tmp_path / "docker")
    assert {"bin/openvpn.exe", "bin/openvpnserv.exe", "bin/tapctl.exe"} <= inside.keys()
    if target == AMD64:
        (here,) = build(tmp_path / "host", *words)
        on_host = members(here, tmp_path / "host")
        # Not its documents: a host may have another docutils in PATH than Debian's.
        assert {path for path in inside if inside[path] != on_host.get(path)} <= {
            path for path in inside if path.endswith(".html")
        }
