"""The same bytes from another kind of machine: a container in place of the host, and for a processor that it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
import zipfile
from collections.abc import Iterator, Sequence
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


BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
"""By which the kernel starts programs for arm64 with qemu-user, once it is told; from Debian's qemu-user-static."""


def entry(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())["artifacts"][0]


def kept_source(shared_cache: Cache, cache: Path) -> None:
    """Put the source of PINNED into the empty folder ``cache``, for a patchkit that has no network."""
    upstream(PINNED, shared_cache)
    (cache / "downloads").mkdir(parents=True)
    shutil.copy(shared_cache.downloads / f"openvpn-{PINNED}.tar.gz", cache / "downloads")


def patchkit_in(
    image: str, words: Sequence[str], work: Path, packages: Path, *, sockets: Sequence[str] = (), **more: Any
) -> str:
    """Run this checkout's patchkit in a container of ``image`` that has no network; return what it wrote to stdout.

    ``packages`` are those it imports, ``work`` is its home. Skips where they are for another Python than the image's.
    """
    options: dict[str, Any] = {
        "volumes": [
            f"{ROOT}:/patchkit:ro",
            f"{packages}:/packages:ro",
            f"{work}:/work",
            *(f"{path}:{path}" for path in sockets),
        ],
        "environment": {"PYTHONPATH": "/patchkit:/packages", "PATCHKIT_CACHE": "/work/cache", "HOME": "/work"},
        "network_mode": "none",
        "labels": {PROCESS: str(os.getpid())},
        **more,
    }
    with closing(connect()) as client:
        prints = "import sys; print(*sys.version_info[:2], sep='.')"
        python = client.containers.run(image, ["python3", "-c", prints], remove=True, **options).decode().strip()
        if python != "{}.{}".format(*sys.version_info):
            pytest.skip(f"the image has Python {python}, and compiled packages here are for another one")
        container = client.containers.run(image, ["python3", "-P", "-m", "patchkit", *words], detach=True, **options)
        try:
            status = container.wait(timeout=900)["StatusCode"]
            assert status == 0, container.logs().decode()
            output: bytes = container.logs(stderr=False)
            return output.decode()
        finally:
            container.remove(force=True)


def test_a_host_with_the_images_toolchain_gives_the_containers_archive(shared_cache: Cache, tmp_path: Path) -> None:
    """The host is a container of the image that the Docker engine compiles in: the same packages, and Debian's Python.

    It runs this checkout with the packages of its environment, and has no network: the source is in its cache.
    """
    engine_or_skip("docker")
    run("build", "--version", PINNED, "--engine", "docker", "--out", str(tmp_path / "docker"))
    there = entry(tmp_path / "docker")["build"]
    kept_source(shared_cache, tmp_path / "cache")
    (tmp_path / "host").mkdir()
    subprocess.run(["chmod", "-R", "a+rwX", tmp_path], check=True)  # for the image's user
    words = ["build", "--version", PINNED, "--engine", "host", "--offline", "--out", "/work/host"]
    patchkit_in(there["image"], words, tmp_path, Path(sysconfig.get_path("purelib")))
    here = entry(tmp_path / "host")["build"]
    assert (here["engine"], there["engine"]) == ("host", "docker")
    assert here["installed"] == there["installed"] != {}
    archive = f"{NAME}.tar.gz"
    assert (tmp_path / "host" / archive).read_bytes() == (tmp_path / "docker" / archive).read_bytes()


@contextmanager
def arm64_programs() -> Iterator[None]:
    """Let this machine's kernel start programs for arm64 as long as this context lasts."""
    registered = BINFMT / "qemu-aarch64"
    if registered.exists():
        yield
        return
    if os.geteuid() != 0 or not QEMU.exists():
        pytest.skip("programs for arm64 do not start here: apt-get install qemu-user-static, as root")
    mounted = (BINFMT / "register").exists()
    if not mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    try:
        (BINFMT / "register").write_bytes(QEMU.read_bytes())
        yield
    finally:
        if registered.exists():
            registered.write_text("-1")
        if not mounted:
            subprocess.run(["umount", BINFMT], check=True)


@pytest.fixture
def arm64(tmp_path: Path) -> Iterator[str]:
    """An image of Debian for arm64, with Python."""
    with arm64_programs():
        root = tmp_path / "arm64.tar"
        mmdebstrap = ["mmdebstrap", "--quiet", "--architectures=arm64", "--variant=minbase", "--include=python3"]
        done = subprocess.run([*mmdebstrap, "bookworm", root], capture_output=True, text=True, check=False)
        if done.returncode != 0 and "arch-test" in done.stderr:
            pytest.skip("mmdebstrap needs arch-test: apt-get install arch-test")
        assert done.returncode == 0, done.stderr
        name = f"patchkit-test-{uuid.uuid4().hex[:8]}:arm64"
        subprocess.run(["docker", "import", "--platform", "linux/arm64", root, name], check=True, capture_output=True)
        try:
            yield name
        finally:
            subprocess.run(["docker", "rmi", "--force", name], check=True, capture_output=True)


def wheels_for_arm64(folder: Path) -> Path:
    """Fetch the packages that patchkit imports, as they are for arm64, by their hashes; return where they are."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    platforms = [f"--platform={name}" for name in ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "any")]
    packed = folder / "wheels"
    subprocess.run([*pip, *platforms, "--dest", packed, "-r", ROOT / "requirements.lock"], check=True)
    for wheel in packed.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "packages")
    return folder / "packages"


@pytest.mark.timeout(3600)
def test_a_machine_of_another_processor_builds_the_same_again(arm64: str, shared_cache: Cache, tmp_path: Path) -> None:
    """patchkit runs on arm64, by qemu-user, and lets the Docker daemon compile in the image that the manifest names.

    Not the compilers but all else is of the other processor: Python and its compression, dpkg-deb, and what applies the
    patch and writes archive, package, image, SBOM, provenance and source.
    """
    engine_or_skip("docker")
    options = ["--package", "deb,oci", "--with-source", "--engine", "docker"]
    run("build", "--version", PINNED, *options, "--out", str(tmp_path / "given"))
    kept_source(shared_cache, tmp_path / "cache")
    words = ["rebuild", "/work/given", "--offline", "--json"]
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    packages = wheels_for_arm64(tmp_path)
    document = json.loads(patchkit_in(arm64, words, tmp_path, packages, sockets=[socket], platform="linux/arm64"))
    assert document["equal"] is True
    names = [file["name"] for file in document["artifacts"][0]["files"]]
    assert len(names) == 7, names


def test_programs_for_another_processor_are_reproduced_too(tmp_path: Path) -> None:
    """Cross-compiled, and again by one job at a time: archive, package, image, SBOM and provenance."""
    engine_or_skip("docker")
    options = ["--target", "linux-arm64", "--engine", "docker", "--package", "deb,oci"]
    run("build", "--version", PINNED, *options, "--out", str(tmp_path))
    document = json.loads(run("rebuild", str(tmp_path), "--jobs", "1", "--json").stdout)
    assert document["equal"] is True
    names = [file["name"] for file in document["artifacts"][0]["files"]]
    assert len(names) == 6, names
