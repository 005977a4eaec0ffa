"""``patchkit mirror verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror.")],
    as_json: JsonOption = False,
) -> None:
    """Check that a mirror holds all that its index names, whole and as pinned.

    \b
    Example: patchkit mirror verify mirror
    """
    from patchkit.cli.output.mirror import print_findings, print_findings_document
    from patchkit.context import Context
    from patchkit.errors import MirrorError
    from patchkit.jobs.mirror.check import check

    context = Context.default()
    findings = check(directory, context)
    if as_json:
        print_findings_document(findings, directory)
    else:
        print_findings(findings)
    bad = [finding for finding in findings if finding.bad]
    if bad:
        context.ui.error(
            f"{directory} lacks or has damaged: {', '.join(finding.name for finding in bad)}",
            "\n".join(
                f"{finding.name}: {finding.verdict}{', ' if finding.detail else ''}{finding.detail}" for finding in bad
            ),
            "patchkit mirror sync, with the same --versions, brings what is missing",
        )
        raise SystemExit(MirrorError.exit_code)
