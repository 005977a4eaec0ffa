"""What of a patch is layout, by what a preprocessor leaves of it."""

from __future__ import annotations

import pytest

from patchkit.proving.grown_structs import is_only_grown

STOCK = b"""int a;
struct one { int x; };
struct two
{
  int y;
};
int f(void);
int g(struct one *p) { return p->x; }
"""
STRUCTS, ADDED = ["one", "two"], ["f2"]
CHANGES: dict[str, tuple[bytes, bytes, bool]] = {
    "nothing": (b"int a;", b"int a;", True),
    "a last member": (b"  int y;\n", b"  int y;\n  int z;\n", True),
    "two structs": (b"int x; };\nstruct two\n{", b"int x; long z; };\nstruct two\n{", True),
    "members with braces": (b"  int y;\n", b"  int y;\n  struct { int u; union { int v; }; } z;\n", True),
    "a prototype": (b"int f(void);", b"int f(void);\nint f2(const struct one *p, int i);", True),
    "a prototype of two lines": (b"int f(void);", b"int f(void);\n__attribute__((pure)) int\nf2 (int\n i);", True),
    "a prototype behind a pragma": (b"int f(void);", b"int f(void);\n#pragma x\nint f2(void);", False),
    "a first member": (b"  int y;\n", b"  int z;\n  int y;\n", False),
    "another type": (b"  int y;\n", b"  long y;\n", False),
    "a member less": (b"  int y;\n", b"", False),
    "a pragma inside": (b"  int y;\n", b"  int y;\n#pragma pack(1)\n  int z;\n", False),
    "a struct that ends": (b"  int y;\n", b"  int y;\n};\nstruct three\n{\n  int z;\n", False),
    "a struct that is not named": (b"int f(void);", b"struct three { int z; };\nint f(void);", False),
    "a function": (b"int f(void);", b"int f(void);\nint f2(void) { return 1; }", False),
    "another prototype": (b"int f(void);", b"int f(void);\nint f3(void);", False),
    "a variable behind the prototype": (b"int f(void);", b"int f(void);\nint f2(void); int b;", False),
    "code": (b"return p->x", b"return p->x + 1", False),
    "an attribute of the struct": (b"  int y;\n}", b"  int y;\n} __attribute__((packed))", False),
    "one that never ends": (b"  int y;\n};", b"  int y;", False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_preprocessed_text_tells_what_is_only_layout(change: str) -> None:
    old, new, only = CHANGES[change]
    assert STOCK.count(old) == 1
    after = STOCK.replace(old, new)
    assert is_only_grown(STOCK, after, STRUCTS, ADDED) == only
    assert is_only_grown(STOCK, after, [], []) == (old == new)


def test_names_that_begin_alike_are_not_taken_for_each_other() -> None:
    assert not is_only_grown(b"mystruct one { int x; };", b"mystruct one { int x; int y; };", ["one"], [])
    assert not is_only_grown(b"struct ones { int x; };", b"struct ones { int x; int y; };", ["one"], [])
    assert not is_only_grown(b"", b"int f22(void);", [], ["f2"])
    assert not is_only_grown(b"", b"int xf2(void);", [], ["f2"])


@pytest.mark.timeout(10)
@pytest.mark.parametrize("end", [b"", b"\n", b" int x"])
def test_what_a_directive_names_is_no_prototype(end: bytes) -> None:
    """Also in the last line, which ends without a line feed: there it was once looked for without end."""
    directive = b"#pragma weak f2(void);" + end
    assert is_only_grown(directive, directive, [], ["f2"])
    assert not is_only_grown(end, directive, [], ["f2"])
