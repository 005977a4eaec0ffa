"""docs/old-peers.md names the options that docker/toolchains.toml has, and those are what was tried."""

from __future__ import annotations

import re
import shlex

import pytest

from patchkit.building.toolchain_table import Series, all_series
from tests.conftest import ROOT

TEXT = (ROOT / "docs/old-peers.md").read_text("utf-8")
NOTHING = "nothing"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without the table's own head."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def options(cell: str) -> list[str]:
    if cell == NOTHING:
        return []
    (words,) = re.findall(r"`(.*)`", cell)
    return shlex.split(words)


@pytest.mark.parametrize("series", all_series(), ids=lambda series: series.name)
def test_the_table_has_the_options_of_each_series(series: Series) -> None:
    """One row for all of a series, or several: then one asks for all that the series does, and none for more."""
    mine = [row for row in rows("Point to point") if series.name in re.findall(r"\b2\.\d+", row[0])]
    assert series.modern_peer in [options(row[1]) for row in mine]
    for row in mine:
        assert set(options(row[1])) <= set(series.modern_peer)
        assert options(row[2]) == series.old_peer


def test_clients_and_servers_need_the_same_for_tls_and_for_the_old_side() -> None:
    point_to_point = {row[0]: row for row in rows("Point to point")}
    for releases, modern, old in rows("Client and server"):
        if options(modern):
            there, here = point_to_point[releases][1:3]
            assert options(modern)[:-2] == options(there)[:-2]
            assert options(old) == options(here)
            assert options(here)[-1] in options(modern)[-1].split(":")
