"""Patches of users' own through the commands: names, order, exit codes, and what is written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from patchkit import resources
from tests.conftest import Run
from tests.support.patching.own_patches import PATH, diff_of
from tests.support.patching.samples import ALLMAN
from tests.support.source.samples import Repository, folder_of

ELSEWHERE = ALLMAN.replace("struct buffer *found = NULL;", "struct buffer *found = 0;")
SAME_LINE = ALLMAN.replace("sequence broken: %s", "sequence is broken: %s")
M4 = b"define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [6])\n"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "mine.diff").write_bytes(diff_of(ALLMAN, ELSEWHERE))
    (tmp_path / "clash.diff").write_bytes(diff_of(ALLMAN, SAME_LINE))
    folder_of({PATH: ALLMAN.encode(), "version.m4": M4, "configure.ac": b""}, tmp_path / "tree")


def test_apply_with_a_patch(patchkit: Run, tmp_path: Path) -> None:
    done = patchkit("apply", "tree", "--patch", "mine.diff", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["variant"].startswith("mine-")
    assert (tmp_path / "tree" / PATH).read_text() == ELSEWHERE
    again = patchkit("apply", "tree", "--patch", "mine.diff")
    assert again.returncode == 31
    assert (tmp_path / "tree" / PATH).read_text() == ELSEWHERE


def test_apply_brings_a_new_file_and_leaves_nothing_where_it_fails(patchkit: Run, tmp_path: Path) -> None:
    new = b"--- /dev/null\n+++ b/src/openvpn/new/mine.h\n@@ -0,0 +1 @@\n+#define MINE\n"
    (tmp_path / "new.diff").write_bytes(diff_of(ALLMAN, ELSEWHERE) + new)
    (tmp_path / "bad.diff").write_bytes(diff_of("\n" + ALLMAN, "\n" + ELSEWHERE) + new)
    assert patchkit("apply", "tree", "--patch", "bad.diff").returncode == 32
    assert not (tmp_path / "tree/src/openvpn/new").exists()
    done = patchkit("apply", "tree", "--patch", "new.diff")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tree/src/openvpn/new/mine.h").read_text() == "#define MINE\n"


def test_apply_brings_no_file_where_a_folder_is(patchkit: Run, tmp_path: Path) -> None:
    new = b"--- /dev/null\n+++ b/src/openvpn/new\n@@ -0,0 +1 @@\n+#define MINE\n"
    (tmp_path / "new.diff").write_bytes(diff_of(ALLMAN, ELSEWHERE) + new)
    (tmp_path / "tree/src/openvpn/new").mkdir()  # an empty one, which is no part of the source
    done = patchkit("apply", "tree", "--patch", "new.diff")
    assert done.returncode == 32
    assert "src/openvpn/new is in tree already" in done.stderr
    assert (tmp_path / "tree" / PATH).read_text() == ALLMAN


def test_apply_does_not_replace_a_link_by_a_file(patchkit: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.c").write_text(ALLMAN)
    (tmp_path / "tree" / PATH).unlink()
    (tmp_path / "tree" / PATH).symlink_to(tmp_path / "elsewhere.c")
    done = patchkit("apply", "tree", "--patch", "mine.diff")
    assert done.returncode == 25
    assert f"{PATH} is a symbolic link, to {tmp_path}/elsewhere.c" in done.stderr
    assert (tmp_path / "tree" / PATH).is_symlink()
    assert (tmp_path / "elsewhere.c").read_text() == ALLMAN


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("apply", ""), "an argument is given with an empty value"),
        (("export", "--source", "tree", "--to", ""), "--to is given with an empty value"),
        (("export", "--source", "tree", "--to="), "--to is given with an empty value"),
        (("matrix", "--patch", ""), "--patch is given with an empty value"),
        (("render", "--source", "tree", "--variant", "early", "--variant", "retransmit"), "--variant is given twice"),
        (("export", "--source", "tree", "--variant", "early", "--variant=early"), "--variant is given twice"),
        (("apply", "tree", "--patch", "mine.diff", "--patch", "mine.diff"), "--patch mine.diff is given twice"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(
    patchkit: Run, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = patchkit(*arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert (tmp_path / "tree" / PATH).read_text() == ALLMAN


def test_the_order_of_the_command_line_is_the_order_of_the_parts(patchkit: Run, tmp_path: Path) -> None:
    front = patchkit("export", "--source", "tree", "--patch", "mine.diff", "--variant", "retransmit", "--to", "a")
    behind = patchkit("export", "--source", "tree", "--variant", "retransmit", "--patch", "mine.diff", "--to", "b")
    assert (front.returncode, behind.returncode) == (0, 0), front.stderr + behind.stderr
    series = [(tmp_path / folder / "series").read_text().splitlines() for folder in ("a", "b")]
    assert series[0] == series[1][::-1]
    assert series[0][1] == "retransmit.patch"
    plain = patchkit("export", "--source", "tree", "--patch", "mine.diff", "--patch", "mine.diff", "--to", "c")
    assert plain.returncode == 2
    done = patchkit("export", "--source", "tree", "--patch", "mine.diff", "--to", "c")
    assert done.returncode == 0, done.stderr
    name, *_ = (tmp_path / "c" / "series").read_text().splitlines()
    assert name.startswith("mine-")
    assert b"found = 0;" in (tmp_path / "c" / name).read_bytes()


def test_what_export_writes_is_a_patch_again(patchkit: Run, tmp_path: Path) -> None:
    for form, written in (("quilt", "quilt"), ("git", "git"), ("plain", "plain")):
        done = patchkit("export", "--source", "tree", "--patch", "mine.diff", "--format", form, "--to", written)
        assert done.returncode == 0, done.stderr
        files = [path for path in (tmp_path / written).iterdir() if path.name != "series"]
        given = [written] if form == "quilt" else [str(path) for path in files]
        again = patchkit("render", "--source", "tree", "--patch", *given)
        assert again.returncode == 0, again.stderr
        assert "+    struct buffer *found = 0;" in again.stdout


def test_export_of_a_patch_that_brings_a_file(patchkit: Run, tmp_path: Path) -> None:
    new = b"--- /dev/null\n+++ b/src/openvpn/mine.h\n@@ -0,0 +1 @@\n+#define MINE\n"
    (tmp_path / "new.diff").write_bytes(diff_of(ALLMAN, ELSEWHERE) + new)
    for form in ("quilt", "git", "plain"):
        done = patchkit("export", "--source", "tree", "--patch", "new.diff", "--format", form, "--to", form)
        assert done.returncode == 0, done.stderr
        (written,) = (path for path in (tmp_path / form).iterdir() if path.name != "series")
        assert b"+#define MINE\n" in written.read_bytes()


def test_two_folders_of_one_name_are_refused(patchkit: Run, tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        assert patchkit("variants", "new", f"{place}/a").returncode == 0
    both = ("--variant", "./here/a", "--variant", "./there/a")
    done = patchkit("matrix", "--git", str(tmp_path), *both)
    assert done.returncode == 38, done.stderr
    assert "two variants are called a" in done.stderr
    assert str(tmp_path / "there/a") in done.stderr
    assert "two variants" not in patchkit("matrix", "--git", str(tmp_path), *both[:2], *both[:2]).stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "git")
    for tag, text in (("v2.4.99", ALLMAN), ("v2.8.0", ALLMAN), ("v2.9.0", "\n" + ALLMAN), ("v2.9.1", "\n" + ALLMAN)):
        repository.commit({PATH: text.encode(), "version.m4": M4})
        repository.tag(tag)
    return repository


def test_matrix_shows_where_a_patch_fits_and_where_its_lines_are(patchkit: Run, repository: Repository) -> None:
    done = patchkit("matrix", "--git", str(repository.path), "--patch", "mine.diff", "--json")
    assert done.returncode == 32
    document = json.loads(done.stdout)
    assert [row["cells"][0]["verdict"] for row in document["rows"]] == ["exact", "exact", "refused", "refused"]
    why = document["rows"][3]["cells"][0]["error"]["why"]
    assert why == f"{PATH}, line 2, hunk 1 of 1 (line 3 of the diff): its lines stand at line 3 (+1)"
    assert done.stderr.count("its lines stand at") == 1
    assert "2.9.0, 2.9.1 (mine-" in done.stderr
    kept = patchkit("matrix", "--git", str(repository.path), "--patch", "mine.diff", "--json")
    assert json.loads(kept.stdout)["rows"] == document["rows"]


def test_matrix_of_a_patch_and_a_variant_that_conflict(patchkit: Run, repository: Repository) -> None:
    done = patchkit(
        "matrix", "--git", str(repository.path), "--ref", "v2.8.0", "--patch", "clash.diff", "--variant", "retransmit"
    )
    assert done.returncode == 34
    assert f"can't be combined: {PATH}, line 14" in done.stderr
    fine = patchkit("matrix", "--git", str(repository.path), "--ref", "v2.8.0", "--patch", "clash.diff")
    assert fine.returncode == 0, fine.stderr


def test_matrix_takes_a_patch_of_a_file_that_only_its_path_names(patchkit: Run, repository: Repository) -> None:
    """``Makefile.am`` is not ``src/openvpn/Makefile.am``."""
    repository.commit({"Makefile.am": b"one\n", "src/openvpn/Makefile.am": b"two\n"})
    repository.tag("v2.9.2")
    diff = b"--- a/Makefile.am\n+++ b/Makefile.am\n@@ -1 +1 @@\n-one\n+1\n"
    Path(repository.path.parent / "make.diff").write_bytes(diff)
    done = patchkit("matrix", "--git", str(repository.path), "--ref", "v2.9.2", "--patch", "make.diff")
    assert done.returncode == 0, done.stderr


def test_matrix_refuses_a_new_file_where_a_release_has_a_folder_or_a_file(
    patchkit: Run, repository: Repository, tmp_path: Path
) -> None:
    new = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1 @@\n+int x;\n"
    for path, why in (
        ("src", f"it is a folder, and {PATH} is in it"),
        (f"{PATH}/x/y", f"{PATH} is a file, and not a folder"),
    ):
        (tmp_path / "new.diff").write_text(new.format(path))
        for _ in "first", "kept":
            done = patchkit("matrix", "--git", str(repository.path), "--patch", "new.diff")
            assert done.returncode == 32, done.stderr
            assert why in done.stderr
            assert " 0 exact" in done.stderr
    (tmp_path / "new.diff").write_text(new.format("src/openvpn/new/x"))
    assert patchkit("matrix", "--git", str(repository.path), "--patch", "new.diff").returncode == 0


@pytest.mark.parametrize("command", ["render", "prove", "build", "export"])
def test_a_patch_that_is_none_is_refused_before_anything_is_fetched(
    patchkit: Run, tmp_path: Path, command: str
) -> None:
    (tmp_path / "evil.diff").write_text("--- a/../x\x1b[31m\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n")
    done = patchkit(command, "--version", "2.6.14", "--patch", "evil.diff", env={"PATCHKIT_MIRROR": "/nowhere"})
    assert done.returncode == 38
    assert "\x1b" not in done.stderr
    assert not list((tmp_path / "cache").glob("**/*.tar*"))


def test_variants_describes_a_patch_and_a_folder(patchkit: Run, tmp_path: Path) -> None:
    assert patchkit("variants", "./mine.diff").stdout.startswith("mine.diff\n")
    shutil.copytree(resources.folder("patches") / "retransmit", tmp_path / "my-own")
    assert "my-own" in patchkit("variants", "./my-own").stdout
    assert patchkit("variants", "./missing").returncode == 38


def test_a_new_variant_is_laid_out_and_taken(patchkit: Run, repository: Repository, tmp_path: Path) -> None:
    done = patchkit("variants", "new", "my-change")
    assert done.returncode == 0, done.stderr
    assert "my-change/patch.toml" in done.stdout
    matrix = patchkit("matrix", "--git", str(repository.path), "--variant", "./my-change", "--json")
    assert {cell["verdict"] for row in json.loads(matrix.stdout)["rows"] for cell in row["cells"]} == {"exact"}
    assert patchkit("variants", "new", "my-change").returncode == 51
    assert patchkit("variants", "new").returncode == 2
    assert patchkit("variants", "retransmit", "other").returncode == 2
