"""Control characters are visible, and passwords are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchkit.printable import in_one_line, printable, visible, without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\033[31mred", "\\x1b[31mred"),
        ("a\x9b2Jb", "a\\x9b2Jb"),
        ("gpj\u202eexe", "gpj\\u202eexe"),
        ("a\u2028b", "a\\u2028b"),
        ("over\rwritten", "over\\rwritten"),
        ("half \udc80", "half \\udc80"),
        ("two\n\tlines", "two\n\tlines"),
        ("naïve → 日本", "naïve → 日本"),
    ],
)
def test_control_characters(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.characters()))
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    assert not any(unicodedata.category(letter).startswith(("Cc", "Cf", "Cs", "Z")) and letter != " "
                   for letter in in_one_line(text) if unicodedata.category(letter) != "Zs")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/x", "https://***@host/x"),
        ("https://token@host/x.git", "https://***@host/x.git"),
        ("from http://a:b@h/1 and http://c:d@h/2", "from http://***@h/1 and http://***@h/2"),
        ("https://me:se@cret@host/x", "https://***@host/x"),
        ("http:/me:secret@host/x", "http:/***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:secret@host/x", "ssh://git:***@host/x"),
        ("git@host:x and https://host/x@v1", "git@host:x and https://host/x@v1"),
    ],
)
def test_passwords(text: str, shown: str) -> None:
    assert without_passwords(text) == printable(text) == shown
