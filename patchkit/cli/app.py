"""All commands. What they do is imported when they run: ``--help`` must stay fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchkit import __version__
from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.help_format import Commands
from patchkit.cli.lab_app import lab_app
from patchkit.cli.options import (
    CflagOption,
    CryptoOption,
    EngineChoice,
    EngineOption,
    FeatureOption,
    FormatChoice,
    GitOption,
    GuardOption,
    JobsOption,
    JsonOption,
    KnownBadOption,
    OfflineOption,
    OpensslSourceOption,
    OptionalVersionOption,
    PurposeChoice,
    SinceOption,
    SourceOption,
    TargetOption,
    VariantOption,
    VerboseOption,
    VersionOption,
    recommended,
)

app = typer.Typer(
    name="patchkit",
    cls=Commands,
    help="Verify, patch, build and prove OpenVPN releases.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
image_app = typer.Typer(cls=Commands, help="Images of the docker engine.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(image_app, name="image")
mirror_app = typer.Typer(
    cls=Commands,
    help="Folders that hold all that builds need, for places without a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(mirror_app, name="mirror")
app.add_typer(lab_app, name="lab")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"patchkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print patchkit's version."),
    ] = False,
) -> None:
    pass


@app.command()
@command
def build(
    version: OptionalVersionOption = None,
    all_releases: Annotated[
        bool, typer.Option("--all-releases", help="Build every final release that the pins know, several at a time.")
    ] = False,
    since: SinceOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="May be given several times. Default: the recommended one.",
            autocompletion=completion.variants,
        ),
    ] = None,
    guard: GuardOption = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="NAME",
            help="May be given several times. Default: linux-amd64.",
            autocompletion=completion.targets,
        ),
    ] = None,
    git: GitOption = None,
    source: SourceOption = None,
    engine: EngineOption = EngineChoice.auto,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")] = Path("dist"),
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Build the other variants when one fails.")] = False,
    keep_build: Annotated[bool, typer.Option("--keep-build", help="Keep the build folder or container.")] = False,
    allow_known_bad: KnownBadOption = False,
    crypto: CryptoOption = None,
    openssl_source: OpensslSourceOption = None,
    features: FeatureOption = None,
    cflag: CflagOption = None,
    sign_key: Annotated[
        Path | None, typer.Option("--sign-key", metavar="PEM", help="Sign programs for Windows with this key.")
    ] = None,
    sign_cert: Annotated[
        Path | None, typer.Option("--sign-cert", metavar="PEM", help="The key's certificate, its chain behind it.")
    ] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build a release, patched, tried and packed, into DIR.

    \b
    Example: patchkit build --version 2.6.14 --variant stock --variant retransmit
    """
    from patchkit.cli.build import run

    run(
        version=version, all_releases=all_releases, since=since,
        variants=variant or [recommended()], guard=guard, targets=target or ["linux-amd64"], git=git, source=source,
        engine=engine.value, out=out, jobs=jobs, offline=offline, keep_going=keep_going, keep_build=keep_build,
        allow_known_bad=allow_known_bad, crypto=crypto, openssl_sources=openssl_source or [], features=features or [],
        cflags=cflag or [], sign_key=sign_key, sign_cert=sign_cert, as_json=as_json, verbose=verbose,
    )  # fmt: skip


@app.command()
@command
def render(
    version: VersionOption,
    variant: VariantOption,
    guard: GuardOption = False,
    git: GitOption = None,
    source: SourceOption = None,
    offline: OfflineOption = False,
) -> None:
    """Print a variant's diff for a release, with a DEP-3 header.

    \b
    Example: patchkit render --version 2.6.14 --variant retransmit --guard
    """
    from patchkit.cli.patch import render_to_stdout

    render_to_stdout(version=version, variant=variant, guard=guard, git=git, source=source, offline=offline)


@app.command()
@command
def apply(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An OpenVPN source tree.")],
    variant: VariantOption,
    guard: GuardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Apply a variant to a source tree of your own: exactly, or not at all.

    \b
    Example: patchkit apply openvpn-2.6.14 --variant retransmit
    """
    from patchkit.cli.patch import apply_to

    apply_to(directory, variant=variant, guard=guard, as_json=as_json)


@app.command()
@command
def export(
    version: VersionOption,
    variant: VariantOption,
    guard: GuardOption = False,
    form: Annotated[
        FormatChoice, typer.Option("--format", help="What shall read it: quilt, git am, or patch.")
    ] = FormatChoice.quilt,
    git: GitOption = None,
    source: SourceOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Default: debian/patches for quilt, otherwise here.")
    ] = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a variant's diffs for people who build elsewhere: with quilt, git am or patch.

    \b
    Example: patchkit export --version 2.6.14 --format git --to patches
    """
    from patchkit.cli.export import run

    run(
        version=version, variant=variant, guard=guard, form=form.value, git=git, source=source, to=to,
        offline=offline, as_json=as_json,
    )  # fmt: skip


@app.command()
@command
def matrix(
    git: GitOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    ref: Annotated[
        list[str] | None,
        typer.Option(
            "--ref",
            metavar="REF",
            help="Only this release, tag, branch or commit; may be repeated.",
            autocompletion=completion.versions,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", metavar="NAME", help="Only this one; may be repeated.", autocompletion=completion.variants
        ),
    ] = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    note: Annotated[
        Path | None,
        typer.Option(
            "--note", metavar="FILE", help="Write what was refused, for an issue: a title, then Markdown. Else no FILE."
        ),
    ] = None,
) -> None:
    """Say which variants apply to which releases, exactly: render, apply in memory, verify.

    \b
    Example: patchkit matrix --ref 2.6.14
    """
    from patchkit.cli.matrix import run

    run(
        git=git, source=source, since=since, refs=ref or [], variants=variant or [],
        offline=offline, as_json=as_json, as_markdown=as_markdown, note=note,
    )  # fmt: skip


@app.command()
@command
def prove(
    version: VersionOption,
    variant: VariantOption,
    target: TargetOption = "linux-amd64",
    git: GitOption = None,
    source: SourceOption = None,
    engine: EngineOption = EngineChoice.auto,
    configure: Annotated[
        list[str] | None,
        typer.Option("--configure", metavar="ARG", help="A further argument for configure; may be repeated."),
    ] = None,
    crypto: CryptoOption = None,
    openssl_source: OpensslSourceOption = None,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Prove from object files that only the functions a variant names have changed, and none with the guard off.

    \b
    Example: patchkit prove --version 2.6.14 --variant retransmit
    """
    from patchkit.cli.prove import run

    run(
        version=version, variant=variant, target=target, git=git, source=source, engine=engine.value,
        configure=configure or [], crypto=crypto, openssl_sources=openssl_source or [],
        jobs=jobs, offline=offline, as_json=as_json, verbose=verbose,
    )  # fmt: skip


@app.command()
@command
def verify(
    version: OptionalVersionOption = None,
    new: Annotated[bool, typer.Option("--new", help="Look for release tags that the pins do not know.")] = False,
    since: SinceOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="In question; may be repeated. Default: the recommended one; all with --new.",
            autocompletion=completion.patches,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="STEP,...",
            help="Of source, variants, prove, build, smoke and lab.",
            autocompletion=completion.steps,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="STEP,...", help="All but these steps.", autocompletion=completion.steps),
    ] = None,
    git: GitOption = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="TARBALL|DIR", help="A source at hand, to be judged.")
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="That tarball's. Default: the .asc or .sig beside it."),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Further OpenPGP keys that count as upstream's; may be repeated."),
    ] = None,
    engine: EngineOption = EngineChoice.auto,
    crypto: CryptoOption = None,
    openssl_source: OpensslSourceOption = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="Of the lab, for each side. Default: 50.")
    ] = None,
    jobs: JobsOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Gets a folder for the release, with the reports.")
    ] = Path("verify"),
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Compile and run even what has turned out not to be upstream's.")
    ] = False,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Verify a release of upstream's: genuine? do the variants apply, do what they say, build, shake hands, help?

    \b
    Example: patchkit verify --version 2.6.14 --only source,variants
    """
    from patchkit.cli.verify import run

    run(
        version=version, new=new, since=since, variants=variant or [], only=only or [], skip=skip or [], git=git,
        source=source, signature=signature, keys=key or [], engine=engine.value, crypto=crypto,
        openssl_sources=openssl_source or [], trials=trials, jobs=jobs, out=out, keep_going=keep_going,
        offline=offline, as_json=as_json, verbose=verbose,
    )  # fmt: skip


@app.command()
@command
def fetch(
    version: VersionOption,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Unpack the source into this new folder.")
    ] = None,
    git: GitOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch and verify a release's source; print where it is.

    \b
    Example: patchkit fetch --version 2.6.14 --to openvpn-2.6.14
    """
    from patchkit.cli.fetch import run

    run(version=version, to=to, git=git, offline=offline, as_json=as_json)


@app.command()
@command
def releases(as_json: JsonOption = False) -> None:
    """List the releases that the pins know.

    \b
    Example: patchkit releases --json
    """
    from patchkit.cli.listings import list_releases

    list_releases(as_json=as_json)


@app.command()
@command
def variants(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Tell all about this one.", autocompletion=completion.variants),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the variants, or tell what one does, whose it is, and what upstream's own code makes of it.

    \b
    Example: patchkit variants retransmit
    """
    from patchkit.cli.listings import list_variants, show_variant

    if name is None:
        list_variants(as_json=as_json)
    else:
        show_variant(name, as_json=as_json)


@app.command()
@command
def doctor(
    purpose: Annotated[
        list[PurposeChoice] | None,
        typer.Argument(metavar="PURPOSE", help="build, windows, lab, matrix or verify. Default: all of them."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that help, as root, then try again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Try what patchkit needs here: run a container, compile, boot the lab's machine, reach a mirror.

    Each trial works, is missing or is broken, with the command that mends it on this distribution. The exit code is
    90 unless all that the purposes need works.

    \b
    Example: patchkit doctor build
    """
    from patchkit.cli.doctor import run

    run(purposes=[one.value for one in purpose or []], fix=fix, yes=yes, as_json=as_json)


@image_app.command("base")
@command
def image_base(
    arch: Annotated[str, typer.Option("--arch", metavar="ARCH", help="Debian's name of the architecture.")] = "amd64",
    force: Annotated[bool, typer.Option("--force", help="Make it anew even where it is there.")] = False,
) -> None:
    """Bootstrap the base images from a Debian mirror, for places without an image registry.

    \b
    Example: patchkit image base
    """
    from patchkit.cli.images import make_bases

    make_bases(arch=arch, force=force)


@mirror_app.command("sync")
@command
def mirror_sync(
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
    lab: Annotated[bool, typer.Option("--lab", help="The packages of the lab's guest, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect all that builds of these releases need: sources, the crypto library's source, Docker's images.

    \b
    Example: patchkit mirror sync --versions 2.6.14,2.5.1 --to mirror
    """
    from patchkit.cli.mirror import run_sync

    run_sync(
        versions=versions, to=to, git=git, target=target, engine=engine.value, crypto=crypto, features=features or [],
        openssl_sources=openssl_source or [], lab=lab, as_json=as_json,
    )  # fmt: skip


@mirror_app.command("verify")
@command
def mirror_verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror.")],
    as_json: JsonOption = False,
) -> None:
    """Check that a mirror holds all that its index names, whole and as pinned.

    \b
    Example: patchkit mirror verify mirror
    """
    from patchkit.cli.mirror import run_verify

    run_verify(directory, as_json=as_json)
