"""The table of toolchains."""

from __future__ import annotations

import pytest

from patchkit.building.image import dockerfile
from patchkit.building.toolchain import bases, newest, targets, toolchain
from patchkit.errors import ToolchainError, UnknownTargetError


@pytest.mark.parametrize("series", ["2.5", "2.6", "2.7"])
def test_every_listed_series_has_a_whole_toolchain(series: str) -> None:
    tools = toolchain(series, "linux-amd64")
    assert tools.base in bases()
    assert "build-essential" in tools.target.packages
    assert tools.target.triplet == "x86_64-linux-gnu"


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownTargetError, match="linux-amd65") as caught:
        toolchain("2.6", "linux-amd65")
    assert all(target in caught.value.why for target in targets())


def test_a_series_without_toolchain_says_so() -> None:
    with pytest.raises(ToolchainError, match=r"2\.3"):
        toolchain("2.3", "linux-amd64")


def test_a_series_of_tomorrow_gets_the_newest_toolchain() -> None:
    assert toolchain("2.10", "linux-amd64") == toolchain(newest(), "linux-amd64")


def test_the_dockerfile_names_base_and_packages_and_drops_root_before_it_ends() -> None:
    tools = toolchain("2.6", "linux-amd64")
    lines = dockerfile(tools, "sha256:base").splitlines()
    assert "FROM sha256:base" in lines
    assert all(any(line.split()[:1] == [package] for line in lines) for package in tools.target.packages)
    assert [line.split()[0] for line in lines if line.startswith(("RUN", "USER", "COPY"))][-1] == "USER"
