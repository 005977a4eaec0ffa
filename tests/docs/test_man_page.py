"""The manual page that the build of a wheel makes: well formed, and made with what the build declares."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

_GENERATOR = ROOT / "ci/man-page"
# The generator's own imports, by distribution, are printed behind the page.
_WATCHED = """\
import runpy, sys
before = set(sys.modules)
try:
    runpy.run_path({path!r}, run_name="__main__")
except SystemExit as end:
    assert end.code in (0, None), end.code
print("IMPORTED", *sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    printed = subprocess.run([sys.executable, _GENERATOR], capture_output=True, text=True, check=True).stdout
    path = tmp_path_factory.mktemp("man") / "patchkit.1"
    path.write_text(printed, "utf-8")
    return path


def test_the_page_is_well_formed(page: Path) -> None:
    if shutil.which("mandoc"):
        lint = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
        )
        assert (lint.returncode, lint.stdout) == (0, "")
    if shutil.which("man"):
        command = ["man", "--warnings=all", "--local-file", str(page)]
        shown = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}
        )
        assert shown.stderr == ""
        assert "doctor" in shown.stdout


def test_the_page_has_each_variable_and_exit_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert ".It Ev PATCHKIT_MIRROR" in text
    assert re.search(r"^\.It 130 Po Em InterruptedByUserError Pc$", text, re.MULTILINE)


def closure(names: list[str]) -> set[str]:
    """The distributions that ``names`` and their own requirements are."""
    reached: set[str] = set()
    pending = [canonicalize_name(name) for name in names]
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(canonicalize_name(requirement.name))
    return reached


def test_the_generator_imports_what_the_build_declares() -> None:
    """An isolated build has nothing else: without this, ``pip install .`` would fail and every test would pass."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED.format(path=str(_GENERATOR))], capture_output=True, text=True, check=True
    )
    imported = done.stdout.partition("IMPORTED ")[2].split()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    owners = packages_distributions()
    needed = {canonicalize_name(owner) for name in imported for owner in owners.get(name, [])} - {"patchkit"}
    assert needed <= closure([Requirement(text).name for text in declared])
