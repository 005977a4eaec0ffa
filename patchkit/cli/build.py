"""``patchkit build``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import (
    GitOption,
    GuardOption,
    JsonOption,
    KnownBadOption,
    NetworkTimeoutOption,
    OfflineOption,
    OnOption,
    OptionalVersionOption,
    PatchOption,
    ShardOption,
    SignWithOption,
    SinceOption,
    SourceOption,
    VerboseOption,
    VulnerableOption,
    recommended,
)


@command
def build(
    version: OptionalVersionOption = None,
    all_releases: Annotated[
        bool, typer.Option("--all-releases", help="Build every final release that the pins know, several at a time.")
    ] = False,
    since: SinceOption = None,
    shard: ShardOption = None,
    on: OnOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME|./FOLDER",
            help="May be given several times. Default: the recommended one.",
            autocompletion=completion.variants,
        ),
    ] = None,
    patch: PatchOption = None,
    guard: GuardOption = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="NAME|all",
            help="May be given several times; all: each that can be built here. Default: linux-amd64.",
            autocompletion=completion.targets_or_all,
        ),
    ] = None,
    git: GitOption = None,
    source: SourceOption = None,
    compiling: CompileOptions = CompileOptions(),
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")] = Path("dist"),
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Build the other variants, targets and releases when one fails.")
    ] = False,
    keep_build: Annotated[bool, typer.Option("--keep-build", help="Keep the build folder or container.")] = False,
    allow_known_bad: KnownBadOption = False,
    fail_on_vulnerable: VulnerableOption = False,
    sign_key: Annotated[
        Path | None, typer.Option("--sign-key", metavar="PEM", help="Sign programs for Windows with this key.")
    ] = None,
    sign_cert: Annotated[
        Path | None, typer.Option("--sign-cert", metavar="PEM", help="The key's certificate, its chain behind it.")
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(
            "--package",
            metavar="deb|rpm|oci",
            help="Make a .deb, an .rpm or a container image of it as well; may be repeated.",
            autocompletion=completion.packages,
        ),
    ] = None,
    with_source: Annotated[
        bool, typer.Option("--with-source", help="Pack the corresponding source as well, beside the archive.")
    ] = False,
    spdx: Annotated[
        bool, typer.Option("--spdx", help="Write the SBOM in SPDX 2.3 as well (needs patchkit[spdx]).")
    ] = False,
    sign_with: SignWithOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build a release, patched, tested and packed, into DIR.

    \b
    Example: patchkit build --version 2.6.14 --variant stock --variant recommended
    """
    from patchkit.cli.output.build import print_document, print_table, report_errors
    from patchkit.context import Context
    from patchkit.errors import BadUsageError
    from patchkit.jobs.artifact.sign import sign_folder
    from patchkit.jobs.build.all_releases import build_releases
    from patchkit.jobs.build.request import BuildRequest, ReleasesRequest
    from patchkit.packaging.dist import CHECKSUMS
    from patchkit.packaging.signatures.keys import SigningKey
    from patchkit.packaging.signatures.sign import check_ready
    from patchkit.patching.own.choose import chosen
    from patchkit.shard import Shard
    from patchkit.source.obtain import SourceRequest

    began = time.monotonic()
    if (version is None and source is None and not all_releases) or (version is not None and all_releases):
        raise BadUsageError(
            "no release is named", why="one of --version, --source and --all-releases is needed", advice="--version V"
        )
    request = ReleasesRequest(
        BuildRequest(
            source=SourceRequest(version or "", git, source),
            variants=chosen(variant, patch) or [recommended()],
            settings=compiling.settings(allow_known_bad=allow_known_bad),
            guard=guard,
            out=out,
            keep_going=keep_going,
            keep_build=keep_build,
            fail_on_vulnerable=fail_on_vulnerable,
            with_source=with_source,
            with_spdx=spdx,
            packages=[kind for text in package or [] for kind in text.split(",")],
        ),
        targets=target or ["linux-amd64"],
        all_releases=all_releases,
        since=since,
        shard=Shard.parse(shard) if shard else None,
        sign_key=sign_key,
        sign_cert=sign_cert,
        on=on,
    )
    request.validate()
    if all_releases and verbose:
        raise BadUsageError("--verbose is for one release", advice="--version V, for the one that is to be looked at")
    signing_keys = [SigningKey.parse(text) for text in sign_with or []]
    for signing_key in signing_keys:
        check_ready(signing_key)
    context = Context.default(offline=offline, verbose=verbose)
    results = build_releases(request, context)
    report_errors(results, context.ui)
    outcomes = [outcome for result in results for outcome in result.outcomes]
    failures = [result.failure for result in results if result.failure is not None]
    if not failures and not any(outcome.fresh for outcome in outcomes):
        context.ui.step(f"Nothing has changed: {out} is up to date")
    if signing_keys and any(outcome.artifact for outcome in outcomes):
        context.ui.step(f"Sign {out / CHECKSUMS}, the SBOMs and the provenances")
        sign_folder(out, signing_keys)
    if as_json:
        print_document(results, out)
    else:
        print_table(results, out)
    context.ui.note(f"{time.monotonic() - began:.1f} s in all")
    if failures:
        raise SystemExit(failures[0].exit_code)
