"""``--variant a+b``: one program that holds both changes, and says so."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.jobs.build.release import build
from patchkit.jobs.build.request import BuildRequest
from patchkit.patching.combination import combination
from patchkit.patching.variants import variant
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.settings import SOONER_ON_HOST

TOML = """\
title = "Say more when a packet is sent"
description = "Made up for a test: it can be combined with retransmit, since it changes another function."
author = "nobody"
origin = "other, made up"
status = "experimental"
last_update = 2026-11-23
guard = true
files = ["reliable.c"]
functions = ["reliable_send"]
markers = ["so it goes"]
order = 10
conflicts = []

[[upstream]]
releases = ">=2.1.dev0"
status = "needed"
note = "Made up."
"""
TEMPLATE = """\
{%- set sent = source.function("reliable_send").statement_logging("ACK reliable_send ID") -%}
@@ {{ sent.line }} @@
{{ sent | removed }}
{{ sent.saying_also(", so it goes") | added }}
"""


@pytest.fixture
def talkative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue with one variant more."""
    patches, real = tmp_path / "patches", resources.folder
    shutil.copytree(real("patches"), patches)
    (patches / "talkative").mkdir()
    (patches / "talkative/patch.toml").write_text(TOML)
    (patches / "talkative/reliable.c.diff.j2").write_text(TEMPLATE)
    monkeypatch.setattr(resources, "folder", lambda name: patches if name == "patches" else real(name))
    variant.cache_clear()
    combination.cache_clear()
    yield
    variant.cache_clear()
    combination.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("talkative")
def test_both_changes_are_in_one_program(tmp_path: Path, shared_cache: Cache) -> None:
    out = tmp_path / "dist"
    request = BuildRequest(SourceRequest(PINNED), ["retransmit+talkative"], SOONER_ON_HOST, out=out)
    (outcome,) = build(request, Context(shared_cache, Ui(quiet=True)))
    artifact = outcome.artifact
    assert artifact is not None
    assert artifact.name == f"openvpn-{PINNED}+talkative+retransmit-linux-amd64"
    assert artifact.version == f"{PINNED}+talkative+retransmit"
    assert (artifact.patch.variant, artifact.patch.status) == ("talkative+retransmit", "experimental")
    assert [check.passed for check in artifact.checks] == [True] * 7
    with tarfile.open(fileobj=io.BytesIO((out / f"{artifact.name}.tar.gz").read_bytes())) as tar:
        (program,) = (tar.extractfile(member) for member in tar if member.name.endswith("/sbin/openvpn"))
        assert program is not None
        content = program.read()
    assert b", so it goes\0" in content
    assert b", retransmit immediately\0" in content
    diff = (out / f"openvpn-{PINNED}+talkative+retransmit.diff").read_text()
    assert diff.count("\n--- a/src/openvpn/reliable.c") == 1
    assert diff.count("\n@@ ") == 2
