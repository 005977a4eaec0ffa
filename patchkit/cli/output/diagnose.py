"""What ``patchkit diagnose`` prints: each finding with its lines, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from patchkit.diagnosis.diagnose import Diagnosis, EndSummary
from patchkit.diagnosis.finding import LogFinding
from patchkit.diagnosis.rules.verdict import times
from patchkit.printable import in_one_line, without_passwords
from patchkit.ui import data

_MOST = 40  # findings that are printed; --json has all
_EVIDENCE = 4


def print_findings(diagnosis: Diagnosis) -> None:
    """Print ``diagnosis``: nothing of a log's reaches a terminal but visible characters."""
    lines = [_end(end) for end in diagnosis.ends]
    if not diagnosis.findings:
        lines += ["", "nothing wrong was found"]
    for finding in diagnosis.findings[:_MOST]:
        lines += ["", *_finding(finding)]
    more = len(diagnosis.findings) - _MOST + diagnosis.left_out
    if len(diagnosis.findings) > _MOST or diagnosis.left_out:
        lines += ["", f"and {more} more: --json lists them" if not diagnosis.left_out else f"and {more} more"]
    data("".join(f"{in_one_line(without_passwords(line))}\n" for line in lines))


def _end(end: EndSummary) -> str:
    version = f"OpenVPN {end.version}" if end.version else "OpenVPN"
    verb = f", --verb {end.verb} or more" if end.verb else ""
    handshakes = f"{end.completed} of {end.handshakes} handshakes completed"
    return f"{end.name}: {version}, {end.side}{verb}; {handshakes}"


def _finding(finding: LogFinding) -> Iterator[str]:
    peer = f" {finding.peer}" if finding.peer else ""
    count = f", {finding.count} times" if finding.count > 1 else ""
    yield f"{finding.kind.value} ({finding.certainty.value}){peer}{count}"
    yield f"    {finding.summary}"
    yield f"    because {finding.reason}"
    for line in finding.evidence[:_EVIDENCE]:
        yield f"      {line.file}:{line.line}: {line.time} {line.text}".rstrip()
    if len(finding.evidence) > _EVIDENCE:
        yield f"      and {times(len(finding.evidence) - _EVIDENCE, 'more line')}"
    yield f"    patch: {finding.advice.patch}"
    for text in finding.advice.figures:
        yield f"    lab: {text}"
    for text in finding.advice.instead:
        yield f"    try: {text}"
