"""A verification as Markdown for a CI's page, as an HTML page that needs nothing but itself, and as JSON."""

from __future__ import annotations

from pathlib import Path

from patchkit.jobs.verify.model import State, Verification
from patchkit.lab.report.page import marked, page, pipes
from patchkit.storage import replace_all, writing

TEMPLATE = Path(__file__).with_name("verify.html.j2")
TICKS: dict[State, str] = {"passed": "\u2713", "finding": "\u2717", "skipped": "\u2013", "not run": "\u2013"}
"""Check mark, ballot cross, dash."""
_MARKS = {True: TICKS["passed"], False: TICKS["finding"], None: "\u00b7"}


def write(found: Verification, folder: Path) -> None:
    """``report.json``, ``report.md`` and ``report.html``; what an earlier run has left is replaced.

    Raises StorageError or DiskFullError.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": found.model_dump_json(indent=2) + "\n",
        "report.md": markdown(found),
        "report.html": html(found),
    }
    replace_all({folder / name: text.encode() for name, text in texts.items()})


def markdown(found: Verification) -> str:
    """A summary, as GitHub renders it."""
    rows = [
        (f"{TICKS[step.state]} {step.title}", step.state, step.summary, f"{step.seconds:.1f}") for step in found.steps
    ]
    out = [f"## {marked(_title(found))}", "", f"**{marked(found.verdict)}** {marked(_circumstances(found))}", ""]
    out += pipes(("step", "state", "result", "seconds"), rows)
    for finding in found.findings:
        out += ["", f"- **{marked(finding.what)}** (exit code {finding.exit_code}, `{finding.error}`)"]
        out += [f"  - {marked(line)}" for line in finding.why.splitlines() if line.strip()]
        out += [f"  - What helps: {marked(finding.advice)}"] if finding.advice else []
    for step in found.steps:
        if step.facts:
            out += ["", f"<details><summary>{marked(step.title)}</summary>", ""]
            out += pipes(
                ("what was looked at", "what it showed"), [(_fact(one.good, one.name), one.value) for one in step.facts]
            )
            out += ["", "</details>"]
    return "\n".join([*out, ""])


def html(found: Verification) -> str:
    """One page with everything."""
    return page(
        TEMPLATE,
        title=_title(found),
        found=found,
        circumstances=_circumstances(found),
        ticks=TICKS,
        marks=_MARKS,
    )


def _fact(good: bool | None, name: str) -> str:
    return f"{_MARKS[good]} {name}"


def _title(found: Verification) -> str:
    return f"OpenVPN {found.release}, with {', '.join(found.variants)}"


def _circumstances(found: Verification) -> str:
    known = "the pins know this release" if found.pinned else "no pin knows this release"
    return f"patchkit {found.patchkit}; {known}; exit code {found.exit_code}."
