"""``patchkit port`` as its users meet it: the diff on stdout, the review on stderr, and nothing where it fails."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.jobs.port.samples import NEW, OLD, releases
from tests.support.patching.own_patches import PATH, diff_of

BETWEEN = ["--from", "2.8.1", "--to", "2.8.2"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("PATCHKIT_GIT", str(releases(tmp_path / "git").path))
    (tmp_path / "mine.diff").write_bytes(diff_of(OLD, OLD.replace("  left -= 5;\n", "  left -= 50;\n")))
    (tmp_path / "clash.diff").write_bytes(diff_of(OLD, OLD.replace("  left -= 7;\n", "  left -= 70;\n")))


def test_the_diff_is_a_patch_for_the_target(patchkit: Run, tmp_path: Path) -> None:
    done = patchkit("port", "mine.diff", *BETWEEN)
    assert done.returncode == 0, done.stderr
    (tmp_path / "ported.diff").write_text(done.stdout)
    again = patchkit("render", "--version", "2.8.2", "--patch", "ported.diff")
    assert again.returncode == 0, again.stderr
    assert "+  left -= 50;\n" in again.stdout
    for text in ("to be reviewed, line 15 of 2.8.2", "    -  left -= 7;", "upstream has changed, too: first"):
        assert text in done.stderr
    document = json.loads(patchkit("port", "mine.diff", *BETWEEN, "--json").stdout)
    assert document["diff"] == done.stdout
    assert document["files"][0]["neighbours"] == [{"row": 15, "removed": ["  left -= 7;"], "added": ["  left -= 8;"]}]


def test_every_hash_that_it_states_is_that_of_a_file(patchkit: Run, tmp_path: Path) -> None:
    done = patchkit("port", "mine.diff", *BETWEEN)
    before, after = (
        hashlib.sha256(data).hexdigest() for data in ((tmp_path / "mine.diff").read_bytes(), done.stdout.encode())
    )
    header = done.stdout.partition("diff --git")[0]
    assert f"mine.diff, sha256 {before}\n" in header
    assert f"variant mine-{before[:8]}, for OpenVPN 2.8.2" in header
    assert f"mine-{after[:8]} for 2.8.2: " in done.stderr
    document = json.loads(patchkit("port", "mine.diff", *BETWEEN, "--json").stdout)
    assert (document["patch"], document["diff_sha256"]) == (f"mine-{after[:8]}", after)
    (tmp_path / "mine.diff").write_text(done.stdout)
    assert patchkit("variants", "./mine.diff", "--json").stdout.count(f"mine-{after[:8]}")


def test_a_failed_port_leaves_nothing(patchkit: Run, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    done = patchkit("port", "clash.diff", *BETWEEN)
    assert (done.returncode, done.stdout) == (39, "")
    assert f"{PATH}, line 15 of 2.8.2:" in done.stderr
    assert json.loads(patchkit("port", "clash.diff", *BETWEEN, "--json").stdout)["exit_code"] == 39
    assert sorted({path.name for path in tmp_path.iterdir()} - {"cache"}) == before
    assert NEW in (Path(os.environ["PATCHKIT_GIT"]) / PATH.replace("reliable", "trusted")).read_text()


def test_options_that_have_no_meaning(patchkit: Run) -> None:
    assert patchkit("port", "mine.diff", *BETWEEN, "--cflag", "-g").returncode == 2
    assert patchkit("port", "mine.diff", "--from", "2.8.1").returncode == 2
    done = patchkit("port", "missing.diff", *BETWEEN)
    assert done.returncode == 38
    assert "try: patchkit port FILE|DIR --from V --to V" in done.stderr
    assert "--patch" not in done.stderr  # which is another command's option
