"""Generated documents are what their generators print today, and say of the tests what the tests do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import typer

from patchkit.cli.app import app
from patchkit.jobs.verify import schema_doc as verify_document
from patchkit.jobs.verify.model import Fact, Finding, StepResult, Verification
from patchkit.lab.report import schema_doc
from tests.conftest import PINNED, ROOT
from tests.support.jobs.builds import NEWEST
from tests.support.jobs.old_releases import OLD, RELEASES

DOCUMENT = (ROOT / "docs/toolchains.md").read_text("utf-8")


def test_the_table_of_toolchains_is_up_to_date() -> None:
    said = subprocess.run([sys.executable, ROOT / "ci/toolchain-table"], capture_output=True, text=True, check=True)
    assert said.stdout == DOCUMENT


def test_the_manual_page_is_up_to_date_and_well_formed() -> None:
    said = subprocess.run([sys.executable, ROOT / "ci/man-page"], capture_output=True, text=True, check=True)
    page = ROOT / "docs/patchkit.1"
    assert said.stdout == page.read_text("utf-8")
    if shutil.which("mandoc"):
        lint = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
        )
        assert (lint.returncode, lint.stdout) == (0, "")
    if shutil.which("man"):
        command = ["man", "--warnings=all", "--local-file", str(page)]
        shown = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}
        )
        assert shown.stderr == ""
        assert "doctor" in shown.stdout


def test_a_reports_files_are_documented() -> None:
    document = (ROOT / "docs/report.md").read_text("utf-8")
    assert document == schema_doc.markdown()
    assert "| None |" not in document  # every field says what it means


def test_a_verifications_report_is_documented() -> None:
    document = (ROOT / "docs/verify-report.md").read_text("utf-8")
    assert document == verify_document.markdown()
    assert "| None |" not in document
    fields = {name for model in (Verification, StepResult, Finding, Fact) for name in model.model_fields}
    assert fields <= set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE))


def test_the_changes_name_every_command_and_the_pipelines() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = {word for text in re.findall(r"`([^`]+)`", changes) for word in text.split()}
    assert set(commands) <= named
    assert {"--markdown", "--note", "--new"} <= named
    for folder, name in (("github", "GitHub Actions"), ("gitlab", "GitLab CI")):
        assert (ROOT / "ci" / folder).is_dir()
        assert name in changes


def test_what_it_says_of_tests_is_so() -> None:
    rows = [line.split("|")[1:-1] for line in DOCUMENT.splitlines() if re.match(r"\| 2\.\d+\.\d+ \|", line)]
    in_tests = {row[0].strip() for row in rows if row[-1].strip()}
    assert in_tests == {PINNED, OLD, *NEWEST, *(release.version for release in RELEASES)}


def test_every_link_between_documents_leads_somewhere_and_none_is_left_out() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    linked = set()
    for page in pages:
        for target in re.findall(r"]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), f"{page.name} links {target}"
                linked.add((page.parent / target).resolve())
    assert {page.resolve() for page in pages} - linked <= {ROOT / "README.md"}
