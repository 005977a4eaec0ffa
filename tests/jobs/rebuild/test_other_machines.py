"""The same bytes from another kind of machine: a container in place of the host, and for a processor that it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from patchkit.building.engine.docker import connect
from patchkit.building.engine.image import PROCESS
from patchkit.cache import Cache
from tests.conftest import PINNED, ROOT, upstream
from tests.support.jobs.builds import engine_or_skip, run
from tests.support.jobs.packaged import NAME

pytestmark = pytest.mark.slow


def entry(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())["artifacts"][0]


def test_a_host_with_the_images_toolchain_gives_the_containers_archive(shared_cache: Cache, tmp_path: Path) -> None:
    """The host is a container of the image that the Docker engine compiles in: the same packages, and Debian's Python.

    It runs this checkout with the packages of its environment, and has no network: the source is in its cache.
    """
    engine_or_skip("docker")
    run("build", "--version", PINNED, "--engine", "docker", "--out", str(tmp_path / "docker"))
    there = entry(tmp_path / "docker")["build"]
    upstream(PINNED, shared_cache)
    (tmp_path / "cache/downloads").mkdir(parents=True)
    shutil.copy(shared_cache.downloads / f"openvpn-{PINNED}.tar.gz", tmp_path / "cache/downloads")
    (tmp_path / "host").mkdir()
    subprocess.run(["chmod", "-R", "a+rwX", tmp_path], check=True)  # for the image's user
    options: dict[str, Any] = {
        "volumes": [f"{ROOT}:/patchkit:ro", f"{sysconfig.get_path('purelib')}:/packages:ro", f"{tmp_path}:/work"],
        "environment": {"PYTHONPATH": "/patchkit:/packages", "PATCHKIT_CACHE": "/work/cache", "HOME": "/work"},
        "network_mode": "none",
        "labels": {PROCESS: str(os.getpid())},
    }
    with closing(connect()) as client:
        prints = "import sys; print(*sys.version_info[:2], sep='.')"
        python = (
            client.containers.run(there["image"], ["python3", "-c", prints], remove=True, **options).decode().strip()
        )
        if python != "{}.{}".format(*sys.version_info):
            pytest.skip(f"the image has Python {python}, and compiled packages here are for another one")
        build = ["python3", "-P", "-m", "patchkit", "build", "--version", PINNED, "--engine", "host", "--offline"]
        container = client.containers.run(there["image"], [*build, "--out", "/work/host"], detach=True, **options)
        try:
            status = container.wait(timeout=900)["StatusCode"]
            assert status == 0, container.logs().decode()
        finally:
            container.remove(force=True)
    here = entry(tmp_path / "host")["build"]
    assert (here["engine"], there["engine"]) == ("host", "docker")
    assert here["installed"] == there["installed"] != {}
    archive = f"{NAME}.tar.gz"
    assert (tmp_path / "host" / archive).read_bytes() == (tmp_path / "docker" / archive).read_bytes()


def test_programs_for_another_processor_are_reproduced_too(tmp_path: Path) -> None:
    """Cross-compiled, and again by one job at a time: archive, package, image, SBOM and provenance."""
    engine_or_skip("docker")
    options = ["--target", "linux-arm64", "--engine", "docker", "--package", "deb,oci"]
    run("build", "--version", PINNED, *options, "--out", str(tmp_path))
    document = json.loads(run("rebuild", str(tmp_path), "--jobs", "1", "--json").stdout)
    assert document["equal"] is True
    names = [file["name"] for file in document["artifacts"][0]["files"]]
    assert len(names) == 6, names


BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
"""What the kernel has to be told to start programs for arm64 with qemu-user; from Debian's qemu-user-static."""
# In a namespace of its own, so that nothing stays mounted: this checkout, the packages, and Docker's socket.
CHROOT = """
set -e
root=$1 checkout=$2 packages=$3 socket=$4
shift 4
mkdir "$root/patchkit" "$root/packages"
touch "$root/run/docker.sock"
mount --bind "$checkout" "$root/patchkit"
mount --bind "$packages" "$root/packages"
mount --bind "$socket" "$root/run/docker.sock"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/patchkit:/packages PATCHKIT_CACHE=/work/cache python3 -P "$@"
"""
PATCHKIT = """
import platform, runpy, sys
print(platform.machine(), file=sys.stderr)
runpy.run_module("patchkit", None, "__main__")
"""


@contextmanager
def arm64_programs() -> Iterator[None]:
    """Let this machine's kernel start programs for arm64 as long as this context lasts."""
    if os.geteuid() != 0 or not QEMU.exists():
        pytest.skip("programs for arm64 do not start here: apt-get install qemu-user-static, as root")
    mounted = (BINFMT / "register").exists()
    if not mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    name = f"patchkit-test-{os.getpid()}"
    try:
        (BINFMT / "register").write_text(QEMU.read_text().replace(":qemu-aarch64:", f":{name}:", 1))
        try:
            yield
        finally:
            (BINFMT / name).write_text("-1")
    finally:
        if not mounted:
            subprocess.run(["umount", "--lazy", BINFMT], check=False)


@pytest.fixture
def arm64(tmp_path: Path) -> Iterator[Path]:
    """The root of a Debian for arm64, with its Python."""
    engine_or_skip("docker")
    root = tmp_path / "arm64"
    with arm64_programs():
        what = ["--architectures=arm64", "--variant=minbase", "--include=python3", "bookworm"]
        done = subprocess.run(
            ["mmdebstrap", "--quiet", *what, root], capture_output=True, text=True, check=False, timeout=3000
        )
        if done.returncode != 0 and "arch-test" in done.stderr:
            pytest.skip("mmdebstrap needs arch-test: apt-get install arch-test")
        assert done.returncode == 0, done.stderr
        yield root


def wheels_for_arm64(folder: Path) -> Path:
    """Fetch the packages that patchkit imports, as they are for arm64, by their hashes; return where they are."""
    # Python 3.11 is bookworm's.
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
           "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]  # fmt: skip
    platforms = [f"--platform={name}" for name in ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "any")]
    packed = folder / "wheels"
    command = [*pip, *platforms, "--dest", str(packed), "-r", str(ROOT / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    for wheel in packed.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "packages")
    return folder / "packages"


@pytest.mark.timeout(3600)
def test_a_machine_of_another_processor_builds_the_same_again(arm64: Path, shared_cache: Cache, tmp_path: Path) -> None:
    """patchkit runs on arm64, under qemu-user, and lets Docker's daemon compile in the image that the manifest names.

    All but the compilers is of the other processor: Python and its compression, dpkg-deb, and what applies the patch
    and writes archive, package, image, SBOM, provenance and source.
    """
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        pytest.skip(f"Docker's daemon is at {host}, and patchkit is given a socket")
    work = arm64 / "work"
    options = ["--package", "deb,oci", "--with-source", "--engine", "docker"]
    run("build", "--version", PINNED, *options, "--out", str(work / "given"))
    upstream(PINNED, shared_cache)
    (work / "cache/downloads").mkdir(parents=True)
    shutil.copy(shared_cache.downloads / f"openvpn-{PINNED}.tar.gz", work / "cache/downloads")
    inside = ["unshare", "--mount", "sh", "-c", CHROOT, "sh", str(arm64), str(ROOT), str(wheels_for_arm64(tmp_path)),
              host.removeprefix("unix://")]  # fmt: skip
    words = ["-c", PATCHKIT, "rebuild", "/work/given", "--offline", "--json"]
    with subprocess.Popen([*inside, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=1800)
        finally:
            process.terminate()  # by which patchkit ends its containers
    assert process.returncode == 0, err
    assert err.startswith("aarch64\n")
    document = json.loads(out)
    assert document["equal"] is True
    names = [file["name"] for file in document["artifacts"][0]["files"]]
    assert len(names) == 7, names
