"""The command on terminals: narrow ones, without colours, and in locales that hold no arrows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchkit.patching.variants import names
from tests.conftest import Run
from tests.support.source.samples import Member, tar_of
from tests.support.terminal import ASCII, on_terminal

_ESCAPE = re.compile(r"\033\[[0-9;?]*[A-Za-z]")
MORE = ("render --version 2.99", "variants", "lab scenarios", "releases", "--help", "build -h")
COMMANDS = [
    "variants retransmit",
    "render --version 2.99",
    *(
        pytest.param(command, marks=pytest.mark.slow)
        for command in ("variants", "lab scenarios", "releases", "--help", "build -h")
    ),
]


@pytest.mark.parametrize("columns", [60, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_wider_than_the_terminal_nor_cut(command: str, columns: int) -> None:
    shown = on_terminal(command.split(), columns=columns)
    text = _ESCAPE.sub("", shown.text)
    assert shown.code == (10 if "2.99" in command else 0)
    assert "Traceback" not in text
    if command.startswith(("variants", "lab")):
        assert max(map(len, text.replace("\r", "").splitlines())) <= columns
    if command == "variants":
        assert set(names()) <= set(text.split())
    if command == "variants retransmit":
        assert "https://blog.csdn.net/dog250/article/details/9529927" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_no_colour_where_none_is_wanted(command: str, patchkit: Run) -> None:
    assert _ESCAPE.search(on_terminal(command.split(), {"NO_COLOR": "1"}).text) is None
    piped = patchkit(*command.split())
    assert _ESCAPE.search(piped.stdout + piped.stderr) is None


@pytest.mark.parametrize("lines", [24, 0])  # 0: it states no height, as some editors' terminals
def test_a_dumb_terminal_has_a_width_too(lines: int) -> None:
    shown = on_terminal(["variants", "retransmit"], {"TERM": "dumb"}, columns=60, lines=lines)
    assert shown.code == 0
    assert max(map(len, shown.lines)) <= 60
    assert "\033" not in shown.text


def test_names_of_others_do_not_control_a_terminal(tmp_path: Path) -> None:
    """A tarball's folder has a name that colours the terminal, a second one that clears it."""
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of(Member("\033[31mtop/a"), Member("\x9b2Jother/b")))
    shown = on_terminal(["apply", str(path)], {"NO_COLOR": "1"}, columns=200)
    assert "\033[31m" not in shown.text
    assert "\x9b" not in shown.text
    rendered = on_terminal(
        ["render", "--version", "2.6.14", "--variant", "retransmit", "--source", str(path)], {"NO_COLOR": "1"}
    )
    assert "\\x1b[31mtop" in "".join(rendered.lines)
    assert "\033[31m" not in rendered.text


def test_colours_where_they_are() -> None:
    assert "\033[1;31m" in on_terminal(["apply", "nowhere"]).text
    assert "\033[1m" in on_terminal(["variants"]).text


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_locale_without_arrows(command: str, patchkit: Run) -> None:
    shown = on_terminal(command.split(), ASCII, columns=60)
    assert shown.code == (10 if "2.99" in command else 0), shown.text
    assert shown.text.isascii()
    assert "Traceback" not in shown.text
    assert "\\u" not in shown.text
    piped = patchkit(*command.split(), env=ASCII)
    assert piped.returncode == shown.code
    assert "Traceback" not in piped.stderr


@pytest.mark.slow
def test_an_arrow_is_written_in_plain_letters() -> None:
    assert "client -> server" in on_terminal(["lab", "scenarios"], ASCII, columns=200).text


@pytest.mark.slow
def test_the_locale_c_by_itself_is_utf8() -> None:
    assert "client → server" in on_terminal(["lab", "scenarios"], {"LC_ALL": "C"}, columns=200).text


def test_a_hash_is_never_broken(tmp_path: Path) -> None:
    (tmp_path / "src/openvpn").mkdir(parents=True)
    from tests.support.patching.samples import GNU

    (tmp_path / "src/openvpn/reliable.c").write_text(GNU)
    (tmp_path / "configure.ac").write_text("")
    shown = on_terminal(["apply", str(tmp_path), "--variant", "retransmit"], columns=60)
    assert re.search(r"\b[0-9a-f]{64}\b", _ESCAPE.sub("", shown.text)), shown.text
