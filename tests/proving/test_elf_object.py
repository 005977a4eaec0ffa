"""What is found to differ between objects that a real compiler made of small sources of our own."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.jobs.prove.compare_objects import APART
from patchkit.proving.compare import Difference, differences, visible_differences
from patchkit.proving.elf_object import Object, read

pytestmark = pytest.mark.slow  # a compiler runs in nearly all of them

OPTIMISED = ("-O2", "-fstack-protector-strong", "-ffunction-sections", "-fdata-sections")
SMALL = (*APART, "-m32")
HERE = "sample.c"
every_way = pytest.mark.parametrize(
    "flags",
    [APART, pytest.param(OPTIMISED, marks=pytest.mark.slow), pytest.param(SMALL, marks=pytest.mark.slow)],
    ids=["apart", "optimised", "32-bit"],
)


@cache
def _small_is_there() -> bool:
    done = subprocess.run(
        ["gcc", "-m32", "-c", "-xc", "-", "-o", "/dev/null"], input=b"", capture_output=True,
        check=False,
    )  # fmt: skip
    return done.returncode == 0


@cache
def compiled(source: str, flags: Sequence[str] = APART) -> bytes:
    if "-m32" in flags and not _small_is_there():
        pytest.skip("this gcc does not compile for 32 bits")
    with TemporaryDirectory() as folder:
        Path(folder, HERE).write_text(source)
        subprocess.run(["gcc", *flags, "-w", "-c", HERE], cwd=folder, check=True)
        return Path(folder, "sample.o").read_bytes()


def objects(before: str, after: str, flags: Sequence[str] = APART) -> tuple[Object, Object]:
    return read(compiled(before, flags)), read(compiled(after, flags))


def differing(before: str, after: str, flags: Sequence[str] = APART) -> list[str]:
    """The names of what differs, and with ``!`` those of symbols that differ for other files."""
    first, other = objects(before, after, flags)
    return [
        *(difference.name for difference in differences(HERE, first, other)),
        *(f"!{name}" for name in visible_differences(first, other, ["f", "g"])),
    ]


SAMPLE = """
extern int printf(const char *, ...);
struct pair { int first; long second; };
static const int primes[] = { 2, 3, 5, 7 };
static const char *const names[] = { "one", "two", "three" };
int counter = 3;
static __thread int mine = 1;
__attribute__((noinline)) static int helper(int x) { static int calls; return x + ++calls; }
int (*const table[])(int) = { helper, 0 };
double scale(double x) { return x * 1.5 + 2.25; }
int choose(int x) {
    switch (x) { case 1: return 5; case 2: return helper(7); case 3: return 9; case 4: return 11; case 5: return 88; }
    return printf("nothing for %d\\n", x);
}
int sum(struct pair *p) { static int calls = 7; return p->first + p->second + primes[p->first & 3] + calls++; }
const char *name(int x) { mine++; return x ? names[x % 3] : "none"; }
int main(int argc, char **argv) { return table[0](counter) + sum((void *)argv) + choose(mine); }
"""


@every_way
def test_the_same_source_twice(flags: Sequence[str]) -> None:
    form = read(compiled(SAMPLE, flags))
    assert form == read(compiled("\n" + SAMPLE, flags))
    assert set(form.owners.values()) - {"__x86"} == {"helper", "scale", "choose", "sum", "name", "main"}
    assert differing(SAMPLE, "/* moved */ ;\n" + SAMPLE, flags) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("x * 1.5", "x * 2.5", ["scale"]),
        ("x * 1.5", "x / 1.5", ["scale"]),
        ('"none"', '"nonf"', ["name"]),
        ('"none"', '"a longer one"', ["name"]),
        ("nothing for", "nothing at all for", ["choose"]),
        ("return 9", "return 10", ["choose"]),
        ("case 3:", "case 6:", ["choose"]),
        ("2, 3, 5, 7", "2, 3, 5, 9", [".rodata.primes"]),
        ("2, 3, 5, 7", "2, 3, 5, 7, 11", [".rodata.primes"]),
        ('"two"', '"twp"', [".data.rel.ro.local.names"]),
        ('"three"', '"threee"', [".data.rel.ro.local.names"]),
        ('"one", "two"', '"two", "one"', [".data.rel.ro.local.names"]),
        ("counter = 3", "counter = 4", [".data.counter"]),
        ("mine = 1", "mine = 2", [".tdata.mine"]),
        ("calls = 7", "calls = 8", ["sum"]),
        ("{ helper, 0 }", "{ 0, helper }", [".data.rel.ro.local.table", "main"]),
        ("int first; long second", "long second; int first", ["sum"]),
        ("x + ++calls", "x - ++calls", ["helper"]),
        ("p->second + primes", "p->second - primes", ["sum"]),
    ],
)
def test_one_change_is_found_and_nothing_else(old: str, new: str, expected: list[str]) -> None:
    assert SAMPLE.count(old) == 1
    changed = differing(SAMPLE, SAMPLE.replace(old, new))
    assert [name for name in changed if not name.startswith("!")] == expected
    assert differing(SAMPLE.replace(old, new), SAMPLE) == changed


def f(code: str, before: str = "", name: str = "f") -> str:
    """A source with one function."""
    return f"{before}\nint {name}(int i) {{ {code} }}\n"


A_THEN_B = (
    "int a(int i) { static int t[] = { 1, 2 }; return t[i]++; }",
    "int b(int i) { static int t[] = { 3, 4 }; return t[i]++; }",
)


def swapped(code: str) -> str:
    return code.replace("1, 2", "x").replace("3, 4", "1, 2").replace("x", "3, 4")


MISSABLE: dict[str, tuple[str, str, list[str]]] = {
    # strings: in tables, wide, joined at their ends, read from their middle, with a NUL
    "a string in a table, in place": (
        'const char *t[] = { "aaa", "bbb" };', 'const char *t[] = { "aaa", "bXb" };', [".data.rel.local.t"],
    ),
    "a string in a table of a function": (
        f('static const char *const t[] = { "aaa", "bbb" }; return t[i][0];'),
        f('static const char *const t[] = { "aaa", "bbX" }; return t[i][0];'),
        ["f"],
    ),
    "a string in a table of structs": (
        'struct { int n; const char *s; } t[] = { { 1, "aaa" }, { 2, "bbb" } };',
        'struct { int n; const char *s; } t[] = { { 1, "aaa" }, { 2, "bbc" } };',
        [".data.rel.local.t"],
    ),
    "only the table with the longer string": (
        'const char *t[] = { "aaa", "bbb" }; const char *u[] = { "ccc", "ddd" };',
        'const char *t[] = { "aaa more", "bbb" }; const char *u[] = { "ccc", "ddd" };',
        [".data.rel.local.t"],
    ),
    "a wide string": (
        "const void *f(void) { return L\"ab\"; }", "const void *f(void) { return L\"ac\"; }", ["f"],
    ),
    "another string with the same beginning": (
        'const char *f(void) { return "foo"; }', 'const char *f(void) { return "foobar"; }', ["f"],
    ),
    "the end of a string of another function": (
        'const char *f(void) { return "foobar"; } const char *g(void) { return "bar"; }',
        'const char *f(void) { return "foobar"; } const char *g(void) { return "oobar"; }',
        ["g"],
    ),
    "a string from its middle": (
        'const char *f(void) { return "abcdef" + 1; }', 'const char *f(void) { return "abcdXf" + 1; }', ["f"],
    ),
    "another place in a string": (
        'const char *f(void) { return "abcdef" + 1; }', 'const char *f(void) { return "abcdef" + 2; }', ["f"],
    ),
    "a string with a NUL": (
        'const char *f(void) { return "a\\0b"; }', 'const char *f(void) { return "a\\0c"; }', [".rodata"],
    ),
    "only the function with the longer string": (
        'const char *f(void) { return "first"; } const char *g(void) { return "second"; }',
        'const char *f(void) { return "first and more"; } const char *g(void) { return "second"; }',
        ["f"],
    ),
    "two strings that change places": (
        'const char *f(void) { return "one"; } const char *g(void) { return "two"; }',
        'const char *f(void) { return "two"; } const char *g(void) { return "one"; }',
        ["f", "g"],
    ),
    # variables inside of functions: of one name, with numbers for names
    "two of one name swapped, and their functions too": (
        "\n".join(A_THEN_B), "\n".join((swapped(A_THEN_B[1]), swapped(A_THEN_B[0]))),
        ["a", "b"],
    ),
    "two of one name swapped": (
        "\n".join(A_THEN_B), swapped("\n".join(A_THEN_B)),
        ["a", "b"],
    ),
    "functions with variables of one name in another order": (
        "\n".join(A_THEN_B), "\n".join(reversed(A_THEN_B)), [],
    ),
    "a new one in another function": (
        "int f(int i) { return i; }" + A_THEN_B[1], "int f(int i) { static int t[9]; return t[i]++; }" + A_THEN_B[1],
        ["f"],
    ),
    "a variable inside for one of the same name outside": (
        f("int r = n++; { static int n = 1; r += 2 * n++; } return r;", "int n = 1;"),
        f("int r; { static int n = 1; r = n++; } return r + 2 * n++;", "int n = 1;"),
        ["f"],
    ),
    "a variable that is called like a function": (
        "int f(void) { return 1; }" + f("static int f[] = { 1, 2, 3 }; return f[i]++;", name="other"),
        "int f(void) { return 1; }" + f("static int f[] = { 1, 2, 4 }; return f[i]++;", name="other"),
        ["other"],
    ),
    # what symbols and sections say beside their content
    "a weak function": ("int h(void) { return 1; }", "__attribute__((weak)) int h(void) { return 1; }", ["!h"]),
    "a weak function elsewhere": (
        "int h(void); int f(void) { return h(); }",
        "__attribute__((weak)) int h(void); int f(void) { return h(); }",
        ["f"],
    ),
    "a hidden function": (
        "int h(void) { return 1; }", "__attribute__((visibility(\"hidden\"))) int h(void) { return 1; }", ["!h"],
    ),
    "a function that no other file sees any more": (
        "__attribute__((used)) int h(void) { return 1; }", "__attribute__((used)) static int h(void) { return 1; }",
        ["!h"],
    ),
    "another name for another function": (
        'int a(void) { return 1; } int b(void) { return 2; } int h(void) __attribute__((alias("a")));',
        'int a(void) { return 1; } int b(void) { return 2; } int h(void) __attribute__((alias("b")));',
        ["!h"],
    ),
    "an alignment": ("int x = 1;", "_Alignas(64) int x = 1;", [".data.x"]),
    "a constant": ("int x = 1;", "const int x = 1;", [".data.x", ".rodata.x", "!x"]),
    "a variable without content": ("int x[3];", "int x[4];", [".bss.x", "!x"]),
    "a variable that other files share": (
        "__attribute__((common)) int x;", "__attribute__((common)) int x[2];", ["!x"],
    ),
    "a variable of each thread": (
        f("return x++;", "static __thread int x;"), f("return x++;", "static int x;"), [".bss.x", ".tbss.x", "f"],
    ),
    "a section with a number": (
        '__attribute__((section(".mine.1"))) int x = 1;', '__attribute__((section(".mine.2"))) int x = 1;',
        [".mine.1", ".mine.2", "!x"],
    ),
    "a section that is called a note": (
        '__attribute__((section(".note.mine"))) const int x = 1;',
        '__attribute__((section(".note.mine"))) const int x = 2;',
        [".note.mine"],
    ),
    "when a constructor runs": (
        "int n; __attribute__((constructor(101))) void f(void) { n++; }",
        "int n; __attribute__((constructor(102))) void f(void) { n++; }",
        [".init_array.00101", ".init_array.00102"],
    ),
    # what is referred to
    "another function": (
        f("return p(i);", "int p(int), q(int);"), f("return q(i);", "int p(int), q(int);"), ["f"],
    ),
    "functions in a table": (
        "static int p(void) { return 1; } static int q(void) { return 2; } int (*const t[])(void) = { p, q };",
        "static int p(void) { return 1; } static int q(void) { return 2; } int (*const t[])(void) = { q, p };",
        [".data.rel.ro.local.t"],
    ),
    "another variable": (
        f("return x++;", "static int x, y; int g(void) { return x++ + y++; }"),
        f("return y++;", "static int x, y; int g(void) { return x++ + y++; }"),
        ["f"],
    ),
    "another place in a variable": (
        f("return x[1]++;", "static int x[3];"), f("return x[2]++;", "static int x[3];"), ["f"],
    ),
    "functions in another order": (
        "static int l(int x) { return x * 3; }" + f("return l(i) + 1;") + f("return l(i) + 2;", name="g"),
        "static int l(int x) { return x * 3; }" + f("return l(i) + 2;", name="g") + f("return l(i) + 1;"),
        [],
    ),
    "a macro that a function behind uses": (
        "#define N 1\n" + f("return i;") + "#undef N\n#define N 2\n" + f("return N;", name="g"),
        "#define N 1\n" + f("return i;") + "#undef N\n#define N 3\n" + f("return N;", name="g"),
        ["g"],
    ),
    "a function and what is split off it": (
        f("if (__builtin_expect(i, 0)) { p(); p(); p(); } return i;", "__attribute__((cold)) void p(void);"),
        f("if (__builtin_expect(i, 0)) { p(); q(); p(); } return i;", "__attribute__((cold)) void p(void), q(void);"),
        ["f"],
    ),
    "assembly between functions": ('__asm__("nop");', '__asm__("nop; nop");', []),
}  # fmt: skip


@every_way
@pytest.mark.parametrize("case", MISSABLE)
def test_what_a_weaker_comparison_would_miss(case: str, flags: Sequence[str]) -> None:
    before, after, expected = MISSABLE[case]
    if case == "assembly between functions":
        expected = [".text"]
    assert differing(before, after, flags) == expected


def test_kinds_and_sizes() -> None:
    before, after = objects("int a(void) { return 1; } int x[2];", "int b(void) { return 1; } int x[3];")
    size = before.pieces[".text.a"].size
    assert differences(HERE, before, after) == [
        Difference(HERE, ".bss.x", "changed", 8, 12),
        Difference(HERE, "a", "removed", size, 0),
        Difference(HERE, "b", "added", 0, size),
    ]
    assert visible_differences(before, after, []) == ["a", "b", "x"]


def test_the_size_of_a_function_that_may_change_may_change() -> None:
    before, after = objects("int a(void) { return 1; }", "int a(void) { return 1 / 3; } ")
    longer = read(compiled("int p(void); int a(void) { return p() + p(); }"))
    assert visible_differences(before, after, ["a"]) == visible_differences(before, longer, ["a"]) == []
    assert visible_differences(before, longer, []) == ["a"]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("int n(void) { return 2; }", []),
        ("static int n(void) { return 2; } int (*a2(void))(void) { return n; }", ["a2"]),
        ("__attribute__((weak)) int n(void) { return 2; }", ["n"]),
        ('__attribute__((visibility("hidden"))) int n(void) { return 2; }', ["n"]),
        ('__attribute__((section(".mine"))) int n(void) { return 2; }', ["n"]),
        ('int n(void) __attribute__((alias("a")));', ["n"]),
        ("int n;", ["n"]),
        ("int n(void) { return 2; } int more;", ["more"]),
    ],
)
def test_a_new_symbol_is_an_ordinary_function_of_that_name(new: str, expected: list[str]) -> None:
    before, after = objects("int a(void) { return 1; }", f"int a(void) {{ return 1; }} {new}")
    assert visible_differences(before, after, ["n"], ["n"]) == expected
    assert visible_differences(after, after, ["n"], ["n"]) == []


def test_a_function_that_was_there_is_not_new() -> None:
    before, after = objects(
        "static int n(void) { return 1; } int (*p)(void) = n;", "int n(void) { return 1; } int (*p)(void) = n;"
    )
    assert visible_differences(before, after, [], ["n"]) == []  # nobody else saw it: what differs is its text's piece
    before, after = objects("__attribute__((weak)) int n(void) { return 1; }", "int n(void) { return 1; }")
    assert visible_differences(before, after, [], ["n"]) == ["n"]


def test_a_jump_table_and_static_variables_belong_to_their_function() -> None:
    form = read(compiled(SAMPLE))
    owned = {name: owner for name, owner in form.owners.items() if not name.startswith(".text.")}
    assert owned == {
        ".rodata.choose": "choose",
        ".data.calls of .text.sum": "sum",
        ".bss.calls of .text.helper": "helper",
    }


def test_an_empty_source_holds_nothing() -> None:
    empty = read(compiled(""))
    assert (empty.pieces, empty.owners, empty.symbols) == ({}, {}, frozenset())


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"int x;\n", b"BC\xc0\xde" * 20, b"!<arch>\n" + b" " * 60])
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(ValueError, match="ELF"):
        read(data)


def test_a_program_is_no_object(tmp_path: Path) -> None:
    subprocess.run(["gcc", "-xc", "-", "-o", tmp_path / "program"], input=b"int main(void) { return 0; }", check=True)
    with pytest.raises(ValueError, match="not an ELF object"):
        read((tmp_path / "program").read_bytes())


def test_no_truncated_object_is_read() -> None:
    whole = compiled(SAMPLE)
    for length in range(0, len(whole), 97):
        with pytest.raises(ValueError, match="ELF"):
            read(whole[:length])


def test_a_section_that_ends_behind_the_file_is_not_read_short() -> None:
    whole = compiled(SAMPLE)
    (headers,), (count,) = struct.unpack_from("<Q", whole, 0x28), struct.unpack_from("<H", whole, 0x3C)
    for at in range(headers + 64, headers + 64 * count, 64):
        (kind,) = struct.unpack_from("<I", whole, at + 4)
        if kind == 8:  # .bss has nothing in the file
            continue
        broken = bytearray(whole)
        struct.pack_into("<Q", broken, at + 0x20, len(whole))  # sh_size
        with pytest.raises(ValueError, match="ELF"):
            read(bytes(broken))


@settings(max_examples=60, deadline=5000)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)
)
def test_a_broken_object_is_read_or_refused(damage: list[tuple[float, bytes]]) -> None:
    """Any bytes, anywhere, most of all in the headers: never another exception, never without end."""
    whole = bytearray(compiled(SAMPLE))
    (headers,) = struct.unpack_from("<Q", whole, 0x28)
    for number, (share, data) in enumerate(damage):
        at = int(share * 64) if number % 2 else headers + int(share * (len(whole) - headers - 8))
        whole[at : at + len(data)] = data
    try:
        read(bytes(whole[: len(compiled(SAMPLE))]))
    except ValueError as error:
        assert "ELF" in str(error)  # noqa: PT017
