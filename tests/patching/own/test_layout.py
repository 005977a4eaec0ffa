"""The folder of a new variant: valid as it stands, taken as any other, and never over something else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from patchkit.errors import BadPatchError, StorageError
from patchkit.patching.combination import combination
from patchkit.patching.own import load
from patchkit.patching.own.layout import lay_out
from patchkit.patching.render import render
from tests.patching.own.schemas import errors_of
from tests.support.patching.samples import ALLMAN, GNU, tree


def test_it_is_valid_and_renders(tmp_path: Path) -> None:
    files = lay_out(str(tmp_path / "my-change"))
    assert sorted(files) == sorted(path.name for path in (tmp_path / "my-change").iterdir())
    own = load.folder(str(tmp_path / "my-change"))
    assert own.name == "my-change"
    for sample in (GNU, ALLMAN):
        for guard in (False, True):
            made = render(combination("my-change"), tree(sample), "2.6.14", guard=guard, check_names=False)
            assert b"says my-change" in made.diff
    assert errors_of("patch")(tomllib.loads(files["patch.toml"].read_text())) == []


@pytest.mark.parametrize("name", ["Big", "with space", "a-guard", "stock", "recommended", "..", "x_y", "ä"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadPatchError):
        lay_out(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        lay_out(str(tmp_path / "mine"))
    with pytest.raises(StorageError, match=r"there is no folder \S+/missing$") as caught:
        lay_out(str(tmp_path / "missing" / "mine"))
    assert caught.value.advice == f"mkdir -p {tmp_path / 'missing'}"
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
