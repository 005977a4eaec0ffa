"""New code uses nothing that the tree does not declare before it, and brings nothing that is there already."""

from __future__ import annotations

import pytest

from patchkit.errors import AnchorError
from patchkit.patching import names
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.source.tree.tree import SourceTree
from tests.support.patching.samples import tree_of

HEADER = """\
#ifndef RELIABLE_H
#define RELIABLE_H
#include "buffer.h"

struct reliable_entry
{
    bool active;
    int timeout;
    time_t next_try;
    packet_id_type packet_id;
    int opcode;
    struct buffer buf;
};

struct reliable
{
    int size;
    int initial_timeout;
    packet_id_type packet_id;
    struct reliable_entry array[8];
};

#endif
"""
BUFFER = """\
typedef unsigned packet_id_type;
struct buffer { int len; };
extern time_t now;
"""
SOURCE = """\
#include "syshead.h"
#include "reliable.h"

bool
reliable_empty(const struct reliable *rel)
{
    return !rel->size;
}

void
reliable_send_purge(struct reliable *rel)
{
    struct reliable_entry *e = &rel->array[0];
    if (e->active)
    {
        e->active = false;
    }
}

struct buffer *
reliable_send(struct reliable *rel, int *opcode)
{
    struct reliable_entry *best = &rel->array[0];
    if (best->active)
    {
        *opcode = best->opcode;
        return &best->buf;
    }
    return NULL;
}

void
reliable_mark_active_outgoing(struct reliable *rel, int opcode)
{
    struct reliable_entry *e = &rel->array[0];
    if (!e->active)
    {
        e->timeout = rel->initial_timeout;
    }
}
"""
FILES = {
    "src/openvpn/reliable.c": SOURCE,
    "src/openvpn/reliable.h": HEADER,
    "src/openvpn/buffer.h": BUFFER,
    "src/openvpn/syshead.h": "#include <time.h>\n",
}
"""A source of our own that ``early`` fits."""


def made(**changed: tuple[str, str]) -> SourceTree:
    """The tree with one text replaced in some files, given by the name without the ending."""
    files = dict(FILES)
    for name, (old, new) in changed.items():
        path = "src/openvpn/reliable.c" if name == "source" else f"src/openvpn/{name}.h"
        assert old in files[path]
        files[path] = files[path].replace(old, new)
    return tree_of({path: text.encode() for path, text in files.items()})


def test_the_tree_as_it_is_fits() -> None:
    assert len(render(combination("early"), made(), "sample").files) == 2


@pytest.mark.parametrize(
    ("changed", "what", "where"),
    [
        ({"buffer": ("extern time_t now;\n", "")}, "now, which early uses, is not declared", "next_try = now"),
        ({"buffer": ("time_t now;", "time_t now(void);")}, "now is a function in this tree", "buffer.h, line 3"),
        ({"reliable": ("time_t next_try;", "time_t due;")}, "next_try, which early uses, is not a member", "next_try"),
        ({"buffer": ("struct buffer", "#define slot 3\nstruct buffer")}, "slot, which early brings", "macro slot"),
        ({"buffer": ("struct buffer", "#define turn 3\nstruct buffer")}, "turn, which early brings", "macro turn"),
        ({"source": ('#include "reliable.h"\n', "")}, "reliable, which early uses, is not declared", "reliable.c"),
    ],
)
def test_a_name_that_is_missing_of_another_kind_or_taken(
    changed: dict[str, tuple[str, str]], what: str, where: str
) -> None:
    with pytest.raises(AnchorError) as caught:
        render(combination("early"), made(**changed), "sample")
    assert what in caught.value.what
    assert where in caught.value.why
    assert ", line " in caught.value.why


@pytest.mark.parametrize(
    "changed",
    [
        {"reliable": ("int size;", "int size;\n    int turns;")},
        {"source": ("bool\nreliable_empty", "static int sent;\nbool\nreliable_empty")},
        {"source": ("return &best->buf;", "int turn = 1;\n        return turn ? &best->buf : NULL;")},
    ],
)
def test_names_that_are_alike_or_elsewhere_are_no_matter(changed: dict[str, tuple[str, str]]) -> None:
    assert render(combination("early"), made(**changed), "sample").files


def test_a_declaration_behind_the_use_comes_too_late() -> None:
    late = made(
        buffer=("extern time_t now;\n", ""),
        source=("struct buffer *\nreliable_send", "time_t now;\nstruct buffer *\nreliable_send"),
    )
    with pytest.raises(AnchorError) as caught:
        render(combination("early"), late, "sample")
    assert "now, which early uses, is not declared before that" in caught.value.what
    assert "declared too late" in caught.value.why


@pytest.mark.parametrize(
    "changed", [{"buffer": ("extern time_t now;\n", "")}, {"source": ("\nreliable_send(", "\nodd(")}]
)
def test_a_state_between_two_releases_is_called_so(changed: dict[str, tuple[str, str]]) -> None:
    files = {path: made(**changed).read(path) for path in FILES}
    versions = {"2.5_git": ("5", "_git"), "2.5.3": ("5", ".3")}
    for own, (minor, patch) in versions.items():
        parts = {"MAJOR": "2", "MINOR": minor, "PATCH": patch}
        text = "".join(f"define([PRODUCT_VERSION_{part}], [{value}])\n" for part, value in parts.items())
        with pytest.raises(AnchorError) as caught:
            render(combination("early"), tree_of({**files, "version.m4": text.encode()}), "sample")
        assert (f"the source calls itself {own}: between two releases" in caught.value.why) == own.endswith("_git")


def test_a_declaration_in_the_file_itself_counts() -> None:
    own = made(
        buffer=("extern time_t now;\n", ""), source=("bool\nreliable_empty", "static time_t now;\nbool\nreliable_empty")
    )
    assert render(combination("early"), own, "sample").files


@pytest.mark.parametrize("text", ["#define RETRY\n", "int RETRY;\n"])
def test_the_macro_of_the_guard_is_free_or_there_is_no_guarded_form(text: str) -> None:
    taken = made(buffer=("struct buffer", text + "struct buffer"))
    assert render(combination("early"), taken, "sample").files
    with pytest.raises(AnchorError, match="RETRY"):
        render(combination("early"), taken, "sample", guard=True)


NAMELESS = "struct outer { union { int of_some; } inner; };\nextern struct { int of_another; } single;\n"


def test_what_has_no_name_says_nothing_of_another_type_that_is_not_known() -> None:
    """Forks of 2.1 have such a union, and 2.1 itself has macros for variables."""
    head, own, tail = SOURCE.rpartition("    struct reliable_entry *e = &rel->array[0];\n")
    assert own
    loop = "#define taken (&rel->array[0])\n" + head + tail.replace("e->", "taken->")
    tree = made(source=(SOURCE, loop), buffer=("struct buffer", NAMELESS + "struct buffer"))
    assert render(combination("early"), tree, "sample").files


def test_a_function_with_another_number_of_arguments() -> None:
    files = {
        "reliable.c": b'#include "own.h"\nstruct buffer *\nreliable_get_buf_output_sequenced(struct reliable *rel)\n{\n'
        b'    if (rel)\n    {\n        dmsg(1, "ACK output sequence broken");\n    }\n    return 0;\n}\n',
        "own.h": b"void reliable_schedule_now(struct reliable *rel, int later);\n",
    }
    with pytest.raises(AnchorError) as caught:
        render(combination("retransmit"), tree_of(files), "sample")
    assert "reliable_schedule_now takes 2 arguments in this tree, and retransmit calls it with 1" in caught.value.what
    assert "own.h, line 1" in caught.value.why
    files["own.h"] = b"#define reliable_schedule_now(rel) later(rel)\n"
    assert render(combination("retransmit"), tree_of(files), "sample").files


def test_the_headers_that_are_read_are_those_that_are_included() -> None:
    assert names.files_of(made(), ["src/openvpn/reliable.c"]) == [
        "src/openvpn/buffer.h", "src/openvpn/reliable.h", "src/openvpn/syshead.h",
    ]  # fmt: skip


def test_a_parameter_is_known_within_a_loop_whose_head_is_a_macro() -> None:
    """``EACH(rel) { … }`` looks like the definition of a function within the function."""
    head = '#include "syshead.h"\n#define EACH(r) for (int each = 0; each < (r)->size; ++each)\n'
    loop = "    struct reliable_entry *best = &rel->array[0];\n    EACH(rel)\n    {\n        if (best->active)\n"
    source = SOURCE.replace('#include "syshead.h"\n', head).replace(
        "    struct reliable_entry *best = &rel->array[0];\n    if (best->active)\n    {\n", f"{loop}        {{\n"
    )
    source = source.replace("return &best->buf;\n    }\n", "return &best->buf;\n        }\n    }\n")
    assert "EACH(rel)" in source
    assert render(combination("early"), made(source=(SOURCE, source)), "sample").files
