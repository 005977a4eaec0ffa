"""A real image: nothing is missing in it, its openvpn completes a handshake, and other tools read it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.building.engine.image import PROCESS
from patchkit.packaging.oci import PROGRAM, USER
from patchkit.pki.short_lived import short_lived_credentials
from tests.conftest import PINNED, ROOT
from tests.support.jobs.builds import engine_or_skip
from tests.support.jobs.packaged import IMAGE

pytestmark = pytest.mark.slow

_IN_ROOT = """#!/bin/sh
exec chroot --userspec={user}:{user} {root} /{program} --cd /etc/openvpn "$@"
"""
# The kernel's own loopback is where both ends meet; all else is the image's. The label tells test_docker.py, which
# looks at all containers that a command makes, that this one is a test's.
_IN_CONTAINER = """#!/bin/sh
exec docker run --rm --label {label} --network host --read-only --tmpfs /tmp --cap-drop ALL \\
  --volume {keys}:/etc/openvpn:ro {image} "$@"
"""


@pytest.fixture
def image(packaged: Path) -> Path:
    return packaged / IMAGE


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


def test_docker_loads_it_and_its_containers_complete_a_handshake(image: Path, tmp_path: Path) -> None:
    """A real container for each end, as the image's own user, who is not root."""
    engine_or_skip("docker")
    if shutil.which("docker") is None:
        pytest.skip("the command docker is not installed")
    (name,) = docker("load", "--input", image).removeprefix("Loaded image: ").split()
    try:
        shown = json.loads(docker("image", "inspect", name))[0]
        assert (shown["Architecture"], shown["Config"]["User"]) == ("amd64", f"{USER}:{USER}")
        keys = tmp_path / "keys"
        keys.mkdir()
        for file, data in short_lived_credentials().items():
            for folder in (keys, tmp_path):
                (folder / file).write_bytes(data)
                (folder / file).chmod(0o644)
        openvpn = tmp_path / "openvpn"
        openvpn.write_text(_IN_CONTAINER.format(label=f"{PROCESS}={os.getpid()}", keys=keys, image=name))
        openvpn.chmod(0o755)
        command = ["sh", str(ROOT / "docker/handshake.sh"), "docker", str(openvpn), str(openvpn), "21195"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"OpenVPN {PINNED}+recommended" in (tmp_path / "docker.server.log").read_text()
    finally:
        docker("image", "rm", "--force", name)


def docker(*arguments: object) -> str:
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
