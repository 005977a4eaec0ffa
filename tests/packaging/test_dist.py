"""The output folder: its manifest and checksums are true at any time."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patchkit.errors import StorageError
from patchkit.packaging import manifest, oci
from patchkit.packaging.contents import Member
from patchkit.packaging.dist import CHECKSUMS, MANIFEST, Dist, described, read_manifest
from tests.conftest import ROOT
from tests.support.artifacts import artifact, check
from tests.support.packaging.artifacts import artifact as described_artifact


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
    assert [artifact.inputs for artifact in read.artifacts] == ["new"]
    check(tmp_path)


def test_images_for_several_processors_are_joined_and_stay_true(tmp_path: Path) -> None:
    """Whatever comes in, the joined image holds what the manifest says that it does."""
    dist = Dist(tmp_path)
    name = "openvpn-2.6.14+recommended-linux.oci.tar"

    def add(processor: str, program: bytes) -> str:
        stem = f"openvpn-2.6.14+recommended-linux-{processor}"
        entry = described_artifact(name=stem, target=f"linux-{processor}", files={f"{processor}.tar.gz": b"1"})
        image = oci.image(entry, {oci.PROGRAM: Member(stat.S_IFREG | 0o755, "0", program)}, processor)
        entry = entry.model_copy(update={"packages": [described(f"{stem}.oci.tar", image)]})
        dist.add(entry, {f"{processor}.tar.gz": b"1", f"{stem}.oci.tar": image})
        check(tmp_path)
        return stem

    def held() -> dict[str, str]:
        return oci.image_platforms(name, (tmp_path / name).read_bytes())

    stems = [add("amd64", b"one")]
    assert not (tmp_path / name).exists()
    stems.append(add("arm64", b"two"))
    (image,) = manifest.Manifest.model_validate_json((tmp_path / MANIFEST).read_bytes()).images
    assert (image.name, image.artifacts) == (name, stems)
    before = held()
    assert before.keys() == {"amd64", "arm64"}
    add("amd64", b"three")
    assert held()["amd64"] != before["amd64"]
    assert held()["arm64"] == before["arm64"]
    inputs = "0" * 64
    assert dist.find(stems[0], inputs) is not None
    (tmp_path / name).write_bytes(b"damaged")
    assert dist.find(stems[0], inputs) is None  # so that it is made again


def test_a_package_never_takes_the_place_of_another_artifacts(tmp_path: Path) -> None:
    dist, package = Dist(tmp_path), "openvpn_1_amd64.deb"

    def add(name: str, data: bytes) -> None:
        entry = described_artifact(name=name, files={f"{name}.tar.gz": b"1"})
        entry = entry.model_copy(update={"packages": [described(package, data)]})
        dist.add(entry, {f"{name}.tar.gz": b"1", package: data})

    add("linux-amd64", b"one")
    with pytest.raises(StorageError, match="is a package of linux-amd64"):
        add("linux-static-amd64", b"two")
    check(tmp_path)
    assert (tmp_path / package).read_bytes() == b"one"
    add("linux-amd64", b"three")
    assert (tmp_path / package).read_bytes() == b"three"


def test_what_is_gathered_has_the_bytes_of_what_was_added(tmp_path: Path) -> None:
    one, whole = Dist(tmp_path / "whole"), Dist(tmp_path / "gathered")
    gathered = []
    for processor in ("arm64", "amd64"):
        stem = f"openvpn-2.6.14-linux-{processor}"
        image = oci.image(described_artifact(name=stem), {}, processor)
        files = {f"{stem}.tar.gz": b"1", "2.6.14.diff": b"-"}
        entry = described_artifact(name=stem, target=f"linux-{processor}", files=files)
        entry = entry.model_copy(update={"packages": [described(f"{stem}.oci.tar", image)]})
        part = Dist(tmp_path / processor)
        for dist in (one, part):
            dist.add(entry, {**files, f"{stem}.oci.tar": image})
        gathered.append((part.folder, entry))
    whole.folder.mkdir()
    whole.gather(gathered)
    both = [
        {path.name: path.read_bytes() for path in folder.folder.iterdir() if path.name != ".lock"}
        for folder in (one, whole)
    ]
    assert both[0] == both[1]
    assert "openvpn-2.6.14-linux.oci.tar" in both[1]


@pytest.mark.parametrize(
    ("second", "files", "message"),
    [
        ("b", {"a.tar.gz": b"2"}, "two different files a.tar.gz"),
        ("b", {"a.tar.gz": b"1"}, "no manifest together"),
        ("a", {"b.tar.gz": b"1"}, "no manifest together"),
        ("b", {"b.tar.gz": b"1", MANIFEST: b"{}"}, "two different files manifest.json"),
    ],
)
def test_what_cannot_be_gathered(second: str, files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    parts: list[tuple[Path, manifest.Artifact]] = []
    for name, contents in (("a", {"a.tar.gz": b"1"}), (second, files)):
        folder = tmp_path / str(len(parts))
        folder.mkdir()
        for file, data in contents.items():
            (folder / file).write_bytes(data)
        parts.append((folder, artifact(name, contents)))
    (tmp_path / "new").mkdir()
    with pytest.raises(StorageError, match=message):
        Dist(tmp_path / "new").gather(parts)


@pytest.mark.slow
def test_runs_side_by_side_lose_nothing(tmp_path: Path) -> None:
    dist = Dist(tmp_path)
    names = [f"n{number}" for number in range(16)]

    def add(name: str) -> None:
        dist.add(artifact(name, {name: name.encode()}), {name: name.encode()})

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(add, names))
    read = manifest.Manifest.model_validate_json((tmp_path / MANIFEST).read_bytes())
    assert sorted(artifact.name for artifact in read.artifacts) == sorted(names)
    check(tmp_path)


def killed_while_adding(folder: Path, moment: int) -> bool:
    """Adds the new artifact in a process that is killed at its n-th system call; whether it was."""
    child = os.fork()
    if child == 0:
        left = moment

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.remove", "os.chmod", "os.chown"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        Dist(folder).add(artifact("a", NEW, "new"), NEW)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


OLD, NEW = ({"a.tar.gz": content, "a.diff": content} for content in (b"old", b"new"))


@pytest.mark.slow
def test_killed_at_any_moment_the_old_or_the_new_state_is_there(tmp_path: Path) -> None:
    """kill -9 before each system call in turn, until one run gets through: never a mixture, never a loss."""
    seen = set()
    for moment in range(100):
        folder = tmp_path / str(moment)
        dist = Dist(folder)
        dist.add(artifact("a", OLD, "old"), OLD)
        killed = killed_while_adding(folder, moment)
        inputs_there = [inputs for inputs in ("old", "new") if dist.find("a", inputs) is not None]
        assert len(inputs_there) == 1, f"killed at system call {moment}: {inputs_there}"
        assert {name: (folder / name).read_bytes() for name in OLD} == (OLD if inputs_there == ["old"] else NEW)
        check(folder)
        seen.add((killed, *inputs_there))
        dist.add(artifact("a", NEW, "new"), NEW)
        check(folder)
        assert sorted(path.name for path in folder.iterdir()) == sorted([".lock", MANIFEST, CHECKSUMS, *NEW])
        if not killed:
            break
    assert moment > 10
    assert seen == {(True, "old"), (True, "new"), (False, "new")}


@pytest.mark.parametrize("text", ["", "[]", "[1]", '[["../x", "y"]]', '[["x", "/etc/passwd"]]', '{"a": "b"}'])
def test_a_journal_that_is_not_ours_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / ".unfinished").write_text(text)
    with pytest.raises(StorageError, match=r"\.unfinished is not the journal"):
        Dist(tmp_path).find("a", "i")


@pytest.mark.parametrize("text", ["", "{}x", '{"schema_version": 2, "artifacts": []}', '{"artifacts": [{}]}'])
def test_a_manifest_that_is_not_ours_is_refused_not_overwritten(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(StorageError):
        Dist(tmp_path).add(artifact("a", {"a": b"1"}), {"a": b"1"})
    assert (tmp_path / MANIFEST).read_text() == text
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".hidden", "a/b", "", "a\n", "-rf", "x\0y"])
def test_a_hand_edited_manifest_does_not_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    dist = Dist(tmp_path / "dist")
    dist.add(artifact("a", {"a": b"1"}), {"a": b"1"})
    path = dist.folder / MANIFEST
    (tmp_path / "secret").write_bytes(b"1")
    edited = json.loads(path.read_text())
    edited["artifacts"][0]["files"][0]["name"] = name
    path.write_text(json.dumps(edited))
    with pytest.raises(StorageError, match="is not a manifest"):
        dist.find("a", "i")


@pytest.mark.parametrize("field", ["sha256", "inputs", "name"])
def test_a_hand_edited_manifest_makes_nothing_up_to_date(field: str, tmp_path: Path) -> None:
    dist = Dist(tmp_path)
    dist.add(artifact("a", {"a": b"1"}), {"a": b"1"})
    path = tmp_path / MANIFEST
    edited = json.loads(path.read_text())
    where = edited["artifacts"][0]["files"][0] if field == "sha256" else edited["artifacts"][0]
    where[field] = "f" * 64
    path.write_text(json.dumps(edited))
    assert dist.find("a", "i") is None
    dist.add(artifact("a", {"a": b"1"}), {"a": b"1"})
    check(tmp_path)


def test_the_documentation_is_generated() -> None:
    assert (ROOT / "docs/manifest.md").read_text() == manifest.markdown()


def test_what_was_written_over_meanwhile_is_refused(tmp_path: Path) -> None:
    dist, ours = Dist(tmp_path), artifact("a", {"a.tar.gz": b"1"})
    dist.add(ours, {"a.tar.gz": b"1"})
    dist.check(ours)
    (tmp_path / "a.tar.gz").write_bytes(b"9")
    with pytest.raises(StorageError, match="not what the manifest says"):
        dist.check(ours)


@pytest.mark.slow
def test_a_folder_of_all_releases_for_all_targets_is_read(tmp_path: Path) -> None:
    packages = {f"package-{number}": "1.0" for number in range(600)}
    made = artifact("a", {"a.tar.gz": b"x"})
    build = made.build.model_copy(update={"installed": packages})
    many = [
        made.model_copy(
            update={
                "name": f"openvpn-{number}",
                "build": build,
                "files": [described(f"openvpn-{number}.tar.gz", b"x")],
            }
        )
        for number in range(147 * 2 * 8)
    ]
    (tmp_path / MANIFEST).write_text(manifest.Manifest(artifacts=many).model_dump_json(indent=2))
    assert len(read_manifest(tmp_path)[1].artifacts) == 147 * 2 * 8
