"""docs/diagnose-report.md: what ``patchkit diagnose --json`` prints, field by field."""

from __future__ import annotations

from patchkit.diagnosis.diagnose import Diagnosis, EndSummary
from patchkit.diagnosis.finding import Advice, Certainty, Evidence, Kind, LogFinding, Moment
from patchkit.json_schema import tables


def markdown() -> str:
    """Return the text of docs/diagnose-report.md."""
    out = [
        "# The report of a diagnosis",
        "",
        "This page documents each field of what `patchkit diagnose --json` prints. [diagnose.md](diagnose.md)",
        "describes what is found, and how.",
        "",
        "Generated from the models in `patchkit/diagnosis/` by "
        "`python -m patchkit.jobs.diagnose.schema_doc`: do not edit.",
        "",
        *tables((Diagnosis, EndSummary, LogFinding, Evidence, Advice, Moment)),
        "## Kind",
        "",
        f"One of {', '.join(f'`{kind.value}`' for kind in Kind)}.",
        "",
        "## Certainty",
        "",
        f"One of {', '.join(f'`{certainty.value}`' for certainty in Certainty)}.",
        "",
    ]
    return "\n".join(out)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is the generator's output
