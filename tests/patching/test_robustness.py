"""Altered sources: the right edit in the right function, or a refusal that names the anchor, and nothing else.

What is right is decided by an oracle that shares nothing with patchkit: a lexer, braces counted, and the variants
said once more, as what they do to a list of tokens. Where it finds no single right place, patchkit must refuse.
"""

from __future__ import annotations

import inspect
import os
import re
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from patchkit.cache import Cache
from patchkit.cli.apply import apply
from patchkit.errors import AlreadyPatchedError, AnchorError, PatchkitError
from patchkit.patching.combination import combination
from patchkit.patching.csource import file as csource
from patchkit.patching.render import render
from tests.conftest import PINNED, Run, upstream
from tests.support.patching.alterations import (
    BREAKING,
    FORMATTERS,
    KEEPING,
    LONG_COMMENTS,
    MESSAGE,
    NAME,
    Alteration,
    lexed,
    program,
    reformatted,
)
from tests.support.patching.samples import DECLARATIONS, GNU, GNU_H, SHAPES, tree_of

Files = Mapping[str, bytes]
"""Sources by name: reliable.c, reliable.h, ssl.c."""
Tokens = list[str]

VARIANTS = {"retransmit": ["reliable.c"], "retransmit-flag": ["reliable.c", "reliable.h", "ssl.c"]}
READERS = ("key_state_read_ciphertext", "write_outgoing_tls_ciphertext")
CALLERS = {"tls_process", "tls_process_state", "check_outgoing_ciphertext", "session_move_pre_start", READERS[1]}


# The oracle


class DoubtError(Exception):
    """There is not one right place for the change."""


def meaning(source: bytes, *, retry: bool | None = None) -> Tokens:
    """The tokens, literals joined, without comments and spacing; with ``retry``, as the macro RETRY leaves them."""
    out: Tokens = []
    keep = [True]
    others: list[int] = []
    for token in lexed(source.decode("latin-1")):
        text = token.text
        if token.kind == "directive":
            text = directive(text)
            if retry is not None and _guards(text, keep, others, retry=retry):
                continue
        if not all(keep) or token.kind in ("comment", "space"):
            continue
        if token.kind == "string":
            text = re.sub(r"\\\r?\n", "", text)
            if out and out[-1][0] == '"':
                text = out.pop()[:-1] + text[1:]
        out.append(text)
    if len(keep) > 1:
        raise DoubtError("a guard that nothing ends")
    return out


def directive(text: str) -> str:
    """A preprocessor's line with its comments gone and one blank for many."""
    bare = re.sub(r"/\*.*?\*/|//.*|\\\r?\n", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare).strip().replace("# ", "#")


def _guards(text: str, keep: list[bool], others: list[int], *, retry: bool) -> bool:
    """Follow the conditions; whether this line is one of our guards'. ``others`` counts those in each guard."""
    if text == "#ifdef RETRY":
        keep.append(retry)
        others.append(0)
    elif others and text.startswith("#if"):
        others[-1] += 1
        return False
    elif others and others[-1]:
        others[-1] -= text == "#endif"
        return False
    elif others and text == "#else":
        keep[-1] = not keep[-1]
    elif others and text == "#endif":
        keep.pop()
        others.pop()
    else:
        return False
    return True


def closing(tokens: Sequence[str], at: int) -> int:
    """The bracket that closes the one at ``at``."""
    pair = tokens[at] + {"(": ")", "{": "}"}[tokens[at]]
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place] == pair[0]) - (tokens[place] == pair[1])
        if depth == 0:
            return place
    raise DoubtError(f"a {pair[0]} that nothing closes")


def one(found: Sequence[int], what: str) -> int:
    if len(found) != 1:
        raise DoubtError(f"{len(found)} times {what}")
    return found[0]


def words_before_brackets(tokens: Sequence[str], name: str) -> list[int]:
    return [at for at in range(len(tokens) - 1) if tokens[at] == name and tokens[at + 1] == "("]


def definition(tokens: Sequence[str], name: str) -> tuple[int, int, int, int]:
    """Where the brackets and the braces of the one definition of a function stand."""
    places = []
    for at in words_before_brackets(tokens, name):
        end = closing(tokens, at + 1)
        if tokens[end + 1 : end + 2] == ["{"]:
            places.append(at)
    first = one(places, f"the definition of {name}") + 1
    end = closing(tokens, first)
    return first, end, end + 1, closing(tokens, end + 1)


def begins(tokens: Sequence[str], at: int) -> bool:
    """Whether a statement among others begins here: not the only one in a branch without braces."""
    before = next((text for text in reversed(tokens[:at]) if text[0] != "#"), "")
    return before in ("{", "}", ";")


def stalled(tokens: Sequence[str], name: str = NAME) -> tuple[int, int, str]:
    """The literal that is logged when the window is full, the end of its statement, the parameter's name."""
    first, end, brace, last = definition(tokens, name)
    literal = one([at for at in range(brace, last) if tokens[at][0] == '"' and MESSAGE in tokens[at]], MESSAGE)
    start = literal
    while (
        tokens[start - 1] not in ("{", "}", ";", ")", ":") and tokens[start - 1][0] != "#" and tokens[start] != "else"
    ):
        start -= 1
    if not begins(tokens, start):
        raise DoubtError("the statement has no braces round it")
    given = tokens[first + 1 : end]
    typed = [at for at in range(len(given) - 2) if given[at : at + 3] == ["struct", "reliable", "*"]]
    parameter = given[one(typed, "struct reliable *") + 3 : end]
    return literal, tokens.index(";", literal), parameter[0] if parameter else ""


def expected(variant: str, file: str, tokens: Tokens) -> Tokens:
    """What the variant makes of a file's tokens; DoubtError where that is not clear."""
    change = {"reliable.c": _flag_given, "reliable.h": _flag_declared, "ssl.c": _flag_used}
    edits = _due_now(tokens) if variant == "retransmit" else change[file](tokens)
    out, at = [], 0
    for place, new in sorted(edits, key=lambda edit: edit[0]):
        out += [*tokens[at:place], *meaning(new.encode("latin-1"))]
        at = place
    return out + tokens[at:]


def _due_now(tokens: Tokens) -> list[tuple[int, str]]:
    literal, end, rel = stalled(tokens)
    tokens[literal] = tokens[literal][:-1] + ', retransmit immediately"'
    return [(end + 1, f"reliable_schedule_now({rel});")]


FLAG = ", bool *resend_lowest"
OLDEST = """
    if (resend_lowest) {
        packet_id_type resend_age = 0;
        int resend_n;
        for (resend_n = 0; resend_n < REL->size; ++resend_n) {
            struct reliable_entry *resend_entry = &REL->array[resend_n];
            packet_id_type resend_age_here = REL->packet_id - resend_entry->packet_id;
            if (resend_entry->active && resend_age_here > resend_age) {
                resend_age = resend_age_here;
                RESULT = &resend_entry->buf;
                *resend_lowest = true;
            }
        }
    }
"""


def _flag_given(tokens: Tokens) -> list[tuple[int, str]]:
    _, end, brace, last = definition(tokens, NAME)
    _, after, rel = stalled(tokens)
    returned = one([at for at in range(brace, last) if tokens[at] == "return"], "return")
    if tokens[returned + 2] != ";":
        raise DoubtError("what is returned is no variable")
    return [(end, FLAG), (after + 1, OLDEST.replace("REL", rel).replace("RESULT", tokens[returned + 1]))]


def _flag_declared(tokens: Tokens) -> list[tuple[int, str]]:
    return [(closing(tokens, one(words_before_brackets(tokens, NAME), f"the declaration of {NAME}") + 1), FLAG)]


def _flag_used(tokens: Tokens) -> list[tuple[int, str]]:
    calls = words_before_brackets(tokens, NAME)
    reads = [at for at in calls if _decides(tokens, at)]
    target = one(reads, "a call that decides about reading")
    edits = []
    for at in calls:
        end = closing(tokens, at + 1)
        if tokens[at - 1] != "=" or tokens[end + 1 : end + 2] != [";"] or not _enclosing(tokens, at) & CALLERS:
            raise DoubtError("a call that is no assignment, or stands elsewhere")
        start = at
        while tokens[start - 1] not in ("{", "}", ";", ")", "else", ":") and tokens[start - 1][0] != "#":
            start -= 1
        if not begins(tokens, start):
            raise DoubtError("a call without braces round it")
        edits.append((end, ", NULL" if at != target else ", &resend_lowest"))
        if at == target:
            result = tokens[at - 2]
            reliable = "".join(takewhile(lambda text: text != ",", tokens[at + 2 : end]))
            marked = f"reliable_mark_active_outgoing({reliable}, {result}, P_CONTROL_V1);"
            edits.append((start, "bool resend_lowest = false;"))
            edits.append((end + 2, f"if ({result} && resend_lowest) {{ {marked} }} else"))
    return edits


def _decides(tokens: Sequence[str], call: int) -> bool:
    """Whether ``x = call(); if (x) …`` reads new ciphertext."""
    branch = closing(tokens, call + 1) + 6
    if tokens[branch - 5 : branch] != [";", "if", "(", tokens[call - 2], ")"]:
        return False
    last = closing(tokens, branch) if tokens[branch] == "{" else tokens.index(";", branch)
    return any(tokens[at] in READERS and tokens[at + 1] == "(" for at in range(branch, last))


def _enclosing(tokens: Sequence[str], at: int) -> set[str]:
    """The names before the brackets before the braces that hold a token."""
    names = set()
    for brace in (place for place in range(at) if tokens[place] == "{" and tokens[place - 1] == ")"):
        depth, opened = 0, brace - 1
        while opened > 0:
            depth += (tokens[opened] == ")") - (tokens[opened] == "(")
            if depth == 0:
                break
            opened -= 1
        if tokens[opened - 1] in CALLERS and closing(tokens, brace) > at:
            names.add(tokens[opened - 1])
    return names


def comments(source: bytes) -> list[str]:
    return [" ".join(token.text.split()) for token in lexed(source.decode("latin-1")) if token.kind == "comment"]


def without_guard(source: bytes, *, on: bool) -> bytes:
    """The lines that a guard shows, to the byte."""
    lines = rb"((?:(?!#)[^\n]*\n)*)"
    guard = rb"^#ifdef RETRY\r?\n" + lines + rb"(?:#else\r?\n" + lines + rb")?#endif\r?\n"
    return re.sub(guard, lambda match: match[1 if on else 2] or b"", source, flags=re.MULTILINE)


def rendered(variant: str, files: Files, *, guard: bool) -> Files | PatchkitError:
    """The post-images by name, or the refusal, which must be one that names an anchor."""
    tree = tree_of({f"src/openvpn/{name}": data for name, data in files.items()})
    try:
        after = render(combination(variant), tree, "altered", guard=guard, check_names=False).files
    except PatchkitError as error:
        refused = error
    else:
        return {path.rpartition("/")[2]: data for path, data in after.items()}
    assert isinstance(refused, AnchorError | AlreadyPatchedError), repr(refused)
    assert any(anchor in f"{refused.what} {refused.why}" for anchor in (NAME, MESSAGE, *CALLERS)), repr(refused)
    return refused


def refusal(variant: str, files: Files) -> PatchkitError | None:
    """Render both forms; None when both are right, the refusal when there was one; anything else is a failure."""
    plain, guarded = (rendered(variant, files, guard=guard) for guard in (False, True))
    if isinstance(plain, PatchkitError):
        assert isinstance(guarded, PatchkitError)
        return plain
    assert list(plain) == VARIANTS[variant]
    for name, after in plain.items():
        before = files[name]
        assert meaning(after) == expected(variant, name, meaning(before)), name
        assert comments(after) == comments(before), name
    if isinstance(guarded, PatchkitError):
        return guarded
    for name, both in guarded.items():
        before, after = files[name], plain[name]
        assert without_guard(both, on=False) == before, name
        assert without_guard(both, on=True) == after, name
        assert meaning(both, retry=False) == meaning(before), name
        assert meaning(both, retry=True) == meaning(after), name
    return None


def shape(name: str) -> dict[str, bytes]:
    return {file: text.encode() for file, text in SHAPES[name].items()}


# Alterations, one after the other

Step = tuple[Alteration, int, bool, int, int]
"""What is altered: how, in which of the files, whether near an anchor, where, and in which form."""


def steps(kinds: Sequence[Alteration], most: int) -> st.SearchStrategy[list[Step]]:
    one_step = st.tuples(
        st.sampled_from(kinds), st.integers(0, 2), st.booleans(), st.integers(0, 2**20), st.integers(0, 32)
    )
    return st.lists(one_step, min_size=1, max_size=most)


def altered(files: Files, variant: str, taken: Sequence[Step]) -> dict[str, bytes]:
    out = dict(files)
    for alteration, number, near, where, pick in taken:
        name = VARIANTS[variant][number % len(VARIANTS[variant])]
        text = out[name].decode("latin-1")
        spots = [match.start() for match in re.finditer(f"{NAME}|{MESSAGE}", text)] if near else []
        at = spots[where % len(spots)] + where // 7 % 900 - 300 if spots else where
        out[name] = alteration(text, max(0, min(at, len(text))) if spots else at % (len(text) + 1), pick).encode(
            "latin-1"
        )
    return out


QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
SLOW = settings(QUICK, max_examples=6)

each_variant = pytest.mark.parametrize("variant", VARIANTS)
each_shape = pytest.mark.parametrize("name", SHAPES)


@each_variant
@each_shape
def test_unaltered_samples(name: str, variant: str) -> None:
    assert refusal(variant, shape(name)) is None


def compiled(name: str, files: Files, *defined: str) -> subprocess.CompletedProcess[bytes]:
    """Have gcc check the three files as one; C of 1989 has its declarations before its statements."""
    flags = ["-std=gnu89", "-Wdeclaration-after-statement"] if name == "gnu-2.1" else ["-std=gnu99"]
    noise = ["-Wno-unused-function", "-Wno-misleading-indentation", "-Wno-comment"]
    command = ["gcc", "-xc", "-fsyntax-only", "-Wall", "-Werror", *noise, *flags, *defined, "-"]
    parts = [files[file] for file in ("reliable.h", "reliable.c", "ssl.c")]
    return subprocess.run(command, input=b"\n".join([DECLARATIONS.encode(), *parts]), capture_output=True, check=False)


def preprocessed(source: bytes, *defined: str) -> list[str]:
    command = ["gcc", "-xc", "-E", "-P", *defined, "-"]
    done = subprocess.run(command, input=source, capture_output=True, check=True)
    return [line for line in done.stdout.decode("latin-1").splitlines() if line.strip()]


def check_with_compiler(name: str, variant: str, files: Files) -> None:
    """What was rendered is C that fits together, and the real preprocessor agrees about the guard."""
    plain, guarded = (rendered(variant, files, guard=guard) for guard in (False, True))
    assert not isinstance(plain, PatchkitError)
    assert not isinstance(guarded, PatchkitError)
    for after, defined in ((files, []), (plain, []), (guarded, []), (guarded, ["-DRETRY"])):
        done = compiled(name, {**files, **after}, *defined)
        assert done.returncode == 0, done.stderr.decode()
    for file in plain:
        assert preprocessed(guarded[file]) == preprocessed(files[file])
        assert preprocessed(guarded[file], "-DRETRY") == preprocessed(plain[file])


@each_variant
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ("allman-2.5", "allman-2.6") else []) for name in SHAPES],
)
def test_what_is_rendered_compiles(name: str, variant: str) -> None:
    check_with_compiler(name, variant, shape(name))


@lru_cache
def _reformatted(source: bytes, formatter: str) -> bytes:
    return reformatted(source, formatter)


def all_reformatted(files: Files, formatter: str) -> Files:
    command = FORMATTERS[formatter][0]
    if program(command) is None:
        pytest.skip(f"{command} is not installed")
    return {name: _reformatted(data, formatter) for name, data in files.items()}


@each_variant
@pytest.mark.parametrize("formatter", FORMATTERS)
def test_reformatted_samples(formatter: str, variant: str) -> None:
    for name in ("gnu-2.1", "allman-2.7"):
        assert refusal(variant, all_reformatted(shape(name), formatter)) is None, name


STEPS = {"gnu": 4, "kr": 4, "linux": 8, "orig": 4, "GNU": 4, "LLVM": 2, "Google": 2, "Microsoft": 4, "WebKit": 4,
         "narrow": 2, "tabs": 8}  # fmt: skip


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_new_code_is_indented_by_the_files_own_step(formatter: str) -> None:
    after = rendered("retransmit-flag", all_reformatted(shape("gnu-2.1"), formatter), guard=False)
    assert not isinstance(after, PatchkitError)
    lines = after["reliable.c"].decode().expandtabs(8).splitlines()
    columns = [
        len(line) - len(line.lstrip())
        for line in lines
        if line.lstrip().startswith(("if (resend_lowest", "int resend_n"))
    ]
    assert columns[1] - columns[0] == STEPS[formatter.split("-")[1]]


@each_variant
@pytest.mark.parametrize("alteration", KEEPING, ids=lambda alteration: alteration.__name__)
def test_one_harmless_alteration_at_each_place_near_an_anchor(alteration: Alteration, variant: str) -> None:
    """One kind alone, where it is likeliest to hide the place."""
    files = shape("gnu-2.1")
    for file in VARIANTS[variant]:
        text = files[file].decode()
        anchors_at = [match.start() for match in re.finditer(f"{NAME}|{MESSAGE}|if \\(slot\\)", text)]
        for number, spot in enumerate(anchors_at):
            for offset in (0, 60) if variant == "retransmit" else (number * 7,):
                place = max(0, min(spot + offset, len(text)))
                after = {**files, file: alteration(text, place, number + offset).encode("latin-1")}
                assert refusal(variant, after) is None, after[file].decode("latin-1")


@each_variant
@given(name=st.sampled_from(list(SHAPES)), taken=steps(KEEPING, 6))
@QUICK
def test_harmless_alterations_in_any_order(variant: str, name: str, taken: list[Step]) -> None:
    files = altered(shape(name), variant, taken)
    assert refusal(variant, files) is None, files


@pytest.mark.slow
@each_variant
@given(name=st.sampled_from(list(SHAPES)), taken=steps(KEEPING, 6))
@settings(QUICK, max_examples=300)
def test_harmless_alterations_in_any_order_and_many_of_them(variant: str, name: str, taken: list[Step]) -> None:
    files = altered(shape(name), variant, taken)
    assert refusal(variant, files) is None, files


@each_variant
@given(name=st.sampled_from(list(SHAPES)), taken=steps(BREAKING + KEEPING, 5))
@QUICK
def test_any_alterations_in_any_order(variant: str, name: str, taken: list[Step]) -> None:
    """Right, or refused by name: what is right is asserted in refusal()."""
    refusal(variant, altered(shape(name), variant, taken))


@pytest.mark.slow
@each_variant
@given(name=st.sampled_from(list(SHAPES)), taken=steps(BREAKING + KEEPING, 5))
@settings(QUICK, max_examples=300)
def test_any_alterations_in_any_order_and_many_of_them(variant: str, name: str, taken: list[Step]) -> None:
    """Right, or refused by name: what is right is asserted in refusal()."""
    refusal(variant, altered(shape(name), variant, taken))


@each_variant
@each_shape
@given(junk=st.binary(max_size=400), number=st.integers(0, 2))
@settings(QUICK, max_examples=10)
def test_a_file_of_junk_is_refused(name: str, variant: str, junk: bytes, number: int) -> None:
    files = {**shape(name), VARIANTS[variant][number % len(VARIANTS[variant])]: junk}
    assert refusal(variant, files) is not None


def replaced(file: str, old: str, new: str, name: str = "gnu-2.1") -> dict[str, bytes]:
    text = SHAPES[name][file]
    assert old in text
    return {**shape(name), file: text.replace(old, new).encode("latin-1")}


LOG = 'dmsg (D_LOW, "ACK output sequence broken: %s", ids_of (rel));'
GNU_DECLARED = next(line for line in GNU_H.splitlines(keepends=True) if NAME in line)
FUNCTION = GNU[GNU.index("struct buffer *") : GNU.index("\n\nvoid")]

HARMLESS = {
    "comment with stars behind the log": ("reliable.c", LOG, LOG + " /* a * b **/"),
    "comment before the log": ("reliable.c", LOG, "/* note */ " + LOG),
    "comment in the log": ("reliable.c", "D_LOW, ", "D_LOW, /* note */ "),
    "comment in the literals": ("reliable.c", "broken:", 'broken" /* note */ ":'),
    "comment in the parameter's type": ("reliable.c", "struct reliable *", "struct reliable /* note */ *"),
    "comment behind the parameter": ("reliable.c", "reliable *rel)", "reliable *rel /* note */)"),
    "line comment behind the parameter": ("reliable.c", "reliable *rel)", "reliable *rel // note\n )"),
    "comment in the condition": ("ssl.c", "(slot)", "(/* note */ slot)"),
    "comment as first in a call": ("ssl.c", "(key->window);", "(/* note */ key->window);"),
    "argument over two lines": ("ssl.c", "(key->window);", "(key\n ->window);"),
    "latin-1 in an argument": ("ssl.c", "(key->window);", "(key /* caf\xe9 */->window);"),
    "comment behind a call": ("ssl.c", "(key->window);", "(key->window); /* a * b */"),
    "comment before the branch": ("ssl.c", "      if (slot)", "      /* note */ if (slot)"),
    "comment between call and branch": ("ssl.c", "      if (slot)", "      // note\n\n      if (slot)"),
    "a function of similar name": ("reliable.c", "another", "reliable_get_buf_output_sequenced_too"),
    "the message in another function": ("reliable.c", "another (void)\n{\n", "another (void)\n{\n  " + LOG + "\n"),
    "the function in a comment": (
        "reliable.c",
        "void\nanother",
        "/*\n" + FUNCTION.replace("/*", "") + "*/\nvoid\nanother",
    ),
    "the function in a macro": (
        "reliable.c",
        "void\nanother",
        "#define X reliable_get_buf_output_sequenced (a)\nvoid\nanother",
    ),
}


@each_variant
@pytest.mark.parametrize("what", HARMLESS)
def test_named_harmless_differences(what: str, variant: str) -> None:
    assert refusal(variant, replaced(*HARMLESS[what])) is None


@pytest.mark.parametrize("comment", LONG_COMMENTS)
@pytest.mark.parametrize("behind", ["*window);", "if (slot)"])
def test_no_guard_stands_where_a_comment_goes_on(behind: str, comment: str) -> None:
    """Unguarded these lines can be changed all the same."""
    file = "ssl.c" if "slot" in behind else "reliable.h"
    files = replaced(file, behind, f"{behind} {comment}\n")
    assert not isinstance(rendered("retransmit-flag", files, guard=False), PatchkitError)
    assert isinstance(refusal("retransmit-flag", files), AnchorError)


def test_no_guard_stands_behind_a_backslash() -> None:
    files = replaced("reliable.c", "    {\n      dmsg", "    { \\\n      dmsg")
    assert isinstance(rendered("retransmit", files, guard=True), AnchorError)


@each_variant
@pytest.mark.parametrize("guard", [False, True])
def test_new_lines_end_as_those_around_them_do(variant: str, guard: bool) -> None:
    """Where line ends are mixed, the first line's say nothing."""
    files = {name: data.replace(b"\n", b"\r\n", 2) for name, data in shape("allman-2.5").items()}
    after = rendered(variant, files, guard=guard)
    assert not isinstance(after, PatchkitError)
    assert [data.count(b"\r") for data in after.values()] == [2] * len(after)


DOUBTFUL = {
    "function twice": ("retransmit", "reliable.c", "void\nanother", FUNCTION + "\n\nvoid\nanother"),
    "function twice, once without its type": (
        "retransmit",
        "reliable.c",
        "void\nanother",
        FUNCTION.partition("\n")[2] + "\n\nvoid\nanother",
    ),
    "function in both branches of a condition": (
        "retransmit",
        "reliable.c",
        FUNCTION,
        f"#ifdef A\n{FUNCTION}\n#else\n{FUNCTION}\n#endif",
    ),
    "log twice": ("retransmit", "reliable.c", LOG, LOG + "\n      " + LOG),
    "message twice": ("retransmit", "reliable.c", "= NULL;", f'= NULL;\n  const char *also = "{MESSAGE}";'),
    "log behind a label": ("retransmit", "reliable.c", LOG, "here: " + LOG),
    "log in a condition": ("retransmit", "reliable.c", LOG, f"#ifdef A\n{LOG}\n#endif"),
    "log switched off": ("retransmit", "reliable.c", LOG, f"#if 0\n{LOG}\n#endif"),
    "comment hides the next line": ("retransmit", "reliable.c", LOG, LOG + " // note \\\n"),
    "declaration twice": ("retransmit-flag", "reliable.h", "\nvoid", GNU_DECLARED + "\nvoid"),
    "declared once more before the definition": (
        "retransmit-flag",
        "reliable.c",
        "struct buffer *\n",
        GNU_DECLARED + "struct buffer *\n",
    ),
    "two callers that read": (
        "retransmit-flag",
        "ssl.c",
        "OPENING);",
        "OPENING);\n  key_state_read_ciphertext (key, slot, ROOM);",
    ),
    "a caller in another function": (
        "retransmit-flag",
        "ssl.c",
        "  key->state = FRESH;",
        "  struct buffer *slot;\n  slot = reliable_get_buf_output_sequenced (key->window);",
    ),
    "a call in a condition": (
        "retransmit-flag",
        "ssl.c",
        "  return again;",
        f"  if ({NAME} (key->window)) return true;\n  return again;",
    ),
    "a call in a macro": (
        "retransmit-flag",
        "ssl.c",
        "static bool",
        f"#define GET(key) {NAME} ((key)->window)\nstatic bool",
    ),
    "two returns": (
        "retransmit-flag",
        "reliable.c",
        "  return found;",
        "  if (!found)\n    return NULL;\n  return found;",
    ),
}


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("what", DOUBTFUL)
def test_a_doubled_or_doubtful_anchor_is_refused_by_name(what: str, guard: bool) -> None:
    variant, *change = DOUBTFUL[what]
    assert isinstance(rendered(variant, replaced(*change), guard=guard), AnchorError)


@pytest.mark.parametrize("name", ["gnu-2.1", "allman-2.7"])
def test_truncated_anywhere(name: str) -> None:
    """Only where the whole function is there can the edit be right."""
    source = shape(name)["reliable.c"]
    end = source.index(b"\n}\n") + 2
    for at in range(0, len(source), 3):
        outcome = rendered("retransmit", {"reliable.c": source[:at]}, guard=False)
        assert isinstance(outcome, AnchorError) is (at < end)


# Size


@each_variant
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("guard", [True, False])
def test_a_file_of_50_mb_is_refused_at_once(variant: str, there: bool, guard: bool) -> None:
    filler = b"int filler (void) { return 0; }\n" * (50_000_000 // 31)
    files = {**shape("gnu-2.1"), "reliable.c": (GNU.encode() if there else b"") + filler}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    error = rendered(variant, files, guard=guard)
    assert isinstance(error, AnchorError)
    assert NAME in error.what
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    csource.parse.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("junk", [b"{", b"(a", b"#if 1\n", b"a(\n", b"/*", b'"', b"\0", b"x", b"if(x)"])
def test_a_large_file_of_nothing_but_nesting_takes_no_long_time(junk: bytes) -> None:
    """As large as is read at all, and what a parser likes least."""
    source = GNU.encode()
    source += junk * ((csource.MAX_SOURCE - len(source)) // len(junk))
    began = time.process_time()
    rendered("retransmit", {"reliable.c": source}, guard=False)
    csource.parse.cache_clear()
    assert time.process_time() - began < 10


# On disk


def test_a_refusal_in_the_last_file_leaves_the_tree_as_it_was(tmp_path: Path, patchkit: Run) -> None:
    """Two files could have been patched; the third can't, so none is."""
    files = replaced("ssl.c", "key_state_read_ciphertext", "other")
    before = written(tmp_path / "mine", files)
    done = patchkit("apply", "mine", "--variant", "retransmit-flag")
    assert done.returncode == 30, done.stderr
    assert "key_state_read_ciphertext" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert contents(tmp_path / "mine") == before


@each_variant
@given(taken=steps(BREAKING, 3))
@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_tree_on_disk_changes_whole_or_not_at_all(
    variant: str, taken: list[Step], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mine")
    files = altered(shape("allman-2.7"), variant, taken)
    before = written(folder, files)
    try:
        inspect.unwrap(apply)(folder, variant=variant, guard=False, as_json=True)
    except PatchkitError:
        assert contents(folder) == before
    else:
        changed = {path for path, data in contents(folder).items() if before.get(path) != data}
        assert changed == {f"src/openvpn/{name}" for name in VARIANTS[variant]}


def written(folder: Path, files: Files) -> dict[str, bytes]:
    (folder / "src/openvpn").mkdir(parents=True)
    (folder / "configure.ac").touch()
    (folder / "src/openvpn/sample.h").write_text(DECLARATIONS)
    for name, data in files.items():
        include = b'#include "sample.h"\n' if name.endswith(".c") else b""
        (folder / "src/openvpn" / name).write_bytes(include + data)
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Upstream's own

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
REAL = ["2.5.1", PINNED, "2.7.7", *(["v2.1_rc1", "v2.2.3", "v2.3.2", "v2.4.12", "v2.7.6"] if GIT else [])]


@pytest.fixture(scope="module", params=REAL)
def real(request: pytest.FixtureRequest, shared_cache: Cache) -> Files:
    """The three files of a release, or of a tag."""
    version = str(request.param)
    if not version.startswith("v"):
        tree = upstream(version, shared_cache)
        return {name: tree.read(tree.find(name)) for name in VARIANTS["retransmit-flag"]}
    folder = "" if version < "v2.3" else "src/openvpn/"
    command = ["git", "-C", str(GIT), "show"]
    return {
        name: subprocess.run([*command, f"{version}:{folder}{name}"], capture_output=True, check=True).stdout
        for name in VARIANTS["retransmit-flag"]
    }


@pytest.mark.slow
@each_variant
def test_real_sources_unaltered(real: Files, variant: str) -> None:
    assert refusal(variant, real) is None


@pytest.mark.slow
def test_real_sources_reformatted(real: Files) -> None:
    """In both variants; each release takes a third of the formatters, for time's sake."""
    for formatter in sorted(FORMATTERS)[len(real["ssl.c"]) % 3 :: 3]:
        files = all_reformatted(real, formatter)
        assert [refusal(variant, files) for variant in VARIANTS] == [None, None], formatter


@pytest.mark.slow
@each_variant
def test_real_sources_after_harmless_alterations(real: Files, variant: str) -> None:
    @SLOW
    @given(steps(KEEPING, 6))
    def check(taken: list[Step]) -> None:
        assert refusal(variant, altered(real, variant, taken)) is None

    check()


@pytest.mark.slow
@each_variant
def test_real_sources_after_any_alterations(real: Files, variant: str) -> None:
    @SLOW
    @given(steps(BREAKING + KEEPING, 4))
    def check(taken: list[Step]) -> None:
        refusal(variant, altered(real, variant, taken))

    check()
