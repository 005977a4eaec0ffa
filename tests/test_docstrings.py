"""Public docstrings begin with verb and object: what a function does, not what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.modules import MODULES, PACKAGE

NO_VERBS = {
    "A", "All", "An", "Both", "Each", "Every", "Everything", "How", "It", "Its", "No", "One", "Other", "Some", "That",
    "The", "Their", "These", "They", "This", "Those", "What", "Whatever", "Where", "Whether", "Which",
}  # fmt: skip
"""First words of a phrase, or pronouns whose noun stands elsewhere."""
PROPERTIES = {"property", "cached_property"}
"""What these decorate is named like a value, and described as one."""


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    """The public functions and methods of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def is_property(function: ast.FunctionDef) -> bool:
    return any(isinstance(name, ast.Name) and name.id in PROPERTIES for name in function.decorator_list)


# What runs inside the guest is a part of the machine whose results are compared to the byte: it stays as it is.
@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if "runner" not in path.parts],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_first_words_are_verbs(path: Path) -> None:
    tree = ast.parse(path.read_text())
    documented = {node.name: ast.get_docstring(node) for node in functions(tree) if not is_property(node)}
    first_words = {name: text.split()[0].rstrip(",.:") for name, text in documented.items() if text}
    assert {name: word for name, word in first_words.items() if word in NO_VERBS} == {}
