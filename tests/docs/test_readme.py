"""The README's tables and picture agree with the catalogue, the records and the folders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchkit.patching.variants import default_variant, names, variant
from tests.conftest import ROOT
from tests.support.docs.readme import README

PACKAGE = ROOT / "patchkit"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def rows() -> list[list[str]]:
    """The cells of the table of variants."""
    lines = README.partition("| variant | status |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def folders(top: Path) -> set[str]:
    return {path.name for path in top.iterdir() if path.is_dir() and not path.name.startswith("_")}


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_table_of_variants_has_them_all_with_their_status() -> None:
    table = {row[0].strip("`"): row[1] for row in rows()}
    assert table == {name: variant(name).status for name in names()}
    assert next(iter(table)) == default_variant()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_figure_of_the_table_is_one_of_the_measured_ones(row: list[str]) -> None:
    """Figures are in docs/variants.md; a release and its loss stand before the colon."""
    measured = set(_NUMBER.findall((ROOT / "docs/variants.md").read_text("utf-8")))
    assert set(_NUMBER.findall(row[3])) - {"2.3.2", "2.6.14"} <= measured


def test_the_picture_names_the_packages_and_their_folders() -> None:
    words = set(re.findall(r"\w+", README.split("```")[-2]))
    packages = folders(PACKAGE) - {"_resources"}
    assert packages <= words
    signed = {"signed", "keys"}  # data, not code
    assert {name for package in packages for name in folders(PACKAGE / package)} - signed <= words


def test_the_map_of_the_tree_names_every_folder() -> None:
    table = set(re.findall(r"^\| `(.+?)/` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE))
    assert {f"patchkit/{name}" for name in folders(PACKAGE)} <= table
    assert {"patches", "docker", "ci", "docs", "tests"} <= table
