"""What is taken out of a kernel's source package, and packages that hold none."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_256
from pathlib import Path

import pytest

from patchkit.errors import GuestError, StorageError
from patchkit.lab.guest.kernel.unpack import is_read, source_files
from tests.support.lab.kernel_source import package

CONTENT = {
    "Makefile": b"all:\n",
    "arch/arm64/Kconfig": b"config ARM64\n",
    "arch/arm64/kernel/setup.c": b"not read\n",
    "arch/um/os-Linux/util.c": b"int one;\n",
    "drivers/gpu/drm/Kconfig": b"config DRM\n",
    "drivers/gpu/drm/drm.c": b"not read\n",
    "kernel/sched/core.c": shake_256(b"").digest(300_000),  # what can't be packed
    "scripts/checksyscalls.sh": b"#!/bin/sh\n",
}


@pytest.mark.parametrize("packing", ["xz", "gz", ""])
def test_only_what_a_build_reads_is_taken(tmp_path: Path, packing: str) -> None:
    (tmp_path / "a.deb").write_bytes(package(CONTENT, packing=packing))
    taken = {path: (mode, data) for path, mode, data in source_files(tmp_path / "a.deb")}
    assert set(taken) == set(CONTENT) - {"arch/arm64/kernel/setup.c", "drivers/gpu/drm/drm.c"}
    assert taken["kernel/sched/core.c"] == (0o644, CONTENT["kernel/sched/core.c"])
    assert taken["scripts/checksyscalls.sh"][0] == 0o755


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("drivers/net/veth.c", True),
        ("drivers/net/ethernet/intel/e1000.c", False),
        ("drivers/net/ethernet/intel/Makefile", True),
        ("drivers/net/ethernet/intel/Kconfig.debug", True),
        ("net/sched/sch_netem.c", True),
        ("net/mac80211/tx.c", False),
        ("include/net/mac80211.h", True),
        ("Kbuild", True),
        ("Documentation/Kconfig", True),
        ("Documentation/index.rst", False),
        ("tools/perf/perf.c", False),
    ],
)
def test_which_paths_are_read(path: str, wanted: bool) -> None:
    assert is_read(path) == wanted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bytes, "is not a package of a kernel's source"),
        (lambda: package(CONTENT, tarball="other.tar.xz"), "is not a package of a kernel's source"),
        (lambda: package({"Documentation/index.rst": b"none"}), "has no source of a kernel"),
        (lambda: package(CONTENT)[:-100_000], "is damaged"),
        (lambda: package(CONTENT, packing="")[:-100_000], "is damaged"),
        (lambda: package(CONTENT).replace(b"data.tar.xz", b"data.tar.zs"), "is not a package of a kernel's source"),
    ],
    ids=range(6),
)
def test_a_package_without_a_source(tmp_path: Path, make: Callable[[], bytes], message: str) -> None:
    (tmp_path / "a.deb").write_bytes(make())
    with pytest.raises(GuestError, match=message):
        list(source_files(tmp_path / "a.deb"))


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        list(source_files(tmp_path / "missing.deb"))
