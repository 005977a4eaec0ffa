"""What ``patchkit export`` prints: the files that are in the folder now."""

from __future__ import annotations

import hashlib

from patchkit.cli.output.document import print_json
from patchkit.cli.output.vulnerabilities import vulnerability_document
from patchkit.jobs.export import Exported, ExportRequest
from patchkit.ui import table


def print_table(request: ExportRequest, exported: Exported) -> None:
    """Print a row for each file."""
    table(("file", "sha256"), [(str(request.folder / name), _sha256(data)) for name, data in exported.files.items()])


def print_document(request: ExportRequest, exported: Exported) -> None:
    """Print the files, and whether each was written now, as JSON."""
    print_json(
        {
            "release": exported.label,
            "variant": request.variant.name,
            "guard": request.guard,
            "format": request.form,
            "folder": str(request.folder),
            "vulnerabilities": [vulnerability_document(found) for found in exported.assessment.vulnerabilities],
            "files": [
                {"name": name, "sha256": _sha256(data), "size": len(data), "written": name in exported.written}
                for name, data in exported.files.items()
            ],
        }
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
