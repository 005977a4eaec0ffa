"""``patchkit artifact sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli.error_handling import command
from patchkit.cli.options import SignWithOption


@command
def sign(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a manifest and the files it names.")],
    sign_with: SignWithOption = None,
) -> None:
    """Sign the checksums, the SBOMs and the provenances in DIR with keys of your own, each in a file beside it.

    \b
    Example: patchkit artifact sign dist --sign-with ssh:id_ed25519
    """
    from patchkit.errors import BadUsageError
    from patchkit.jobs.artifact.sign import sign_folder
    from patchkit.packaging.signatures.keys import SigningKey
    from patchkit.ui import data

    if not sign_with:
        raise BadUsageError("no key is named", advice="--sign-with openpgp:FINGERPRINT")
    for name in sign_folder(folder, [SigningKey.parse(text) for text in sign_with]):
        data(f"{folder / name}\n")
