"""A build as plain data, and what of it can't go to a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.errors import BadUsageError, CompileError, OfflineError
from patchkit.jobs.build.cluster_crew import refuse_what_stays_here
from patchkit.jobs.build.on_worker import environment
from patchkit.jobs.build.outcome import Outcome, ReleaseOutcome
from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
from patchkit.jobs.build.unit import outcome_document, read_outcome, read_request, request_document
from patchkit.source.git.repository import default_repository
from patchkit.source.obtain import SourceRequest
from tests.conftest import Run

REQUEST = BuildRequest(SourceRequest("2.6.14"), ["stock"], out=Path("a b"), there={"x": "y"}, packages=["deb"])


def test_a_request_comes_back_as_it_was() -> None:
    document = request_document(REQUEST)
    assert b"\n" not in document
    assert request_document(read_request(document)) == document
    assert read_request(document).out == Path("a b")


def test_an_outcome_comes_back_with_its_errors() -> None:
    outcomes = [Outcome("stock", None, CompileError("no", why="w", advice="a"), 1.5, fresh=True)]
    for built in (
        ReleaseOutcome("2.6.14", "linux-amd64", outcomes, None, 2.0, ["w"]),
        ReleaseOutcome("2.6.14", "linux-amd64", [], OfflineError("none"), 2.0),
    ):
        again = read_outcome(outcome_document(built), "2.6.14", "linux-amd64")
        assert outcome_document(again) == outcome_document(built)
        assert type(again.failure) is type(built.failure)


@pytest.mark.parametrize(
    ("changes", "option"),
    [({"source": SourceRequest("2.6.14", source=Path("x.tar.gz"))}, "--source"),
     ({"source": SourceRequest("2.6.14", git="/some/where")}, "--git PATH"), ({"keep_build": True}, "--keep-build")],
)  # fmt: skip
def test_what_lies_on_this_machine_is_refused(changes: dict[str, object], option: str) -> None:
    request = ReleasesRequest(replace(REQUEST, **changes), on="tcp://x")  # type: ignore[arg-type]
    with pytest.raises(BadUsageError, match=option):
        refuse_what_stays_here(request)
    refuse_what_stays_here(ReleasesRequest(replace(REQUEST, source=SourceRequest("x", git="https://example.org/x"))))


def test_a_workers_own_repository_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_GIT", "/of/the/worker")
    for clients in ("", "https://example.org/x"):
        for name, value in environment(clients).items():
            monkeypatch.setenv(name, value)
        assert default_repository() == (clients or None)


def test_the_repository_of_the_environment_is_refused_where_it_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_GIT", "/some/where")
    with pytest.raises(BadUsageError, match="PATCHKIT_GIT=PATH"):
        refuse_what_stays_here(ReleasesRequest(REQUEST, on="tcp://x"))


def test_a_link_that_depends_on_its_host_is_not_for_a_cluster(patchkit: Run) -> None:
    done = patchkit("lab", "run", "--version", "2.6.14", "--variant", "stock", "--link", "netns", "--on", "tcp://x:1")
    assert done.returncode == BadUsageError.exit_code
    assert "--on and --link netns exclude each other" in done.stderr
