"""Campaigns that nobody ran: trials by the numbers, for tests of what is made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from patchkit.lab.link.netem_rules import derived
from patchkit.lab.model.campaign import Arm, Campaign, Cell, LinkDescription, Program
from patchkit.lab.model.scenario import built_in
from patchkit.lab.model.trial import Crowd, Sending, Soak, Traffic, Trial
from patchkit.lab.report.folder import Folder, in_order
from patchkit.lab.report.report import Timing

Outcome = Literal["completed", "timeout", "crash", "hang", "void"]
CREDENTIALS = "leaf-rsa2048"
TIMING = Timing(guest_seconds=7200.0, wall_seconds=60.0, jobs=2)


def traffic(sent: int = 30, dropped: int = 6, control: int = 14, acks: int = 10) -> Traffic:
    return Traffic(
        sent=sent, delivered=sent - dropped, dropped=dropped, duplicated=0, reordered=0, ruled_out=0, delay_ms=50.2,
        opcodes={"P_CONTROL_V1": control - 1, "P_CONTROL_HARD_RESET_CLIENT_V2": 1, "P_ACK_V1": acks},
        control_bytes=9000,
        sending=Sending(messages=6, copies=4, seconds=20.0, peak=5, peak_messages=5),
    )  # fmt: skip


SEED = 7


def trial(cell: str, number: int, outcome: Outcome | float = "timeout", control: int = 14, **more: Any) -> Trial:
    """A number as the outcome: completed after so many seconds."""
    seconds = None if isinstance(outcome, str) else outcome
    return Trial(
        cell=cell,
        trial=number,
        seed=derived(SEED, "trial", number),
        outcome=outcome if isinstance(outcome, str) else "completed",
        seconds=seconds,
        traffic={"up": traffic(control=control), "down": traffic(control=control)},
        **{"cpu": {"client": 0.05, "server": 0.06}, "guest_seconds": 61.0, **more},
    )


def soak(**more: Any) -> Soak:
    fields = {
        "seconds": 3600.0, "pings_sent": 3600, "pings_answered": 2500, "longest_outage": 12.5, "outages": 2,
        "down_seconds": 23.0, "renegotiations": 59, "failed_renegotiations": 1, "ping_restarts": 0, "reconnects": 0,
    }  # fmt: skip
    return Soak(**{**fields, **more})


def crowd(*seconds: float | None) -> Crowd:
    completed = sum(duration is not None for duration in seconds)
    return Crowd(clients=len(seconds), completed=completed, seconds=list(seconds))


def cell(arm: str, scenario: str = "loss-20") -> Cell:
    return Cell(id=f"{arm}/{scenario}/{CREDENTIALS}", arm=arm, scenario=scenario, credentials=CREDENTIALS)


def campaign(
    arms: Sequence[str] = ("2.6.14", "2.6.14+retransmit"), scenarios: Sequence[str] = ("loss-20",), trials: int = 60
) -> Campaign:
    def arm(name: str) -> Arm:
        release, _, variant = name.partition("+")
        program = Program(release=release, variant=variant or "stock", version=f"OpenVPN {name}", sha256="ab" * 32)
        return Arm(name=name, client=program, server=program)

    return Campaign(
        patchkit="1.0",
        seed=SEED,
        trials=trials,
        machine=LinkDescription(link="qemu", guest="ef" * 32, qemu="7.2.15", kernel="6.1.0-32-amd64", shift=10),
        arms=[arm(name) for name in arms],
        scenarios={name: built_in()[name] for name in dict.fromkeys([*scenarios, "clean"])},
        cells=[cell(name, scenario) for scenario in scenarios for name in arms],
        reference=[cell(arms[0], "clean").model_copy(update={"id": f"reference/{CREDENTIALS}"})] if arms else [],
    )


def references(campaign: Campaign) -> list[Trial]:
    return [trial(cell.id, number, 0.62, control=6) for cell in campaign.reference for number in (1, 2, 3)]


def lossy(campaign: Campaign, trials: int | None = None, seed: int = 1) -> list[Trial]:
    """As a lossy link shows them: later arms complete more often and sooner, and send more."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    out = references(campaign)
    for number in range(1, (trials or campaign.trials) + 1):
        luck = chance.expovariate(1)
        for cell in campaign.cells:
            rank = [arm.name for arm in campaign.arms].index(cell.arm)
            seconds = round(0.6 + luck * 22 / (1 + 2 * rank) + chance.expovariate(1), 3)
            control = chance.randint(10, 20) * (1 + rank)
            out.append(trial(cell.id, number, seconds if seconds < 60 else "timeout", control))
    return out


def written(folder: Path, this: Campaign, trials: Sequence[Trial]) -> Path:
    """What others read of a report of those of ``trials`` that belong to the part that ``this`` is."""
    numbers = set(this.numbers())
    target = Folder(folder)
    target.begin(this)
    target.add(in_order(this, [trial for trial in trials if trial.trial in numbers]))
    target.write({"timing.json": TIMING.model_dump_json()})
    return folder
