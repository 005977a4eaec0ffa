"""What vendors do to a C tree, one idea a function: names, parameters, conditions and macros, in all of its files.

A change takes all sources by path, the path and the place in it that were chosen, and a source of chance. It returns
the files that it changes; none where it does not know how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random

from tests.support.patching.alterations import lexed, top_level

Files = Mapping[str, str]
Change = Callable[[Files, str, int, Random], dict[str, str]]

_HEAD = re.compile(r"\n(\w+) ?\(([^;{}()]*)\)\s*\{")
_FIRST = re.compile(r'(#include "memdbg\.h"\n|(?:\A|\n)#include "syshead\.h"\n)')
_STATEMENT = re.compile(r"(?m)^([ \t]+)((?:[\w>.*\[\]-]+ *(?:=|\+=|\|=) *|\w+ ?\()[^;{}#\"\n]*;)[ \t]*$")
_IF = re.compile(r"(?m)^([ \t]+)(else )?if \((?=.*\)$)")


def renamed_member(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A member of a struct has another name in the whole tree."""
    names = sorted(set(re.findall(r"(?:->|\.)([a-z_]\w+)\b(?! ?\()", _near(files[path], at))))
    return _everywhere(files, chance.choice(names), lambda name: f"vendor_{name}") if names else {}


def renamed_name(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A function or a macro has another name in the whole tree."""
    names = sorted(
        set(re.findall(r"\b([A-Za-z_]{5,})\b(?= ?\()", _near(files[path], at))) - {"while", "return", "sizeof"}
    )
    return _everywhere(files, chance.choice(names), lambda name: f"vendor_{name}") if names else {}


def renamed_variable(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A variable or parameter of one function has another name."""
    parts, number = _function_at(files[path], at)
    words = [match[1] for match in re.finditer(r"[\w*] +\**(\w+)(?= *[;=,)])", parts[number])]
    shared = r"(->|\.) *{}\b|\b{} ?\("
    names = sorted(
        {word for word in words if word.islower() and not re.search(shared.format(word, word), parts[number])}
    )
    if not names:
        return {}
    old = chance.choice(names)
    parts[number] = re.sub(rf"\b{old}\b", f"{old}_of_vendor", parts[number])
    return {path: "".join(parts)}


def one_more_parameter(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A function takes one more argument, wherever it is declared or called."""
    parts, number = _function_at(files[path], at)
    head = _HEAD.search(parts[number])
    if head is None or head[2].strip() in ("", "void"):
        return {}
    name, changed = head[1], {}
    first = chance.random() < 0.5
    for other, text in files.items():
        out, last = "", 0
        for match in re.finditer(rf"\b{name} ?\(", text):
            end = _closing(text, match.end() - 1)
            if match.start() < last or end < 0:
                return {}
            inside = text[match.end() : end]
            declared = re.search(r"(?:\n|\A)[\w *]*\Z", text[: match.start()]) and re.match(
                r"\s*[;{]|\s*__attribute__", text[end + 1 :]
            )
            more = "int vendor_level" if declared and re.search(r"\w+ +\**\w+", inside) else "0"
            out += text[last : match.end()] + (f"{more}, {inside}" if first else f"{inside}, {more}")
            last = end
        if last:
            changed[other] = out + text[last:]
    return changed


def old_style_definition(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A definition as C had them before 1989."""
    parts, number = _function_at(files[path], at)
    head = _HEAD.search(parts[number])
    given = [each.strip() for each in head[2].split(",")] if head is not None else []
    names = [re.search(r"(\w+)(?:\[\w*\])?$", each) for each in given]
    if head is None or given in ([""], ["void"]) or not all(names):
        return {}
    listed = ", ".join(name[1] for name in names if name)
    declared = "".join(f"    {' '.join(each.split())};\n" for each in given)
    parts[number] = parts[number].replace(head[0], f"\n{head[1]}({listed})\n{declared}{{", 1)
    return {path: "".join(parts)}


def copy_switched_off(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """The old form of a function, kept by ``#if 0``, or behind the ``#else`` of ``#if 1``."""
    parts, number = _function_at(files[path], at)
    whole = parts[number].strip("\n")
    form = chance.choice(
        ["#if 0\n{0}\n#endif\n{0}", "#if 1\n{0}\n#else\n{0}\n#endif", "{0}\n#if 0 /* old */\n{0}\n#endif"]
    )
    parts[number] = "\n" + form.replace("{0}", whole) + "\n"
    return {path: "".join(parts)}


def two_by_condition(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A function twice, by a condition: the vendor's and the old one."""
    parts, number = _function_at(files[path], at)
    whole = parts[number].strip("\n")
    parts[number] = f"\n#ifdef OF_VENDOR\n{whole}\n#else\n{whole}\n#endif\n"
    return {path: "".join(parts)}


def split_condition(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """An ``if`` or ``else if`` of which a condition compiles one head or the other."""
    match = _nearest(_IF, files[path], at, chance)
    if match is None:
        return {}
    text = files[path]
    end = text.index("\n", match.start())
    head = text[match.start() : end]
    other = head.replace("if (", "if (vendor_level > 1 && ", 1)
    split = f"#ifdef OF_VENDOR\n{other}\n#else\n{head}\n#endif"
    return {path: text[: match.start()] + split + text[end:]}


def one_more_branch(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A branch in front of an ``if``, which a condition switches on."""
    match = _nearest(re.compile(r"(?m)^([ \t]+)()if \((?=.*\)$)"), files[path], at, chance)
    if match is None:
        return {}
    new = f"#ifdef OF_VENDOR\n{match[1]}if (vendor_level > 1)\n{match[1]}{{\n{match[1]}}}\n{match[1]}else\n#endif\n"
    return {path: files[path][: match.start()] + new + files[path][match.start() :]}


def conditional_statement(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A statement that a condition may leave out, or has in two forms."""
    form = chance.choice(["#ifndef NO_VENDOR\n{0}\n#endif", "#ifdef OF_VENDOR\n{0}{0}\n#else\n{0}\n#endif"])
    return _on_statement(files, path, at, chance, lambda line, _: form.replace("{0}", line))


def macro_round_statement(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A statement as the argument of a macro."""
    changed = _on_statement(files, path, at, chance, lambda line, blank: f"{blank}VENDOR_DO({line.strip()})")
    return _with(changed, path, "#define VENDOR_DO(what) what\n")


def macro_for_if(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """``if`` by another name."""
    match = _nearest(_IF, files[path], at, chance)
    if match is None:
        return {}
    text = files[path]
    start = text.index("if (", match.start())
    return _with({path: text[:start] + "VENDOR_IF(" + text[start + 4 :]}, path, "#define VENDOR_IF(what) if (what)\n")


def one_more_statement(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """The vendor counts, before or behind a statement."""
    before = chance.random() < 0.5
    changed = _on_statement(
        files, path, at, chance,
        lambda line, blank: f"{blank}++vendor_count;\n{line}" if before else f"{line}\n{blank}++vendor_count;",
    )  # fmt: skip
    return _with(changed, path, "static int vendor_count;\n")


def statement_in_braces(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A statement in a block, or a loop, of its own."""
    form = chance.choice(["{1}{\n{0}\n{1}}", "{1}do { {2} } while (0);"])
    return _on_statement(
        files, path, at, chance,
        lambda line, blank: form.replace("{0}", line).replace("{1}", blank).replace("{2}", line.strip()),
    )  # fmt: skip


def braces_moved(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """The braces of one function at the end of the line before, or on lines of their own."""
    parts, number = _function_at(files[path], at)
    head, brace, body = parts[number].partition("\n{")
    if chance.random() < 0.6:
        body = re.sub(r"(?m)(\)|\belse)[ \t]*\n[ \t]*\{[ \t]*$", r"\1 {", body)
        if chance.random() < 0.5:
            body = re.sub(r"\}[ \t]*\n[ \t]*else\b", "} else", body)
    else:
        body = re.sub(r"(?m)^([ \t]*)(.*\S)[ \t]*\{[ \t]*$", r"\1\2\n\1{", body)
    parts[number] = head + brace + body
    return {path: "".join(parts)}


def another_type_name(files: Files, path: str, at: int, chance: Random) -> dict[str, str]:
    """A struct by a typedef, in one function."""
    parts, number = _function_at(files[path], at)
    structs = sorted(set(re.findall(r"\bstruct (\w+)(?= \*)", parts[number])))
    if not structs:
        return {}
    name = chance.choice(structs)
    parts[number] = re.sub(rf"\bstruct {name}(?= \*)", f"vendor_{name}", parts[number])
    return _with({path: "".join(parts)}, path, f"typedef struct {name} vendor_{name};\n")


CHANGES: tuple[Change, ...] = (
    renamed_member,
    renamed_name,
    renamed_variable,
    one_more_parameter,
    old_style_definition,
    copy_switched_off,
    two_by_condition,
    split_condition,
    one_more_branch,
    conditional_statement,
    macro_round_statement,
    macro_for_if,
    one_more_statement,
    statement_in_braces,
    braces_moved,
    another_type_name,
)


def _near(text: str, at: int) -> str:
    return text[max(0, at - 250) : at + 250]


def _everywhere(files: Files, old: str, new: Callable[[str], str]) -> dict[str, str]:
    pattern = re.compile(rf"\b{old}\b")
    return {path: pattern.sub(new(old), text) for path, text in files.items() if pattern.search(text)}


def _function_at(text: str, at: int) -> tuple[list[str], int]:
    """The text cut at top level, and the number of the part that the place is in."""
    parts = top_level(text)
    number = 0
    while at > len(parts[number]) and number < len(parts) - 1:
        at -= len(parts[number])
        number += 1
    return parts, number


def _nearest(pattern: re.Pattern[str], text: str, at: int, chance: Random) -> re.Match[str] | None:
    """One of the three matches nearest to the place that begin no literal or comment."""
    begins = {before.end for before, _ in pairwise(lexed(text)) if before.text.endswith("\n")}
    found = sorted(
        (match for match in pattern.finditer(text) if match.start() in begins),
        key=lambda match: abs(match.start() - at),
    )
    return chance.choice(found[:3]) if found else None


def _on_statement(files: Files, path: str, at: int, chance: Random, form: Callable[[str, str], str]) -> dict[str, str]:
    match = _nearest(_STATEMENT, files[path], at, chance)
    if match is None:
        return {}
    text = files[path]
    return {path: text[: match.start()] + form(match[0].rstrip(), match[1]) + text[match.end() :]}


def _with(changed: dict[str, str], path: str, declared: str) -> dict[str, str]:
    """The change with a declaration behind the file's includes."""
    if not changed:
        return {}
    text = changed[path]
    place = next(reversed(list(_FIRST.finditer(text))), None)
    at = place.end() if place is not None else 0
    return {**changed, path: text[:at] + declared + text[at:]}


def _closing(text: str, at: int) -> int:
    depth = 0
    for place in range(at, min(len(text), at + 4000)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return -1
