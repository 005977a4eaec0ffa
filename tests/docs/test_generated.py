"""Generated documents are what their generators print today, and what they record of the tests is so."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise

import pytest

from patchkit.errors import all_errors
from patchkit.jobs.diagnose import schema_doc as diagnosis_document
from patchkit.jobs.verify import schema_doc as verify_document
from patchkit.lab.report import schema_doc
from patchkit.packaging import manifest
from tests.conftest import PINNED, ROOT
from tests.support.jobs.builds import NEWEST
from tests.support.jobs.old_releases import OLD, RELEASES

TOOLCHAINS = (ROOT / "docs/toolchains.md").read_text("utf-8")
BY_FIELD = {
    "docs/diagnose-report.md": diagnosis_document.markdown,
    "docs/manifest.md": manifest.markdown,
    "docs/report.md": schema_doc.markdown,
    "docs/verify-report.md": verify_document.markdown,
}


@pytest.mark.parametrize("name", ["exit-codes", "toolchains"])
def test_a_document_that_a_script_prints_is_up_to_date(name: str) -> None:
    script = {"exit-codes": "ci/exit-codes", "toolchains": "ci/toolchain-table"}[name]
    printed = subprocess.run([sys.executable, ROOT / script], capture_output=True, text=True, check=True).stdout
    assert printed == (ROOT / f"docs/{name}.md").read_text("utf-8"), f"{script} > docs/{name}.md"


def test_every_exit_code_is_in_its_group_once() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert rows == [(str(error.exit_code), error.__name__, error.meaning) for error in all_errors()]


@pytest.mark.parametrize("document", BY_FIELD)
def test_a_document_of_fields_is_up_to_date_and_whole(document: str) -> None:
    """Every field has a meaning, and every model that a field's type names has a section."""
    text = (ROOT / document).read_text("utf-8")
    assert text == BY_FIELD[document]()
    assert "| None |" not in text
    types = " ".join(row.split("|")[2] for row in text.splitlines() if row.startswith("| `"))
    assert set(re.findall(r"\b[A-Z]\w+", types)) <= set(re.findall(r"^#+ (\w+)$", text, re.MULTILINE))


def test_the_releases_that_tests_build_are_those_that_the_table_names() -> None:
    rows = [line.split("|")[1:-1] for line in TOOLCHAINS.splitlines() if re.match(r"\| 2\.\d+\.\d+ \|", line)]
    in_tests = {row[0].strip() for row in rows if row[-1].strip()}
    assert in_tests == {PINNED, OLD, *NEWEST, *(release.version for release in RELEASES)}


def test_labels_of_the_drawn_stall_do_not_overlap() -> None:
    """Of each column: the font has ten pixels."""
    drawn = (ROOT / "docs/stall.svg").read_text("utf-8")
    labels = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(?:start|end)"', drawn)
    columns = {x: sorted(float(y) for at, y in labels if at == x) for x, _ in labels}
    assert len(columns) == 4
    assert all(below - above >= 10 for ys in columns.values() for above, below in pairwise(ys))
