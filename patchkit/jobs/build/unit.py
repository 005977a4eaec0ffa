"""A build as a unit of work for a cluster: what is asked for and what came of it, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import TypeAdapter

from patchkit.errors import as_document, from_document
from patchkit.jobs.build.outcome import Outcome, ReleaseOutcome
from patchkit.jobs.build.request import BuildRequest
from patchkit.packaging.manifest import Artifact


@cache
def _requests() -> TypeAdapter[BuildRequest]:
    return TypeAdapter(BuildRequest)


def request_document(request: BuildRequest) -> bytes:
    """Write ``request`` as JSON, in one line."""
    return _requests().dump_json(request)


def read_request(document: bytes) -> BuildRequest:
    """Read what :func:`request_document` has written."""
    return _requests().validate_json(document)


def outcome_document(built: ReleaseOutcome) -> bytes:
    """Write ``built`` as JSON."""
    document = {
        "error": as_document(built.error) if built.error else None,
        "seconds": built.seconds,
        "warnings": list(built.warnings),
        "outcomes": [
            {
                "variant": outcome.variant,
                "artifact": outcome.artifact.model_dump(mode="json") if outcome.artifact else None,
                "error": as_document(outcome.error) if outcome.error else None,
                "seconds": outcome.seconds,
                "fresh": outcome.fresh,
            }
            for outcome in built.outcomes
        ],
    }
    return json.dumps(document).encode()


def read_outcome(document: bytes, version: str, target: str) -> ReleaseOutcome:
    """Read what :func:`outcome_document` has written of ``version`` for ``target``. Raises ValueError, KeyError."""
    read = json.loads(document)
    return ReleaseOutcome(
        version,
        target,
        [
            Outcome(
                str(entry["variant"]),
                Artifact.model_validate_json(json.dumps(entry["artifact"])) if entry["artifact"] else None,
                from_document(entry["error"]) if entry["error"] else None,
                float(entry["seconds"]),
                fresh=bool(entry["fresh"]),
            )
            for entry in read["outcomes"]
        ],
        from_document(read["error"]) if read["error"] else None,
        float(read["seconds"]),
        [str(text) for text in read["warnings"]],
    )


def repeatable(built: ReleaseOutcome, files: Mapping[str, bytes]) -> bytes:
    """Write what of ``built`` has to be the same whenever and wherever it is built: all but the time it took."""
    parts: Sequence[object] = [
        [outcome.variant, outcome.artifact.model_dump(mode="json") if outcome.artifact else None]
        for outcome in built.outcomes
    ]
    return json.dumps([parts, sorted(files)], sort_keys=True).encode()
