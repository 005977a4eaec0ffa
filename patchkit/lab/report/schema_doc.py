"""docs/report.md: the files of a report, field by field."""

from __future__ import annotations

from patchkit.json_schema import tables
from patchkit.lab.model.campaign import Arm, Campaign, Cell, LinkDescription, Program
from patchkit.lab.model.scenario import Burst, Drop, Flow, Outage, Scenario
from patchkit.lab.model.trial import Crowd, Sending, Soak, Traffic, Trial
from patchkit.lab.results.cell import CellResult, SoakSum
from patchkit.lab.results.comparison import Comparison
from patchkit.lab.results.crowd import CrowdSum
from patchkit.lab.results.figures import Estimate
from patchkit.lab.results.results import Results
from patchkit.patching.variants import Bound
from patchkit.shard import Shard

DOCUMENTS = {
    "results.json": (
        "The results of the trials, computed from the two files below and nothing else, without a date. Figures have "
        "six digits.",
        (Results, CellResult, Comparison, Estimate, SoakSum, CrowdSum),
    ),
    "campaign.json": (
        "Arms, scenarios and cells. With it any trial can be repeated.",
        (Campaign, Arm, Program, Bound, Cell, LinkDescription, Shard, Scenario, Flow, Burst, Drop, Outage),
    ),
    "trials.jsonl": ("A line a trial.", (Trial, Traffic, Sending, Soak, Crowd)),
}


def markdown() -> str:
    """Return the text of docs/report.md."""
    out = [
        "# The files of a report",
        "",
        "This page documents each field of the data files that `patchkit lab run` writes. [lab.md](lab.md) describes",
        "what is measured, and how.",
        "",
        "Generated from the models in `patchkit/lab` by `python -m patchkit.lab.report.schema_doc`: do not edit.",
        "",
    ]
    for name, (summary, models) in DOCUMENTS.items():
        out += [f"## {name}", "", summary, "", *tables(models, level=3)]
    return "\n".join(out)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is the generator's output
