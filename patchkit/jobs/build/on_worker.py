"""A build on a worker of a cluster: a child process in a folder of its own, whose artifacts go back as bytes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from patchkit import signals
from patchkit.cluster.task import done, is_wanted
from patchkit.context import Context
from patchkit.errors import MachineError, ToolError
from patchkit.jobs.build.outcome import ReleaseOutcome
from patchkit.jobs.build.unit import outcome_document, read_outcome, read_request, repeatable, request_document
from patchkit.lab.runner.answer import packed, unpacked
from patchkit.packaging.dist import Dist
from patchkit.storage import replace_all, sha256_of
from patchkit.temporary import temporary

_LIMIT = 12 * 3600.0  # seconds for a release in all variants; one command of it ends sooner
_LOOK = 0.5  # seconds
_TIDYING = 30.0  # seconds for a build that is ended
_OUTCOME = "outcome"
_TAIL = 2000  # characters


def build_release(unit: bytes, *downloads: bytes) -> bytes:
    """Build what ``unit`` asks for; what Dask calls, on a worker.

    ``downloads`` are files whose hash is pinned, from the client's cache: the worker may have no network.
    """
    wanted = is_wanted()

    def work() -> tuple[bytes, bytes]:
        order = json.loads(unit)
        _keep(dict(zip(order["downloads"], downloads, strict=True)))
        with temporary("cluster-", Path(tempfile.gettempdir())) as scratch:
            request = replace(read_request(json.dumps(order["request"]).encode()), out=scratch / "dist")
            document = _built(request_document(request), environment(order["repository"]), scratch, wanted)
            built = read_outcome(document, request.source.version, request.target)
            files = _files(built, Dist(request.out))
        return packed({}, {_OUTCOME: outcome_document(built), **files}), repeatable(built, files)

    return done("build", work)


def read_built(answer: bytes, version: str, target: str) -> tuple[ReleaseOutcome, Mapping[str, bytes]]:
    """Return the outcome of a unit, and its artifacts' files by name, as :func:`build_release` has packed them."""
    ((_, files),) = unpacked(answer)
    return read_outcome(files.pop(_OUTCOME), version, target), files


def _keep(downloads: Mapping[str, bytes]) -> None:
    """Put ``downloads``, named NAME@SHA256, where they are not in this cache as they should be."""
    folder = Context.default().cache.downloads
    for label, data in downloads.items():
        name, _, digest = label.rpartition("@")
        if hashlib.sha256(data).hexdigest() != digest or Path(name).name != name:
            raise MachineError(f"{name} came, and is not what the client has sent")
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            replace_all({folder / name: data})


def environment(repository: str) -> dict[str, str]:
    """Return the variables of a build whose client has ``repository`` in its ``PATCHKIT_GIT``; empty where none is set.

    Where a source comes from must not depend on the worker: a tag's files are not the tarball's to the byte.
    """
    return {**os.environ, "PATCHKIT_GIT": repository}


def _built(request: bytes, env: Mapping[str, str], scratch: Path, wanted: Callable[[], bool]) -> bytes:
    """Run the child; end it where nobody waits for it any more. Raises ToolError where it gives no outcome."""
    with (scratch / "out").open("w+b") as out, (scratch / "err").open("w+b") as err:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "patchkit.jobs.build.in_child"], cwd=scratch, env=env, stdin=subprocess.PIPE,
            stdout=out, stderr=err, start_new_session=True, preexec_fn=signals.let_in,  # noqa: PLW1509
        )  # fmt: skip
        until = time.monotonic() + _LIMIT
        try:
            with suppress(BrokenPipeError):
                if process.stdin is not None:
                    process.stdin.write(request + b"\n")
                    process.stdin.flush()
            while _is_running(process):
                if not wanted() or time.monotonic() > until:
                    break
        finally:
            _end(process)
        out.seek(0)
        err.seek(0)
        document, complaint = out.read(), err.read().decode("utf-8", "replace")
    if process.returncode != 0 or not document:
        raise ToolError(
            f"the build ended without an outcome, with exit code {process.returncode}",
            why=complaint[-_TAIL:].strip() or "it was ended, or killed, perhaps for want of memory",
            advice="the same command again; or build this release on that machine, to see why",
        )
    return document


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK)
    return process.returncode is None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` as ^C would, and kill its session where it takes too long to tidy up."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_TIDYING)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _files(built: ReleaseOutcome, dist: Dist) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for artifact in (outcome.artifact for outcome in built.outcomes if outcome.artifact is not None):
        dist.check(artifact)
        files |= {file.name: (dist.folder / file.name).read_bytes() for file in artifact.all_files}
    return files
