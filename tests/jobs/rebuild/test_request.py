"""What of a manifest can be built again, and what is refused before anything is fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from patchkit import __version__, resources
from patchkit.context import Context
from patchkit.errors import BadUsageError, ManifestError, PatchkitError
from patchkit.jobs.rebuild.job import rebuild
from patchkit.jobs.rebuild.request import RebuildRequest, build_request
from patchkit.packaging.dist import MANIFEST, read_manifest
from patchkit.packaging.manifest import Artifact, Manifest
from patchkit.source.git import repository
from tests.conftest import Run
from tests.support.packaging.artifacts import artifact, changed


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / MANIFEST
    path.write_text(Manifest(artifacts=[artifact()]).model_dump_json())
    return path


def request_of(entry: Artifact, **options: Any) -> Mapping[str, Any]:
    request = RebuildRequest(Path(), **options)
    asked = build_request(entry, request, Path("out"))
    return {**vars(asked.source), **vars(asked.settings), **vars(asked)}


def test_the_request_is_what_the_manifest_says() -> None:
    entry = artifact(features=["systemd"], added_cflags=["-g"], engine="docker")
    asked = request_of(entry, jobs=3)
    assert (asked["version"], asked["pinned_tarball"], asked["git"]) == ("2.6.14", True, None)
    assert (asked["features"], asked["cflags"], asked["engine"], asked["crypto"], asked["jobs"]) == (
        ["systemd"], ["-g"], "docker", "system", 3,
    )  # fmt: skip
    assert (asked["variants"], asked["guard"], asked["target"], asked["out"]) == (
        ["recommended"], False, "linux-amd64", Path("out"),
    )  # fmt: skip


def test_a_branch_is_its_commit_and_a_release_its_tag() -> None:
    branch = artifact(release="git.0123456789ab", source={"kind": "git", "name": "master", "commit": "0" * 40})
    assert request_of(branch, git="there")["version"] == "0" * 40
    tag = artifact(source={"kind": "git", "name": "v2.6.14", "commit": "0" * 40})
    assert (request_of(tag)["version"], request_of(tag)["git"]) == ("2.6.14", repository.UPSTREAM)


def test_a_commit_that_no_pin_covers_is_not_fetched_from_a_place_where_anybody_can_put_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PATCHKIT_GIT", raising=False)
    branch = artifact(release="git.0123456789ab", source={"kind": "git", "name": "master", "commit": "0" * 40})
    with pytest.raises(BadUsageError, match="a commit that no pin covers: master") as refusal:
        request_of(branch)
    assert refusal.value.advice == "--git URL"


@pytest.mark.parametrize("flag", ["-O3", "-g3", "-march=x86-64-v3 -Wall", "-DX=1", "-std=gnu99", "-fno-inline"])
def test_flags_that_only_compile(flag: str) -> None:
    assert request_of(artifact(added_cflags=[flag]))["cflags"] == [flag]


@pytest.mark.parametrize(
    "flag",
    [
        "-wrapper sh,-c,x", "-O2 -wrapper", "-B/tmp", "-specs=x", "-fplugin=x", "-fpass-plugin=x", "-Wp,-MD,x",
        "-Wa,-al=x", "-fdump-tree-all=/x", "-DX=`x`", "-DX=$(x)", "-O2;x", "@x", "-include/etc/passwd", "-I/x", "x",
    ],
)  # fmt: skip
def test_flags_with_which_a_manifest_could_run_programs_or_name_files(flag: str) -> None:
    with pytest.raises(ManifestError, match="was compiled with --cflag="):
        request_of(artifact(added_cflags=[flag]), anyway=True)


@pytest.mark.parametrize("kind", ["directory", "tarball"])
def test_a_source_by_hand_has_to_be_given(kind: str) -> None:
    entry = artifact(source={"kind": kind, "name": "/home/somebody/tree", "verified": False, "contents": "0" * 64})
    with pytest.raises(BadUsageError, match="/home/somebody/tree"):
        request_of(entry)
    assert request_of(entry, source=Path("/here"))["source"].source == Path("/here")


def test_a_manifest_of_another_patchkit_is_refused_and_named(manifest: Path, patchkit: Run) -> None:
    changed(manifest, patchkit="0.0.1", patchkit_sha256="1" * 64)
    done = patchkit("rebuild", str(manifest))
    assert done.returncode == ManifestError.exit_code
    assert "another patchkit" in done.stderr
    assert "patchkit 0.0.1, whose files have the sha256 1111" in done.stderr
    assert f"this is {__version__}, {resources.fingerprint()}" in done.stderr
    assert "--anyway" in done.stderr


def test_a_manifest_of_a_patchkit_before_rebuild_is_refused(manifest: Path) -> None:
    entry = read_manifest(changed(manifest, patchkit_sha256=None))[1].artifacts[0]
    with pytest.raises(ManifestError, match="do not hold all"):
        request_of(entry, anyway=True)


def test_fields_of_a_later_patchkit_are_named(manifest: Path) -> None:
    with pytest.raises(ManifestError, match="not a manifest of this patchkit") as caught:
        read_manifest(changed(manifest, soul="immortal"))
    assert "artifacts.0.soul" in caught.value.why


@pytest.mark.parametrize("cut", [0, 1, 40, -2])
def test_a_truncated_manifest_is_told(manifest: Path, cut: int) -> None:
    manifest.write_bytes(manifest.read_bytes()[:cut])
    with pytest.raises(ManifestError, match="truncated"):
        read_manifest(manifest)


def test_no_manifest(tmp_path: Path, patchkit: Run) -> None:
    done = patchkit("rebuild", str(tmp_path), "--json")
    assert done.returncode == ManifestError.exit_code
    assert json.loads(done.stdout)["error"] == "ManifestError"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"names": ["other"]}, "has no artifact other"), ({}, "names no artifact")],
)
def test_an_artifact_that_is_not_in_it(
    options: dict[str, Any], message: str, manifest: Path, cache: Any, ui: Any
) -> None:
    if not options:
        manifest.write_text(Manifest(artifacts=[]).model_dump_json())
    with pytest.raises(PatchkitError, match=message):
        rebuild(RebuildRequest(manifest, **options), Context(cache, ui))


def test_signed_programs_cannot_be_made_again(manifest: Path, cache: Any, ui: Any) -> None:
    changed(manifest, signature={"subject": "CN=x", "certificate": "0" * 64})
    with pytest.raises(ManifestError, match="are signed"):
        rebuild(RebuildRequest(manifest), Context(cache, ui))


def test_a_patch_of_somebodys_own_is_not_made_up(manifest: Path, cache: Any, ui: Any) -> None:
    patch = json.loads(manifest.read_text())["artifacts"][0]["patch"]
    own = {"name": "mine", "kind": "patch", "given": "mine.diff", "sha256": "0" * 64}
    changed(manifest, patch={**patch, "own": [own]})
    with pytest.raises(ManifestError, match="has a patch of somebody's own: mine") as refusal:
        rebuild(RebuildRequest(manifest), Context(cache, ui))
    assert "--patch" in refusal.value.advice
