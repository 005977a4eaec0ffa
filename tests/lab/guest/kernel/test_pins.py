"""The pinned sources of the kernel."""

from __future__ import annotations

import re

from patchkit.lab.guest.kernel.pins import pinned


def test_several_builds_are_pinned_the_preferred_one_first() -> None:
    assert len(pinned()) >= 4
    assert pinned()[0].suite == "trixie-backports"
    assert (
        len({source.sha256 for source in pinned()}) == len({source.file_name for source in pinned()}) == len(pinned())
    )


def test_every_pin_names_a_source_that_runs_here() -> None:
    for source in pinned():
        assert source.file == f"pool/main/l/linux/{source.name}_{source.version}_all.deb"
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert re.fullmatch(r"\d{8}T\d{6}Z", source.snapshot)
        assert source.size > 10**8
        # Since 6.16 UML has its mode by seccomp.
        assert tuple(map(int, source.version.split("-")[0].split(".")))[:2] >= (6, 16)


def test_the_release_names_debians_build() -> None:
    assert pinned()[0].release == f"{pinned()[0].version.split('-')[0]} (Debian {pinned()[0].version})"
