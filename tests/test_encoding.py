"""Whatever patchkit itself prints can be told apart in an encoding that does not hold it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.encoding import PLAIN, install
from tests.conftest import ROOT

# Texts in tables are printed as well; templates become files, which are UTF-8 everywhere.
WRITTEN = sorted(path for top in ("patchkit", "patches", "docker") for path in (ROOT / top).rglob("*.toml"))


def strings(path: Path) -> Iterator[str]:
    """All string constants, docstrings aside."""
    tree = ast.parse(path.read_text("utf-8"))
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


@pytest.mark.slow
def test_no_letter_of_ours_becomes_a_question_mark() -> None:
    install()
    texts = [(path, text) for path in sorted((ROOT / "patchkit").rglob("*.py")) for text in strings(path)]
    texts += [(path, path.read_text("utf-8")) for path in WRITTEN]
    odd = {(letter, path.relative_to(ROOT).as_posix()) for path, text in texts for letter in text if ord(letter) > 127}
    assert len({letter for letter, _ in odd}) > 5  # it looks where they are
    assert {pair for pair in odd if "?" in pair[0].encode("ascii", PLAIN).decode()} == set()


def test_ticks_stay_different() -> None:
    install()
    assert "\u2713 \u2717 \u2013 \u2212\u00bd".encode("ascii", PLAIN) == b"+ x - -?"
    with pytest.raises(UnicodeEncodeError):
        "\u2713".encode("ascii")
