"""Exported diffs, read by the tools that they are for: real quilt, real ``git am``, real ``patch``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from patchkit import __version__
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import ConflictError, StorageError
from patchkit.patching.combination import Combination, combination
from patchkit.patching.formats import quilt
from patchkit.patching.formats.export import files
from patchkit.patching.formats.mbox import mbox
from patchkit.patching.render import render, render_series
from patchkit.patching.variants import variant
from patchkit.releases.catalog import catalog
from patchkit.source.git import repository
from patchkit.source.tree.tree import SourceTree
from patchkit.source.tree.write import place
from patchkit.ui import Ui
from tests.conftest import upstream
from tests.support.patching.made_up_variants import make_up, source
from tests.support.patching.samples import ALLMAN, GNU, tree

__all__ = ["make_up"]  # a fixture

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
RETRANSMIT = combination("retransmit")
LATIN = GNU.replace("a sample", "a s\xe4mple").replace("ids_of (rel));", "ids_of (rel)); /* \xe4 \x0c \x85 */")
MINE = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_NAME": "me",
    "GIT_COMMITTER_EMAIL": "me@example.org", "GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@example.org",
}  # fmt: skip


def run(folder: Path, *command: str) -> str:
    """What a tool says, both streams; it must succeed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **MINE, "QUILT_PATCHES": "debian/patches", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    output = done.stdout.decode("utf-8", "surrogateescape")
    assert done.returncode == 0, output
    return output


def check_with_all_tools(combined: Combination, tree: SourceTree, folder: Path, *, guard: bool) -> None:
    """Every format through its tool; each must give, byte for byte, what was rendered."""
    expected = render(combined, tree, "1.2.3", guard=guard).files
    check_with_quilt(combined, tree, folder / "quilt", expected, guard=guard)
    check_with_git(combined, tree, folder / "git", expected, guard=guard)
    check_with_patch(combined, tree, folder / "plain", expected, guard=guard)


def check_with_quilt(
    combined: Combination, tree: SourceTree, folder: Path, expected: Mapping[str, bytes], *, guard: bool
) -> None:
    if shutil.which("quilt") is None:
        pytest.skip("quilt is not installed: apt-get install quilt")
    place(tree, folder)
    patches = folder / "debian/patches"
    patches.mkdir(parents=True, exist_ok=True)
    for name, data in files("quilt", combined, tree, "1.2.3", guard=guard).items():
        (patches / name).write_bytes(data)
    (patches / "series").write_bytes(quilt.with_patches(b"", combined, guard=guard))
    output = run(folder, "quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0")
    assert exact(output)
    assert re.findall(r"^Applying patch (\S+)$", output, re.MULTILINE) == [
        quilt.file_name(part.name, guard=guard) for part in combined.parts
    ]
    assert {path: (folder / path).read_bytes() for path in expected} == expected
    run(folder, "quilt", "--quiltrc", "-", "pop", "-a")
    assert all((folder / path).read_bytes() == tree.read(path) for path in expected)


def check_with_git(
    combined: Combination, tree: SourceTree, folder: Path, expected: Mapping[str, bytes], *, guard: bool
) -> None:
    place(tree, folder)
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-f", ".")
    run(folder, "git", "commit", "-qm", "upstream")
    ((name, data),) = files("git", combined, tree, "1.2.3", guard=guard).items()
    (folder / name).write_bytes(data)
    run(folder, "git", "am", name)
    count = len(combined.parts)
    assert run(folder, "git", "diff", "--name-only", f"HEAD~{count}").split() == sorted(expected)
    assert {path: (folder / path).read_bytes() for path in expected} == expected
    titles = run(folder, "git", "log", "--reverse", f"-{count}", "--format=%s").splitlines()
    assert titles == [part.title for part in combined.parts]
    run(folder, "git", "fsck", "--strict")


def check_with_patch(
    combined: Combination, tree: SourceTree, folder: Path, expected: Mapping[str, bytes], *, guard: bool
) -> None:
    place(tree, folder)
    ((name, data),) = files("plain", combined, tree, "1.2.3", guard=guard).items()
    (folder / name).write_bytes(data)
    run(folder, "git", "apply", "--check", name)
    assert exact(run(folder, "patch", "-p1", "-F0", "--no-backup-if-mismatch", "-i", name))
    assert {path: (folder / path).read_bytes() for path in expected} == expected


def exact(output: str) -> bool:
    """Whether patch said no more than which file it patched."""
    return "fuzz" not in output and "offset" not in output and "Hunk" not in output


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        (GNU, False),
        (ALLMAN, True),
        (LATIN.encode("latin-1"), True),
        (LATIN.replace("\n", "\r\n").encode("latin-1"), True),
        (GNU[: GNU.index("\n\nvoid")], False),
    ],
    ids=["gnu", "allman", "latin-1", "crlf-latin-1", "no-newline"],
)
def test_the_tools_give_what_was_rendered(text: str | bytes, guard: bool, tmp_path: Path) -> None:
    check_with_all_tools(RETRANSMIT, tree(text), tmp_path, guard=guard)


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize(
    ("text", "guard", "newline"),
    [("keeps+longer+later", False, "\n"), ("longer+put-a+put-b+later", True, "\r\n")],
)
def test_the_tools_take_several_in_one_source(text: str, guard: bool, newline: str, tmp_path: Path) -> None:
    check_with_all_tools(combination(text), source(newline), tmp_path, guard=guard)


@pytest.mark.slow
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("name", ["retransmit", "retransmit-flag"])
@pytest.mark.parametrize("version", ["2.6.14", "2.7.7"])
def test_on_upstreams_tarballs(version: str, name: str, guard: bool, shared_cache: Cache, tmp_path: Path) -> None:
    check_with_all_tools(combination(name), upstream(version, shared_cache), tmp_path, guard=guard)


@pytest.mark.slow
@pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream")
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("version", ["2.1.4", "2.3.2", "2.4.12", "2.5.11", "2.7.6"])
def test_on_upstreams_tags(version: str, guard: bool, cache: Cache, ui: Ui, tmp_path: Path) -> None:
    release = catalog().find(version)
    tagged = repository.tree_at(str(GIT), release.ref, Context(cache, ui), pin=release.tag)
    check_with_all_tools(RETRANSMIT, tagged, tmp_path, guard=guard)


@pytest.mark.parametrize(
    ("form", "guard", "names"),
    [
        ("quilt", False, ["retransmit.patch"]),
        ("quilt", True, ["retransmit-guard.patch"]),
        ("git", True, ["openvpn-1.2.3+retransmit.guard.mbox"]),
        ("plain", False, ["openvpn-1.2.3+retransmit.diff"]),
    ],
)
def test_names(form: str, guard: bool, names: list[str]) -> None:
    exported = files(form, RETRANSMIT, tree(GNU), "1.2.3", guard=guard)  # type: ignore[arg-type]
    assert list(exported) == names


def test_plain_is_what_render_prints() -> None:
    (diff,) = files("plain", RETRANSMIT, tree(GNU), "1.2.3", guard=False).values()
    assert diff == render(RETRANSMIT, tree(GNU), "1.2.3").diff


def test_a_commit_says_whose_it_is_and_from_where(tmp_path: Path) -> None:
    check_with_git(RETRANSMIT, tree(GNU), tmp_path / "git", render(RETRANSMIT, tree(GNU), "1.2.3").files, guard=False)
    (part,) = RETRANSMIT.parts
    author, message = run(tmp_path / "git", "git", "log", "-1", "--format=%an <%ae> %aI%n%B").split("\n", 1)
    assert author == f"dog250 <> {part.last_update}T00:00:00+00:00"
    title, description, fields = re.split(r"\n\n(?=The control|Origin: )", message.rstrip("\n"))
    assert (title, description) == (part.title, part.description.strip())
    assert [line.split(":")[0] for line in fields.splitlines()] == [
        "Origin", "Forwarded", "Last-Update", "X-Patchkit", "X-Patchkit-Guard", "X-Patchkit-Status",
    ]  # fmt: skip


@pytest.mark.usefixtures("make_up")
def test_each_commit_has_its_own_author_and_status(tmp_path: Path) -> None:
    combined = combination("longer+later")
    check_with_git(combined, source(), tmp_path / "git", render(combined, source(), "1.2.3").files, guard=False)
    log = run(
        tmp_path / "git", "git", "log", "-2", "--reverse", "--format=%an|%ae|%as|%(trailers:key=X-Patchkit-Status)"
    )
    assert log.split("\n\n")[0] == "somebody||2020-02-01|X-Patchkit-Status: faithful"
    assert log.split("\n\n")[1].rstrip() == "Jörg Somebody|joerg@example.org|2020-02-02|X-Patchkit-Status: known-bad"


TRAPS = (
    "---", "--- ", "--- a/x", "-- ", "diff -u", "diff --git a/x b/x", "Index: x", "From me", "From: me <m@example.org>",
    "from: x <x@example.org>", "Subject: x", "Date: x", "[PATCH] x", "Content-Type: text/html; charset=utf-16",
    "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001", ">From me Mon Sep 17 00:00:00 2001",
    "Content-Transfer-Encoding: base64", "@@ -1 +1 @@", "+x", "In words: ä·日",
)  # fmt: skip
TITLES = ("window", "ACK · window", "Größe des Fensters " * 4, "日本語 " * 20, "a" * 79, f"{'x' * 50} · {'y' * 27}")


@pytest.mark.parametrize("text", [GNU, GNU.replace("\n", "\r\n")], ids=["8bit", "quoted-printable"])
def test_git_reads_any_title_and_description(text: str, tmp_path: Path) -> None:
    """One mail for each line that git could take for something else: the line comes first, and all others after it."""
    base = variant("retransmit")
    parts = tuple(
        base.model_copy(update={
            "title": TITLES[number % len(TITLES)].strip(), "author": ["dog250", "Jörg X <j.x@example.org>"][number % 2],
            "description": "\n".join([first, *TRAPS]),
        })
        for number, first in enumerate(TRAPS)
    )  # fmt: skip
    series = [render(Combination((part,)), tree(text), "1.2.3") for part in parts]
    (tmp_path / "box").write_bytes(mbox(Combination(parts), series))
    assert run(tmp_path, "git", "mailsplit", "-o.", "box").strip() == str(len(parts))
    for number, (part, rendered) in enumerate(zip(parts, series, strict=True)):
        mailinfo = subprocess.run(
            ["git", "mailinfo", "message", "patch"], input=(tmp_path / f"{number + 1:04}").read_bytes(),
            cwd=tmp_path, env={**os.environ, **MINE}, capture_output=True, check=True,
        )  # fmt: skip
        author = ["Author: dog250\nEmail: \n", "Author: Jörg X\nEmail: j.x@example.org\n"][number % 2]
        assert mailinfo.stdout.decode().startswith(f"{author}Subject: {part.title}\n")
        message = (tmp_path / "message").read_text()
        told = [line.removeprefix(" ") for line in message[: message.index("\n\nOrigin: ")].split("\n")]
        assert told == part.description.split("\n")
        diff = rendered.diff[rendered.diff.index(b"\ndiff --git") :]
        end = f"-- \npatchkit {__version__}\n".encode()
        assert (tmp_path / "patch").read_bytes().rstrip(b"\n") + b"\n" == b"---" + diff + end


def test_lines_of_an_mbox_are_ascii_before_the_text() -> None:
    """Headers are folded and encoded; only the text is 8bit."""
    part = variant("retransmit").model_copy(update={"title": "Größe " * 12, "author": "Jörg"})
    combined = Combination((part,))
    box = mbox(combined, render_series(combined, tree(GNU), "1.2.3"))
    head = box[: box.index(b"\n\n")].decode("ascii")
    assert max(map(len, head.splitlines())) <= 78
    assert "From: =?utf-8?" in head


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"retransmit.patch\n"),
        (b"other.patch", b"other.patch\nretransmit.patch\n"),
        (b"# mine\n\nother.patch -p0 # why\n", b"# mine\n\nother.patch -p0 # why\nretransmit.patch\n"),
        (b"retransmit.patch\nother.patch\n", None),
        (b"  retransmit.patch\t-p1 # \xe4\nother.patch", None),
        (b"#retransmit.patch\n", b"#retransmit.patch\nretransmit.patch\n"),
        (b"x/retransmit.patch\n", b"x/retransmit.patch\nretransmit.patch\n"),
        (b"retransmit.patch#\n", b"retransmit.patch#\nretransmit.patch\n"),
    ],
)
def test_series_keeps_what_it_says(before: bytes, after: bytes | None) -> None:
    done = quilt.with_patches(before, RETRANSMIT, guard=False)
    assert done == (before if after is None else after)
    assert quilt.with_patches(done, RETRANSMIT, guard=False) == done


@pytest.mark.parametrize(
    ("before", "error", "message"),
    [
        (b"other.patch\r\n", StorageError, "CRLF"),
        (b"retransmit.patch -R\n", StorageError, "-R"),
        (b"retransmit.patch -p0 # ours\n", StorageError, "-p0"),
        (b"retransmit-guard.patch\n", ConflictError, "retransmit-guard.patch"),
        (b"a\nretransmit-flag.patch -p1\n", ConflictError, "retransmit-flag.patch"),
    ],
)
def test_a_series_that_can_not_work_is_refused(before: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        quilt.with_patches(before, RETRANSMIT, guard=False)
    assert message in str(caught.value)


@pytest.mark.usefixtures("make_up")
def test_several_are_listed_in_their_order_or_not_at_all() -> None:
    combined = combination("longer+later")
    assert quilt.with_patches(b"longer.patch\nx\n", combined, guard=False) == b"longer.patch\nx\nlater.patch\n"
    with pytest.raises(StorageError) as caught:
        quilt.with_patches(b"later.patch\nx\n", combined, guard=False)
    assert "later.patch, longer.patch" in caught.value.what


def test_what_another_patch_touches() -> None:
    patch = b"From: x\n--- a/src/x.c\n+++ b/src/x.c\t2020\n--- /dev/null\n+++ new/y.c\n"
    assert quilt.touches(patch, ["x.c", "src/x.c", "y.c", "z.c"]) == ["src/x.c", "y.c"]
