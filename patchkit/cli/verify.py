"""``patchkit verify``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import (
    GitOption,
    JsonOption,
    NetworkTimeoutOption,
    OfflineOption,
    OptionalVersionOption,
    PatchOption,
    SinceOption,
    VerboseOption,
    VulnerableOption,
)
from patchkit.errors import BadUsageError, NewReleaseError
from patchkit.lab.model.bounds import MOST_TRIALS
from patchkit.releases.version import shown

if TYPE_CHECKING:
    from patchkit.context import Context
    from patchkit.jobs.verify.job import VerifyRequest
    from patchkit.jobs.verify.new_pins import NewPinsRequest
    from patchkit.jobs.verify.new_tags import NewTagsRequest

OUT = Path("verify")
"""Where reports go by default."""


@command
def verify(
    version: OptionalVersionOption = None,
    new: Annotated[bool, typer.Option("--new", help="Look for release tags that the pins do not know.")] = False,
    since: SinceOption = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="With --new: write the pins of new releases, to be reviewed."),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            "--record", metavar="NAME=FILE", help="With --to: a public file that states a tarball's hash; repeatable."
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="The variant to judge; may be repeated. Default: recommended; with --new, all.",
            autocompletion=completion.patches,
        ),
    ] = None,
    patch: PatchOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="STEP,...",
            help="Run these steps alone: source, vulnerabilities, variants, prove, build, smoke, lab.",
            autocompletion=completion.steps,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="STEP,...", help="Leave these steps out.", autocompletion=completion.steps),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="EVIDENCE,...",
            help="Fail unless it was checked: pin, signature, tag, tarball, comparison.",
            autocompletion=completion.evidence,
        ),
    ] = None,
    git: GitOption = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="TARBALL|DIR", help="A source of your own, to be judged.")
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(
            "--signature",
            metavar="FILE",
            help="The signature of TARBALL. Default: the .asc or .sig beside it.",
        ),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Further OpenPGP keys that count as upstream's; may be repeated."),
    ] = None,
    compiling: CompileOptions = CompileOptions(),
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", metavar="N", min=1, max=MOST_TRIALS, help="Trials of each variant in the lab. Default: 200."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Gets a folder for the release, with the reports.")
    ] = OUT,
    fail_on_vulnerable: VulnerableOption = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Compile and run even what has turned out not to be upstream's.")
    ] = False,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Verify a release of upstream's: genuine? do the variants apply, do what they say, build, shake hands, help?

    \b
    Example: patchkit verify --version 2.6.14 --only source,variants
    """
    from patchkit.context import Context
    from patchkit.jobs.verify.evidence import EvidenceRequest
    from patchkit.jobs.verify.job import VerifyRequest, chosen_steps, required_evidence
    from patchkit.jobs.verify.model import TRIALS
    from patchkit.jobs.verify.new_tags import NewTagsRequest
    from patchkit.patching.own.choose import chosen
    from patchkit.source.obtain import SourceRequest

    if new == (version is not None):
        raise BadUsageError("no release is named", why="either --version or --new is needed", advice="--version V")
    if (since is not None or to is not None) and not new:
        raise BadUsageError("--since and --to go with --new")
    if record and to is None:
        raise BadUsageError("--record goes with --new --to FOLDER")
    if new:
        _refuse({
            "--only": only, "--skip": skip, "--require": require, "--source": source, "--signature": signature,
            "--trials": trials, **compiling.given, "--out": out != OUT, "--keep-going": keep_going,
            "--offline": offline, "--fail-on-vulnerable": fail_on_vulnerable,
        })  # fmt: skip
        tags_request = NewTagsRequest(SourceRequest(git=git), since, chosen(variant, patch), key or [])
        pins_request = _pins_request(tags_request, record or []) if to is not None else None
        _list_new_tags(tags_request, pins_request, to, Context.default(verbose=verbose), as_json=as_json)
        return
    steps = chosen_steps(only or [], skip or [])
    if require and "source" not in steps:
        raise BadUsageError("--require needs the step source", advice="leave --skip source away")
    request = VerifyRequest(
        EvidenceRequest(SourceRequest(version or "", git, source), signature, tuple(key or [])),
        variants=chosen(variant, patch),
        settings=compiling.settings(),
        steps=steps,
        trials=trials or TRIALS,
        out=out,
        fail_on_vulnerable=fail_on_vulnerable,
        keep_going=keep_going,
        require=required_evidence(require or []),
    )
    _verify_release(request, Context.default(offline=offline, verbose=verbose), as_json=as_json)


def _verify_release(request: VerifyRequest, context: Context, *, as_json: bool) -> None:
    from patchkit.cli.output.document import print_json
    from patchkit.cli.output.verify import print_steps
    from patchkit.jobs.verify.job import verify as verification_of
    from patchkit.jobs.verify.report import write

    began = time.monotonic()
    verification = verification_of(request, context)
    folder = request.out / verification.release
    write(verification, folder)
    if as_json:
        print_json(verification.model_dump(mode="json"))
    else:
        print_steps(verification)
    for finding in verification.findings:
        context.ui.error(finding.what, finding.why, finding.advice)
    context.ui.note(f"{folder}/report.html has all that was looked at; {time.monotonic() - began:.1f} s in all")
    if verification.exit_code:
        raise SystemExit(verification.exit_code)


def _list_new_tags(
    request: NewTagsRequest, pins: NewPinsRequest | None, to: Path | None, context: Context, *, as_json: bool
) -> None:
    from patchkit.cli.output.verify import print_tags, print_tags_document
    from patchkit.jobs.verify.new_pins import new_pins, write
    from patchkit.jobs.verify.new_tags import gravest_error, new_tags
    from patchkit.storage import check_writable

    if to is not None:
        check_writable(to, "--to")
    tags = new_tags(request, context)
    new, names, error = None, [], None
    if pins is not None and to is not None and tags:
        new = new_pins(tags, pins, context)
        names, error = write(new, to), new.error()
        context.ui.note(f"{to} has {', '.join(names)}")
    gravest = gravest_error(tags)
    gravest = (
        error if error is not None and (gravest is None or gravest.exit_code == NewReleaseError.exit_code) else gravest
    )
    if as_json:
        print_tags_document(tags, gravest, new.entries if new else None)
    else:
        print_tags(tags)
    for tag in tags:
        if tag.error is not None:
            context.ui.error(f"{tag.tag}: {tag.error.what}", tag.error.why, tag.error.advice)
    if gravest is not None:
        if not any(tag.error is gravest for tag in tags):
            context.ui.error(gravest.what, gravest.why, gravest.advice)
        raise SystemExit(gravest.exit_code)


def _pins_request(tags: NewTagsRequest, records: Sequence[str]) -> NewPinsRequest:
    """Read what ``--record`` gives. Raises BadUsageError."""
    from patchkit.jobs.verify.new_pins import NewPinsRequest
    from patchkit.storage import expanded

    files = {}
    for record in records:
        name, equals, path = record.partition("=")
        if not (name.strip() and equals and path) or not name.isprintable() or name in files:
            raise BadUsageError(
                f"--record {shown(record)} does not name a place and its file", advice="--record Homebrew=openvpn.rb"
            )
        files[name.strip()] = expanded(path)
    return NewPinsRequest(tags, files)


def _refuse(options: Mapping[str, object]) -> None:
    """Raise BadUsageError for each of ``options`` that was given: it would have no effect."""
    given = [name for name, value in options.items() if value]
    if given:
        raise BadUsageError(
            f"{', '.join(given)} {'has' if len(given) == 1 else 'have'} no meaning with --new",
            why="--new looks at a repository's tags and at tarballs: it builds nothing, and writes no report",
            advice="--git, --since, --variant, --key, --to and --record go with it",
        )
