"""The shape of the code: packages import downwards only, errors have codes of their own, the wheel works."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from patchkit.errors import all_errors
from tests.conftest import ROOT
from tests.support.modules import MODULES, PACKAGE

# From the bottom up: a module may import from its own package and from those before it.
FLOORS = [
    "__init__",
    "errors",
    "printable",
    "processors",
    "json_schema",
    "shard",
    "signals",
    "children",
    "limits",
    "storage",
    "temporary",
    "cache",
    "encoding",
    "streams",
    "tables",
    "ui",
    "resources",
    "context",
    "releases",
    "source",
    "patching",
    "pki",
    "building",
    "proving",
    "packaging",
    "diagnosis",
    "lab",
    "cluster",
    "jobs",
    "cli",
]


def package_of(module: str) -> str:
    """Its place in FLOORS: names that ``patchkit`` itself has, as its version, are of ``__init__``."""
    name = module.partition(".")[2].partition(".")[0]
    return name if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file() else "__init__"


@cache
def imports(path: Path) -> frozenset[str]:
    """The patchkit modules that a file imports, wherever in the file it does so."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("patchkit"):
            modules |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            modules |= {name.name for name in node.names if name.name.startswith("patchkit")}
    return frozenset(modules)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_import_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module in imports(path):
        name = package_of(module)
        assert FLOORS.index(name) <= FLOORS.index(here), f"{path} imports {module}"


def test_there_are_no_import_cycles() -> None:
    names = {".".join(("patchkit", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    graph = {}
    for name, path in names.items():
        used = {module if module in names else module.rpartition(".")[0] for module in imports(path)}
        graph[name.removesuffix(".__init__")] = used & names.keys() - {name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("package", sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/*/")}))
def test_the_folders_of_a_package_have_no_cycles(package: str) -> None:
    """A folder and a module beside it count alike: ``lab/link/`` and ``jobs/export.py``."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        top, here, *_ = (*path.relative_to(PACKAGE).with_suffix("").parts, "")
        if top == package and here:
            used = {module.split(".")[2] for module in imports(path) if module.startswith(f"patchkit.{package}.")}
            graph.setdefault(here, set()).update(used - {here})
    while leaves := [name for name, used in graph.items() if not used & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert graph == {}


# The report's, and the runner's, which knows nothing of reports.
SAID_TWICE = {"Crowd"}


def test_a_class_has_a_name_of_its_own() -> None:
    named = Counter(
        name for path in MODULES for name in re.findall(r"^class ([A-Za-z]\w*)", path.read_text(), re.MULTILINE)
    )
    assert {name for name, times in named.items() if times > 1} == SAID_TWICE


def test_nothing_imports_from_a_test_module() -> None:
    """What several test modules need is in tests/support."""
    importing = re.compile(
        r"^\s*(?:from|import) (?:\.|tests\.)[\w.]*\btest_\w+|^\s*from [\w.]+ import .*\btest_", re.MULTILINE
    )
    folders = (PACKAGE, ROOT / "tests", ROOT / "ci")
    users = {path for folder in folders for path in folder.rglob("*.py") if importing.search(path.read_text("utf-8"))}
    assert not users


@pytest.mark.parametrize(("tool", "setting"), [("mypy", "files"), ("ruff", "extend-include")])
def test_all_scripts_are_checked(tool: str, setting: str) -> None:
    """They have no suffix: ruff and mypy read those that pyproject.toml names. Most can't run in a test."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][tool][setting]
    named = {path for pattern in patterns for path in ROOT.glob(pattern)}
    files = [path for path in (ROOT / "ci").iterdir() if path.is_file()]
    scripts = {path.name for path in files if "python" in path.read_text("utf-8").split("\n")[0]}
    assert scripts
    assert {path.name for path in files if path in named} == scripts


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "common", "misc"}


def test_every_error_has_a_code_and_a_meaning_of_its_own() -> None:
    errors = all_errors()
    assert len({error.exit_code for error in errors}) == len({error.meaning for error in errors}) == len(errors)


@pytest.mark.parametrize(
    "command",
    # Without its cache, mypy reads all of the packages that are imported.
    [["ruff", "check"], ["ruff", "format", "--check"], pytest.param(["mypy"], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_formatted_linted_and_typed(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_works_from_any_folder(tmp_path: Path) -> None:
    """Built and installed as a user would; the dependencies are the ones that are here."""
    python = [sys.executable, "-m"]
    built = subprocess.run(
        [*python, "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert [name for name in names if name.endswith("/share/man/man1/patchkit.1")]
    assert [name for name in names if name.endswith("/licenses/LICENSE")]
    subprocess.run([*python, "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    subprocess.run(
        [*python, "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
        capture_output=True,
    )
    # Our own dependencies, but not the editable patchkit: a .pth file in a PYTHONPATH folder is not read.
    environment = {"PYTHONPATH": f"{site}:{Path(pytest.__file__).resolve().parent.parent}", "PATH": "/usr/bin:/bin"}

    def installed(*arguments: str) -> str:
        done = subprocess.run(
            [str(tmp_path / "venv/bin/python"), *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "retransmit" in installed("-m", "patchkit", "variants")
    for folder in ("docker", "patches"):
        where = installed("-c", f"import patchkit.resources as r; print(r.folder('{folder}'))")
        assert where.startswith(str(site))
