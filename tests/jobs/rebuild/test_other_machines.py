"""The same bytes from another kind of machine: a container in place of the host, and for a processor that it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PINNED
from tests.support.jobs.builds import engine_or_skip, run
from tests.support.jobs.packaged import NAME

pytestmark = pytest.mark.slow


def entry(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())["artifacts"][0]


def test_a_container_with_the_same_toolchain_gives_the_hosts_archive(packaged: Path, tmp_path: Path) -> None:
    engine_or_skip("docker")
    run("build", "--version", PINNED, "--engine", "docker", "--out", str(tmp_path))
    here, there = (entry(folder)["build"] for folder in (packaged, tmp_path))
    differing = {name for name in there["installed"] if here["installed"].get(name) != there["installed"][name]}
    if differing:
        pytest.skip(f"this host has another build of {', '.join(sorted(differing))}")
    assert (here["engine"], there["engine"]) == ("host", "docker")
    assert (packaged / f"{NAME}.tar.gz").read_bytes() == (tmp_path / f"{NAME}.tar.gz").read_bytes()


def test_programs_for_another_processor_are_reproduced_too(tmp_path: Path) -> None:
    """Cross-compiled, and again by one job at a time: archive, package, image, SBOM and provenance."""
    engine_or_skip("docker")
    options = ["--target", "linux-arm64", "--engine", "docker", "--package", "deb,oci"]
    run("build", "--version", PINNED, *options, "--out", str(tmp_path))
    document = json.loads(run("rebuild", str(tmp_path), "--jobs", "1", "--json").stdout)
    assert document["equal"] is True
    names = [file["name"] for file in document["artifacts"][0]["files"]]
    assert len(names) == 6, names
