"""What a compiler would see: one branch of a group that can't be read whole, and nothing that is dead."""

from __future__ import annotations

import pytest

from patchkit.patching.csource import conditionals
from patchkit.patching.csource.file import parse


def seen(text: str, number: int = 0) -> list[str]:
    read = conditionals.read(text.encode())
    view = read.view(number).decode()
    assert len(view) == len(text)
    assert [len(line) for line in view.split("\n")] == [len(line) for line in text.split("\n")]
    return [line.strip() for line in view.split("\n") if line.strip()]


BRACES = """\
int f(int a, int b)
{
#ifdef A
    if (a) {
#else
    if (b) {
#endif
        a = 1;
    }
    return a;
}
"""


def test_of_branches_that_each_open_a_brace_one_is_seen() -> None:
    first, second = seen(BRACES), seen(BRACES, 1)
    assert "if (a) {" in first
    assert "if (b) {" not in first
    assert "if (b) {" in second
    assert "if (a) {" not in second
    assert conditionals.read(BRACES.encode()).number == 2
    assert conditionals.read(BRACES.encode()).split_rows == [3]
    assert conditionals.read(BRACES.encode()).broken is None


@pytest.mark.parametrize(
    "text",
    [
        "#ifdef A\nint f(void)\n{\n    return 1;\n}\n#else\nint f(void)\n{\n    return 2;\n}\n#endif\n",
        'void f(void)\n{\n#if defined(A) && B\n    g("#else {");\n#endif\n    h();\n}\n',
        "#ifndef H\n#define H\n#define OPEN {\nint f(void);\n#endif\n",
    ],
)
def test_whole_branches_stay(text: str) -> None:
    read = conditionals.read(text.encode())
    assert (read.number, read.broken) == (1, None)
    assert read.view(0) == text.encode()


def test_a_condition_in_an_else_if_chain_without_an_else_has_two_views() -> None:
    text = "void f(int a)\n{\n    if (a)\n    {\n    }\n#ifdef B\n    else if (b)\n    {\n    }\n#endif\n}\n"
    assert "else if (b)" in seen(text)
    assert "else if (b)" not in seen(text, 1)


def test_three_branches_have_three_views() -> None:
    text = "#if A\nint f(int a)\n#elif B\nint f(int b)\n#else\nint f(int c)\n#endif\n{\n    return 0;\n}\n"
    assert conditionals.read(text.encode()).number == 3
    assert [seen(text, number)[0] for number in range(3)] == ["int f(int a)", "int f(int b)", "int f(int c)"]


def test_what_is_dead_is_not_seen() -> None:
    assert seen("#if 0\nint a;\n#else\nint b;\n#endif\n#if 1\nint c;\n#else\nint d;\n#endif\n") == ["int b;", "int c;"]
    assert conditionals.read(b"#if 0\nint a;\n#endif\nint b;\n").dead_rows() == {0, 1}


def test_nested_groups_count_as_their_first_branch() -> None:
    inner = "#ifdef B\n    if (b) {\n#endif\n"
    text = f"void f(void)\n{{\n#ifdef A\n    if (a) {{\n{inner}#else\n    if (c) {{\n#endif\n    }}\n}}\n"
    assert conditionals.read(text.encode()).number == 2


@pytest.mark.parametrize(
    ("text", "row", "why"),
    [
        ("int a;\nint f(void)\n{\n    if (a) {\n", 3, "never closed"),
        ("int a;\n}\nint b;\n", 2, "closes none"),
        ("int a;\n#ifdef A\nint b;\n", 2, "no #endif"),
        ("int a;\n\n/* no end\nint b;\n", 3, "comment"),
        ("int a;\n#endif\n", 2, "without #if"),
    ],
)
def test_from_which_line_on_a_file_is_broken(text: str, row: int, why: str) -> None:
    broken = conditionals.read(text.encode()).broken
    assert broken is not None
    assert broken[0] == row
    assert why in broken[1]


def test_strings_and_comments_hold_no_braces() -> None:
    text = 'char *a = "{ /* ";\nchar b = \'{\';\n// {\n/* { */\n#define C "/*"\nint d;\n'
    assert conditionals.read(text.encode()).broken is None


LABEL = """\
int f(int a)
{
    switch (a)
    {
    case 1:
#ifdef B
        a = 2;
#endif
    default:
#ifdef B
        a = 3;
#endif
    }
out:
#ifdef A
    a = 1;
#else
    a = 2;
#endif
    return a;
}
"""


def test_behind_a_label_one_branch_is_seen_and_behind_a_case_all() -> None:
    """The parser wants a statement behind a label, and no directive."""
    assert conditionals.read(LABEL.encode()).split_rows == [15]
    first, second = seen(LABEL), seen(LABEL, 1)
    assert [line for line in first if line not in second] == ["a = 1;"]
    assert parse("a.c", LABEL.encode(), 0).root.has_error is False
