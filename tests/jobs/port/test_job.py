"""Porting over made-up releases: merged exactly, refused with the conflict, and what is to be reviewed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import AlreadyPatchedError, PatchMismatchError, PortConflictError
from patchkit.jobs.port.job import PortRequest, port
from patchkit.jobs.port.result import Ported
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.jobs.port.samples import NEW, OLD, releases
from tests.support.patching.own_patches import PATH, diff_of
from tests.support.source.samples import Repository

Run = Callable[..., Ported]

MINE = OLD.replace("  left -= 2;\n", "  left -= 20;\n")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return releases(tmp_path / "git")


@pytest.fixture
def run(repository: Repository, tmp_path: Path, cache: Cache, ui: Ui) -> Run:
    def ported(diff: bytes, before: str = "2.8.1", after: str = "2.8.2") -> Ported:
        (tmp_path / "mine.diff").write_bytes(diff)
        old, new = (SourceRequest(version, str(repository.path)) for version in (before, after))
        return port(PortRequest(str(tmp_path / "mine.diff"), old, new), Context(cache, ui))

    return ported


def test_a_port_is_merged_and_exact(run: Run) -> None:
    ported = run(diff_of(OLD, MINE))
    expected = NEW.replace("  left -= 2;\n", "  left -= 20;\n")
    assert ported.rendered.files == {PATH: expected.encode()}
    assert b"Origin: other, ported by patchkit from 2.8.1 to 2.8.2\n" in ported.rendered.diff
    assert b"\n@@ -7,7 +7,7 @@\n" in ported.rendered.diff
    (file,) = ported.files
    assert (file.before, file.after, file.is_upstreams, file.has_it_already) == (PATH, PATH, False, False)
    assert list(file.touched_before.functions) == list(file.touched_after.functions) == ["first"]
    assert file.changed_by_upstream == ["first"]
    assert file.neighbours == []
    assert ported.doubt == ""
    assert ported.to_review == 0


def test_what_upstream_changed_next_to_it_is_to_be_reviewed(run: Run) -> None:
    ported = run(diff_of(OLD, OLD.replace("  left -= 5;\n", "  left -= 50;\n")))
    ((neighbour,),) = [file.neighbours for file in ported.files]
    assert (neighbour.row, neighbour.removed, neighbour.added) == (15, ["  left -= 7;"], ["  left -= 8;"])
    assert ported.to_review == 1


def test_a_conflict_shows_all_three_sides(run: Run) -> None:
    with pytest.raises(PortConflictError, match=r"from 2\.8\.1 to 2\.8\.2: 1 conflict") as caught:
        run(diff_of(OLD, OLD.replace("  left -= 7;\n", "  left -= 70;\n")))
    assert caught.value.exit_code == 39
    assert caught.value.why.splitlines() == [
        f"{PATH}, line 15 of 2.8.2:", "  2.8.1:", "      left -= 7;", "  the patch:", "      left -= 70;", "  2.8.2:",
        "      left -= 8;",
    ]  # fmt: skip


def test_a_name_that_the_target_does_not_declare_is_a_doubt(run: Run) -> None:
    ported = run(diff_of(OLD, OLD.replace("  left -= 2;\n", "  left -= gone_since (n);\n")))
    assert ported.doubt.startswith("gone_since, which mine-")
    fine = run(diff_of(OLD, OLD.replace("  left -= 2;\n", "  left -= limit ();\n")))
    assert fine.doubt == ""


def test_a_file_that_upstream_moved_is_followed(run: Run) -> None:
    diff = diff_of(OLD, MINE)
    (file,) = run(diff, after="2.8.3").files
    assert (file.before, file.after) == (PATH, "src/openvpn/trusted.c")
    lost = diff_of("int x;\n", "int y;\n", "src/openvpn/ssl.c")
    with pytest.raises(PortConflictError, match="1 conflict") as caught:
        run(lost, before="2.8.3", after="2.8.1")
    assert "has no such file" in caught.value.why


def test_a_target_that_has_it_already(run: Run) -> None:
    with pytest.raises(AlreadyPatchedError, match=r"2\.8\.2 has all of mine\.diff already"):
        run(diff_of(OLD, OLD.replace("  left -= 7;\n", "  left -= 8;\n")))


def test_a_hunk_that_stands_elsewhere_is_moved_to_the_one_place_that_has_its_lines(run: Run) -> None:
    moved = diff_of("\n\n" + OLD, "\n\n" + MINE)
    ported = run(moved)
    assert ported.rendered.files == run(diff_of(OLD, MINE)).rendered.files
    assert ported.moved_hunks == [f"mine.diff, {PATH}: hunk 1 of 1 stands -2 lines off"]
    same = run(moved, after="2.8.1")  # which only states the lines anew
    assert same.rendered.files == {PATH: MINE.encode()}
    with pytest.raises(PatchMismatchError, match=r"mine\.diff, for 2\.8\.1, does not apply exactly"):
        run(b"--- a/%b\n+++ b/%b\n@@ -90 +90 @@\n-{\n+{ \n" % (PATH.encode(), PATH.encode()))  # there are two


def test_new_files_come_along_unless_there_is_another(run: Run) -> None:
    new = b"--- /dev/null\n+++ b/src/openvpn/%b\n@@ -0,0 +1 @@\n+int mine;\n"
    ported = run(diff_of(OLD, MINE) + new % b"mine.h")
    assert ported.rendered.files["src/openvpn/mine.h"] == b"int mine;\n"
    with pytest.raises(PortConflictError, match="1 conflict") as caught:
        run(diff_of(OLD, MINE) + new % b"other.c", after="2.8.3")
    assert "another file of that name" in caught.value.why
