"""What people and tools do to C sources, one idea a function; and a lexer of C that shares nothing with patchkit's.

An alteration takes the text (any byte as latin-1), a place in it, and a number that picks one of several forms.
Those that keep the meaning look for the nearest place where they can; where there is none, nothing changes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

Alteration = Callable[[str, int, int], str]

NAME = "reliable_get_buf_output_sequenced"
MESSAGE = "ACK output sequence broken"

_LEXER = re.compile(
    r"""
    (?P<directive> (?: (?<=\n) | \A ) [ \t\f\v]* \# (?: \\\r?\n | /\*.*?\*/ | [^\n] )* )
    | (?P<comment> /\* .*? \*/ | // (?: \\\r?\n | [^\n] )* )
    | (?P<string> " (?: \\\r?\n | \\. | [^"\\\n] )* " )
    | (?P<char> ' (?: \\. | [^'\\\n] )* ' )
    | (?P<word> [\w$]+ )
    | (?P<space> [^\S\n]* \n | [^\S\n]+ | \\\r?\n )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@lru_cache(maxsize=8)  # a check looks at each of a few texts several times
def lexed(text: str) -> Sequence[Token]:
    """Every token with white space and comments: joined, they are the text."""
    return [Token(str(match.lastgroup), match[0], match.start()) for match in _LEXER.finditer(text)]


# Reformatters, as they are installed


def program(name: str) -> str | None:
    """The path of a program on PATH, or of one that pip put beside Python."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


FORMATTERS: dict[str, list[str]] = {
    "indent-gnu": ["indent", "-gnu", "-st"],
    "indent-gnu-spaces": ["indent", "-gnu", "-nut", "-l120", "-st"],
    "indent-kr": ["indent", "-kr", "-st"],
    "indent-linux": ["indent", "-linux", "-st"],
    "indent-orig": ["indent", "-orig", "-st"],
    "clang-GNU": ["clang-format", "--style=GNU"],
    "clang-LLVM": ["clang-format", "--style=LLVM"],
    "clang-Google": ["clang-format", "--style=Google"],
    "clang-Microsoft": ["clang-format", "--style=Microsoft"],
    "clang-WebKit": ["clang-format", "--style=WebKit"],
    "clang-narrow": ["clang-format", "--style={BasedOnStyle: Mozilla, ColumnLimit: 40}"],
    "clang-tabs": ["clang-format", "--style={BasedOnStyle: LLVM, UseTab: Always, IndentWidth: 8, TabWidth: 8}"],
}


def reformatted(source: bytes, formatter: str) -> bytes:
    """The source as one of the formatters leaves it."""
    name, *options = FORMATTERS[formatter]
    command = [program(name) or name, *options]
    return subprocess.run(command, input=source, capture_output=True, check=True, timeout=60).stdout


# What keeps the meaning

COMMENTS = (
    "/* note */",
    "// note",
    "/* a * b **/",
    f'/* {NAME} (struct reliable *rel) {{ dmsg ("{MESSAGE}"); }} */',
    "/* caf\xe9 \x0c \x85 */",
    "// \xff\r lone",
    "/* #else */",
)
LONG_COMMENTS = ("/* two\n   lines */", "/*\n#else\n#endif\n*/", "// spliced \\\n   note", "// spliced \\\n")
_LOCALS = {"rel", "found", "local", "slot", "key", "session", "again", "got", "pieces"} | {
    "ret", "i", "e", "gc", "min_id", "min_id_defined", "buf", "ks", "multi",
}  # fmt: skip


def line_ends_of_dos(text: str, at: int, pick: int) -> str:
    """CR LF throughout."""
    return re.sub(r"\r?\n", "\r\n", text)


def mixed_line_ends(text: str, at: int, pick: int) -> str:
    """CR LF on a few lines, as when something was pasted in."""
    first = text.rfind("\n", 0, at) + 1
    lines = text[first:].split("\n")
    some = [line.rstrip("\r") + "\r" for line in lines[: pick + 1]]
    return text[:first] + "\n".join([*some, *lines[pick + 1 :]]) if len(lines) > pick + 1 else text


def tabs_to_spaces(text: str, at: int, pick: int) -> str:
    return re.sub(r"(?m)^[ \t]+", lambda match: match[0].expandtabs(8), text)


def spaces_to_tabs(text: str, at: int, pick: int) -> str:
    def tabbed(match: re.Match[str]) -> str:
        tabs, spaces = divmod(len(match[0].expandtabs(8)), 8)
        return "\t" * tabs + " " * spaces

    return re.sub(r"(?m)^[ \t]+", tabbed, text)


def other_indent(text: str, at: int, pick: int) -> str:
    """None at all, or another width."""
    return re.sub(r"(?m)^[ \t]+", lambda match: " " * (len(match[0].expandtabs(8)) * pick // 4), text)


def white_space_behind(text: str, at: int, pick: int) -> str:
    return _put(text, at, (" ", "\t", "  \t", "\x0c")[pick % 4], _ends(text))


def blank_lines(text: str, at: int, pick: int) -> str:
    return _put(text, at, ("\n", "\n\n\n", "  \n", "\x0c\n")[pick % 4], _begins(text))


def comment_on_its_own(text: str, at: int, pick: int) -> str:
    comments = COMMENTS + LONG_COMMENTS
    return _put(text, at, comments[pick % len(comments)] + "\n", _begins(text))


def comment_before(text: str, at: int, pick: int) -> str:
    """On the line of a statement, in front of it."""
    tokens = lexed(text)
    comments = [comment for comment in COMMENTS if comment.endswith("*/")]
    words = [
        token.start
        for before, token in pairwise(tokens)
        if token.kind == "word"
        and not text[text.rfind("\n", 0, token.start) + 1 : token.start].strip()
        and before.text[0] != "\\"
    ]
    return _put(text, at, comments[pick % len(comments)] + " ", words)


def comment_behind(text: str, at: int, pick: int) -> str:
    return _put(text, at, " " + COMMENTS[pick % len(COMMENTS)], _ends(text))


def long_comment_behind(text: str, at: int, pick: int) -> str:
    """One that goes on on the next line: no directive can stand between the two."""
    return _put(text, at, " " + LONG_COMMENTS[pick % len(LONG_COMMENTS)], _ends(text))


def comment_between(text: str, at: int, pick: int) -> str:
    return _put(text, at, (" /* note */ ", "/**/", " /* a * b **/ /* c */ ", " // note\n")[pick % 4], _gaps(text))


def split_line(text: str, at: int, pick: int) -> str:
    """A line end, perhaps an indent, between two tokens."""
    return _put(text, at, ("\n", "\n  ", "\n\t\t", "\n\n")[pick % 4], _gaps(text))


def spaced(text: str, at: int, pick: int) -> str:
    return _put(text, at, (" ", "\t", "   ", "\x0c")[pick % 4], _gaps(text))


def spliced_line(text: str, at: int, pick: int) -> str:
    """A backslash at the end of a line of code: the compiler joins it with the next, which must be no directive."""
    directives = {token.start for token in lexed(text) if token.kind == "directive"}
    ends = (text.find("\n", place) for place in _ends(text))
    places = [end - (text[end - 1] == "\r") for end in ends if end + 1 not in directives]
    return _put(text, at, " \\", places)


def split_literal(text: str, at: int, pick: int) -> str:
    """One string literal written as two: the log line split over two lines."""
    strings = [token for token in lexed(text) if token.kind == "string" and len(token.text) > 3]
    places = [
        token.start + 1 + offset
        for token in strings
        for offset in [len(token.text) // (2 + pick % 3)]
        if "\\" not in token.text[max(0, offset - 3) : offset + 1]
    ]
    return _put(text, at, ('" "', '"\n  "', '""', '" /* note */ "')[pick % 4], places)


def moved_function(text: str, at: int, pick: int) -> str:
    """The function put behind another one, or at the end of the file."""
    parts = top_level(text)
    mine = [number for number, part in enumerate(parts) if re.search(rf"\b{NAME}\b\s*\([^;]*\)\s*\{{", part)]
    if len(mine) != 1 or not parts[mine[0]].startswith("\n"):
        return text
    function = parts.pop(mine[0])
    parts.insert(at % len(parts) + 1, function)
    return "".join(parts)


def renamed_local(text: str, at: int, pick: int) -> str:
    """A parameter or variable, in the functions at that place, gets another name."""
    parts = top_level(text)
    here = 0
    while at > len(parts[here]) and here < len(parts) - 1:
        at -= len(parts[here])
        here += 1
    tokens = lexed(parts[here])
    known = sorted({token.text for token in tokens if token.text in _LOCALS})
    if not known:
        return text
    old = known[pick % len(known)]
    out = []
    for number, token in enumerate(tokens):
        member = number > 0 and tokens[number - 1].text in (".", ">")
        called = number + 1 < len(tokens) and tokens[number + 1].text == "("
        out.append(f"{old}_too" if token.text == old and not member and not called else token.text)
    parts[here] = "".join(out)
    return "".join(parts)


KEEPING: tuple[Alteration, ...] = (
    line_ends_of_dos,
    mixed_line_ends,
    tabs_to_spaces,
    spaces_to_tabs,
    other_indent,
    white_space_behind,
    blank_lines,
    comment_on_its_own,
    comment_before,
    comment_behind,
    comment_between,
    split_line,
    spaced,
    split_literal,
    moved_function,
    renamed_local,
)


# What breaks it, or may, or takes away the lines that an edit or its guard needs

JUNK = (
    "\0", "\r", "\xe9", "\xff\xfe", "{", "}", "(", ")", ";", ",", '"', "'", "\\", "/*", "*/", "//", "#", "\n",
    "\n#if 0\n", "\n#else\n", "\n#endif\n", "else ", "if (x) ", "return 0;", NAME, f"{NAME} (rel);", MESSAGE,
    f'dmsg (1, "{MESSAGE}");', "??/\n", "struct reliable *other, ", "\n@@ 3 @@\n+ x\n", "{{ 7 }}",
)  # fmt: skip


def joined_lines(text: str, at: int, pick: int) -> str:
    """A line end taken away: statements may share a line then."""
    end = text.find("\n", at)
    return text[:end] + " " + text[end + 1 :] if end >= 0 else text


def truncated(text: str, at: int, pick: int) -> str:
    return text[:at]


def bytes_taken_out(text: str, at: int, pick: int) -> str:
    return text[:at] + text[at + pick + 1 :]


def line_taken_out(text: str, at: int, pick: int) -> str:
    first, last = _line(text, at)
    return text[:first] + text[last:]


def lines_doubled(text: str, at: int, pick: int) -> str:
    first, _ = _line(text, at)
    lines = text[first:].split("\n")[: pick * pick + 1]
    return text[:first] + "\n".join([*lines, text[first:]])


def lines_swapped(text: str, at: int, pick: int) -> str:
    first, last = _line(text, at)
    _, end = _line(text, last)
    return text[:first] + text[last:end] + text[first:last] + text[end:]


def junk_put_in(text: str, at: int, pick: int) -> str:
    return text[:at] + JUNK[pick % len(JUNK)] + text[at:]


def byte_changed(text: str, at: int, pick: int) -> str:
    return text[:at] + chr((pick * 37 + at) % 256) + text[at + 1 :]


BREAKING: tuple[Alteration, ...] = (
    spliced_line,
    long_comment_behind,
    joined_lines,
    truncated,
    bytes_taken_out,
    line_taken_out,
    lines_doubled,
    lines_swapped,
    junk_put_in,
    byte_changed,
)


def top_level(text: str) -> list[str]:
    """The text cut behind each closing brace of a function and each directive, outside of all braces."""
    cuts, depth = [0], 0
    for token in lexed(text):
        depth += (token.text == "{") - (token.text == "}")
        if depth == 0 and (token.text == "}" or token.kind == "directive"):
            cuts.append(token.end)
    return [text[first:last] for first, last in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _put(text: str, at: int, what: str, places: Sequence[int]) -> str:
    """Put something in at the place nearest to ``at``."""
    if not places:
        return text
    number = min(bisect_left(places, at), len(places) - 1)
    return text[: places[number]] + what + text[places[number] :]


def _line(text: str, at: int) -> tuple[int, int]:
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, end + 1 if end >= 0 else len(text)


def _begins(text: str) -> list[int]:
    """Where a line begins that is no part of a comment, a literal, or a line joined by a backslash."""
    return [token.end for token in lexed(text) if _ends_line(token)]


def _ends(text: str) -> list[int]:
    """Where a line of code ends: none that has a directive or a ``//`` on it."""
    tokens = lexed(text)
    return [
        token.start
        for before, token in pairwise(tokens)
        if _ends_line(token) and before.kind in ("sign", "word", "string")
    ]


def _ends_line(token: Token) -> bool:
    return token.kind == "space" and token.text.endswith("\n") and token.text[0] != "\\"


def _gaps(text: str) -> list[int]:
    """Between two tokens of code, where any white space can stand."""
    tokens = lexed(text)
    code = ("sign", "word", "string", "space")
    return [
        token.start
        for before, token in pairwise(tokens)
        if (before.text in "(),;{}" or token.text in "(),;{}")
        and before.kind in code
        and token.kind in code
        and "\\" not in before.text + token.text
    ]
