"""``patchkit export`` as its users meet it: what is written where, what is left alone, and every refusal."""

from __future__ import annotations

import errno
import hashlib
import inspect
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from patchkit.cli.export import export
from patchkit.cli.options import FormatChoice
from patchkit.errors import (
    AlreadyPatchedError,
    BadPatchError,
    BadUsageError,
    ConflictError,
    DiskFullError,
    PatchkitError,
    StorageError,
)
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from tests.conftest import Run
from tests.support.patching.made_up_variants import RELIABLE, SSL, make_up
from tests.support.patching.samples import GNU, tree

__all__ = ["make_up"]  # a fixture

DIFF = render(combination("retransmit"), tree(GNU), "2.6.14").diff


UNTOLD = (
    "warning: 2.6.14: of 10 known vulnerabilities on Linux it cannot be told which are fixed here; "
    "2.6.23 has none of them: patchkit releases --vulnerabilities 2.6.14\n"
)
"""Known vulnerabilities, of a source that no pin covers and that has no file but one."""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of our own that the variant fits; the command runs in it, as Debian's packagers do."""
    folder = tmp_path / "openvpn-2.6.14"
    (folder / "src/openvpn").mkdir(parents=True)
    (folder / "src/openvpn/reliable.c").write_text(GNU)
    (folder / "configure.ac").write_text("")
    monkeypatch.chdir(folder)
    return folder


def run(form: Literal["quilt", "git", "plain"] = "quilt", to: str | None = None, **given: Any) -> None:
    options = {"version": "2.6.14", "variant": "retransmit", "source": Path(), "offline": True, **given}
    inspect.unwrap(export)(form=FormatChoice(form), to=Path(to) if to is not None else None, **options)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_quilt_writes_the_patch_and_the_series(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert (mine / "debian/patches/retransmit.patch").read_bytes() == DIFF
    assert (mine / "debian/patches/series").read_text() == "retransmit.patch\n"
    printed = capsys.readouterr()
    heading, patch, series = printed.out.splitlines()
    assert heading.split() == ["file", "sha256"]
    assert patch.split() == ["debian/patches/retransmit.patch", hashlib.sha256(DIFF).hexdigest()]
    assert series.startswith("debian/patches/series ")
    assert printed.err == UNTOLD


def unread(path: Path) -> tuple[int, ...]:
    """Return what writing to ``path`` would change, and reading would not."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode


def test_the_same_again_changes_nothing_and_says_so(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    before = {path: unread(path) for path in mine.rglob("*")}
    run(as_json=True)
    printed = capsys.readouterr()
    assert "Nothing has changed" in printed.err
    assert {path: unread(path) for path in mine.rglob("*")} == before
    assert '"written": true' not in printed.out


def test_a_series_that_is_there_gets_a_line_more(mine: Path) -> None:
    patches = mine / "debian/patches"
    patches.mkdir(parents=True)
    (patches / "series").write_text("# Debian's own\nfirst.patch -p1 # why")
    (patches / "series").chmod(0o600)
    run(guard=True)
    assert (patches / "series").read_text() == "# Debian's own\nfirst.patch -p1 # why\nretransmit-guard.patch\n"
    assert (patches / "series").stat().st_mode & 0o777 == 0o600
    assert b"#ifdef RETRY" in (patches / "retransmit-guard.patch").read_bytes()


@pytest.mark.usefixtures("make_up")
def test_several_variants(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "src/openvpn/reliable.c").write_text(RELIABLE)
    (mine / "src/openvpn/ssl.c").write_text(SSL)
    run(variant="later+longer", to="p")
    run("git", variant="later+longer", to="p")
    assert (mine / "p/series").read_text() == "longer.patch\nlater.patch\n"
    box = (mine / "p/openvpn-2.6.14+longer+later.mbox").read_text()
    assert [line for line in box.splitlines() if line.startswith("Subject: ")] == [
        "Subject: [PATCH 1/2] Made up longer", "Subject: [PATCH 2/2] Made up later",
    ]  # fmt: skip
    assert "later is known to be bad" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "name"), [("git", "retransmit.mbox"), ("plain", "retransmit.diff")])
def test_other_formats_go_into_this_folder(form: Literal["git", "plain"], name: str, mine: Path) -> None:
    before = everything(mine)
    run(form)
    assert everything(mine).keys() - before.keys() == {f"openvpn-2.6.14+{name}"}


def test_a_known_bad_variant_says_so_everywhere(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reliable_h = "struct buffer *reliable_get_buf_output_sequenced (struct reliable *rel);\n"
    declared = """\
#include <stddef.h>
typedef unsigned packet_id_type;
enum { P_CONTROL_V1 };
struct buffer { int len; };
struct reliable_entry { int active; packet_id_type packet_id; struct buffer buf; };
struct reliable { int size; packet_id_type packet_id; struct reliable_entry array[6]; };
void reliable_mark_active_outgoing (struct reliable *rel, struct buffer *buf, int opcode);
"""
    ssl_c = """\
#include "reliable.h"
bool
tls_process (struct ks *ks)
{
  struct buffer *buf;
  buf = reliable_get_buf_output_sequenced (ks->rel);
  if (buf)
    {
      key_state_read_ciphertext (ks, buf);
    }
  return true;
}
"""
    (mine / "src/openvpn/reliable.h").write_text(declared + reliable_h)
    reliable_c = mine / "src/openvpn/reliable.c"
    reliable_c.write_text('#include "reliable.h"\n' + reliable_c.read_text())
    (mine / "src/openvpn/ssl.c").write_text(ssl_c)
    run("git", variant="retransmit-flag")
    assert "retransmit-flag is known to be bad" in capsys.readouterr().err
    assert "\nX-Patchkit-Status: known-bad\n" in (mine / "openvpn-2.6.14+retransmit-flag.mbox").read_text()


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        ({"variant": "stock"}, BadUsageError, "stock"),
        ({"variant": "stock", "source": Path("nowhere")}, BadUsageError, "stock"),
        ({"variant": "retransmit+retransmit-flag"}, ConflictError, "retransmit-flag"),
        ({"variant": "../x"}, BadPatchError, "../x"),
        ({"to": "configure.ac"}, StorageError, "configure.ac is not a folder"),
        ({"to": "configure.ac/sub/dir"}, StorageError, "configure.ac is not a folder"),
        ({"to": "x" * 300}, StorageError, "name too long"),
        ({"to": "/proc/patchkit"}, StorageError, "/proc/patchkit"),
        ({"to": "/proc", "form": "plain"}, StorageError, "/proc"),
    ],
)
def test_refusals(given: dict[str, Any], error: type[PatchkitError], expected: str, mine: Path) -> None:
    before = everything(mine)
    with pytest.raises(error) as caught:
        run(**given)
    assert expected.lower() in f"{caught.value.what}\n{caught.value.why}".lower()
    assert caught.value.advice or error is BadUsageError
    assert everything(mine) == before


@pytest.mark.usefixtures("make_up")
def test_a_guard_that_a_variant_does_not_have() -> None:
    """Reported before the source is looked at."""
    with pytest.raises(BadUsageError):
        run(variant="rival", guard=True, source=Path("nowhere"))


@pytest.mark.parametrize("form", ["quilt", "plain"])
def test_a_source_that_is_patched_already(form: Literal["quilt", "plain"], mine: Path) -> None:
    run()
    subprocess.run(["patch", "-sp1", "-i", "debian/patches/retransmit.patch"], check=True)
    with pytest.raises(AlreadyPatchedError):
        run(form, to="elsewhere")
    assert not (mine / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("retransmit.patch", "quilt"),
        ("openvpn-2.6.14+retransmit.mbox", "git"),
        ("openvpn-2.6.14+retransmit.diff", "plain"),
    ],
)
def test_another_file_of_the_same_name_is_left_alone(
    name: str, form: Literal["quilt", "git", "plain"], mine: Path
) -> None:
    (mine / "p").mkdir()
    (mine / "p" / name).write_text("mine")
    with pytest.raises(StorageError) as caught:
        run(form, to="p")
    assert f"p/{name} is there already" in caught.value.what
    assert everything(mine / "p") == {name: b"mine"}


@pytest.mark.parametrize("what", ["folder", "link", "dead link", "pipe"])
@pytest.mark.parametrize("name", ["series", "retransmit.patch"])
def test_what_is_no_plain_file_is_left_alone(name: str, what: str, mine: Path) -> None:
    (mine / "p").mkdir()
    (mine / "else").write_text("retransmit.patch\n")
    path = mine / "p" / name
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("../else" if what == "link" else "nowhere")
    with pytest.raises(StorageError) as caught:
        run(to="p")
    assert f"p/{name} is not a plain file" in caught.value.what
    assert [entry.name for entry in (mine / "p").iterdir()] == [name]
    assert (mine / "else").read_text() == "retransmit.patch\n"


def test_a_series_with_crlf(mine: Path) -> None:
    (mine / "p").mkdir()
    (mine / "p/series").write_bytes(b"other.patch\r\n")
    with pytest.raises(StorageError, match="CRLF"):
        run(to="p")
    assert everything(mine / "p") == {"series": b"other.patch\r\n"}


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_leaves_nothing(at: int, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "p").mkdir()
    (mine / "p/series").write_text("other.patch\n")
    left = [at]

    def full(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        run(to="p")
    assert everything(mine / "p") == {"series": b"other.patch\n"}


def test_a_patch_of_somebody_elses_for_the_same_file_is_pointed_out(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = mine / "debian/patches"
    patches.mkdir(parents=True)
    (patches / "series").write_text("theirs.patch\nother.patch\nlost.patch\n")
    (patches / "theirs.patch").write_text("--- a/src/openvpn/reliable.c\n+++ b/src/openvpn/reliable.c\n")
    (patches / "other.patch").write_text("--- a/configure.ac\n+++ b/configure.ac\n")
    subprocess.run(["tar", "cf", tmp_path / "x.tar", "-C", tmp_path, mine.name], check=True)
    run(source=tmp_path / "x.tar")
    stderr = capsys.readouterr().err
    assert "theirs.patch changes src/openvpn/reliable.c too" in stderr
    assert "other.patch" not in stderr
    run()
    stderr = capsys.readouterr().err  # made for the tree as it is, which lacks theirs
    assert "theirs.patch changes src/openvpn/reliable.c too and is not applied" in stderr
    (mine / ".pc").mkdir()
    (mine / ".pc/applied-patches").write_text("theirs.patch\n")
    run()
    assert "theirs" not in capsys.readouterr().err


def test_crlf_in_a_work_tree_is_told(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mine / "src/openvpn/reliable.c"
    run("git", to="lf")
    assert "CRLF" not in capsys.readouterr().err
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    run("git", to="crlf")
    assert "src/openvpn/reliable.c has CRLF line ends here" in capsys.readouterr().err


def test_a_git_ref_gives_a_label_of_its_own(mine: Path) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["branch", "odd/na.me-1"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], check=True)
    (mine / "version.m4").write_text("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [6])\n")
    for command in (["add", "."], ["commit", "-qm", "y"], ["branch", "-f", "odd/na.me-1"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    run("plain", to="p", version="odd/na.me-1", git=str(mine), source=None, offline=False)
    assert [path.name for path in (mine / "p").iterdir()] == [f"openvpn-git.{head[:12]}+retransmit.diff"]


def test_the_command(patchkit: Run, tmp_path: Path) -> None:
    source = ["--version", "2.6.14", "--variant", "retransmit", "--source", "openvpn-2.6.14"]
    done = patchkit("export", *source, "--format", "git", "--guard", "--to", "out/here", "--json")
    assert (done.returncode, done.stderr) == (0, f"{UNTOLD}    built without -DRETRY, the source stays what it was\n")
    document = json.loads(done.stdout)
    (file,) = document.pop("files")
    assert len(document.pop("vulnerabilities")) == 10
    assert document == {
        "release": "2.6.14", "variant": "retransmit", "guard": True, "format": "git", "folder": "out/here",
    }  # fmt: skip
    data = (tmp_path / "out/here/openvpn-2.6.14+retransmit.guard.mbox").read_bytes()
    assert file == {
        "name": "openvpn-2.6.14+retransmit.guard.mbox", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
        "written": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--format", "tar"], 2, "tar"),
        (["--variant", "stock"], 2, "nothing to export"),
        (["--to", "openvpn-2.6.14/configure.ac"], 51, "not a folder"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, expected: str, patchkit: Run) -> None:
    done = patchkit("export", "--version", "2.6.14", "--source", "openvpn-2.6.14", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
