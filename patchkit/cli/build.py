"""``patchkit build``: hand the order over, then print the table or the JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from patchkit.building.engine.protocol import cores
from patchkit.building.toolchain import known_target
from patchkit.cache import Cache
from patchkit.cli.error_handling import as_document, print_json
from patchkit.context import Context
from patchkit.errors import BadUsageError, PatchkitError
from patchkit.jobs.build.all_releases import Built, build_many, final_releases
from patchkit.jobs.build.plan import Order
from patchkit.jobs.build.release import Outcome, build
from patchkit.packaging.authenticode import Signer
from patchkit.source.obtain import Request
from patchkit.ui import Ui, table


def run(
    *,
    version: str | None,
    all_releases: bool,
    since: str | None,
    variants: list[str],
    guard: bool,
    targets: list[str],
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
    cflags: list[str],
    sign_key: Path | None,
    sign_cert: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    began = time.monotonic()
    ui = Ui(verbose=verbose)
    context = Context(Cache.default(), ui, offline)
    if (version is None) == (not all_releases):
        raise BadUsageError("which release?", why="one of --version and --all-releases is wanted", advice="--version V")
    if since is not None and not all_releases:
        raise BadUsageError("--since goes with --all-releases")
    if all_releases and source is not None:
        raise BadUsageError("--source is one release", advice="--git takes a repository with all of them")
    if all_releases and (keep_build or verbose):
        option = "--keep-build" if keep_build else "--verbose"
        raise BadUsageError(f"{option} is for one release", advice="--version V, for the one that is to be looked at")
    order = Order(
        request=Request(version=version or "", git=git, source=source),
        variants=variants,
        guard=guard,
        engine=engine,
        out=out,
        jobs=jobs or cores(),
        keep_going=keep_going,
        keep_build=keep_build,
        allow_known_bad=allow_known_bad,
        crypto=crypto,
        openssl_sources=openssl_sources,
        features=features,
        cflags=cflags,
        signer=_signer(sign_key, sign_cert, targets),
    )
    orders = [replace(order, target=target) for target in dict.fromkeys(targets)]
    for one in orders:
        known_target(one.target)
    if all_releases:
        results = [built for one in orders for built in _all(one, since, context)]
    else:
        results = _one(orders, str(version), context)
    _report(results, out, ui, as_json=as_json)
    ui.note(f"{time.monotonic() - began:.1f} s in all")
    failed = [one.failure for one in results if one.failure is not None]
    if failed:
        raise SystemExit(failed[0].exit_code)


def _one(orders: Sequence[Order], version: str, context: Context) -> list[Built]:
    """One release for each target; with --keep-going, a target that fails does not keep the others back."""
    results = []
    for order in orders:
        if len(orders) > 1:
            context.ui.step(f"For {order.target}")
        try:
            results.append(Built(version, order.target, build(order, context)))
        except PatchkitError as error:
            if not order.keep_going or len(orders) == 1:
                raise
            results.append(Built(version, order.target, error=error))
    return results


def _signer(key: Path | None, certificate: Path | None, targets: Sequence[str]) -> Signer | None:
    if key is None and certificate is None:
        return None
    if key is None or certificate is None:
        raise BadUsageError("--sign-key and --sign-cert go together")
    if not any(known_target(name).system == "windows" for name in targets):
        raise BadUsageError("only programs for Windows are signed", advice="--target windows-amd64")
    return Signer.ready(key, certificate)


def _all(order: Order, since: str | None, context: Context) -> list[Built]:
    versions = [one.version.text for one in final_releases(since)]
    context.ui.step(f"{len(versions)} releases for {order.target}, {order.jobs} at a time")
    results = list(build_many(order, versions, context))
    return sorted(results, key=lambda one: versions.index(one.version))


def _report(results: Sequence[Built], out: Path, ui: Ui, *, as_json: bool) -> None:
    for one in results:
        if one.error is not None:
            ui.error(f"{one.version} for {one.target}: {one.error.what}", one.error.why, one.error.advice)
        for outcome in one.outcomes:
            if outcome.error is not None:
                name = f"{one.version} {outcome.variant} for {one.target}" if len(results) > 1 else outcome.variant
                ui.error(f"{name}: {outcome.error.what}", outcome.error.why, outcome.error.advice)
    outcomes = [outcome for one in results for outcome in one.outcomes]
    if not any(one.failure for one in results) and not any(outcome.fresh for outcome in outcomes):
        ui.step(f"Nothing has changed: {out} is up to date")
    if as_json:
        print_json(
            {
                "outcomes": [_document(one, outcome, out) for one in results for outcome in one.outcomes],
                "failed": [{**_which(one), **as_document(one.error)} for one in results if one.error],
            }
        )
    else:
        _print_table(outcomes, out)


def _print_table(outcomes: Sequence[Outcome], out: Path) -> None:
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


def _which(one: Built) -> dict[str, object]:
    return {"version": one.version, "target": one.target}


def _document(one: Built, outcome: Outcome, out: Path) -> dict[str, object]:
    return {
        **_which(one),
        "variant": outcome.variant,
        "fresh": outcome.fresh,
        "seconds": round(outcome.seconds, 3),
        "folder": str(out),
        "artifact": outcome.artifact.model_dump() if outcome.artifact else None,
        "error": as_document(outcome.error) if outcome.error else None,
    }
