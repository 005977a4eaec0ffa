"""JSON documents on stdout."""

from __future__ import annotations

import json

from patchkit.errors import PatchkitError
from patchkit.printable import without_passwords
from patchkit.ui import data


def print_json(document: object) -> None:
    """Print ``document`` as JSON on stdout, in ASCII, with passwords in URLs hidden. Raises DiskFullError."""
    data(without_passwords(json.dumps(document, indent=2, default=str)) + "\n")


def error_document(error: PatchkitError) -> dict[str, object]:
    """Return ``error`` as ``--json`` shows it."""
    return {
        "error": error.name,
        "exit_code": error.exit_code,
        "what": error.what,
        "why": error.why,
        "advice": error.advice,
    }
