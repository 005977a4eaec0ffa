"""What is written and refused once the trials of a campaign are there, all of them or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.errors import NoEvidenceError, StormError
from patchkit.jobs.lab.batch import arm_of
from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.trial import Trial
from patchkit.lab.observe.storm_limit import exceeded
from patchkit.lab.report.folder import TRIALS, Folder, in_order, line
from patchkit.lab.report.report import Timing, html, markdown
from patchkit.lab.results.results import Results, results

TIMING = "timing.json"


@dataclass(frozen=True)
class Done:
    """A campaign, as far as it came."""

    campaign: Campaign
    trials: list[Trial]
    results: Results
    timing: Timing


def write_report(folder: Folder, campaign: Campaign, trials: Sequence[Trial], timing: Timing) -> Done:
    """Write the report of ``trials`` of ``campaign`` into ``folder``. Raises ReportError as ``results`` does."""
    sorted_trials = in_order(campaign, trials)
    figures = results(campaign, sorted_trials)
    folder.write(
        {
            TRIALS: "".join(map(line, sorted_trials)),
            "results.json": figures.model_dump_json(indent=2) + "\n",
            TIMING: timing.model_dump_json(indent=2) + "\n",
            "report.md": markdown(campaign, figures, timing),
            "report.html": html(campaign, sorted_trials, figures, timing),
        }
    )
    return Done(campaign, sorted_trials, figures, timing)


def refuse_void(done: Done) -> None:
    """Raise NoEvidenceError where more than a tenth of the trials are void."""
    void = [trial for trial in done.trials if trial.outcome == "void"]
    if len(void) * 10 > len(done.trials):
        reasons = Counter((trial.detail.splitlines() or ["no reason given"])[0] for trial in void)
        raise NoEvidenceError(
            f"{len(void)} of {len(done.trials)} trials are void",
            why="\n".join(f"{count} times: {reason}" for reason, count in reasons.most_common(3)),
            advice="the report holds them all; nothing is concluded from a link that does not do what it is told",
        )


def refuse_storms(done: Done) -> None:
    """Raise StormError where a side sent more than its variant promises."""
    arms = {cell.id: arm_of(done.campaign, cell) for cell in [*done.campaign.cells, *done.campaign.reference]}
    clients = {cell.id: done.campaign.scenarios[cell.scenario].clients for cell in done.campaign.cells}
    faults = [
        (trial, fault)
        for trial in done.trials
        for fault in exceeded(arms[trial.cell], trial, clients.get(trial.cell, 1))
    ]
    if faults:
        trial, fault = faults[0]
        raise StormError(
            f"trial {trial.trial} of {trial.cell}: {fault}",
            why=f"what the variant promises in its patch.toml was exceeded {len(faults)} times",
            advice=f"look at it: patchkit lab replay REPORT --cell {trial.cell} --trial {trial.trial}",
        )
