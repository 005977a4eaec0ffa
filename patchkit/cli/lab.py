"""``patchkit lab``: hand the order over, then print the verdicts or the JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from patchkit.building.engine.protocol import cores
from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.errors import BadUsageError
from patchkit.jobs.lab.binaries import Bench
from patchkit.jobs.lab.campaign import LabOrder, run
from patchkit.jobs.lab.replay import asked_for, replay
from patchkit.lab.guest.pin_packages import current
from patchkit.lab.guest.pin_packages import text as listed
from patchkit.lab.link.binaries import Asked
from patchkit.lab.model.scenario import Scenario, Wrap, built_in, changed, named
from patchkit.lab.pki.profile import profile
from patchkit.lab.report.folder import Folder, file_stem
from patchkit.lab.report.report import markdown
from patchkit.patching.variants import default_variant
from patchkit.storage import replace_all
from patchkit.ui import Ui, data, table


def run_campaign(
    *,
    version: str | None,
    variants: Sequence[str],
    guard: bool,
    client: str | None,
    server: str | None,
    arms: Sequence[str],
    scenarios: Sequence[str],
    credentials: Sequence[str],
    wrap: Wrap | None,
    max_packet_size: int | None,
    topology: Literal["server", "p2p"] | None,
    trials: int | None,
    seed: int | None,
    link: Literal["machine", "netns"] | None,
    jobs: int | None,
    out: Path,
    resume: bool,
    bench: Bench,
    offline: bool,
    as_json: bool,
) -> None:
    ui = Ui()
    pairs = _pairs(version, variants, client, server, arms, guard=guard)
    others: dict[str, object] = {"wrap": wrap, "max_packet_size": max_packet_size, "topology": topology}
    for one in credentials:
        profile(one)
    if resume and not pairs:
        if scenarios or credentials or link or seed is not None or trials or guard or any(others.values()):
            raise BadUsageError(
                "--resume without a version goes on with all that the report was asked for",
                advice="leave the other options away, or give all of them",
            )
        order = _as_before(out, bench, jobs or cores())
    else:
        order = LabOrder(
            pairs=pairs or _refuse_nothing(),
            scenarios=_scenarios(scenarios, others),
            bench=bench,
            credentials=list(dict.fromkeys(credentials)),
            trials=trials or 100,
            seed=1 if seed is None else seed,
            link=link or "machine",
            jobs=jobs or cores(),
            out=out,
            resume=resume,
        )
    done = run(order, Context(Cache.default(), ui, offline))
    if as_json:
        print_json(done.results.model_dump(mode="json"))
    else:
        data(markdown(done.campaign, done.results, done.timing))
    ui.note(f"{out}/report.html has the plots and every trial")


def list_scenarios(*, files: Sequence[str], as_json: bool) -> None:
    found = _scenarios(files, {}) if files else dict(built_in())
    if as_json:
        print_json({name: scenario.model_dump(mode="json") for name, scenario in found.items()})
    else:
        table(("name", "runs", "what it is"), [(name, one.runs, one.summary) for name, one in found.items()])


def write_pins(*, to: Path, mirror: str | None) -> None:
    pins = current(mirror)
    replace_all({to: listed(pins).encode()})
    Ui().note(f"{to}: {len(pins.package)} packages of {pins.suite}, Linux {pins.kernel}")


def run_replay(
    *, report: Path, cell: str, trial: int, verbosity: int, out: Path | None, bench: Bench, offline: bool, as_json: bool
) -> None:
    where = out or report / "replay" / file_stem(cell, trial)
    done = replay(
        report,
        cell,
        trial,
        verbosity=verbosity,
        out=where,
        bench=bench,
        context=Context(Cache.default(), Ui(), offline),
    )
    if as_json:
        print_json(
            {
                "same": done.same,
                "reported": done.reported.model_dump(mode="json") if done.reported else None,
                "trial": done.again.model_dump(mode="json"),
                "verbose": done.verbose.model_dump(mode="json"),
                "files": [str(path) for path in done.files],
            }
        )
        return
    took = f" after {done.again.seconds:.3f} s" if done.again.seconds is not None else ""
    as_reported = "as reported" if done.same else "not as reported" if done.reported else "not in the report"
    rows = [("outcome", f"{done.again.outcome}{took}, {as_reported}"), ("seed", str(done.again.seed))]
    table(("what", "value"), rows + [("file", str(path)) for path in done.files])


def _pairs(
    version: str | None,
    variants: Sequence[str],
    client: str | None,
    server: str | None,
    arms: Sequence[str],
    *,
    guard: bool,
) -> list[tuple[Asked, Asked]]:
    """Each arm's client and server."""
    if arms and (version or client or server or variants):
        raise BadUsageError("--arm names both sides", advice="leave --version, --variant, --client and --server away")
    if variants and version is None:
        raise BadUsageError("--variant NAME is of which version?", advice="--version V")
    pairs = []
    for text in arms:
        first, _, second = text.partition(":")
        pairs.append((Asked.parse(first), Asked.parse(second or first)))
    if version is not None:
        for variant in dict.fromkeys(variants or ["stock", default_variant()]):
            one = Asked(version, variant, guard and variant != "stock")
            pairs.append((Asked.parse(client) if client else one, Asked.parse(server) if server else one))
    elif client and server:
        pairs.append((Asked.parse(client), Asked.parse(server)))
    elif client or server:
        raise BadUsageError("one side is not enough", advice="--version V for the other one")
    return list(dict.fromkeys(pairs))


def _refuse_nothing() -> Sequence[tuple[Asked, Asked]]:
    raise BadUsageError("what is to be compared?", advice=f"--version V --variant stock --variant {default_variant()}")


def _scenarios(asked: Sequence[str], others: dict[str, object]) -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    fields = {key: value for key, value in others.items() if value is not None}
    for one in asked or ["loss-20"]:
        for name, scenario in named(one).items():
            as_asked = changed(name, scenario, fields)
            if found.setdefault(name, as_asked) != as_asked:
                raise BadUsageError(f"there are two scenarios {name}", advice="give one of them another name")
    return found


def _as_before(out: Path, bench: Bench, jobs: int) -> LabOrder:
    """The order that a report's campaign was made from."""
    todo = Folder(out).campaign()
    return LabOrder(
        pairs=[(asked_for(one.client), asked_for(one.server)) for one in todo.arms],
        scenarios={},
        bench=bench,
        link=todo.machine.link,
        jobs=jobs,
        out=out,
        resume=True,
        before=todo,
    )
