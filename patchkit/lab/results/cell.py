"""The results of one cell: all its trials summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Literal, NamedTuple

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.model.campaign import Cell
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.model.trial import DIRECTIONS, Direction, Trial
from patchkit.lab.results.crowd import CrowdSum, crowd_sum
from patchkit.lab.results.figures import Estimate, Figure, estimate
from patchkit.lab.statistics.intervals import Interval, mean_interval, rate_interval
from patchkit.lab.statistics.restricted_time import counted, curve, restricted
from patchkit.lab.statistics.survival import Curve, quantile


class SoakSum(Part):
    """All soaks of a cell, summed up."""

    trials: int = Field(description="trials with a soak in them")
    seconds: Figure = Field(description="how long the tunnels were watched, all of them together, in guest seconds")
    pings_sent: int = Field(description="pings sent across the tunnels")
    pings_answered: int = Field(description="those that were answered")
    longest_outage: Figure = Field(description="longest time without an answer in any of them, in seconds")
    outages: int = Field(description="times without an answer that were longer than the scenario calls an outage")
    renegotiations: int = Field(description="soft resets that the server or the client began")
    failed_renegotiations: int = Field(description="'TLS key negotiation failed' on either side")
    ping_restarts: int = Field(description="restarts for want of a ping, on either side")
    reconnects: int = Field(description="times that the client completed again after the first")


class CellResult(Part):
    """All trials of one arm over one scenario. Figures are null when not one trial counts."""

    cell: str = Field(description="its id in campaign.json")
    arm: str = Field(description="the arm's name")
    scenario: str = Field(description="its key in the campaign's scenarios")
    credentials: str = Field(description="the profile that both sides' certificates come from")
    limit_s: Figure = Field(description="after which a trial counts as failed, in seconds")
    asked: int | None = Field(description="trials asked for; null for reference cells")
    counted: int = Field(description="trials that count: all that were run but the void ones")
    void: int = Field(description="trials whose link did not do what was asked; they count nowhere")
    void_reasons: dict[str, int] = Field(description="why, and how many of each")
    completed: int = Field(description="both sides within the limit")
    timeout: int = Field(description="not within the limit")
    crash: int = Field(description="a peer died")
    hang: int = Field(description="a peer did not end when told to, or used up its CPU time")
    rate: Estimate | None = Field(
        description="completed / counted, of soaks those that held; with Clopper and Pearson's exact interval"
    )
    median: Estimate | None = Field(
        description="seconds until half have completed (Kaplan-Meier, log-log limits); null when the limit came first"
    )
    p90: Figure | None = Field(
        description="seconds until 90 % have completed; null when the limit came first, or for fewer than 10 trials"
    )
    p99: Figure | None = Field(
        description="seconds until 99 % have completed; null when the limit came first, or for fewer than 100 trials"
    )
    longest: Figure | None = Field(description="seconds until all have completed; null when one has not")
    restricted_mean: Estimate | None = Field(
        description="mean seconds up to the limit: who does not complete counts as the limit (BCa bootstrap; Student's "
        "t for up to 8 trials)"
    )
    control_packets: Figure | None = Field(description="P_CONTROL_* sent a trial, both directions, mean")
    ack_packets: Figure | None = Field(description="pure ACKs sent a trial, both directions, mean")
    reference: str | None = Field(
        description="the lossless cell of the first arm that cost compares with; null when there is none, or when the "
        "scenario runs something else than a handshake"
    )
    cost: Figure | None = Field(description="control_packets / those of the reference's completed trials")
    loss: dict[Direction, Figure | None] = Field(
        description="packets dropped / packets sent, all trials together; null when nothing was sent"
    )
    delay_ms: dict[Direction, Figure | None] = Field(description="median of the trials' median delays, in ms")
    cpu: dict[Literal["client", "server"], Figure | None] = Field(
        description="CPU seconds of each peer a trial, on the guest's clock, mean"
    )
    soak: SoakSum | None = Field(description="for soaks only")
    crowd: CrowdSum | None = Field(description="for crowds only: one server, many clients")


class _Times(NamedTuple):
    """How long completion took; None when too few trials completed or count."""

    median: Estimate | None = None
    p90: float | None = None
    p99: float | None = None
    longest: float | None = None


def cell_result(
    cell: Cell,
    scenario: Scenario,
    trials: Sequence[Trial],
    trials_asked: int | None,
    reference: tuple[str, float] | None,
) -> CellResult:
    """Sum up the ``trials`` of ``cell`` over ``scenario``, of which ``trials_asked`` were asked for.

    ``reference`` is the lossless cell's id and its mean of control packets.
    """
    good = counted(trials)
    limit = scenario.longest_s
    outcomes = Counter(trial.outcome for trial in trials)
    times = _times(good, scenario)
    packets = _mean([trial.control_packets for trial in good])
    return CellResult(
        cell=cell.id,
        arm=cell.arm,
        scenario=cell.scenario,
        credentials=cell.credentials,
        limit_s=limit,
        asked=trials_asked,
        counted=len(good),
        void=outcomes["void"],
        void_reasons=_reasons(trials),
        completed=outcomes["completed"],
        timeout=outcomes["timeout"],
        crash=outcomes["crash"],
        hang=outcomes["hang"],
        rate=_rate(sum(trial.succeeded for trial in good), len(good)),
        median=times.median,
        p90=times.p90,
        p99=times.p99,
        longest=times.longest,
        restricted_mean=_restricted_mean([restricted(trial, limit) for trial in good], limit),
        control_packets=packets,
        ack_packets=_mean([trial.ack_packets for trial in good]),
        reference=reference[0] if reference else None,
        cost=_cost(packets, reference),
        loss={direction: _loss(good, direction) for direction in DIRECTIONS},
        delay_ms={direction: _delay(good, direction) for direction in DIRECTIONS},
        cpu={"client": _cpu(good, "client"), "server": _cpu(good, "server")},
        soak=_soak(good),
        crowd=crowd_sum(good, limit),
    )


def _times(trials: Sequence[Trial], scenario: Scenario) -> _Times:
    # A soak's time is not the time until something happens.
    if not trials or scenario.run == "soak":
        return _Times()
    limit = scenario.longest_s
    completion = curve(trials, limit)
    return _Times(
        median=_median(completion),
        p90=quantile(completion, 0.9).value if len(trials) >= 10 else None,
        p99=quantile(completion, 0.99).value if len(trials) >= 100 else None,
        longest=max(restricted(trial, limit) for trial in trials) if completion.unfinished[-1] == 0 else None,
    )


def _cost(packets: float | None, reference: tuple[str, float] | None) -> float | None:
    return packets / reference[1] if reference and packets is not None else None


def _cpu(trials: Sequence[Trial], side: Literal["client", "server"]) -> float | None:
    return _mean([trial.cpu[side] for trial in trials if side in trial.cpu])


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _reasons(trials: Sequence[Trial]) -> dict[str, int]:
    reasons = Counter(trial.detail or "no reason given" for trial in trials if trial.outcome == "void")
    return dict(sorted(reasons.items()))


def _rate(completed: int, n: int) -> Estimate | None:
    return estimate(completed / n, rate_interval(completed, n)) if n else None


def _median(completion: Curve) -> Estimate | None:
    half = quantile(completion, 0.5)
    return None if half.value is None else Estimate(value=half.value, low=half.low, high=half.high)


def _restricted_mean(seconds: Sequence[float], limit: float) -> Estimate | None:
    if not seconds:
        return None
    interval = mean_interval(seconds)
    if interval:  # Student's t is not limited to the times that are possible
        interval = Interval(max(interval.low, 0.0), min(interval.high, limit))
    return estimate(fmean(seconds), interval)


def _loss(trials: Sequence[Trial], direction: Direction) -> float | None:
    carried = [trial.traffic[direction] for trial in trials if direction in trial.traffic]
    sent = sum(traffic.sent for traffic in carried)
    return sum(traffic.dropped for traffic in carried) / sent if sent else None


def _delay(trials: Sequence[Trial], direction: Direction) -> float | None:
    delays = [trial.traffic[direction].delay_ms for trial in trials if direction in trial.traffic]
    known = [delay for delay in delays if delay is not None]
    return median(known) if known else None


def _soak(trials: Sequence[Trial]) -> SoakSum | None:
    soaks = [trial.soak for trial in trials if trial.soak]
    if not soaks:
        return None
    return SoakSum(
        trials=len(soaks),
        seconds=sum(soak.seconds for soak in soaks),
        pings_sent=sum(soak.pings_sent for soak in soaks),
        pings_answered=sum(soak.pings_answered for soak in soaks),
        longest_outage=max(soak.longest_outage for soak in soaks),
        outages=sum(soak.outages for soak in soaks),
        renegotiations=sum(soak.renegotiations for soak in soaks),
        failed_renegotiations=sum(soak.failed_renegotiations for soak in soaks),
        ping_restarts=sum(soak.ping_restarts for soak in soaks),
        reconnects=sum(soak.reconnects for soak in soaks),
    )
