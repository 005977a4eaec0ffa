"""Shells complete real values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit.cli import completion
from tests.support.terminal import typing

# As a user's bash does it: the script that patchkit prints, and the function that it names called with the words.
BASH = """\
eval "$(_PATCHKIT_COMPLETE=source_bash patchkit)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$(complete -p patchkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') patchkit "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def completed(*words: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", "patchkit", *words],
        env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


QUICK = [
    (["verify", "--only", "source,s"], ["source,smoke"]),
    (["lab", "re"], ["replay"]),
    (["build", "--version", "2.6.1"], ["2.6.19", "2.6.18", "2.6.14"]),
]
SLOW = [
    (["render", "--variant", "re"], ["retransmit", "retransmit-flag"]),
    (["build", "--target", "win"], ["windows-amd64", "windows-i686"]),
    (["lab", "run", "--scenario", "loss-"], ["loss-10", "loss-20"]),
    (["bu"], ["build"]),
    (["build", "--variant", "st"], ["stock"]),
    (["variants", "sto"], ["stock"]),
    (["build", "--engine", "d"], ["docker"]),
    (["build", "--crypto", "openssl-3"], ["openssl-3.0", "openssl-3.5"]),
    (["build", "--with", "sys"], ["systemd"]),
    (["lab", "run", "--variant", "sto"], ["stock"]),
    (["lab", "run", "--credentials", "chain-8"], ["chain-8", "chain-8-ec"]),
    (["matrix", "--ref", "2.1_rc22"], ["2.1_rc22"]),
    (["mirror", "sync", "--versions", "2.3.2,2.6.14"], ["2.3.2,2.6.14"]),
    (["doctor", "wi"], ["windows"]),
    (["verify", "--variant", "re"], ["recommended", "retransmit"]),
    (["verify", "--skip", "la"], ["lab"]),
]


@pytest.mark.parametrize(
    ("words", "some"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
    ids=" ".join,
)
def test_bash(words: list[str], some: list[str]) -> None:
    completions = completed(*words)
    assert set(some) <= set(completions)
    assert all(word.startswith(words[-1]) for word in completions)


def test_what_verify_compares_with_and_steps_that_are_named_already_are_not_offered() -> None:
    assert completion.patches("st") == []
    assert completion.steps("source,s") == ["source,smoke"]
    assert completion.packages("d") == ["deb"]
    assert completion.packages("deb,") == ["deb,oci", "deb,rpm"]
    assert completion.steps("") == ["source", "vulnerabilities", "variants", "prove", "build", "smoke", "lab"]


OTHERS = [
    (["lab", "re"], ["replay"]),
    (["build", "--version", "2.6.1"], ["2.6.19", "2.6.18", "2.6.14"]),
    (["lab", "run", "--scenario", "loss-"], ["loss-10", "loss-20"]),
]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not in PATH")
@pytest.mark.parametrize(("words", "some"), OTHERS, ids=" ".join)
def test_fish(words: list[str], some: list[str]) -> None:
    script = 'env _PATCHKIT_COMPLETE=source_fish patchkit | source; complete -C "$argv"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script, "patchkit", *words],
        env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    completions = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert set(some) <= set(completions)
    assert all(word.startswith(words[-1]) for word in completions)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not in PATH")
@pytest.mark.parametrize(("words", "some"), OTHERS, ids=" ".join)
def test_zsh(words: list[str], some: list[str]) -> None:
    """Typed, and the key pressed: zsh completes nowhere but at its prompt."""
    with typing(["zsh", "-f", "-i"], {"PATH": PATH}) as keys:
        keys.type(
            'autoload -U compinit; compinit -u -D; eval "$(_PATCHKIT_COMPLETE=source_zsh patchkit)"; print O""K\n'
        )
        keys.wait_for("\nOK")
        keys.type(f"patchkit {' '.join(words)}\t\t")
        keys.wait_for(some[0])
