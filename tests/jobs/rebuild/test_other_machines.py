"""The same bytes from another kind of machine: a container in place of the host, and for a processor that it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import closing
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
