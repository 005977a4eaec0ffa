"""``patchkit mirror sync``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.options import (
    CryptoOption,
    EngineChoice,
    EngineOption,
    FeatureOption,
    GitOption,
    JsonOption,
    NetworkTimeoutOption,
    OpensslSourceOption,
    TargetOption,
)


@command
def sync(
    versions: Annotated[
        list[str],
        typer.Option(
            "--versions",
            metavar="V,V,...",
            help="The releases to be built; may be repeated.",
            autocompletion=completion.version_lists,
        ),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The mirror; made when missing, filled up otherwise.")
    ],
    git: GitOption = None,
    target: TargetOption = "linux-amd64",
    engine: EngineOption = EngineChoice.auto,
    crypto: CryptoOption = None,
    features: FeatureOption = None,
    openssl_source: OpensslSourceOption = None,
    lab: Annotated[
        bool, typer.Option("--lab", help="The packages of the lab's guest and its kernel's source, too.")
    ] = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect all that builds of these releases need: sources, the crypto library's source, Docker's images.

    \b
    Example: patchkit mirror sync --versions 2.6.14,2.5.1 --to mirror
    """
    from patchkit.building.settings import BuildSettings
    from patchkit.cli.output.mirror import print_index, print_index_document
    from patchkit.context import Context
    from patchkit.jobs.mirror.sync import MirrorRequest
    from patchkit.jobs.mirror.sync import sync as synced_by
    from patchkit.source.obtain import SourceRequest

    settings = BuildSettings(engine.value, crypto, openssl_source or [], features or [])
    settings.check()
    context = Context.default()
    request = MirrorRequest(
        versions=[version.strip() for text in versions for version in text.split(",") if version.strip()],
        to=to,
        source=SourceRequest(git=git),
        settings=settings,
        target=target,
        lab=lab,
    )
    synced = synced_by(request, context)
    if as_json:
        print_index_document(synced, to)
    else:
        print_index(synced)
    if synced.packages:
        context.ui.note(f"a host that builds without Docker also needs: {' '.join(synced.packages)}")
    words = shlex.join(["patchkit", "build", "--offline", "--version", request.versions[0], *synced.options])
    context.ui.note(f"there: PATCHKIT_MIRROR={shlex.quote(str(to))} {words}")
    if any(letter.isspace() for letter in str(to)):
        context.ui.note("but in a folder whose name has no blanks: they separate several mirrors")
