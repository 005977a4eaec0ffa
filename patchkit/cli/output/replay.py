"""What ``patchkit lab replay`` prints: the trial's outcome, and the files that were written."""

from __future__ import annotations

from patchkit.cli.output.document import print_json
from patchkit.jobs.lab.replay import Replayed
from patchkit.ui import table


def print_document(replayed: Replayed) -> None:
    """Print the trial as reported, as it was now and at high verbosity, as JSON."""
    print_json(
        {
            "same": replayed.same,
            "reported": replayed.reported.model_dump(mode="json") if replayed.reported else None,
            "trial": replayed.again.model_dump(mode="json"),
            "verbose": replayed.verbose.model_dump(mode="json"),
            "files": [str(path) for path in replayed.files],
        }
    )


def print_table(replayed: Replayed) -> None:
    """Print the outcome, the seed, and a row for each file."""
    again = replayed.again
    took = f" after {again.seconds:.3f} s" if again.seconds is not None else ""
    as_reported = "as reported" if replayed.same else "not as reported" if replayed.reported else "not in the report"
    rows = [("outcome", f"{again.outcome}{took}, {as_reported}"), ("seed", str(again.seed))]
    table(("what", "value"), rows + [("file", str(path)) for path in replayed.files])
