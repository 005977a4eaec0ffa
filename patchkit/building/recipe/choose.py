"""Choose the build system that compiles a release for a target."""

from __future__ import annotations

from patchkit.building.recipe.autotools import AutotoolsTree
from patchkit.building.recipe.cmake import CMakeTree
from patchkit.building.recipe.tree import OpenVpnTree
from patchkit.building.toolchain import Toolchain

_TREES: dict[str, type[OpenVpnTree]] = {"autotools": AutotoolsTree, "cmake": CMakeTree}


def tree_of(toolchain: Toolchain) -> type[OpenVpnTree]:
    """Return the class of tree that ``toolchain`` names for its series and target."""
    return _TREES[toolchain.series.recipe]
