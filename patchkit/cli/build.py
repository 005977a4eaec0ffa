"""``patchkit build``: hand the order over, then print the table or the JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from patchkit.building.engine import cores
from patchkit.cli.ending import as_document, print_json
from patchkit.jobs.build import Outcome, build
from patchkit.jobs.plan import Order
from patchkit.source.cache import Cache
from patchkit.source.obtain import Request
from patchkit.ui import Ui, table


def run(
    *,
    version: str,
    variants: list[str],
    guard: bool,
    target: str,
    git: str | None,
    source: Path | None,
    engine: Literal["auto", "docker", "host"],
    out: Path,
    jobs: int | None,
    offline: bool,
    keep_going: bool,
    keep_build: bool,
    allow_known_bad: bool,
    crypto: str | None,
    openssl_sources: list[str],
    features: list[str],
    as_json: bool,
    verbose: bool,
) -> None:
    began = time.monotonic()
    ui = Ui(verbose=verbose)
    order = Order(
        request=Request(version=version, git=git, source=source, offline=offline),
        variants=variants,
        guard=guard,
        target=target,
        engine=engine,
        out=out,
        jobs=jobs or cores(),
        keep_going=keep_going,
        keep_build=keep_build,
        allow_known_bad=allow_known_bad,
        crypto=crypto,
        openssl_sources=openssl_sources,
        features=features,
    )
    outcomes = build(order, Cache.default(), ui)
    for outcome in outcomes:
        if outcome.error is not None:
            ui.error(f"{outcome.variant}: {outcome.error.what}", outcome.error.why, outcome.error.advice)
    if all(outcome.error is None and not outcome.fresh for outcome in outcomes):
        ui.step(f"Nothing has changed: {out} is up to date")
    if as_json:
        print_json({"outcomes": [_document(outcome, out) for outcome in outcomes]})
    else:
        _print_table(outcomes, out)
    ui.note(f"{time.monotonic() - began:.1f} s in all")
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        raise SystemExit(failed[0].exit_code)


def _print_table(outcomes: list[Outcome], out: Path) -> None:
    rows = []
    for outcome in outcomes:
        for file in outcome.artifact.files if outcome.artifact else []:
            took = f"{outcome.seconds:.1f} s" if outcome.fresh else "-"
            rows.append((str(out / file.name), _size(file.size), took, file.sha256))
    if rows:
        table(("file", "size", "time", "sha256"), rows)


def _size(count: int) -> str:
    return (
        f"{count} B" if count < 10_000 else f"{count / 1000:.0f} kB" if count < 10_000_000 else f"{count / 1e6:.1f} MB"
    )


def _document(outcome: Outcome, out: Path) -> dict[str, object]:
    return {
        "variant": outcome.variant,
        "fresh": outcome.fresh,
        "seconds": round(outcome.seconds, 3),
        "folder": str(out),
        "artifact": outcome.artifact.model_dump() if outcome.artifact else None,
        "error": as_document(outcome.error) if outcome.error else None,
    }
