"""A real image: nothing is missing in it, its openvpn completes a handshake, and other tools read it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.packaging.oci import PROGRAM, USER
from patchkit.pki.short_lived import short_lived_credentials
from tests.conftest import PINNED, ROOT
from tests.support.jobs.builds import run

pytestmark = pytest.mark.slow

NAME = f"openvpn-{PINNED}+recommended-linux-amd64"
_IN_ROOT = """#!/bin/sh
exec chroot --userspec={user}:{user} {root} /{program} --cd /etc/openvpn "$@"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run("build", "--version", PINNED, "--engine", "host", "--package", "oci", "--out", str(out))
    return out / f"{NAME}.oci.tar"


@pytest.fixture
def root(image: Path, tmp_path: Path) -> Path:
    """The image's only layer, unpacked."""
    subprocess.run(["tar", "-xf", image, "-C", tmp_path], check=True)
    (manifest,) = json.loads((tmp_path / "manifest.json").read_text())
    folder = tmp_path / "root"
    folder.mkdir()
    layer = tmp_path / manifest["Layers"][0]
    subprocess.run(["tar", "-xzf", layer, "-C", folder, "--preserve-permissions"], check=True)
    return folder


def test_it_is_an_artifact_and_the_same_bytes_again(image: Path, tmp_path: Path) -> None:
    run("artifact", "check", str(image.parent))
    done = run("rebuild", str(image.parent), "--json", TMPDIR=str(tmp_path))
    files = {file["name"]: file["built"] for file in json.loads(done.stdout)["artifacts"][0]["files"]}
    assert files[image.name] == hashlib.sha256(image.read_bytes()).hexdigest()


def test_its_program_completes_a_handshake_as_a_user_without_rights(root: Path, tmp_path: Path) -> None:
    """In the image's own files, with nothing of this machine's but the kernel."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root folder")
    for name, data in short_lived_credentials().items():
        for folder in (root / "etc/openvpn", tmp_path):
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o644)
    openvpn = tmp_path / "openvpn"
    openvpn.write_text(_IN_ROOT.format(user=USER, root=root, program=PROGRAM))
    openvpn.chmod(0o755)
    command = ["sh", str(ROOT / "docker/handshake.sh"), "image", str(openvpn), str(openvpn), "21194"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"OpenVPN {PINNED}+recommended" in (tmp_path / "image.server.log").read_text()


def test_it_holds_what_the_program_loads_with_licences_and_no_shell(root: Path) -> None:
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {"lib/x86_64-linux-gnu/libcrypto.so.3", "lib64/ld-linux-x86-64.so.2", PROGRAM} <= files
    assert {path for path in files if "/bin/" in f"/{path}"} == set()
    libraries = [path for path in files if path.startswith("lib/")]
    licences = [path for path in files if path.endswith("/copyright")]
    assert len(licences) >= len({Path(path).name.partition(".so")[0] for path in libraries}) - 1  # two of OpenSSL's


def test_skopeo_reads_both_forms_of_it(image: Path, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    copy = tmp_path / f"{len(image.name)}.tar"
    copy.write_bytes(image.read_bytes())
    for kind in ("oci-archive", "docker-archive"):
        done = subprocess.run(["skopeo", "inspect", f"{kind}:{copy}"], capture_output=True, text=True, check=True)
        shown = json.loads(done.stdout)
        assert (shown["Architecture"], shown["Os"]) == ("amd64", "linux")
