"""Sources given by hand: read as they are, and never called verified."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from patchkit.errors import BadSourceError, PatchkitError, UnsafeArchiveError
from patchkit.source.tree import directory
from patchkit.source.tree.directory import tree_from
from patchkit.source.tree.tree import SYMLINK
from tests.support.source.samples import DATE, FILES, Member, Repository, folder_of, tar_of, tarball


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    created = folder_of(FILES, tmp_path / "openvpn")
    for number, path in enumerate(FILES):
        os.utime(created / path, (DATE + number, DATE + number))
    return created


def test_a_folder_is_read_and_not_verified(folder: Path) -> None:
    tree = tree_from(folder)
    assert {path: entry.read() for path, entry in tree.entries.items()} == FILES
    assert (tree.origin.kind, tree.origin.name, tree.origin.verified) == ("directory", folder.name, False)
    assert [tree.entries[path].mtime for path in FILES] == [DATE, DATE + 1, DATE + 2]
    assert tree.origin.epoch == DATE + 2


def test_a_tarball_is_read_and_not_verified(tmp_path: Path) -> None:
    path = tmp_path / "openvpn-2.9.1.tar.gz"
    path.write_bytes(tarball())
    tree = tree_from(path)
    assert {name: entry.read() for name, entry in tree.entries.items()} == FILES
    assert (tree.origin.kind, tree.origin.name, tree.origin.verified) == ("tarball", path.name, False)
    assert tree.origin.sha256 == hashlib.sha256(tarball()).hexdigest()
    assert tree.origin.size == path.stat().st_size
    assert tree.origin.epoch == DATE


def test_the_old_layout_with_everything_in_the_root_is_a_source_too(tmp_path: Path) -> None:
    tree = tree_from(folder_of({"reliable.c": b"", "configure.ac": b""}, tmp_path / "old"))
    assert tree.find("reliable.c") == "reliable.c"


def test_bytes_are_those_at_the_time_of_reading(folder: Path) -> None:
    # What is patched, hashed and built must be one thing, whatever an editor does meanwhile.
    tree = tree_from(folder)
    (folder / "configure.ac").write_text("edited meanwhile")
    assert tree.read("configure.ac") == FILES["configure.ac"]


def test_modes_and_links_are_kept(folder: Path) -> None:
    (folder / "configure").write_text("#!/bin/sh\n")
    (folder / "configure").chmod(0o750)
    (folder / "configure.ac").chmod(0o640)
    (folder / "link.c").symlink_to("src/openvpn/reliable.c")
    (folder / "broken").symlink_to("nowhere")
    entries = tree_from(folder).entries
    assert (entries["configure"].mode, entries["configure.ac"].mode) == (0o755, 0o644)
    assert (entries["link.c"].mode, entries["link.c"].read()) == (SYMLINK, b"src/openvpn/reliable.c")
    assert (entries["broken"].mode, entries["broken"].read()) == (SYMLINK, b"nowhere")


def test_a_link_to_a_folder_is_kept_as_a_link_and_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "include").symlink_to("src/openvpn")
    (folder / "loop").symlink_to(".")
    entries = tree_from(folder).entries
    assert set(entries) == {*FILES, "include", "loop"}
    assert (entries["include"].mode, entries["include"].read()) == (SYMLINK, b"src/openvpn")


def test_gits_own_folder_is_left_out(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    clone.commit()
    assert set(tree_from(clone.path).entries) == set(FILES)


def test_a_worktrees_pointer_to_its_repository_is_left_out(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    clone.commit()
    clone.git("worktree", "add", "--quiet", str(tmp_path / "worktree"))
    assert (tmp_path / "worktree/.git").is_file()
    assert set(tree_from(tmp_path / "worktree").entries) == set(FILES)


def test_a_fifo_in_the_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    assert set(tree_from(folder).entries) == set(FILES)


@pytest.mark.parametrize("name", ["absent", "absent/below", "fifo"])
def test_nothing_to_read_is_said(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadSourceError) as refused:
        tree_from(tmp_path / name)
    assert str(tmp_path / name) in refused.value.what
    assert refused.value.advice == "check --source"


@pytest.mark.parametrize(
    "files", [{}, {"README": b""}, {"lib/reliable.c": b""}, {"openvpn/src/openvpn/reliable.c": b""}]
)
def test_a_folder_or_tarball_without_openvpns_source_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(tarball({"README": b"", **files}))
    for path in (folder_of(files, folder), packed):
        with pytest.raises(BadSourceError) as refused:
            tree_from(path)
        assert "does not look like an OpenVPN source tree" in refused.value.why


def test_a_link_that_leads_to_itself_is_a_link(folder: Path) -> None:
    (folder / "src/openvpn/reliable.c").unlink()
    (folder / "src/openvpn/reliable.c").symlink_to("reliable.c")
    tree = tree_from(folder)
    assert tree.entries["src/openvpn/reliable.c"].mode == SYMLINK
    with pytest.raises(BadSourceError, match="is a symbolic link"):
        tree.find_to_change("reliable.c")


def test_what_a_tree_without_the_source_is_instead_is_told(tmp_path: Path) -> None:
    def refusal(name: str, files: dict[str, bytes], link: str = "") -> BadSourceError:
        folder = folder_of({**files, "README": b""}, tmp_path / name)
        (folder / "README").unlink()
        if link:
            (folder / link).symlink_to("elsewhere")
        with pytest.raises(BadSourceError) as refused:
            tree_from(folder).find("ssl.c")
        return refused.value

    assert "git submodule update" in refusal("empty", {}).advice
    assert "submodules" in refusal("super", {".gitmodules": b""}).why
    linked = refusal("linked", {"src/elsewhere/reliable.c": b""}, "src/openvpn")
    assert "src/openvpn is a symbolic link" in linked.why
    assert "cp -rL" in linked.advice
    whole_but_one = refusal("whole", {"src/openvpn/reliable.c": b""})
    assert "no file src/openvpn/ssl.c" in whole_but_one.what
    assert "does not look like" not in whole_but_one.why


def test_a_tarball_given_by_hand_is_checked_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar"
    path.write_bytes(tar_of(Member("../../etc/passwd")))
    with pytest.raises(UnsafeArchiveError, match=r"hostile\.tar"):
        tree_from(path)
    path.write_text("no tarball")
    with pytest.raises(UnsafeArchiveError):
        tree_from(path)


def test_a_folder_of_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_BYTES", 2**20)
    (folder / "src/disk.img").touch()
    os.truncate(folder / "src/disk.img", 2**20)
    with pytest.raises(BadSourceError, match="more than 1 MiB"):
        tree_from(folder)


def test_a_source_that_cannot_be_read_is_an_error_with_advice(tmp_path: Path) -> None:
    # Reading this one fails with an input/output error, for root too.
    (tmp_path / "openvpn.tar.gz").symlink_to("/proc/self/mem")
    with pytest.raises(PatchkitError):
        tree_from(tmp_path / "openvpn.tar.gz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize("closed", ["configure.ac", "src"])
def test_a_part_of_a_folder_that_may_not_be_read_is_not_passed_over(folder: Path, closed: str) -> None:
    (folder / "reliable.c").touch()
    (folder / closed).chmod(0)
    try:
        with pytest.raises(PatchkitError):
            tree_from(folder)
    finally:
        (folder / closed).chmod(0o755)


def test_a_link_that_leads_out_is_replaced_by_the_file(folder: Path, tmp_path: Path) -> None:
    """Autoreconf leaves links to the system's own install-sh; in a container they would lead nowhere."""
    outside = tmp_path / "install-sh"
    outside.write_text("#!/bin/sh\n")
    outside.chmod(0o755)
    (folder / "install-sh").symlink_to(outside)
    entry = tree_from(folder).entries["install-sh"]
    assert (entry.mode, entry.read()) == (0o755, b"#!/bin/sh\n")
