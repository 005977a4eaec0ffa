"""docs/verify-report.md: the ``report.json`` of a verification, field by field."""

from __future__ import annotations

from patchkit.jobs.verify.model import Fact, Finding, StepResult, Verification
from patchkit.json_schema import tables


def markdown() -> str:
    """Return the text of docs/verify-report.md."""
    out = [
        "# The report of a verification",
        "",
        "This page documents each field of `report.json`, which `patchkit verify` writes into its folder, and prints",
        "with `--json`. [verify.md](verify.md) describes the steps.",
        "",
        "Generated from the models in `patchkit/jobs/verify/model.py` by "
        "`python -m patchkit.jobs.verify.schema_doc`: do not edit.",
        "",
        "## report.json",
        "",
        *tables((Verification, StepResult, Fact, Finding), level=3),
    ]
    return "\n".join(out)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is the generator's output
