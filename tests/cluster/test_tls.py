"""A cluster that speaks TLS, set up as docs/scale.md says: work is done, and nobody without a certificate gets in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from patchkit.errors import ClusterError
from tests.conftest import PINNED, ROOT
from tests.support.cluster import LocalCluster, local_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
AUTHORITY = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"
BEGIN = "    openssl req -x509"


def commands() -> list[str]:
    """The lines of docs/scale.md that make an authority and a certificate, and name them to Dask."""
    page = (ROOT / "docs/scale.md").read_text()
    return [line.strip() for line in page[page.index(BEGIN) :].partition("\n\n")[0].splitlines()]


def certificates(folder: Path) -> dict[str, str]:
    """Make those in ``folder``, and return the variables that name them."""
    folder.mkdir()
    lines = commands()
    script = "\n".join(["set -e", *lines, "env -0 | grep -z ^DASK_"])
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def patchkit(*words: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *words], env={**os.environ, **variables},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_nobody_without_a_certificate_of_this_authority_gets_in(tmp_path: Path) -> None:
    variables = certificates(tmp_path / "farm")
    stranger = certificates(tmp_path / "stranger")
    trusting = {**stranger, AUTHORITY: variables[AUTHORITY]}
    with local_cluster(tmp_path, 0, tls=variables) as cluster:
        assert cluster.address.startswith("tls://")
        assert reason(cluster, variables, tmp_path) == "it has no workers"  # in, and there is nobody
        assert reason(cluster, {}, tmp_path) == "Dask's configuration names none"
        assert "No such file" in reason(cluster, {**variables, AUTHORITY: str(tmp_path / "none.pem")}, tmp_path)
        assert "TLS certificate does not match" in reason(cluster, stranger, tmp_path)
        # TLS 1.3 refuses a client when that is done already: it reads the alert, or that nobody is there any more.
        assert re.search("alert|SSLEOFError", reason(cluster, trusting, tmp_path))
        cluster.address = cluster.address.replace("tls://", "tcp://")
        assert "CommClosedError" in reason(cluster, variables, tmp_path)


def reason(cluster: LocalCluster, variables: Mapping[str, str], folder: Path) -> str:
    """Try to build on ``cluster``, and return why that is not done."""
    words = ("build", "--version", PINNED, "--variant", "stock", "--out", str(folder / "out"), "--on", cluster.address)
    done = patchkit(*words, variables=variables)
    assert done.returncode == ClusterError.exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()
    return done.stderr.splitlines()[1].strip()


def test_trials_over_tls(tmp_path: Path) -> None:
    variables = certificates(tmp_path / "farm")
    with local_cluster(tmp_path, 2, tls=variables) as cluster:
        words = ("--version", PINNED, "--variant", "stock", "--variant", "retransmit", "--engine", "host",
                 "--scenario", "loss-20", "--trials", "2")  # fmt: skip
        for out, more in (("alone", []), ("report", ["--on", cluster.address])):
            done = patchkit("lab", "run", *words, "--out", str(tmp_path / out), *more, variables=variables)
            assert done.returncode == 0, done.stderr
        for name in ("trials.jsonl", "results.json"):
            assert (tmp_path / "report" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
