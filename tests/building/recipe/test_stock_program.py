"""The stock program is kept where nothing that decides it can change unseen, and for just what decided it."""

from __future__ import annotations

from dataclasses import replace

from patchkit.building.engine.protocol import Identity
from patchkit.building.recipe.stock_program import SUFFIX, StockProgram
from patchkit.building.settings import BuildSettings
from patchkit.cache import Cache
from patchkit.releases.version import Version
from patchkit.source.tree.tree import Origin

IDENTITY = Identity("host", "cc 12", {"gcc": "12"}, system="0" * 64)
ORIGIN = Origin(kind="tarball", name="openvpn-2.6.14.tar.gz", verified=True, sha256="5a", epoch=0)
TOOLS = BuildSettings(engine="host").toolchain(Version.parse("2.6.14"), "linux-amd64")


def test_what_was_kept_is_recalled_for_the_same_inputs_only(cache: Cache) -> None:
    StockProgram(cache, IDENTITY, ORIGIN, TOOLS, []).remember(b"program")
    assert StockProgram(cache, IDENTITY, ORIGIN, TOOLS, []).recall() == b"program"
    flagged = BuildSettings(engine="host", cflags=["-g"]).toolchain(Version.parse("2.6.14"), "linux-amd64")
    for identity, origin, tools in (
        (replace(IDENTITY, system="1" * 64), ORIGIN, TOOLS),
        (replace(IDENTITY, compiler="cc 13"), ORIGIN, TOOLS),
        (IDENTITY, replace(ORIGIN, sha256="5b"), TOOLS),
        (IDENTITY, ORIGIN, flagged),
    ):
        assert StockProgram(cache, identity, origin, tools, []).recall() is None


def test_nothing_is_kept_of_what_cannot_be_relied_on(cache: Cache) -> None:
    for identity, origin in ((replace(IDENTITY, system=None), ORIGIN), (IDENTITY, replace(ORIGIN, verified=False))):
        program = StockProgram(cache, identity, origin, TOOLS, [])
        program.remember(b"program")
        assert program.recall() is None
    assert not (cache.root / "stock").exists()


def test_a_damaged_one_is_compiled_anew(cache: Cache) -> None:
    program = StockProgram(cache, IDENTITY, ORIGIN, TOOLS, [])
    program.remember(b"program")
    (path,) = cache.stock.glob(f"*{SUFFIX}")
    path.write_bytes(b"progrom")
    assert program.recall() is None
