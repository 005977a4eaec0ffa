"""A function that stands in a file and can't be read there: no message says that it is not in the file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.errors import AnchorError
from patchkit.patching.csource.file import parse

PROTOTYPE = b"bool full(const struct window *window);\n\nint\nother(void)\n{\n    return 0;\n}\n"
# As a fork writes it whose macros stand for braces.
MACROS = b"bool full(const struct window *window)\nBEGIN\n    return window->size;\nEND\n"


@pytest.mark.parametrize("data", [PROTOTYPE, MACROS])
def test_a_function_of_which_no_definition_can_be_read(data: bytes) -> None:
    with pytest.raises(AnchorError) as caught:
        parse("a.c", data).declaration("full", "function_definition", "the function full")
    assert caught.value.what == "full stands in a.c, and no definition of it can be read there"
    assert "line 1: bool full(const" in caught.value.why


def test_a_function_that_is_not_there_at_all() -> None:
    with pytest.raises(AnchorError, match=r"the function empty is not in a\.c"):
        parse("a.c", PROTOTYPE).declaration("empty", "function_definition", "the function empty")


FULL = "bool\nfull(const struct window *window)\n{\n    return window->size;\n}\n"


@pytest.mark.parametrize(
    ("condition", "advice"),
    [
        ("#ifdef VENDOR", "unifdef -m -DVENDOR a.c keeps the first one, -UVENDOR the other"),
        ("#ifndef VENDOR", "unifdef -m -UVENDOR a.c keeps the first one, -DVENDOR the other"),
        ("#if !defined(VENDOR) /* note */", "unifdef -m -UVENDOR a.c keeps the first one, -DVENDOR the other"),
        ("# if defined VENDOR", "unifdef -m -DVENDOR a.c keeps the first one, -UVENDOR the other"),
        ("#if VENDOR > 3 && defined(X)", "leave the branch that your build compiles, and render again"),
    ],
)
def test_a_function_that_each_branch_of_a_condition_has(condition: str, advice: str) -> None:
    """It is compiled once, and which one is not known here."""
    text = f"int first;\n{condition}\n{FULL}#else\n{FULL}#endif\n"
    with pytest.raises(AnchorError) as caught:
        parse("a.c", text.encode()).declaration("full", "function_definition", "the function full")
    assert caught.value.what.startswith("the function full is in a.c 2 times, for different conditions: lines 3 and 9")
    assert "by the #if on line 2" in caught.value.what
    assert f"line 2: {condition}" in caught.value.why
    assert "line 8: #else" in caught.value.why
    assert caught.value.advice.endswith(advice)


def test_twice_in_one_branch_is_twice() -> None:
    text = f"#ifdef A\n{FULL}{FULL}#else\n{FULL}#endif\n{FULL}"
    with pytest.raises(AnchorError) as caught:
        parse("a.c", text.encode()).declaration("full", "function_definition", "the function full")
    assert caught.value.what == "the function full is in a.c 4 times"


@pytest.mark.skipif(shutil.which("unifdef") is None, reason="unifdef is not installed")
def test_the_remedy_is_one(tmp_path: Path) -> None:
    """What is left has the function once."""
    source = tmp_path / "a.c"
    source.write_text(f"#ifdef VENDOR\n{FULL}#else\n{FULL}#endif\n")
    for one in ("-DVENDOR", "-UVENDOR"):
        done = subprocess.run(["unifdef", one, source], capture_output=True, check=False)
        assert done.returncode == 1  # which says that something was left out
        assert parse("a.c", done.stdout).declaration("full", "function_definition", "the function full")
