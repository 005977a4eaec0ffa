"""What to do about a finding: what the patch would do, which option instead, and the lab's figures."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from patchkit.diagnosis.finding import Advice, Kind

_FILE = Path(__file__).with_name("advice.toml")


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def advice(kind: Kind, detail: str, version: str, verb: int) -> Advice:
    """Return the advice for a finding of ``kind``: for ``detail`` where it has its own, for the release ``version``."""
    own = _tables()["advice"][kind.value]
    special = own.get("detail", {}).get(detail, {})
    patch = special.get("patch", own["patch"])
    instead = [*special.get("instead", []), *own.get("instead", [])]
    helps: bool | None = {"yes": True, "no": False}.get(special.get("helps", own["helps"]))
    if kind == Kind.NOT_ENOUGH:
        instead = [text for text in instead if not (verb >= 4 and "--verb 4" in text)]
    return Advice(patch=patch, helps=helps, instead=instead, figures=_figures(version) if own.get("figures") else [])


def _figures(version: str) -> list[str]:
    """The lab's figures for the series of ``version``; for two that stand for old and new where that is not known."""
    by_series: dict[str, str] = _tables()["figures"]
    numbers = [int(part) for part in version.split(".") if part.isdigit()]
    if len(numbers) >= 2:
        series = f"{numbers[0]}.{numbers[1]}"
        name = "old" if tuple(numbers[:3]) < (2, 3, 9) else series
        if name in by_series:
            return [by_series[name], *([by_series["options"]] if name != "old" else [])]
    return [by_series["old"], by_series["2.6"], by_series["options"]]
