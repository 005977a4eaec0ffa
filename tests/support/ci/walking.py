"""What the walks of both platforms share: what a job is asked for, and what it must leave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from patchkit.errors import NetworkUnavailableError, OfflineError, PlacesExhaustedError
from patchkit.jobs.build.all_releases import final_releases
from patchkit.packaging.manifest import Manifest
from tests.conftest import PINNED
from tests.support.ci.machine import Ran

MARKS = [
    pytest.mark.timeout(1800),  # each job sets up an environment of its own, from nothing
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="jobs install packages, as root"),
]
LAST, NEWEST = (release.version.text for release in final_releases(None)[-2:])
"""All releases from the last but one on, whose tarball Debian has."""
BUILT = f"openvpn-{PINNED}"
"""Not the default of the pipelines: each walk would compile that one's OpenSSL, for minutes."""
TITLE = "patchkit refuses OpenVPN 2.9.1: retransmit"


def asked(source: tuple[str, str], **others: object) -> dict[str, object]:
    repository, ref = source
    return {"repository": repository, "ref": ref, "engine": "host", "trials": 3, "build": False, "lab": False, **others}


def check_built(dist: Path) -> None:
    manifest = Manifest.model_validate_json((dist / "manifest.json").read_bytes())
    assert [artifact.name for artifact in manifest.artifacts] == [
        f"{BUILT}+recommended-linux-amd64",
        f"{BUILT}-linux-amd64",
    ]
    assert all(artifact.build.engine == "host" and artifact.source.verified for artifact in manifest.artifacts)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)


def check_all_built(dist: Path, ran: Sequence[Ran]) -> None:
    """The part of the older of two releases is there; that of the other one where its tarball can be got from here."""
    by_part = [step.status for step in ran if "--shard" in step.script]
    failed = {NetworkUnavailableError.exit_code, PlacesExhaustedError.exit_code, OfflineError.exit_code}
    assert len(by_part) == 2
    assert by_part[0] == 0
    assert by_part[1] in {0, *failed}
    built = [LAST, *([NEWEST] if by_part[1] == 0 else [])]
    manifest = Manifest.model_validate_json((dist / "manifest.json").read_bytes())
    assert {(artifact.release, artifact.patch.variant) for artifact in manifest.artifacts} == {
        (release, variant) for release in built for variant in ("stock", "recommended")
    }
    (merging,) = [step for step in ran if "dist merge" in step.script]
    assert (f"{NEWEST} linux-amd64 was not built" in merging.output) == (by_part[1] != 0)


def check_report(report: Path) -> str:
    results = json.loads((report / "results.json").read_text())
    assert [(cell["asked"], cell["counted"]) for cell in results["cells"] if cell["asked"]] == [(3, 3), (3, 3)]
    return (report / "report.md").read_text("utf-8")
