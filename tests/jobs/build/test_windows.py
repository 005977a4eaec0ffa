"""Programs for Windows: cross-compiled by real builds, looked at, signed, and tried under wine."""

from __future__ import annotations

import datetime
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pefile
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from patchkit.building.check.pe import executable
from patchkit.building.toolchain import toolchain
from patchkit.cache import Cache
from patchkit.releases.version import Version
from tests.conftest import PINNED, ROOT, upstream
from tests.support.compilers import cold
from tests.support.handshakes import Outcome, Peer, handshake
from tests.support.isolation import network_of
from tests.support.jobs.windows_builds import AMD64, I686, LINUX, build, members
from tests.support.loopback import PORT_OF_WINE
from tests.support.lossy_relay import Fate
from tests.support.settings import SOONER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("wine") is None, reason="wine is not in PATH"),
    pytest.mark.skipif(shutil.which("x86_64-w64-mingw32-gcc") is None, reason="x86_64-w64-mingw32-gcc is not in PATH"),
]
VARIANTS = ("--variant", "stock", "--variant", "retransmit")
SERIES = {"2.5.1": "1.1.1", PINNED: "3.5."}
"""The OpenSSL of each release that is built here. By night: 3.5, which takes longer to compile."""
NEWEST = "2.7.7"
HISTORY, OPENSSL = os.environ.get("PATCHKIT_GIT"), os.environ.get("PATCHKIT_OPENSSL_102")
SIGNED = 4  # IMAGE_DIRECTORY_ENTRY_SECURITY: where a PE file's signature is


@dataclass(frozen=True)
class Built:
    version: str
    out: Path
    artifacts: dict[tuple[str, str], dict[str, Any]]

    def program(self, target: str, variant: str, folder: Path) -> Path:
        """The program of an artifact, as a file."""
        artifact = self.artifacts[target, variant]
        archive = self.out / artifact["files"][0]["name"]
        path = folder / f"{variant}-{target}.exe"
        if target == LINUX:
            with tarfile.open(archive) as packed:
                content = packed.extractfile(f"{artifact['name']}/sbin/openvpn")
                assert content is not None
                path.write_bytes(content.read())
        else:
            path.write_bytes(members(artifact, self.out)["bin/openvpn.exe"])
        path.chmod(0o755)
        return path


def by_target(artifacts: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(artifact["build"]["target"], artifact["patch"]["variant"]): artifact for artifact in artifacts}


@pytest.fixture(scope="module", params=SERIES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Built:
    """One command, two targets, two variants."""
    version: str = request.param
    upstream(version, shared_cache)  # or skip
    out = tmp_path_factory.mktemp("windows") / "dist"
    return Built(
        version,
        out,
        by_target(build(out, "--version", version, "--target", AMD64, "--target", LINUX, *VARIANTS, *SOONER)),
    )


def test_one_plan_serves_both_targets(built: Built) -> None:
    assert set(built.artifacts) == {(target, name) for target in (AMD64, LINUX) for name in ("stock", "retransmit")}
    for name in ("stock", "retransmit"):
        windows, linux = (built.artifacts[target, name] for target in (AMD64, LINUX))
        assert windows["patch"] == linux["patch"]
        assert windows["source"] == linux["source"]
        assert windows["build"]["recipe"] == "autotools"
        assert windows["build"]["crypto"]["version"].startswith(SERIES[built.version])
        assert [library["name"] for library in windows["build"]["libraries"]] == ["lzo", "lz4"]
        assert windows["build"]["glibc"] is None
    manifest = json.loads((built.out / "manifest.json").read_text())
    assert len(manifest["artifacts"]) == 4
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=built.out, check=False).returncode == 0


@pytest.mark.parametrize("variant", ["stock", "retransmit"])
def test_the_zip_holds_all_that_goes_along(built: Built, variant: str) -> None:
    artifact = built.artifacts[AMD64, variant]
    suffix = "" if variant == "stock" else f"+{variant}"
    assert artifact["files"][0]["name"] == f"openvpn-{built.version}{suffix}-windows-amd64.zip"
    inside = members(artifact, built.out)
    programs = {path for path in inside if path.endswith((".exe", ".dll"))}
    assert programs == {"bin/openvpn.exe", "bin/openvpnserv.exe", "bin/tapctl.exe"}
    assert {"licences/openvpn/COPYING", "licences/lzo/COPYING", "licences/lz4/LICENSE"} <= set(inside)
    assert any(path.startswith("licences/openssl/LICENSE") for path in inside)
    assert (f"doc/openvpn-{built.version}{suffix}.diff" in inside) is (variant != "stock")
    assert not any(path.endswith((".la", ".a", ".8")) for path in inside)
    for path in programs:
        program = executable(inside[path])
        assert (program.target, program.lacking) == (AMD64, ()), path
        # Some versions of strip write the date that they are told.
        assert program.time_stamp in (0, artifact["source"]["epoch"]), path
        assert not any(
            "libssl" in library or "libgcc" in library or "pthread" in library for library in program.needed
        ), path
    named = inside["bin/openvpn.exe"].count(f"{built.version}+retransmit".encode())
    assert bool(named) is (variant != "stock")


def test_what_was_tried_under_wine(built: Built) -> None:
    checks = built.artifacts[AMD64, "retransmit"]["checks"]
    assert all(check["passed"] for check in checks)
    assert [check["name"] for check in checks] == [
        "linkage", "version", "test-crypto", "refusal", "handshake", "handshake", "handshake",
    ]  # fmt: skip
    said = checks[1]["detail"]
    assert said.startswith(f"OpenVPN {built.version}+retransmit ")
    assert " x86_64-w64-mingw32 " in said


def test_nothing_of_wine_stays_behind(built: Built) -> None:
    assert built.artifacts
    left = subprocess.run(["pgrep", "-a", "wineserver"], capture_output=True, text=True, check=False).stdout
    ours = [line for line in left.splitlines() if "patchkit-" in _environment(line.split()[0]).get("WINEPREFIX", "")]
    assert ours == []


def _environment(pid: str) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return {}
    return dict(row.split("=", 1) for row in text.split("\0") if "=" in row)


def test_two_builds_are_the_same_to_the_byte(built: Built, tmp_path: Path) -> None:
    """In another folder, one variant alone, and not from what is kept of the first."""
    words = ("--version", built.version, "--target", AMD64, "--variant", "retransmit", "-j", "1", *SOONER)
    (again,) = build(tmp_path / "again", *words, env=cold())
    assert again["files"] == built.artifacts[AMD64, "retransmit"]["files"]


@dataclass(frozen=True)
class Wine:
    words: list[str]
    """What starts a Windows program."""
    prefix: Path

    @property
    def alone(self) -> int | None:
        """The process in whose network its programs are."""
        mark = self.prefix / "alone"
        return int(mark.read_text()) if mark.exists() else None


@pytest.fixture(scope="module")
def wine() -> Iterator[Wine]:
    with tempfile.TemporaryDirectory() as folder:  # 1.3 GB, which pytest would keep
        wine_prefix = Wine(["sh", str(ROOT / "docker/wine.sh"), folder], Path(folder))
        booted = subprocess.run(
            [*wine_prefix.words, "--boot"], capture_output=True, text=True, timeout=300, check=False
        )
        assert booted.returncode == 0, booted.stderr
        yield wine_prefix
        subprocess.run([*wine_prefix.words, "--end"], capture_output=True, timeout=60, check=False)
        time.sleep(1)  # until nothing writes there any more


def losing(percent: int, seed: int) -> Fate:
    dice = random.Random(seed)  # noqa: S311
    return lambda data, _from_client: [] if dice.randrange(100) < percent else [data]


def meet(
    folder: Path,
    wine: Wine,
    windows: Path,
    linux: Peer,
    role: str,
    options: Sequence[str] = (),
    fate: Fate | None = None,
) -> Outcome:
    if wine.alone is not None and os.geteuid() != 0:
        pytest.skip("only root may enter the network in which wine is")
    here = Peer(windows, options, wine.words)
    server, client = (here, linux) if role == "server" else (linux, here)
    with network_of(wine.alone):
        return handshake(folder, server, client, window=60, fate=fate, address=("127.0.0.1", PORT_OF_WINE))


@pytest.mark.parametrize("loss", [0, 10])
@pytest.mark.parametrize("variant", ["stock", "retransmit"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_it_talks_to_the_build_for_linux(
    built: Built, wine: Wine, tmp_path: Path, role: str, variant: str, loss: int
) -> None:
    linux = Peer(built.program(LINUX, variant, tmp_path), [])
    windows = built.program(AMD64, variant, tmp_path)
    done = meet(tmp_path, wine, windows, linux, role, fate=losing(loss, 1) if loss else None)
    assert done.completed, f"{done.server}\n{done.client}"
    assert done.data_passed, f"{done.server}\n{done.client}"
    assert done.tls == {"TLSv1.3"}


def test_the_other_programs_start(built: Built, wine: Wine, tmp_path: Path) -> None:
    """The service can't do more than that here: wine has no driver for it, and no service manager that asks for it."""
    inside = members(built.artifacts[AMD64, "stock"], built.out)
    for name, options, words in (
        ("tapctl.exe", ["help"], "tapctl"),
        ("openvpnserv.exe", ["-help"], "openvpnserv"),
    ):
        (tmp_path / name).write_bytes(inside[f"bin/{name}"])
        done = subprocess.run(
            [*wine.words, str(tmp_path / name), *options], capture_output=True, text=True, timeout=120, check=False
        )
        assert words in done.stdout + done.stderr, f"{name}: {done}"


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, Path]:
    """A throw-away key and certificate for signing code."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "patchkit test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = tmp_path / "sign.key", tmp_path / "sign.crt"
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Built:
    upstream(NEWEST, shared_cache)  # or skip
    out = tmp_path_factory.mktemp("newest") / "dist"
    return Built(NEWEST, out, by_target(build(out, "--version", NEWEST, "--target", AMD64, *VARIANTS)))


@pytest.mark.parametrize("variant", ["stock", "retransmit"])
def test_the_newest_series_is_built_with_cmake(newest: Built, variant: str) -> None:
    artifact = newest.artifacts[AMD64, variant]
    assert artifact["build"]["recipe"] == "cmake"
    assert artifact["build"]["crypto"]["version"].startswith("3.5.")
    inside = members(artifact, newest.out)
    # Upstream's tarball lacks a file of the service.
    assert {path for path in inside if path.endswith((".exe", ".dll"))} == {"bin/openvpn.exe", "bin/tapctl.exe"}
    assert "eventmsg.mc" in artifact["build"]["left_out"][0]
    assert all(check["passed"] for check in artifact["checks"])
    assert b"/patchkit-" not in inside["bin/openvpn.exe"]


@pytest.mark.skipif(shutil.which("osslsigncode") is None, reason="osslsigncode is not in PATH")
def test_signed_with_ones_own_key_it_is_the_same_but_for_the_signature(
    built: Built, identity: tuple[Path, Path], tmp_path: Path
) -> None:
    key, certificate = identity
    words = ("--version", built.version, "--target", AMD64, "--variant", "retransmit", *SOONER)
    (artifact,) = build(tmp_path / "signed", *words, "--sign-key", str(key), "--sign-cert", str(certificate))
    assert artifact["signature"]["subject"] == "CN=patchkit test"
    signed, plain = members(artifact, tmp_path / "signed"), members(built.artifacts[AMD64, "retransmit"], built.out)
    assert signed.keys() == plain.keys()
    for path in signed:
        if not path.endswith(".exe"):
            assert signed[path] == plain[path], path
            continue
        (tmp_path / "it.exe").write_bytes(signed[path])
        verified = subprocess.run(
            ["osslsigncode", "verify", "-CAfile", str(certificate), "-in", str(tmp_path / "it.exe")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert without_signature(signed[path]) == without_signature(plain[path])


def without_signature(program: bytes) -> bytes:
    """A PE file up to its signature, with the fields empty that signing fills in."""
    with pefile.PE(data=program, fast_load=True) as pe:
        where = pe.OPTIONAL_HEADER.DATA_DIRECTORY[SIGNED]
        end = where.VirtualAddress or len(program)
        where.VirtualAddress = where.Size = pe.OPTIONAL_HEADER.CheckSum = 0
        return bytes(pe.write())[:end]


@pytest.mark.skipif(shutil.which("i686-w64-mingw32-gcc") is None, reason="i686-w64-mingw32-gcc is not in PATH")
def test_32_bits(tmp_path: Path) -> None:
    words = ("--version", PINNED, "--target", I686, "--variant", "retransmit")
    (artifact,) = build(tmp_path / "dist", *words, may_lack="wine32:i386")
    program = executable(members(artifact, tmp_path / "dist")["bin/openvpn.exe"])
    assert (program.target, program.lacking) == (I686, ())
    assert all(check["passed"] for check in artifact["checks"])


@dataclass(frozen=True)
class Old:
    """A release that only a full clone of upstream has, and where its OpenSSL is to be had."""

    version: str
    targets: Sequence[str]
    with_102: bool = False


OLD = [Old("2.3.2", (AMD64, I686), with_102=True), Old("2.4.12", (AMD64,)), Old("2.5.11", (AMD64,))]


@pytest.mark.skipif(HISTORY is None, reason="PATCHKIT_GIT is not set to a full clone of upstream")
@pytest.mark.parametrize("built", [PINNED], indirect=True)
@pytest.mark.parametrize("old", OLD, ids=lambda old: old.version)
def test_old_releases(old: Old, built: Built, wine: Wine, tmp_path: Path) -> None:
    """Stock and patched, tried, and each as client and as server of a modern peer on Linux."""
    words = [
        "--version",
        old.version,
        "--git",
        str(HISTORY),
        *VARIANTS,
        *(word for target in old.targets for word in ("--target", target)),
    ]
    if old.with_102:
        if OPENSSL is None:
            pytest.skip("PATCHKIT_OPENSSL_102 is not set to a source of OpenSSL 1.0.2")
        words += ["--openssl-source", f"{OPENSSL}#OpenSSL_1_0_2-stable"]
    out = tmp_path / "dist"
    old_builds = Built(old.version, out, by_target(build(out, *words)))
    series = toolchain(Version(old.version), AMD64).series
    modern = Peer(built.program(LINUX, "stock", tmp_path), series.modern_peer)
    for target in old.targets:
        for variant in ("stock", "retransmit"):
            windows = old_builds.program(target, variant, tmp_path)
            for role in ("client", "server"):
                done = meet(tmp_path, wine, windows, modern, role, options=series.old_peer)
                assert done.data_passed, f"{target} {variant} as {role}\n{done.server}\n{done.client}"


def test_a_zip_is_the_same_whenever_it_is_packed(built: Built) -> None:
    archive = built.out / built.artifacts[AMD64, "stock"]["files"][0]["name"]
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as packed:
        assert packed.namelist() == sorted(packed.namelist())
        assert len({member.date_time for member in packed.infolist()}) == 1
