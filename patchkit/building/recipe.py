"""Which build system compiles a release for a target."""

from __future__ import annotations

from patchkit.building.autotools import AutotoolsTree
from patchkit.building.cmake import CMakeTree
from patchkit.building.toolchain import Toolchain
from patchkit.building.tree import OpenVpnTree

_TREES: dict[str, type[OpenVpnTree]] = {"autotools": AutotoolsTree, "cmake": CMakeTree}


def tree_of(toolchain: Toolchain) -> type[OpenVpnTree]:
    """The kind of tree that the series' table names for this target."""
    return _TREES[toolchain.series.recipe]
