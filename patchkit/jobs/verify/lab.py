"""Verification's last step: on a link that loses packets, is the patch needed, does it help, and what does it cost?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import HarmError, NoBenefitError
from patchkit.jobs.lab.arms import ArmRequest
from patchkit.jobs.lab.binaries import programs
from patchkit.jobs.lab.campaign import run
from patchkit.jobs.lab.request import NewCampaignRequest
from patchkit.jobs.verify.model import Fact, StepOutcome
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.model.scenario import named
from patchkit.lab.results.cell import CellResult
from patchkit.lab.results.comparison import Comparison
from patchkit.lab.results.figures import Estimate
from patchkit.lab.results.results import Results
from patchkit.patching.variants import STOCK
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui

SCENARIO = "loss-20"
"""The link that stock and the variants are compared on."""


@dataclass(frozen=True)
class LabStepRequest:
    """The variants that are compared with stock on a lossy link."""

    source: SourceRequest
    settings: BuildSettings
    variants: Sequence[str]
    superseded: frozenset[str]
    """The variants whose fault upstream has cured in this release: a benefit is not expected of them."""
    out: Path
    trials: int


def compare(request: LabStepRequest, context: Context) -> StepOutcome:
    """Run stock and each variant of ``request`` over the same losses. Raises what ``patchkit lab run`` raises."""
    version = request.source.version
    sides = [BinaryRequest(version, variant) for variant in (STOCK, *request.variants)]
    built = programs(sides, request.source, request.settings, replace(context, ui=Ui(quiet=True)))
    # A folder for these very programs: what an earlier run has done is resumed, never mixed up.
    inputs = [SCENARIO, str(request.trials), *(built[side].program.sha256 for side in sides)]
    folder = request.out / f"lab-{hashlib.sha256(' '.join(inputs).encode()).hexdigest()[:12]}"
    campaign_request = NewCampaignRequest(
        arms=[ArmRequest.both(side) for side in sides],
        scenarios=named(SCENARIO),
        source=request.source,
        settings=request.settings,
        trials=request.trials,
        out=folder,
        resume=True,
    )
    done = run(campaign_request, context)
    variants = {arm.name: arm.client.variant for arm in done.campaign.arms}
    step = conclusions(done.results, variants, request.superseded)
    step.facts.append(Fact(name="report", value=f"{folder.name}/report.html", good=None))
    return step


def conclusions(results: Results, variants: Mapping[str, str], superseded: frozenset[str]) -> StepOutcome:
    """Conclude from ``results`` whether each variant is needed, whether it helps, and what it costs.

    ``variants`` are those of the arms by the arm's name, stock's first; ``superseded`` are the variants of which no
    benefit is expected.
    """
    step = StepOutcome()
    stock, *_ = results.cells
    step.facts.append(Fact(name="need", value=_need(stock), good=None))
    effects = []
    for comparison in results.comparisons:
        variant = variants[comparison.arm]
        helps = "better" in (comparison.completion, comparison.time)
        harms = comparison.completion == "worse" or (comparison.time == "worse" and comparison.completion != "better")
        claim = f"completion {comparison.completion}, time {comparison.time}"
        good = False if harms else True if helps else None
        step.facts.append(Fact(name=f"benefit of {variant}", value=f"{claim}. {comparison.verdict}", good=good))
        step.facts.append(Fact(name=f"cost of {variant}", value=_cost(comparison), good=None))
        effects.append(f"{variant} {'does harm' if harms else 'helps' if helps else 'shows no difference'}")
        if harms:
            step.findings.append(HarmError(f"{variant} does worse than stock on {SCENARIO}", why=comparison.verdict))
        elif not helps and variant not in superseded:
            step.findings.append(
                NoBenefitError(
                    f"{variant} has shown no benefit on {SCENARIO}",
                    why=comparison.verdict,
                    advice="patchkit lab run with more --trials, or with another --scenario",
                )
            )
    step.summary = f"{_need(stock)}; {', '.join(effects) or 'nothing to compare it with'}"
    return step


def _need(stock: CellResult) -> str:
    if stock.counted == 0:
        return "not one trial of stock counts"
    failed = stock.counted - stock.completed
    time = f", median {stock.median.value:.3g} s" if stock.median else f", median over {stock.limit_s:g} s"
    return f"stock fails in {failed} of {stock.counted} handshakes{time}"


def _cost(comparison: Comparison) -> str:
    if comparison.packets_ratio is None:
        return "stock sent no control packets"
    return f"{_interval(comparison.packets_ratio)} times stock's control packets: {comparison.packets}"


def _interval(figure: Estimate) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3g}"
    return f"{figure.value:.3g} ({figure.low:.3g} to {figure.high:.3g})"
