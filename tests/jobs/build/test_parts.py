"""Parts of a build of all releases, put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit import storage
from patchkit.building.settings import BuildSettings
from patchkit.errors import CompileError, DiskFullError, StorageError
from patchkit.jobs.build.outcome import Outcome, ReleaseOutcome
from patchkit.jobs.build.parts import PART, DistMergeRequest, Merged, merge, record, versions_of_part
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.packaging import dist
from patchkit.packaging.dist import CHECKSUMS, MANIFEST, Dist, described
from patchkit.patching import variants
from patchkit.patching.own.choose import chosen
from patchkit.patching.own.layout import lay_out
from patchkit.shard import Shard
from patchkit.source.obtain import SourceRequest
from tests.support.artifacts import artifact, check

RELEASES = ["2.3.2", "2.4.12", "2.5.11", "2.6.14", "2.7.7"]


def request(out: Path, part: int, parts: int = 2, *, jobs: int = 1) -> ReleasesRequest:
    build = BuildRequest(source=SourceRequest(), variants=["stock"], out=out, settings=BuildSettings(jobs=jobs))
    return ReleasesRequest(build, all_releases=True, shard=Shard(of=parts, parts=[part]))


def built(folder: Path, releases: Sequence[str]) -> list[ReleaseOutcome]:
    outcomes = []
    for release in releases:
        files = {f"{release}.tar.gz": release.encode(), f"{release}.diff": b"-"}
        beside = {"packages": {f"{release}.deb": b"!"}, "documents": {f"{release}.cdx.json": b"{}"}}
        described_files = {
            kind: [described(name, data) for name, data in contents.items()] for kind, contents in beside.items()
        }
        entry = artifact(release, files).model_copy(update=described_files)
        Dist(folder).add(entry, {**files, **beside["packages"], **beside["documents"]})
        outcomes.append(ReleaseOutcome(release, "linux-amd64", [Outcome("stock", entry, None, 0.0, True)]))
    return outcomes


def made(folder: Path, parts: int = 2) -> list[Path]:
    folders = []
    for part in range(1, parts + 1):
        asked = request(folder / str(part), part, parts)
        record(asked, built(asked.build.out, versions_of_part(asked, RELEASES)))
        folders.append(asked.build.out)
    return folders


def merged(folders: Sequence[Path], out: Path, *, allow_missing: bool = False) -> Merged:
    return merge(DistMergeRequest(folders=folders, out=out, allow_missing=allow_missing))


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_the_folder_that_one_machine_would_have_written(parts: int, tmp_path: Path) -> None:
    built(tmp_path / "whole", RELEASES)
    out = tmp_path / "merged"
    merged(list(reversed(made(tmp_path / "parts", parts))), out)
    check(out)
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == sorted(
        path.name for path in (tmp_path / "whole").iterdir() if not path.name.startswith(".")
    )
    for name in (MANIFEST, CHECKSUMS):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_missing_is_named_or_noted(tmp_path: Path) -> None:
    first, second, third = made(tmp_path / "parts", 3)
    with pytest.raises(StorageError, match=r"^of 3 parts 1 are missing: 2$"):
        merged([first, third], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    assert merged([first, third], tmp_path / "merged", allow_missing=True).missing == [2]
    assert merged([second, tmp_path / "merged"], tmp_path / "all").missing == []
    assert not (tmp_path / "all" / PART).exists()


def test_what_failed_is_told(tmp_path: Path) -> None:
    first, second = (request(tmp_path / str(part), part) for part in (1, 2))
    record(first, built(first.build.out, ["2.3.2"]))
    second.build.out.mkdir()
    record(second, [ReleaseOutcome("2.4.12", "linux-amd64", error=CompileError("make failed"))])
    done = merged([first.build.out, second.build.out], tmp_path / "merged")
    assert done.failed == {"2.4.12 linux-amd64": "make failed"}


def test_what_is_refused(tmp_path: Path) -> None:
    first, second = made(tmp_path / "parts")
    with pytest.raises(StorageError, match="part 1 is there twice"):
        merged([first, first], tmp_path / "merged")
    with pytest.raises(StorageError, match="is not a part of a build"):
        merged([first, tmp_path], tmp_path / "merged")
    with pytest.raises(StorageError, match="has artifacts already"):
        merged([first, second], first)
    part = json.loads((second / PART).read_text())
    for changes, what in (
        ({"patchkit": "9"}, "patchkit"),
        ({"asked": ["windows-amd64"]}, "asked"),
        ({"shard": {"of": 3, "parts": [2]}}, "the number of parts"),
    ):
        (second / PART).write_text(json.dumps({**part, **changes}))
        with pytest.raises(StorageError, match="are not parts of one build") as refusal:
            merged([first, second], tmp_path / "merged")
        assert what in refusal.value.why
    (second / PART).write_text(json.dumps({**part, "artifacts": ["a-missing-one"]}))
    with pytest.raises(StorageError, match="lacks a-missing-one"):
        merged([first, second], tmp_path / "merged")
    (second / PART).write_text("{")
    with pytest.raises(StorageError, match="is damaged"):
        merged([first, second], tmp_path / "merged")
    (second / PART).write_text(json.dumps(part))
    (second / "2.4.12.tar.gz").write_bytes(b"altered")
    with pytest.raises(StorageError, match="is not what the manifest says"):
        merged([first, second], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_patch_of_ones_own_is_known_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for part, text in ((1, "one"), (2, "other")):
        monkeypatch.setattr(variants, "_own", {})  # each part is built by a process of its own
        own = tmp_path / text / "mine"
        own.parent.mkdir()
        lay_out(str(own))
        (own / "patch.toml").write_text((own / "patch.toml").read_text() + f"# {text}\n")
        asked = request(tmp_path / str(part), part)
        (name,) = chosen([str(own)], [])
        asked = replace(asked, build=replace(asked.build, variants=[name]))
        record(asked, built(asked.build.out, versions_of_part(asked, RELEASES)))
        folders.append(asked.build.out)
    with pytest.raises(StorageError, match="are not parts of one build") as refusal:
        merged(folders, tmp_path / "merged")
    assert "asked" in refusal.value.why


def test_how_many_at_a_time_is_no_other_build(tmp_path: Path) -> None:
    first, second = request(tmp_path / "1", 1, jobs=1), request(tmp_path / "2", 2, jobs=7)
    for asked in (first, second):
        record(asked, built(asked.build.out, versions_of_part(asked, RELEASES)))
    assert len(merged([first.build.out, second.build.out], tmp_path / "merged").artifacts) == len(RELEASES)


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full behind the first artifact."""
    folders = made(tmp_path / "parts")

    def full(files: Mapping[Path, bytes], **_: object) -> None:
        if any(path.name.startswith(RELEASES[-1]) for path in files):
            raise DiskFullError("the disk is full")
        storage.replace_all(files)

    monkeypatch.setattr(dist, "replace_all", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DiskFullError):
        merged(folders, tmp_path / "merged")
    assert sorted(tmp_path.iterdir()) == before
