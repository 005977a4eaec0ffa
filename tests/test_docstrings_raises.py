"""What docstrings say of errors: they name those there are, and all that a public function raises by itself."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from patchkit import errors
from patchkit.errors import PatchkitError
from tests.support.modules import MODULES, PACKAGE

OURS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PatchkitError)}
NAMED = re.compile(r"\b[A-Z]\w+(?:Error|Exception)\b")
# A command's docstring is its help, and what runs inside the guest raises no error of patchkit's.
LIBRARY = [path for path in MODULES if not {"cli", "runner"} & set(path.relative_to(PACKAGE).parts)]


def public(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """The functions and methods of a module that others may call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            if isinstance(child, ast.FunctionDef):
                yield child
            else:
                yield from public(child)


def raised(node: ast.AST) -> Iterator[str]:
    """The names of patchkit's errors that a function raises in its own lines, not in those of functions within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call) and isinstance(child.exc.func, ast.Name):
            yield child.exc.func.id
        yield from raised(child)


def test_what_a_public_function_raises_is_named() -> None:
    raising = {
        (path.relative_to(PACKAGE).as_posix(), function.name, name): ast.get_docstring(function) or ""
        for path in LIBRARY
        for function in public(ast.parse(path.read_text()))
        for name in OURS.intersection(raised(function))
    }
    assert len(raising) > 100
    assert {where for where, text in raising.items() if where[-1] not in text} == set()


def test_errors_that_are_named_are_there() -> None:
    nodes = [node for path in MODULES for node in ast.walk(ast.parse(path.read_text()))]
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    documented = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)]
    named = {name for node in documented for name in NAMED.findall(ast.get_docstring(node) or "")}
    assert len(named) > len(OURS) / 2
    assert named - classes - set(dir(builtins)) == set()
