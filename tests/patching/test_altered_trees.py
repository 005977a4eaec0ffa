"""Upstream's real trees, altered as forks and distributions alter them: exact, or refused with the true reason."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from patchkit.patching import traces
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.patching.variants import names, variant
from patchkit.releases.version import Version
from patchkit.source.tree.directory import tree_from
from tests.conftest import Run

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GIT, reason="PATCHKIT_GIT is not set to a full clone of upstream"),
]
CODE = "src/openvpn"

BRACES = """
static int
chosen_by_vendor(int first, int second)
{
    int sum = 0;
#ifdef OF_VENDOR
    while (first && second) {
#else
    while (second) {
#endif
        sum += second--;
    }
    return sum;
}
"""
ELSE_IFS = """
static int
loaded_by_vendor(int first, int second, int third)
{
    int sum = 0;
#ifdef OF_VENDOR
    if (first && second)
    {
        sum = 1;
    }
    else if (!first && second)
#else
    if (second)
#endif
    {
        sum = 2;
    }
#ifdef WITH_THIRD
#ifdef OF_VENDOR
    else if (first && third)
    {
        sum = 3;
    }
    else if (!first && third)
#else
    else if (third)
#endif
    {
        sum = 4;
    }
#endif
    return sum;
}
"""


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the tree of a tag."""

    def make(tag: str) -> Path:
        archive = subprocess.run(["git", "-C", str(GIT), "archive", tag], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(tmp_path / "tree", filter="data")
        return tmp_path / "tree"

    return make


def everywhere(tree: Path, old: str, new: str) -> None:
    for path in (tree / CODE).glob("*.[ch]"):
        path.write_bytes(re.sub(old.encode(), new.encode(), path.read_bytes()))


def in_file(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


CONFLICTING = [
    (one, other)
    for one in ("retransmit", "recommended", "early", "retransmit-flag")
    for other in ("retransmit", "recommended", "early", "retransmit-flag")
    if one != other
] + [("handshake", "recommended"), ("recommended", "handshake")]


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize(("there", "wanted"), CONFLICTING)
def test_another_variant_is_in_the_tree(
    made: Callable[[str], Path], there: str, wanted: str, guard: bool, patchkit: Run
) -> None:
    tree = made("v2.3.2")
    form = ["--guard"] if guard else []
    assert patchkit("apply", str(tree), "--variant", there, *form).returncode == 0
    done = patchkit("apply", str(tree), "--variant", wanted, *form)
    assert done.returncode == 31, done.stderr
    assert f"it has {there}" in done.stderr or f"or {there}" in done.stderr
    assert "patch -R" in done.stderr


@pytest.mark.parametrize("tag", ["v2.4.12", "v2.6.14", "v2.7.6"])
def test_a_whole_variant_is_one_and_what_lacks_a_file_is_a_part(
    made: Callable[[str], Path], tag: str, patchkit: Run
) -> None:
    """recommended changes other files in each of these releases."""
    tree = made(tag)
    before = {path: path.read_bytes() for path in (tree / CODE).iterdir() if path.is_file()}
    assert patchkit("apply", str(tree), "--variant", "recommended").returncode == 0
    done = patchkit("apply", str(tree), "--variant", "retransmit")
    assert (done.returncode, "it has recommended\n" in done.stderr) == (31, True), done.stderr
    (tree / CODE / "forward.c").write_bytes(before[tree / CODE / "forward.c"])
    done = patchkit("apply", str(tree), "--variant", "retransmit")
    assert (done.returncode, "it has a part of recommended\n" in done.stderr) == (31, True), done.stderr


@pytest.mark.parametrize("tag", ["v2.3.2", "v2.4.12", "v2.6.14", "v2.7.6"])
@pytest.mark.parametrize("name", [name for name in names() if name != "stock"])
def test_each_file_of_a_variant_shows_it_alone(made: Callable[[str], Path], name: str, tag: str) -> None:
    """A patch of which only one file was taken over."""
    source = tree_from(made(tag))
    if combination(name).upstream_status(Version.parse(tag)) == "not-applicable":
        return
    after = render(combination(name), source, tag).files
    for path, data in after.items():
        in_part = type(source)(source.origin, {**source.entries, path: type(source.entries[path]).of(data)})
        found = traces.found_in(in_part)
        assert any(name in {part.part.name, *part.also} for part in found), (path, found)
    assert variant(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        (r"\bnow\b", "vpn_now()", "now"),
        ("tv_subtract", "vpn_tv_sub", "tv_subtract"),
        ("max_int", "vpn_max_int", "max_int"),
        ("constrain_int", "vpn_constrain", "constrain_int"),
        ("BIG_TIMEOUT", "VPN_BIG_TIMEOUT", "BIG_TIMEOUT"),
        ("interval_action", "vpn_interval_action", "interval_action"),
        (r"\bTM_SIZE\b", "VPN_TM_SIZE", "TM_SIZE"),
    ],
)
def test_a_name_that_the_tree_lacks(
    made: Callable[[str], Path], old: str, new: str, missing: str, patchkit: Run
) -> None:
    tree = made("v2.6.14")
    everywhere(tree, old, new)
    done = patchkit("apply", str(tree), "--variant", "recommended")
    assert done.returncode == 30, done.stderr
    assert f"{missing}, which recommended uses, is not declared" in done.stderr
    assert ", line " in done.stderr


def test_the_published_variant_needs_its_function(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    everywhere(tree, "reliable_schedule_now", "vpn_schedule_now")
    done = patchkit("apply", str(tree), "--variant", "retransmit")
    assert done.returncode == 30
    assert "reliable_schedule_now" in done.stderr


def test_a_member_that_is_there(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    in_file(
        tree / CODE / "reliable.h",
        "    packet_id_type packet_id;\n",
        "    packet_id_type packet_id;\n    int n_sent;\n",
    )
    done = patchkit("apply", str(tree), "--variant", "recommended")
    assert done.returncode == 30
    assert "n_sent" in done.stderr


@pytest.mark.parametrize(
    "text", ["static int reliable_age(int a) { return a; }\n", "#define RELIABLE_MARGIN 7\n", "#define rto 1\n"]
)
def test_a_function_or_a_macro_that_is_there(made: Callable[[str], Path], text: str, patchkit: Run) -> None:
    tree = made("v2.6.14")
    in_file(tree / CODE / "reliable.c", '#include "memdbg.h"\n', '#include "memdbg.h"\n' + text)
    done = patchkit("apply", str(tree), "--variant", "recommended")
    assert done.returncode in (30, 31), done.stderr
    assert text.replace("(", " ").split()[2 if text.startswith("static") else 1] in done.stderr


@pytest.mark.parametrize("name", ["recommended", "retransmit-flag"])
@pytest.mark.parametrize("text", [BRACES, ELSE_IFS])
@pytest.mark.parametrize("tag", ["v2.3.2", "v2.6.14", "v2.7.6"])
def test_branches_far_from_every_anchor_are_no_matter(
    made: Callable[[str], Path], text: str, name: str, tag: str, patchkit: Run
) -> None:
    tree = made(tag)
    plain = render(combination(name), tree_from(tree), tag).files
    path = tree / CODE / "ssl.c"
    in_file(path, '#include "memdbg.h"\n', '#include "memdbg.h"\n' + text)
    done = patchkit("apply", str(tree), "--variant", name)
    assert done.returncode == 0, done.stderr
    assert path.read_text().replace(text, "") == plain[f"{CODE}/ssl.c"].decode()


def test_branches_within_the_changed_function_are_none_either(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    path = tree / CODE / "reliable.c"
    plain = render(combination("recommended"), tree_from(tree), "x").files[f"{CODE}/reliable.c"].decode()
    text = BRACES.partition("{\n")[2].rpartition("    return")[0].replace("int sum", "int first = 1, second = 1, sum")
    text += "    (void) sum;\n"
    head = "reliable_send_purge(struct reliable *rel, const struct reliable_ack *ack)\n{\n"
    in_file(path, head, head + text)
    done = patchkit("apply", str(tree), "--variant", "recommended")
    assert done.returncode == 0, done.stderr
    assert path.read_text().replace(text, "") == plain


def test_a_copy_that_is_switched_off_is_no_second_definition(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    path = tree / CODE / "reliable.c"
    text = path.read_text()
    at = text.index("bool\nreliable_can_send(")
    copy = "#if 0\n" + text[at : text.index("\n}\n", at) + 3] + "#endif\n"
    path.write_text(text[:at] + copy + text[at:])
    assert patchkit("apply", str(tree), "--variant", "recommended").returncode == 0
    assert copy in path.read_text()


def test_a_struct_that_moved_is_named_with_its_file(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    header = tree / CODE / "reliable.h"
    before, struct, after = re.split(r"(?ms)(^struct reliable_entry\n\{.*?^\};\n)", header.read_text(), maxsplit=1)
    header.write_text(f'{before}#include "entry_of_vendor.h"\n{after}')
    header.with_name("entry_of_vendor.h").write_text(struct)
    done = patchkit("apply", str(tree), "--variant", "recommended")
    assert done.returncode == 30, done.stderr
    assert f"struct reliable_entry is in {CODE}/entry_of_vendor.h, where no variant looks for it" in done.stderr


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_file_says_so(made: Callable[[str], Path], part: float, patchkit: Run) -> None:
    tree = made("v2.6.14")
    path = tree / CODE / "ssl.c"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    done = patchkit("apply", str(tree), "--variant", "retransmit-flag")
    assert done.returncode == 30
    assert re.search(r"ssl\.c can't be parsed as C from line \d+ on", done.stderr), done.stderr
    assert "times" not in done.stderr


def test_the_versions_of_trees(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = str(made("v2.5.1"))
    done = patchkit("render", "--version", "2.6.14", "--source", tree)
    assert (done.returncode, "states 2.5.1" in done.stderr) == (76, True)
    for given in ([], ["--version", "2.5.1"], ["--version", "2.5.1-0+deb12u2"]):
        done = patchkit("render", *given, "--source", tree)
        assert done.returncode == 0, done.stderr
        assert "upstream's code has the fault" in done.stdout


def test_a_forks_own_number_is_judged_by_its_code(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.3.18")
    in_file(tree / "version.m4", "[2.3.18]", "[6.1.4]")
    for given in ([], ["--version", "6.1.4"]):
        done = patchkit("render", *given, "--source", str(tree), "--variant", "retransmit")
        assert done.returncode == 0, done.stderr
        assert "upstream's code has the fault" in done.stdout
        assert "X-Patchkit-Base: unknown, 6.1.4 is not a number of upstream's; its code is like 2.3\n" in done.stdout


def test_a_snapshot_by_its_own_name(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    path = tree / "version.m4"
    path.write_text(path.read_text().replace("[.14]", "[_git]"))
    for given in ([], ["--version", "2.6_git"]):
        done = patchkit("render", *given, "--source", str(tree))
        assert done.returncode == 0, done.stderr
        assert "for OpenVPN 2.6_git" in done.stdout
    assert patchkit("render", "--version", "2.5.1", "--source", str(tree)).returncode == 76


def test_acks_that_are_repeated_under_another_name(made: Callable[[str], Path], patchkit: Run) -> None:
    tree = made("v2.6.14")
    plain = render(combination("recommended"), tree_from(tree), "x").files[f"{CODE}/reliable.c"].decode()
    everywhere(tree, "copy_acks_to_mru", "copy_acks_to_lru")
    everywhere(tree, r"\back_mru\b", "ack_lru")
    assert patchkit("apply", str(tree), "--variant", "recommended").returncode == 0
    renamed = re.sub(r"\back_mru\b", "ack_lru", plain.replace("copy_acks_to_mru", "copy_acks_to_lru"))
    assert (tree / CODE / "reliable.c").read_text() == renamed
