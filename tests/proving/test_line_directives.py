"""Old lines keep their old numbers: what the real preprocessor makes of ``__LINE__`` in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchkit.patching.combination import combination
from patchkit.patching.csource.file import parse
from patchkit.patching.edits import Edit, file_diff, guarded, in_order, overlapping, seams, spliced
from patchkit.patching.render import Rendered, render
from patchkit.proving.line_directives import neutral
from tests.support.patching.samples import SHAPES, tree_of

pytestmark = pytest.mark.slow  # a compiler runs in nearly all of them

PATH = "src/openvpn/sample.c"


def preprocessed(source: bytes, *defines: str) -> str:
    """As the compiler sees it, without blank lines."""
    command = ["gcc", "-E", "-P", "-x", "c", "-", *(f"-D{name}" for name in defines)]
    done = subprocess.run(command, input=source, capture_output=True, check=True)
    assert not done.stderr, done.stderr
    return "\n".join(line for line in done.stdout.decode().splitlines() if line.strip())


def numbers(source: bytes, *defines: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"int (\w+) = (\d+);", preprocessed(source, *defines))}


def rendered(lines: Sequence[bytes], edits: Sequence[Edit]) -> Rendered:
    diff = b"Description: a sample\n---\n" + file_diff(PATH, lines, edits, 0o644)
    return Rendered("sample", guard=False, diff=diff, files={PATH: b"".join(spliced(lines, edits))})


def code(number: int) -> bytes:
    return b"int line_%d = __LINE__;\n" % number


def fresh(count: int, of: int = 0) -> tuple[bytes, ...]:
    return tuple(b"int new_%d_%d = __LINE__;\n" % (of, number) for number in range(count))


def change(start: int, old: Sequence[bytes], new: Sequence[bytes]) -> Edit:
    return Edit(start, (*((b"-", line) for line in old), *((b"+", line) for line in new)))


def check(lines: Sequence[bytes], edits: Sequence[Edit]) -> None:
    """Every old line that stays says its old number."""
    stock = numbers(b"".join(lines))
    after = numbers(neutral(rendered(lines, edits))[PATH])
    gone = {row for edit in edits for row in range(edit.start, edit.end)}
    expected = {name: number for name, number in stock.items() if number - 1 not in gone}
    assert {name: number for name, number in after.items() if name.startswith("line_")} == expected


LINES = [code(number) for number in range(1, 21)]


@pytest.mark.parametrize(
    ("start", "old", "new"),
    [
        (0, 0, 2), (0, 1, 0), (0, 1, 3), (0, 3, 1),  # the beginning of the file
        (19, 1, 0), (19, 1, 2), (19, 0, 2), (20, 0, 2),  # its end
        (10, 1, 1), (10, 0, 1), (10, 1, 0), (9, 4, 2), (0, 20, 3), (0, 20, 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"\n", pytest.param(b"\r\n", marks=pytest.mark.slow)], ids=["lf", "crlf"])
def test_one_edit(start: int, old: int, new: int, end: bytes) -> None:
    lines = [line.replace(b"\n", end) for line in LINES]
    check(lines, [change(start, lines[start : start + old], [line.replace(b"\n", end) for line in fresh(new)])])


@pytest.mark.parametrize("apart", [0, 1, 2, 6, 7, 8])
@pytest.mark.parametrize("new", [0, 1, 3])
def test_two_edits_that_touch_or_share_a_hunk_or_do_not(apart: int, new: int) -> None:
    second = 5 + apart
    check(LINES, [change(3, LINES[3:5], fresh(1)), change(second, LINES[second : second + 2], fresh(new, of=1))])


@pytest.mark.parametrize("start", [0, 5, 18])
def test_a_file_without_a_newline_at_its_end(start: int) -> None:
    lines = [*LINES[:-1], LINES[-1].rstrip()]
    check(lines, [change(start, lines[start : start + 1], fresh(2))])


def test_nothing_before_the_change_is_touched() -> None:
    after = neutral(rendered(LINES, [change(10, [], fresh(1))]))[PATH]
    assert after.startswith(b"".join(LINES[:10]))
    same = neutral(rendered(LINES, [change(10, LINES[10:11], [b"int other = __LINE__;\n"])]))[PATH]
    assert numbers(same)["line_12"] == 12


def test_a_change_inside_a_comment() -> None:
    """No directive is read there."""
    check([*LINES[:5], b"/* one\n", b" two\n", b" three\n", b" four */\n", code(10)], [change(6, [], fresh(3))])


def test_a_change_behind_a_backslash() -> None:
    lines = [*LINES[:5], b"#define MANY \\\n", b"  one \\\n", b"  two\n", code(9)]
    check(lines, [change(6, [b"  one \\\n"], [b" 1 \\\n", b" 2 \\\n"])])


def test_a_change_inside_of_what_the_preprocessor_skips() -> None:
    """No directive is read there but those that end it."""
    lines = [*LINES[:5], b"#if 0\n", b"int skipped;\n", b"#else\n", code(9), b"#endif\n", code(11)]
    check(lines, [change(6, [], fresh(3))])
    check(lines, [change(6, [], fresh(3)), change(8, [], fresh(1, of=1))])


def test_a_change_inside_of_a_call() -> None:
    """A log macro, over several lines."""
    lines = [b"#define log(...) call(__VA_ARGS__)\n", b"log(1,\n", b"2,\n", b"3);\n", code(5), code(6)]
    check(lines, [change(2, [], [b"new,\n", b"newer,\n"])])


@pytest.mark.parametrize("lines", [LINES, [line.replace(b"\n", b"\r\n") for line in LINES]], ids=["lf", "crlf"])
def test_the_real_git_diff_is_understood(lines: Sequence[bytes], tmp_path: Path) -> None:
    after = b"".join([*fresh(1, of=7), *lines[:4], *fresh(3), *lines[6:18]])
    (tmp_path / "a" / PATH).parent.mkdir(parents=True)
    (tmp_path / "b" / PATH).parent.mkdir(parents=True)
    (tmp_path / "a" / PATH).write_bytes(b"".join(lines))
    (tmp_path / "b" / PATH).write_bytes(after)
    command = ["git", "-c", "core.autocrlf=false", "diff", "--no-index", "--no-prefix", "a", "b"]
    diff = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout
    (neutral_diff,) = neutral(Rendered("sample", guard=False, diff=diff, files={PATH: after})).values()
    seen = {name: number for name, number in numbers(neutral_diff).items() if name.startswith("line_")}
    assert seen == {f"line_{number}": number for number in (*range(1, 5), *range(7, 19))}


@st.composite
def sources(draw: st.DrawFn) -> tuple[list[bytes], list[Edit]]:
    """A file of code, comments, macros and skipped parts, and edits anywhere in it that leave these whole."""
    lines: list[bytes] = []
    whole: set[int] = set()  # lines that stay, and that nothing is put before
    for kind in draw(st.lists(st.sampled_from(["code", "code", "code", "comment", "macro", "skipped"]), max_size=14)):
        at = len(lines)
        if kind == "code":
            lines.append(code(at + 1))
        elif kind == "comment":
            lines += [b"/* one\n", b"two\n", b"three */\n"]
            whole |= {at, at + 2}
        elif kind == "macro":
            lines += [b"#define MACRO_%d \\\n" % at, b"1\n"]
            whole |= {at, at + 1}
        else:
            lines += [b"#if 0\n", b"skipped\n", b"#else\n", code(at + 4), b"#endif\n"]
            whole |= {at, at + 2, at + 4}
    edits: list[Edit] = []
    for number in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(lines)))
        old = draw(st.integers(0, 3))
        if start in whole or any(row in whole for row in range(start, start + old)):
            continue
        new = fresh(draw(st.integers(0, 3)), of=number)
        if lines[start : start + old] or new:
            edits.append(change(start, lines[start : start + old], new))
    edits = in_order(edits)
    return lines, [] if overlapping(edits) or len({edit.start for edit in edits}) < len(edits) else edits


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(sources())
def test_any_edits_anywhere(given_: tuple[list[bytes], list[Edit]]) -> None:
    lines, edits = given_
    if edits and lines:
        check(lines, edits)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(sources())
def test_any_guarded_edits(given_: tuple[list[bytes], list[Edit]]) -> None:
    """Off, the compiler sees stock; on, it sees the plain patch, and in both the numbers that these have."""
    lines, edits = given_
    source = parse(PATH, b"".join(lines))
    touching = any(first.end == second.start for first, second in pairwise(edits))  # render makes one of these
    if not edits or not lines or touching or any(source.joined(row) for edit in edits for row in seams(edit)):
        return
    guard = neutral(rendered(lines, [guarded(edit) for edit in edits]))[PATH]
    assert preprocessed(guard) == preprocessed(b"".join(lines))
    assert preprocessed(guard, "RETRY") == preprocessed(neutral(rendered(lines, edits))[PATH])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("variant", ["retransmit", "retransmit-flag"])
@pytest.mark.parametrize("end", ["\n", pytest.param("\r\n", marks=pytest.mark.slow)], ids=["lf", "crlf"])
def test_what_variants_make_of_upstreams_shapes(variant: str, shape: str, end: str) -> None:
    """Every sample, with a line number in every statement: stock's with the guard off, the patch's with it on."""
    tell = "#define return __LINE__; return\n#define if __LINE__; if\n#define struct __LINE__ struct\n"
    files = {f"src/openvpn/{name}": text.replace("\n", end).encode() for name, text in SHAPES[shape].items()}
    tree = tree_of(files)  # without the headers that declare what variants use
    plain = neutral(render(combination(variant), tree, "sample", check_names=False))
    guard = neutral(render(combination(variant), tree, "sample", guard=True, check_names=False))
    assert plain.keys() == guard.keys()
    for path, text in guard.items():

        def seen(source: bytes, *defines: str) -> str:
            before = tell.encode() + b"#line 1\n"
            return preprocessed(before + source, *defines)

        assert seen(text) == seen(files[path])
        assert seen(text, "RETRY") == seen(plain[path])
        assert seen(plain[path]) != seen(files[path])
