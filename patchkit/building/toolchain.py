"""Which base, packages and flags a series and a target are compiled with: ``docker/toolchains.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from patchkit import resources
from patchkit.errors import ToolchainError, UnknownTargetError
from patchkit.releases.version import shown


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(_Table):
    """A Debian base image."""

    image: str
    suite: str


class Target(_Table):
    """What the binaries run on."""

    name: str
    triplet: str
    debian_arch: str
    packages: list[str]
    cppflags: list[str]
    cflags: list[str]
    ldflags: list[str]


class Series(_Table):
    """What is particular to one series."""

    name: str
    base: str
    configure: list[str]
    links: bool = True
    """False where only single files compile: enough for a proof, not for a program."""
    peer_options: list[str] = []
    """Options that both peers of a handshake on this toolchain need."""
    genkey: list[str] = []
    test_crypto: list[str] = []


class Toolchain(_Table):
    """Everything that decides how a release of one series is compiled for one target."""

    base: Base
    target: Target
    series: Series


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((resources.folder("docker") / "toolchains.toml").read_text("utf-8"))


def targets() -> list[str]:
    """The names of all targets."""
    return list(_tables()["target"])


def bases() -> list[Base]:
    """All base images."""
    return [Base.model_validate(base) for base in _tables()["base"].values()]


def newest() -> str:
    """The newest series that has a toolchain of its own."""
    return max(map(str, _tables()["series"]), key=_order)


def _order(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))


def toolchain(series: str, target: str, *, linking: bool = True) -> Toolchain:
    """The toolchain of a series; one that is newer than all of the table gets the newest's.

    Raises UnknownTargetError, or ToolchainError for a series that has no toolchain; unless ``linking``, one that
    compiles single files will do.
    """
    tables = _tables()
    if target not in tables["target"]:
        raise UnknownTargetError(f"there is no target {shown(target)}", why=f"there are: {', '.join(targets())}")
    if _order(series) > _order(newest()):
        # A branch or a release of tomorrow: upstream changes its toolchain seldom, and a failure would be clear.
        return toolchain(newest(), target)
    complete = [name for name, one in tables["series"].items() if one.get("links", True)]
    if series not in (complete if linking else tables["series"]):
        raise ToolchainError(
            f"there is no toolchain for series {series} yet",
            why=f"there are toolchains for {', '.join(complete)}; "
            "releases up to 2.4 want an OpenSSL that current systems no longer have",
            advice="patchkit render still gives you the diff for your own build",
        )
    of_series = tables["series"][series]
    return Toolchain(
        base=Base.model_validate(tables["base"][of_series["base"]]),
        target=Target.model_validate({"name": target, **tables["target"][target]}),
        series=Series.model_validate({"name": series, **of_series}),
    )
