"""Compiler flags that users add with ``--cflag``: those that would not do what they say are refused, or looked for.

CFLAGS reach the compiler; libtool, which links, drops some of them without a word, and the target decides the machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from patchkit.errors import BadUsageError, CompileError

_REFUSED: tuple[tuple[str, str], ...] = (
    (r"-static(-pie|-libgcc)?", "libtool drops it when it links, so the program would be dynamic all the same"),
    (r"-m(32|64|x32|16|be|le)", "the target decides the machine: --target"),
    (r"-m(arch|cpu|tune)=native", "the program would depend on the machine that compiles it"),
    (r"-(shared|r|c|S|E|fsyntax-only|nostdlib|nodefaultlibs|nostartfiles|M+[DFGPQT]?)", "it makes no program"),
    (r"-(o|x|l|L|T|u|Xlinker|Wl,).*", "it is for the linker or names a file, and CFLAGS go to the compiler"),
    (r"-flto(=.*)?", "the objects would hold no code that patchkit could compare or that strip could keep"),
)
# No flag that names a file or a program (-wrapper, -specs), or that a shell reads.
_ONLY_COMPILES = re.compile(r"-(O|g|m|D|U|W(?![alp],)|f(?!plugin|pass-plugin)|std=)[\w.,=+-]*", re.ASCII)
_STATIC = "--target linux-static-amd64 (linux-static-arm64, linux-static-armhf) makes a static program"
# What each sanitizer leaves in a program that was compiled and linked with it.
_SANITIZERS = {
    "address": b"__asan_",
    "leak": b"__lsan_",
    "thread": b"__tsan_",
    "undefined": b"__ubsan_",
    "memory": b"__msan_",
}


def check_flags(flags: Sequence[str]) -> None:
    """Raise BadUsageError for the first of ``flags`` that could not do in a build what it says."""
    for flag in flags:
        why = _why_not(flag)
        if why is not None:
            advice = _STATIC if "-static" in flag else "leave it out"
            raise BadUsageError(f"--cflag={flag} would not do what it says", why=why, advice=advice)
        unknown = [name for name in _sanitizers(flag) if name not in _SANITIZERS]
        if unknown:
            raise BadUsageError(
                f"--cflag={flag} can't be checked in the program",
                why=f"known are {', '.join(_SANITIZERS)}",
                advice="leave it out",
            )


def only_compiles(flag: str) -> bool:
    """Return whether each word of ``flag`` is known to do nothing but decide how code is compiled.

    For flags that may come from anybody: others could name a file or a program of this machine, or reach a shell.
    """
    return all(_ONLY_COMPILES.fullmatch(word) for word in flag.split())


def _why_not(flag: str) -> str | None:
    """Return why ``flag``, which may be several in one, would not do what it says; None where it would."""
    if flag and not flag.startswith("-"):  # a later word may be the value of the one before
        return "it is not a flag"
    return next((why for word in flag.split() for pattern, why in _REFUSED if re.fullmatch(pattern, word)), None)


def check_configured(flags: Sequence[str], configured: Sequence[str]) -> None:
    """Raise CompileError where one of ``flags`` is not among those of the ``configured`` tree."""
    words = set(" ".join(configured).split())
    lost = [flag for flag in flags if not set(flag.split()) <= words]
    if lost:
        raise CompileError(f"configure has dropped {' '.join(lost)}", why=f"CFLAGS are {' '.join(configured)}")


def machine_flags(flags: Sequence[str]) -> list[str]:
    """Return those of ``flags`` that say which instructions the compiler may use: -march=x86-64-v3, -mavx2."""
    return [flag for text in flags for flag in text.split() if flag.startswith("-m")]


def check_machine(flags: Sequence[str], answer: str) -> None:
    """Raise CompileError where the compiler's ``answer`` to --help=target does not show one of the machine ``flags``.

    A program does not state which instructions its compiler was free to use, so the compiler is asked.
    """
    shown = dict(re.findall(r"^\s+(-m[^\s=]+=?)\S*\s+(\S+)\s*$", answer, re.MULTILINE))
    for flag in machine_flags(flags):
        name, equals, value = flag.partition("=")
        is_off = name.startswith("-mno-") and name not in shown
        wanted = value if equals else "[disabled]" if is_off else "[enabled]"
        told = shown.get(name.replace("-mno-", "-m", 1) if is_off else name + equals)
        if told != wanted:
            raise CompileError(
                f"--cflag={flag} had no effect that can be seen",
                why=f"with the flags of the configured tree the compiler states {told or 'nothing'} for it",
                advice="leave it out",
            )


def check_program(flags: Sequence[str], program: bytes) -> None:
    """Raise CompileError where ``program``, which was built with ``flags``, does not show one that it should show."""
    for flag in flags:
        missing = [name for name in _sanitizers(flag) if _SANITIZERS[name] not in program]
        if missing:
            raise CompileError(
                f"--cflag={flag} had no effect",
                why=f"the program does not hold {missing[0]}'s {_SANITIZERS[missing[0]]!r}",
            )


def _sanitizers(flag: str) -> list[str]:
    return flag.removeprefix("-fsanitize=").split(",") if flag.startswith("-fsanitize=") else []
