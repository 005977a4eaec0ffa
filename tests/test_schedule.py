"""The groups of slow tests name tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT
from tests.support.schedule import GROUPS, NIGHTLY, group_of, says_slow


def test_every_name_in_the_tables_is_a_tests() -> None:
    """A test that is moved or renamed would otherwise leave its group unseen."""
    paths = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    defined = [line for path in paths for line in re.findall(r"def (test_\w+)", path.read_text("utf-8"))]
    texts = [*(path.relative_to(ROOT).as_posix() for path in paths), *defined]
    names = {name for pattern in (*GROUPS.values(), *NIGHTLY) for name in re.findall(r"[a-z_0-9]{5,}", pattern)}
    assert len(names) > 20
    assert {name for name in names if not any(name in text for text in texts)} == set()


def test_slow_tests_are_collected_from_files_that_say_so(tmp_path: Path) -> None:
    for name, text, collected in (
        ("test_a.py", "pytestmark = pytest.mark.slow\n", True),
        ("test_b.py", "pytestmark = MARKS\n", False),
        ("a_test.py", "pytestmark = pytest.mark.slow\n", False),
    ):
        (tmp_path / name).write_text(text)
        assert says_slow(tmp_path / name) is collected


def test_a_group_is_known_by_the_id() -> None:
    assert group_of("tests/jobs/build/test_windows.py::test_32_bits") == "wine"
    assert group_of("tests/jobs/build/test_release.py::test_two[docker]") == "containers"
    assert group_of("tests/cli/test_completion.py::test_bash[a@b]") is None
