"""``patchkit verify``: the steps with their ticks, the findings one by one, and the reports."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from patchkit.building.engine.protocol import cores
from patchkit.cache import Cache
from patchkit.cli.error_handling import as_document, print_json
from patchkit.context import Context
from patchkit.errors import BadUsageError
from patchkit.jobs.verify.evidence import Sought
from patchkit.jobs.verify.job import VerifyOrder, chosen_steps, verify
from patchkit.jobs.verify.model import TRIALS, State, Verification
from patchkit.jobs.verify.new_tags import NewTag, Watch, finding, new_tags
from patchkit.jobs.verify.report import TICKS, write
from patchkit.storage import check_writable
from patchkit.ui import Painted, Ui, data, table

OUT = Path("verify")
"""Where reports go unless asked otherwise."""
_COLOURS: dict[State, str] = {"passed": "green", "finding": "bold red", "skipped": "dim", "not run": "yellow"}


def run(
    *,
    version: str | None,
    new: bool,
    since: str | None,
    variants: Sequence[str],
    only: Sequence[str],
    skip: Sequence[str],
    git: str | None,
    source: Path | None,
    signature: Path | None,
    keys: Sequence[Path],
    engine: Literal["auto", "docker", "host"],
    crypto: str | None,
    openssl_sources: Sequence[str],
    trials: int | None,
    jobs: int | None,
    out: Path,
    keep_going: bool,
    offline: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    began = time.monotonic()
    ui = Ui(verbose=verbose)
    if new == (version is not None):
        raise BadUsageError("which release?", why="one of --version and --new is wanted", advice="--version V")
    if since is not None and not new:
        raise BadUsageError("--since goes with --new")
    if new:
        _refuse({
            "--only": only, "--skip": skip, "--source": source, "--signature": signature, "--trials": trials,
            "--engine": engine != "auto", "--crypto": crypto, "--openssl-source": openssl_sources, "--jobs": jobs,
            "--out": out != OUT, "--keep-going": keep_going, "--offline": offline,
        })  # fmt: skip
        _new(Watch(git, since, variants, keys), ui, as_json=as_json)
        return
    if signature is not None and (source is None or source.is_dir()):
        raise BadUsageError("--signature is of a tarball", advice="--source TARBALL")
    order = VerifyOrder(
        sought=Sought(str(version), git, source, signature, tuple(keys)),
        variants=variants,
        steps=chosen_steps(only, skip),
        engine=engine,
        crypto=crypto,
        openssl_sources=openssl_sources,
        jobs=jobs or cores(),
        trials=trials or TRIALS,
        out=out,
        keep_going=keep_going,
    )
    check_writable(out, "--out")
    found = verify(order, Context(Cache.default(), ui, offline))
    folder = out / found.release
    write(found, folder)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)
    for one in found.findings:
        ui.error(one.what, one.why, one.advice)
    ui.note(f"{folder}/report.html has all that was looked at; {time.monotonic() - began:.1f} s in all")
    if found.exit_code:
        raise SystemExit(found.exit_code)


def _refuse(given: Mapping[str, object]) -> None:
    """What would have no effect is no option."""
    odd = [name for name, value in given.items() if value]
    if odd:
        raise BadUsageError(
            f"{', '.join(odd)} {'has' if len(odd) == 1 else 'have'} no meaning with --new",
            why="--new looks at a repository's tags, and at nothing else: it builds nothing, and writes no report",
            advice="--git, --since, --variant and --key go with it",
        )


def _show(found: Verification) -> None:
    rows = [
        (
            Painted(TICKS[step.state], _COLOURS[step.state]),
            step.name,
            Painted(step.state, _COLOURS[step.state]),
            step.summary,
        )
        for step in found.steps
    ]
    table(("", "step", "state", "result"), rows)
    data(f"{found.verdict}\n")


def _new(watch: Watch, ui: Ui, *, as_json: bool) -> None:
    found = new_tags(watch, Context(Cache.default(), ui))
    error = finding(found)
    if as_json:
        print_json({"tags": [_document(one) for one in found], "finding": as_document(error) if error else None})
    elif found:
        rows = [
            (one.version.text, one.commit[:12], one.known, _signature(one), ", ".join(_cells(one)) or "not looked at")
            for one in found
        ]
        table(("release", "commit", "pins", "signature", "variants"), rows)
    else:
        data("nothing new\n")
    for one in found:
        if one.error is not None:
            ui.error(f"{one.tag}: {one.error.what}", one.error.why, one.error.advice)
    if error is not None:
        if not any(one.error is error for one in found):
            ui.error(error.what, error.why, error.advice)
        raise SystemExit(error.exit_code)


def _signature(one: NewTag) -> str:
    if one.known == "moved":
        return "not looked at"
    return one.signed.worth if one.signed else "missing"


def _cells(one: NewTag) -> list[str]:
    return [f"{cell.variant} {cell.verdict}" for cell in one.cells if not cell.guard]


def _document(one: NewTag) -> dict[str, object]:
    signed = one.signed
    return {
        "version": one.version.text,
        "tag": one.tag,
        "commit": one.commit,
        "known": one.known,
        "pinned": one.pinned,
        "signature": {"worth": signed.worth, "detail": signed.detail, "key": signed.key} if signed else None,
        "variants": {cell.variant: cell.verdict for cell in one.cells if not cell.guard},
        "error": as_document(one.error) if one.error else None,
    }
