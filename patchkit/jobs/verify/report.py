"""A verification as Markdown for a CI's page, as an HTML page that needs nothing but itself, and as JSON."""

from __future__ import annotations

from pathlib import Path

from patchkit.jobs.verify.model import State, StepResult, Verification
from patchkit.lab.report.page import marked, page, pipes
from patchkit.lab.report.tables import Table
from patchkit.printable import without_passwords
from patchkit.storage import replace_all, writing

TEMPLATE = Path(__file__).with_name("verify.html.j2")
TICKS: dict[State, str] = {"passed": "\u2713", "finding": "\u2717", "skipped": "\u2013", "not run": "\u2013"}
"""Check mark, ballot cross, dash."""
_MARKS = {True: TICKS["passed"], False: TICKS["finding"], None: "\u00b7"}


def write(verification: Verification, folder: Path) -> None:
    """Write ``verification`` as ``report.json``, ``report.md`` and ``report.html`` into ``folder``.

    Files of an earlier run are replaced. Raises StorageError, or DiskFullError where there is no room.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": without_passwords(verification.model_dump_json(indent=2)) + "\n",
        "report.md": markdown(verification),
        "report.html": html(verification),
    }
    replace_all({folder / name: text.encode() for name, text in texts.items()})


def markdown(verification: Verification) -> str:
    """Return a summary of ``verification`` as Markdown, for GitHub and GitLab."""
    steps = _steps(verification)
    lines = [
        f"## {marked(_title(verification))}",
        "",
        f"**{marked(verification.verdict)}** {marked(_circumstances(verification))}",
        "",
    ]
    lines += pipes(steps.head, steps.rows)
    for finding in verification.findings:
        lines += ["", f"- **{marked(finding.what)}** (exit code {finding.exit_code}, `{finding.error}`)"]
        lines += [f"  - {marked(line)}" for line in finding.why.splitlines() if line.strip()]
        lines += [f"  - What helps: {marked(finding.advice)}"] if finding.advice else []
    for step in verification.steps:
        if step.facts:
            lines += ["", f"<details><summary>{marked(step.title)}</summary>", ""]
            facts = _facts(step)
            lines += pipes(facts.head, facts.rows)
            lines += ["", "</details>"]
    return "\n".join([*lines, ""])


def html(verification: Verification) -> str:
    """Return ``verification`` as one HTML page that loads nothing."""
    return page(
        TEMPLATE,
        title=_title(verification),
        verification=verification,
        circumstances=_circumstances(verification),
        ticks=TICKS,
        steps=_steps(verification),
        shown=[(step, _facts(step)) for step in verification.steps if step.facts or step.findings],
    )


def _steps(verification: Verification) -> Table:
    return Table(
        "What was verified",
        ("step", "state", "result", "seconds"),
        [
            (f"{TICKS[step.state]} {step.title}", step.state, step.summary, f"{step.seconds:.1f}")
            for step in verification.steps
        ],
        words=True,
    )


def _facts(step: StepResult) -> Table:
    return Table(
        f"{step.title}: each fact",
        ("what was looked at", "what it showed"),
        [(f"{_MARKS[fact.good]} {fact.name}", fact.value) for fact in step.facts],
        words=True,
    )


def _title(verification: Verification) -> str:
    return f"OpenVPN {verification.release}, with {', '.join(verification.variants)}"


def _circumstances(verification: Verification) -> str:
    known = "the pins know this release" if verification.pinned else "no pin knows this release"
    return f"patchkit {verification.patchkit}; {known}; exit code {verification.exit_code}."
