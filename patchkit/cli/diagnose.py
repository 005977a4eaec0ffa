"""``patchkit diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import JsonOption


@command
def diagnose(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG...", help="Logs of OpenVPN, also compressed; - is standard input. Several belong together."
        ),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a drawing of each incident.")
    ] = None,
    anonymize: Annotated[
        Path | None,
        typer.Option(
            "--anonymize", metavar="OUT", help="Write the log with addresses and names replaced; of several, a folder."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read logs of OpenVPN and report what is wrong, how certainly, and whether a patch helps.

    \b
    Example: patchkit diagnose openvpn.log
    """
    from patchkit.cli.output.diagnose import print_findings
    from patchkit.cli.output.document import print_json
    from patchkit.context import Context
    from patchkit.errors import FaultFoundError
    from patchkit.jobs.diagnose.job import DiagnoseRequest, run

    request = DiagnoseRequest(logs=logs, html=html, anonymize=anonymize)
    diagnosis = run(request, Context.default(offline=True))
    if as_json:
        print_json(diagnosis.model_dump(mode="json"))
    else:
        print_findings(diagnosis)
    if diagnosis.findings:
        raise SystemExit(FaultFoundError.exit_code)
