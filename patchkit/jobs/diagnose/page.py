"""The HTML page of a diagnosis; it needs nothing but itself, and nothing of a log's is markup in it."""

from __future__ import annotations

from pathlib import Path

from patchkit.diagnosis.diagnose import Diagnosis
from patchkit.jobs.diagnose import timeline as drawing
from patchkit.lab.report.page import page

_TEMPLATE = Path(__file__).with_name("report.html.j2")


def html(found: Diagnosis) -> str:
    """Write the page of ``found``."""
    rows = [(finding, drawing.timeline(finding.moments)) for finding in found.findings]
    return page(_TEMPLATE, found=found, rows=rows, left=drawing.LEFT, right=drawing.RIGHT, width=drawing.WIDTH)
