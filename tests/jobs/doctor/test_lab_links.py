"""What the lab's links and Docker's images want, tried for real and where they are missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from patchkit.building.engine import image
from patchkit.building.engine.docker import connect
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import BaseImageError, GuestError, NetworkUnavailableError, PatchkitError, PlacesExhaustedError
from patchkit.jobs.doctor import docker, lab_links
from patchkit.jobs.doctor.distribution import Distribution, distribution_from
from patchkit.jobs.doctor.model import Probe, run_probe
from patchkit.lab.guest import packages
from patchkit.lab.guest.kernel import obtain as kernel_obtain
from patchkit.lab.guest.kernel import source as kernel_source
from patchkit.lab.link.qemu_process import installed_qemu
from patchkit.ui import Ui
from tests.support.lab.kernel_source import BUILDABLE, package
from tests.support.lab.kernel_source import pin as kernel_pin

DEBIAN = distribution_from({"ID": "debian"})
NOWHERE = Distribution("nowhere")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends"


@pytest.mark.parametrize(
    ("name", "programs", "packages_"),
    [
        ("machine", ("qemu-system-x86_64",), "qemu-system-x86"),
        ("netns", ("ip", "tc", "nft", "ping"), "iproute2 iputils-ping nftables"),
    ],
)
def test_a_link_whose_programs_are_not_there(
    name: str, programs: tuple[str, ...], packages_: str, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    installed_qemu.cache_clear()  # another test of this process may have found it
    attempt = partial(lab_links.booted, Context(cache, ui)) if name == "machine" else lab_links.netem
    result = run_probe(Probe(name, "lab run", attempt, name, programs), DEBIAN)
    assert (result.state, result.fix) == ("missing", f"{INSTALL} {packages_}")
    assert not cache.root.exists() or not list(cache.root.rglob("*.deb"))  # nothing is fetched for nothing


def test_a_kernel_that_is_not_there_yet(cache: Cache, ui: Ui) -> None:
    """The command that makes it is named, and nothing is made or fetched."""
    probe = Probe("kernel", "lab run", partial(lab_links.kernel, NOWHERE, Context(cache, ui)), "kernel")
    result = run_probe(probe, NOWHERE)
    assert result.state == "missing"
    assert result.fix == f"{sys.executable} -m patchkit lab kernel"
    assert [step.root for step in result.steps] == [False]
    assert not cache.root.exists()


def test_a_kernel_that_this_host_cant_compile(
    cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    probe = Probe("kernel", "lab run", partial(lab_links.kernel, DEBIAN, Context(cache, ui)), "kernel")
    result = run_probe(probe, DEBIAN)
    assert result.state == "missing"
    assert "this host lacks gcc, ld, strip, make, flex, bison, bc" in result.detail
    assert result.fix == (
        f"{INSTALL} bc binutils bison flex gcc libc6-dev make && {sys.executable} -m patchkit lab kernel"
    )


def test_a_kernel_that_is_there(cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, it works; damaged, it is made again."""
    data = package(BUILDABLE)
    for module in (kernel_source, kernel_obtain):
        monkeypatch.setattr(module, "pinned", lambda: (kernel_pin(data),))
    (cache.downloads / kernel_pin(data).file_name).write_bytes(data)
    context = Context(cache, ui, offline=True)
    made = kernel_obtain.kernel(context)
    probe = Probe("kernel", "lab run", partial(lab_links.kernel, NOWHERE, context), "kernel")
    assert run_probe(probe, NOWHERE).detail == f"Linux {made.release}, sha256 {made.digest[:16]}"
    made.program.write_bytes(b"")
    assert run_probe(probe, NOWHERE).state == "missing"


@pytest.mark.slow
def test_the_machine_boots(shared_cache: Cache, ui: Ui) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("there is no QEMU")
    try:
        packages.fetched(packages.pins(), Context(shared_cache, ui))
    except GuestError as error:
        pytest.skip(f"{error.what}: {error.why}")
    attempt = partial(lab_links.booted, Context(shared_cache, ui))
    result = run_probe(Probe("machine", "lab run", attempt, "machine", ("qemu-system-x86_64",)), NOWHERE)
    assert result.state == "works", result.detail
    assert re.fullmatch(r"QEMU \S+ boots Linux [0-9]\S+", result.detail)


def test_netem_is_put_on_a_device_and_taken_away_again() -> None:
    """Or, where the kernel has none, it is broken rather than missing, and no package is said to help."""
    tools = ("ip", "tc", "nft", "ping")
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in tools):
        pytest.skip(f"needs root, and {', '.join(tools)}")

    def namespaces() -> str:
        return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout

    before = namespaces()
    result = run_probe(Probe("netns", "lab run --link netns", lab_links.netem, "netns", tools), NOWHERE)
    assert namespaces() == before
    if result.state == "works":
        assert re.fullmatch(r"netem of Linux \S+, with(out)? seeds", result.detail)
    else:
        assert (result.state, result.fix) == ("broken", "")
        assert result.detail.startswith("this host's kernel cannot be the link")


@pytest.mark.slow
def test_the_image_that_builds_run_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        with closing(connect()) as client:
            here = image.tag_if_here(client, docker._TOOLS)
            base = image.local(client, docker._TOOLS.base.image)
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    if here is not None:
        assert docker.images().startswith(f"{here} is here, on ")
        return
    try:
        assert docker.images().startswith("none yet; the first build makes it from ")
    except (NetworkUnavailableError, PlacesExhaustedError, BaseImageError) as error:
        pytest.skip(f"{error.what}: {error.why}")
    if base is None:
        monkeypatch.setenv("PATH", str(tmp_path))
        result = run_probe(Probe("images", "", docker.images), NOWHERE)
        assert (result.state, result.advice.split()[:2]) == ("broken", ["docker", "pull"])
        assert "mmdebstrap is not installed" in result.detail


def test_no_images_without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    result = run_probe(Probe("images", "", docker.images), NOWHERE)
    assert result.state == "broken"
    assert "Docker" in result.detail
