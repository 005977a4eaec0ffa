"""Generated documents are what their generators print today, and say of the tests what the tests do."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import PINNED, ROOT
from tests.jobs.test_build import NEWEST
from tests.jobs.test_crypto import OLD
from tests.jobs.test_old_releases import RELEASES

DOCUMENT = (ROOT / "docs/toolchains.md").read_text("utf-8")


def test_the_table_of_toolchains_is_up_to_date() -> None:
    said = subprocess.run([sys.executable, ROOT / "ci/toolchain-table"], capture_output=True, text=True, check=True)
    assert said.stdout == DOCUMENT


def test_what_it_says_of_tests_is_so() -> None:
    rows = [line.split("|")[1:-1] for line in DOCUMENT.splitlines() if re.match(r"\| 2\.\d+\.\d+ \|", line)]
    in_tests = {row[0].strip() for row in rows if row[-1].strip()}
    assert in_tests == {PINNED, OLD, *NEWEST, *(release.version for release in RELEASES)}
