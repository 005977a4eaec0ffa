"""The output folder: its manifest and checksums are true at any time."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patchkit.errors import StorageError
from patchkit.packaging import manifest
from patchkit.packaging.dist import CHECKSUMS, MANIFEST, Dist, described
from tests.conftest import ROOT


def artifact(name: str, files: dict[str, bytes], inputs: str = "i") -> manifest.Artifact:
    return manifest.Artifact(
        name=name,
        version="1",
        release="1",
        series="1",
        patchkit="0",
        inputs=inputs,
        source=manifest.Source(kind="tarball", name="x", verified=True, epoch=0),
        patch=manifest.Patch(variant="stock", status="faithful", guard=False, diff_sha256=None, files=[]),
        build=manifest.Build(
            target="t", triplet="t", engine="host", compiler="c", packages={}, configure=[], cppflags=[], cflags=[],
            ldflags=[],
        ),
        checks=[],
        files=[described(file, data) for file, data in files.items()],
    )  # fmt: skip


def check(folder: Path) -> None:
    """Real sha256sum must agree."""
    subprocess.run(["sha256sum", "--strict", "--check", CHECKSUMS], cwd=folder, check=True, capture_output=True)


def test_artifacts_add_up_and_sha256sum_agrees(tmp_path: Path) -> None:
    dist = Dist(tmp_path / "dist")
    dist.add(artifact("a", {"a.tar.gz": b"1"}), {"a.tar.gz": b"1"})
    dist.add(artifact("b", {"b.tar.gz": b"2"}), {"b.tar.gz": b"2"})
    check(dist.folder)
    assert dist.find("a", "i") is not None
    assert dist.find("b", "i") is not None
    assert dist.find("a", "other inputs") is None


def test_an_altered_or_missing_file_is_not_up_to_date(tmp_path: Path) -> None:
    dist = Dist(tmp_path)
    dist.add(artifact("a", {"a.tar.gz": b"1"}), {"a.tar.gz": b"1"})
    (tmp_path / "a.tar.gz").write_bytes(b"9")
    assert dist.find("a", "i") is None
    (tmp_path / "a.tar.gz").unlink()
    assert dist.find("a", "i") is None


def test_building_again_replaces_the_entry(tmp_path: Path) -> None:
    dist = Dist(tmp_path)
    dist.add(artifact("a", {"a.tar.gz": b"1"}, "old"), {"a.tar.gz": b"1"})
    dist.add(artifact("a", {"a.tar.gz": b"2"}, "new"), {"a.tar.gz": b"2"})
    read = manifest.Manifest.model_validate_json((tmp_path / MANIFEST).read_bytes())
    assert [one.inputs for one in read.artifacts] == ["new"]
    check(tmp_path)


def test_runs_side_by_side_lose_nothing(tmp_path: Path) -> None:
    dist = Dist(tmp_path)
    names = [f"n{number}" for number in range(16)]

    def add(name: str) -> None:
        dist.add(artifact(name, {name: name.encode()}), {name: name.encode()})

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(add, names))
    read = manifest.Manifest.model_validate_json((tmp_path / MANIFEST).read_bytes())
    assert sorted(one.name for one in read.artifacts) == sorted(names)
    check(tmp_path)


@pytest.mark.parametrize("text", ["", "{}x", '{"schema_version": 2, "artifacts": []}', '{"artifacts": [{}]}'])
def test_a_manifest_that_is_not_ours_is_refused_not_overwritten(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(StorageError):
        Dist(tmp_path).add(artifact("a", {"a": b"1"}), {"a": b"1"})
    assert (tmp_path / MANIFEST).read_text() == text
    assert not (tmp_path / "a").exists()


def test_the_documentation_is_generated() -> None:
    assert (ROOT / "docs/manifest.md").read_text() == manifest.markdown()
