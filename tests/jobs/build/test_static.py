"""Static programs for any Linux: built by zig with musl, looked at, and started where there is nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patchkit.building.check.elf import check_static
from patchkit.building.toolchain_table import known_target, zig
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError, ToolchainError
from patchkit.packaging.machine import machine_of
from patchkit.pki.short_lived import short_lived_credentials
from patchkit.ui import Ui
from tests.conftest import PINNED, upstream
from tests.support.building.small_openssl import LIBRARY, small_openssl
from tests.support.jobs.builds import unpack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
STATIC, LINUX, NEWEST, OLD = "linux-static-amd64", "linux-amd64", "2.7.7", "2.3.2"
NAME = f"openvpn-{PINNED}+recommended-{STATIC}"
HISTORY, OPENSSL = os.environ.get("PATCHKIT_GIT"), os.environ.get("PATCHKIT_OPENSSL_102")


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run patchkit; skips where this host lacks a package, or no place in reach has a file."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip
    lacks = done.returncode == ToolchainError.exit_code and "this host lacks" in done.stderr
    if lacks or done.returncode in (NetworkUnavailableError.exit_code, PlacesExhaustedError.exit_code):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done


def artifacts(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the manifest in ``out`` has, by target and variant."""
    manifest = json.loads((out / "manifest.json").read_text())
    return {(each["build"]["target"], each["patch"]["variant"]): each for each in manifest["artifacts"]}


def program(out: Path, artifact: dict[str, Any], folder: Path) -> Path:
    return unpack(out / artifact["files"][0]["name"], folder) / "sbin/openvpn"


def check(out: Path, target: str, folder: Path, *variants: str) -> None:
    """Check that each program of ``target`` in ``out`` is static, of its processor, and has passed all tests."""
    for variant in variants:
        artifact = artifacts(out)[target, variant]
        assert (artifact["build"]["needed"], artifact["build"]["glibc"]) == ([], None)
        names = [each["name"] for each in artifact["checks"]]
        assert names == ["linkage", "version", "test-crypto", "refusal"] + ["handshake"] * (
            1 if variant == "stock" else 3
        )
        assert all(each["passed"] for each in artifact["checks"])
        (folder / variant).mkdir()
        data = program(out, artifact, folder / variant).read_bytes()
        check_static(data)
        assert machine_of(data) == known_target(target).architecture


@dataclass(frozen=True)
class Built:
    out: Path
    stdout: str
    artifact: dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Built:
    openssl = tmp_path_factory.mktemp("openssl")
    try:
        small_openssl(openssl, Context(shared_cache, Ui(quiet=True)))
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        pytest.skip(f"{error.what}: {error.why}")
    out = tmp_path_factory.mktemp("static") / "dist"
    done = run(
        "build", "--version", PINNED, "--target", STATIC,
        "--crypto", LIBRARY, "--openssl-source", str(openssl), "--package", "deb,oci", "--out", str(out),
    )  # fmt: skip
    return Built(out, done.stdout, artifacts(out)[STATIC, "recommended"])


def test_it_has_passed_every_check_and_loads_nothing(built: Built, tmp_path: Path) -> None:
    check(built.out, STATIC, tmp_path, "recommended")
    linkage = next(each for each in built.artifact["checks"] if each["name"] == "linkage")
    assert linkage["detail"].endswith("loads nothing, not even a loader")


def test_the_manifest_states_what_it_holds_and_what_it_lacks(built: Built) -> None:
    build, pin = built.artifact["build"], zig()
    assert build["wheel"] == {"name": pin.name, "size": pin.size, "sha256": pin.sha256}
    assert build["compiler"].startswith(f"zig {pin.version}, clang version ")
    assert [library["name"] for library in build["libraries"]] == ["lzo", "lz4", "libcap-ng", "libnl"]
    assert [text.partition(":")[0] for text in build["left_out"]] == ["plugins"]


def test_the_documents_name_musl_and_the_wheel(built: Built) -> None:
    bill = json.loads((built.out / f"{NAME}.cdx.json").read_text())
    components = {each["name"]: each for each in bill["components"]}
    assert {"OpenSSL", "LZO", "LZ4", "libcap-ng", "libnl", "musl", "zig-compiler-rt"} == components.keys()
    assert components["musl"]["licenses"] == [{"license": {"id": "MIT"}}]
    statement = json.loads((built.out / f"{NAME}.intoto.json").read_text())
    dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    (wheel,) = [each for each in dependencies if each.get("uri", "").startswith("pkg:pypi/")]
    assert wheel["uri"] == f"pkg:pypi/ziglang@{zig().version}"
    assert wheel["digest"] == {"sha256": zig().sha256}


def test_it_starts_in_a_root_that_holds_nothing_else(built: Built, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change the root")
    root = tmp_path / "root"
    root.mkdir()
    program(built.out, built.artifact, tmp_path).rename(root / "openvpn")
    output = subprocess.run(
        ["chroot", str(root), "/openvpn", "--version"], capture_output=True, text=True, check=False
    ).stdout
    first, second = output.splitlines()[:2]
    assert first.startswith(f"OpenVPN {PINNED}+recommended x86_64-")
    # Data channel offload, epoll and both compressions are there.
    assert {"[SSL (OpenSSL)]", "[LZO]", "[LZ4]", "[EPOLL]", "[DCO]"} <= {f"[{word}" for word in first.split(" [")[1:]}
    assert second.startswith("library versions: OpenSSL 3.0.")


def test_it_brings_the_licences_of_all_that_it_holds(built: Built) -> None:
    with tarfile.open(built.out / built.artifact["files"][0]["name"]) as archive:
        paths = [name.partition("/licences/")[2] for name in archive.getnames() if "/licences/" in name]
    folders = {path.partition("/")[0] for path in paths}
    assert folders == {"openssl", "lzo", "lz4", "libcap-ng", "libnl", "musl", "zig"}


def test_it_keeps_a_capability_and_asks_the_kernel_for_dco(built: Built, tmp_path: Path) -> None:
    """libcap-ng and libnl are there, and work."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        pytest.skip("only root may make a tunnel")
    for name, data in short_lived_credentials().items():
        (tmp_path / name).write_bytes(data)
    command = [
        "unshare", "--net", "--", str(program(built.out, built.artifact, tmp_path)), "--dev", "tun", "--topology",
        "subnet", "--server", "10.99.0.0", "255.255.255.0", "--port", "1194", "--ca", "ca.crt", "--cert", "server.crt",
        "--key", "server.key", "--dh", "dh.pem", "--verb", "4", "--user", "nobody", "--group", "nogroup",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        clock = threading.Timer(60, server.kill)
        clock.start()
        lines = []
        for line in server.stdout:
            lines.append(line)
            if "Initialization Sequence Completed" in line:
                break
        status = Path(f"/proc/{server.pid}/status").read_text()
        server.terminate()
        clock.cancel()
    log = "".join(lines)
    assert "Capabilities retained: CAP_NET_ADMIN" in log, log
    assert "CapEff:\t0000000000001000" in status
    assert "Kernel support for ovpn-dco missing" in log or "DCO device" in log or "using DCO" in log, log


def test_its_packages_depend_on_nothing(built: Built) -> None:
    deb = built.out / f"openvpn-patched-static_{PINNED}+recommended-1_amd64.deb"
    fields = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    assert "Depends:" not in fields
    assert "Architecture: amd64" in fields
    with tarfile.open(built.out / f"{NAME}.oci.tar") as image:
        index = json.load(image.extractfile("index.json"))  # type: ignore[arg-type]
        assert index["manifests"][0]["platform"]["architecture"] == "amd64"
        blobs = [member for member in image if member.name.startswith("blobs/")]
        layer = max(blobs, key=lambda member: member.size)
        with tarfile.open(fileobj=image.extractfile(layer)) as files:
            programs = [member.name for member in files if member.isreg() and member.mode & 0o111]
    assert programs == ["usr/local/sbin/openvpn"]


def test_the_same_bytes_from_a_mirror_without_a_network_and_with_an_empty_cache(built: Built, tmp_path: Path) -> None:
    """In another folder, with another date; musl and OpenSSL are compiled anew as well."""
    mirror = tmp_path / "mirror"
    run("mirror", "sync", "--versions", PINNED, "--target", STATIC, "--crypto", LIBRARY, "--to", str(mirror))
    assert (mirror / zig().name).is_file()
    openssl = tmp_path / "elsewhere"
    openssl.mkdir()
    small_openssl(openssl, Context(Cache.default(), Ui(quiet=True)))
    (tmp_path / "tmp").mkdir()
    run(
        "build", "--version", PINNED, "--target", STATIC, "--offline", "--crypto", LIBRARY, "--openssl-source",
        str(openssl), "--package", "deb,oci", "--out", str(tmp_path / "dist"),
        env={"PATCHKIT_CACHE": str(tmp_path / "cache"), "PATCHKIT_MIRROR": str(mirror), "TZ": "Asia/Tokyo",
             "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    again = artifacts(tmp_path / "dist")[STATIC, "recommended"]
    assert (again["files"], again["packages"]) == (built.artifact["files"], built.artifact["packages"])


@pytest.mark.parametrize("target", ["linux-static-arm64", "linux-static-armhf"])
def test_another_processor(target: str, tmp_path: Path) -> None:
    """Its handshakes are under QEMU."""
    openssl, out = tmp_path / "openssl", tmp_path / "dist"
    openssl.mkdir()
    small_openssl(openssl, Context(Cache.default(), Ui(quiet=True)))
    run("build", "--version", PINNED, "--target", target, "--variant", "stock", "--variant", "recommended", "--crypto",
        LIBRARY, "--openssl-source", str(openssl), "--out", str(out))  # fmt: skip
    check(out, target, tmp_path, "stock", "recommended")


@pytest.mark.parametrize("version", [PINNED, NEWEST])
def test_the_openssl_of_the_series_and_one_table_for_two_targets(
    version: str, tmp_path: Path, shared_cache: Cache
) -> None:
    upstream(version, shared_cache)
    out = tmp_path / "dist"
    done = run("build", "--version", version, "--target", STATIC, "--target", LINUX, "--package", "deb,oci", "--out",
               str(out))  # fmt: skip
    check(out, STATIC, tmp_path, "recommended")
    assert artifacts(out)[STATIC, "recommended"]["build"]["crypto"]["version"].startswith("3.5.")
    # What the second target has in common with the first is neither fetched nor told again.
    assert done.stderr.count("==> Source of ") == 1
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    run("artifact", "check", str(out))
    assert done.stderr.count("which is compiled in, has") == 1
    assert done.stderr.count("known vulnerabilities on Linux") == (version == PINNED)  # NEWEST has none there
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["target", "file", "size", "time", "sha256"]
    assert [row.split()[0] for row in rows] == [STATIC] * 4 + [LINUX] * 4


@pytest.mark.skipif(not HISTORY or not OPENSSL, reason="PATCHKIT_GIT and PATCHKIT_OPENSSL_102 are not set")
def test_the_release_that_the_patch_was_written_for(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    run("build", "--version", OLD, "--target", STATIC, "--variant", "stock", "--variant", "recommended", "--git",
        str(HISTORY), "--openssl-source", str(OPENSSL), "--out", str(out))  # fmt: skip
    check(out, STATIC, tmp_path, "stock", "recommended")
