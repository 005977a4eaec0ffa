"""The command that resumes a campaign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from patchkit.building.settings import BuildSettings
from patchkit.jobs.lab.campaign import resume_command
from patchkit.jobs.lab.request import NewCampaignRequest
from patchkit.source.obtain import SourceRequest


def test_the_command_that_resumes_asks_for_the_same_settings() -> None:
    request = NewCampaignRequest(arms=[], scenarios={}, out=Path("r"))
    assert resume_command(request, offline=False) == ["patchkit", "lab", "run", "--resume", "--out", "r"]
    settings = BuildSettings(engine="host", openssl_sources=["x", "y"], features=["systemd"], cflags=["-std=gnu17"])
    request = replace(request, source=SourceRequest(git="/a b"), settings=settings)
    assert resume_command(request, offline=True)[6:] == [
        "--git",
        "/a b",
        "--engine",
        "host",
        "--openssl-source",
        "x",
        "--openssl-source",
        "y",
        "--with",
        "systemd",
        "--cflag=-std=gnu17",
        "--offline",
    ]
