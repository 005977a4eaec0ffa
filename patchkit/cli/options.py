"""Options that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from patchkit import limits
from patchkit.cli import completion


class EngineChoice(StrEnum):
    """Where commands run."""

    auto = "auto"
    docker = "docker"
    host = "host"


class FormatChoice(StrEnum):
    """What reads an exported diff."""

    quilt = "quilt"
    git = "git"
    plain = "plain"


class PurposeChoice(StrEnum):
    """What somebody may want to do here."""

    build = "build"
    windows = "windows"
    lab = "lab"
    matrix = "matrix"
    verify = "verify"


VersionOption = Annotated[
    str,
    typer.Option(
        "--version",
        metavar="V",
        help="2.6.14, 2.7_rc2; latest, or 2.6 for its newest; with --git, any ref.",
        autocompletion=completion.versions,
    ),
]
OptionalVersionOption = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="V",
        help="2.6.14, 2.7_rc2; latest, or 2.6 for its newest; with --git, any ref.",
        autocompletion=completion.versions,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="V", help="From this release or series on, e.g. 2.3.", autocompletion=completion.versions
    ),
]


def recommended() -> str:
    """Return the name of the variant that commands use where none is named."""
    from patchkit.patching.variants import default_variant

    return default_variant()


VariantOption = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="NAME|./FOLDER",
        show_default=False,
        help="See `patchkit variants`; a folder of your own is a path. Default: recommended.",
        autocompletion=completion.variants,
    ),
]


def _in_given_order(context: typer.Context, value: list[str] | None) -> list[str] | None:
    """Mark patches that were given behind ``--variant``: options are handled in the order of the command line."""
    from patchkit.patching.own.choose import PatchBehind

    return [PatchBehind(text) for text in value] if value and context.params.get("variant") else value


PatchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--patch",
        metavar="FILE|DIR",
        help="A patch of your own: a unified diff, an mbox, or a quilt series; applied exactly, in front of --variant "
        "or behind it as given. May be repeated.",
        callback=_in_given_order,
    ),
]
GuardOption = Annotated[
    bool, typer.Option("--guard/--no-guard", help="Put the change between #ifdef RETRY and #endif.")
]
GitOption = Annotated[str | None, typer.Option("--git", metavar="URL|PATH", help="Take the source from git.")]
SourceOption = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="TARBALL|DIR",
        help="Take a source at hand, which names its own release; it counts as unverified.",
    ),
]


def _set_network_timeout(seconds: int | None) -> None:
    if seconds is not None:
        os.environ[limits.NETWORK] = str(seconds)  # for all that connects, also in threads and other processes


NetworkTimeoutOption = Annotated[
    int | None,
    typer.Option(
        "--network-timeout",
        metavar="SECONDS",
        min=1,
        max=limits.MOST,
        help="How long git, a server or Docker's daemon may send nothing. Default: 10 to 600, by what is waited for.",
        callback=_set_network_timeout,
        expose_value=False,
    ),
]
"""Needs no value in the command: it sets the variable that all waits follow."""
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use the cache and mirrors only.")]
CheckCompileOption = Annotated[
    bool,
    typer.Option("--check-compile", help="Compile what changes first, on this machine; write nothing if it fails."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
EngineOption = Annotated[EngineChoice, typer.Option("--engine", help="Where to compile.")]
TargetOption = Annotated[str, typer.Option("--target", metavar="NAME", autocompletion=completion.targets)]
VulnerableOption = Annotated[
    bool, typer.Option("--fail-on-vulnerable", help="Refuse a source with known vulnerabilities (exit code 81).")
]
KnownBadOption = Annotated[bool, typer.Option("--allow-known-bad", help="Take variants that are known to be bad, too.")]
JobsOption = Annotated[int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Default: one a core.")]
TimeoutOption = Annotated[
    int | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1, max=limits.MOST, help="For one command of a build. Default: four hours."
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the tools' output.")]
CryptoOption = Annotated[
    str | None,
    typer.Option(
        "--crypto",
        metavar="system|pinned|NAME",
        help="The system's OpenSSL, or one compiled from pinned source; by default what suits the release.",
        autocompletion=completion.crypto,
    ),
]
OpensslSourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--openssl-source",
        metavar="TARBALL|GIT[#REF]",
        help="Take the pinned OpenSSL's source from here; unverified unless its hash is pinned. May be repeated.",
    ),
]
CflagOption = Annotated[
    list[str] | None,
    typer.Option("--cflag", metavar="FLAG", help="One more compiler flag, --cflag=-std=gnu17 say; may be repeated."),
]
SignWithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sign-with",
        metavar="SCHEME:KEY",
        help="Sign checksums, SBOM, provenance: openpgp:FINGERPRINT or ssh|minisign|sigstore:FILE; may be repeated.",
    ),
]
FeatureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="FEATURE",
        help="pkcs11, systemd, net-tools or iproute2; may be repeated.",
        autocompletion=completion.features,
    ),
]
ShardOption = Annotated[str | None, typer.Option("--shard", metavar="K/N", help="Do only part K of N.")]
OnOption = Annotated[
    str | None,
    typer.Option("--on", metavar="tcp://HOST:PORT", help="Let the workers of this Dask scheduler do it."),
]
