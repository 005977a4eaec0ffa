"""The commands of ``patchkit lab``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patchkit.cli import completion
from patchkit.cli.error_handling import command
from patchkit.cli.help_format import Commands
from patchkit.cli.options import (
    CryptoOption,
    EngineChoice,
    EngineOption,
    GitOption,
    GuardOption,
    JobsOption,
    JsonOption,
    KnownBadOption,
    OfflineOption,
    OpensslSourceOption,
    OptionalVersionOption,
)

if TYPE_CHECKING:
    from patchkit.jobs.lab.binaries import Bench

lab_app = typer.Typer(
    cls=Commands,
    help="Patched against stock on lossy links, with real netem.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class LinkChoice(StrEnum):
    """What the link is made of."""

    machine = "machine"
    netns = "netns"


class WrapChoice(StrEnum):
    """What is put around control packets."""

    none = "none"
    tls_auth = "tls-auth"
    tls_crypt = "tls-crypt"


class TopologyChoice(StrEnum):
    """How the two peers are set up."""

    server = "server"
    p2p = "p2p"


@lab_app.command("run")
@command
def lab_run(
    version: OptionalVersionOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="An arm each; the first is what the others are compared with.",
            autocompletion=completion.variants,
        ),
    ] = None,
    guard: GuardOption = False,
    client: Annotated[
        str | None, typer.Option("--client", metavar="V[+NAME]", help="The client of every arm, if it is another one.")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="V[+NAME]", help="The server of every arm, if it is another one.")
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", metavar="CLIENT:SERVER", help="An arm whose sides differ; may be repeated."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE[#NAME]",
            help="May be repeated. Default: loss-20.",
            autocompletion=completion.scenarios,
        ),
    ] = None,
    credentials: Annotated[
        list[str] | None,
        typer.Option(
            "--credentials",
            metavar="PROFILE",
            help="leaf-rsa2048, leaf-ec, chain-8, ...; may be repeated.",
            autocompletion=completion.profiles,
        ),
    ] = None,
    wrap: Annotated[WrapChoice | None, typer.Option("--wrap", help="tls-auth, tls-crypt or none.")] = None,
    max_packet_size: Annotated[
        int | None, typer.Option("--max-packet-size", metavar="BYTES", min=154, max=2048, help="Of 2.6 and later.")
    ] = None,
    topology: Annotated[
        TopologyChoice | None, typer.Option("--topology", help="server: --server with tun; p2p: --dev null.")
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", metavar="N", min=1, help="Per cell. Default: 100.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Default: 1.")] = None,
    link: Annotated[
        LinkChoice | None, typer.Option("--link", help="machine: QEMU in virtual time; netns: this kernel, as root.")
    ] = None,
    jobs: JobsOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")] = Path("report"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the campaign in --out.")] = False,
    git: GitOption = None,
    engine: EngineOption = EngineChoice.auto,
    crypto: CryptoOption = None,
    openssl_source: OpensslSourceOption = None,
    offline: OfflineOption = False,
    allow_known_bad: KnownBadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let builds meet on a lossy link, the same losses for each, and report what differs.

    \b
    Example: patchkit lab run --version 2.6.14 --variant stock --variant retransmit --scenario loss-20 --trials 20
    """
    from patchkit.cli.lab import run_campaign

    run_campaign(
        version=version, variants=variant or [], guard=guard, client=client, server=server, arms=arm or [],
        scenarios=scenario or [], credentials=credentials or [], wrap=wrap.value if wrap else None,
        max_packet_size=max_packet_size, topology=topology.value if topology else None,
        trials=trials, seed=seed, link=link.value if link else None, jobs=jobs, out=out, resume=resume,
        bench=_bench(git, engine, crypto, openssl_source, jobs, allow_known_bad=allow_known_bad), offline=offline,
        as_json=as_json,
    )  # fmt: skip


@lab_app.command("scenarios")
@command
def lab_scenarios(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="Scenarios of your own instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the scenarios; --json shows each field of each.

    \b
    Example: patchkit lab scenarios
    """
    from patchkit.cli.lab import list_scenarios

    list_scenarios(files=files or [], as_json=as_json)


@lab_app.command("replay")
@command
def lab_replay(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report's folder.")],
    cell: Annotated[str, typer.Option("--cell", metavar="ID", help="As the report names it.")],
    trial: Annotated[int, typer.Option("--trial", metavar="K", min=1, help="Its number in the cell.")],
    verb: Annotated[int, typer.Option("--verb", metavar="N", min=1, max=11, help="OpenVPN's --verb.")] = 7,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: REPORT/replay/...")] = None,
    git: GitOption = None,
    engine: EngineOption = EngineChoice.auto,
    crypto: CryptoOption = None,
    openssl_source: OpensslSourceOption = None,
    offline: OfflineOption = False,
    allow_known_bad: KnownBadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run one trial of a report again: both logs at high verbosity, and a capture of the link.

    \b
    Example: patchkit lab replay report --cell 2.6.14/loss-20/leaf-rsa2048 --trial 7
    """
    from patchkit.cli.lab import run_replay

    run_replay(
        report=report, cell=cell, trial=trial, verbosity=verb, out=out,
        bench=_bench(git, engine, crypto, openssl_source, None, allow_known_bad=allow_known_bad), offline=offline,
        as_json=as_json,
    )  # fmt: skip


@lab_app.command("pin")
@command
def lab_pin(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where the list goes.")],
    mirror: Annotated[
        str | None, typer.Option("--mirror", metavar="URL", help="A Debian mirror; default: apt's.")
    ] = None,
) -> None:
    """List the packages that the lab's guest would be made of today, for PATCHKIT_GUEST.

    \b
    Example: patchkit lab pin --to guest.toml
    """
    from patchkit.cli.lab import write_pins

    write_pins(to=to, mirror=mirror)


def _bench(
    git: str | None,
    engine: EngineChoice,
    crypto: str | None,
    openssl_sources: list[str] | None,
    jobs: int | None,
    *,
    allow_known_bad: bool,
) -> Bench:
    from patchkit.building.engine.protocol import cores
    from patchkit.jobs.lab.binaries import Bench

    return Bench(
        git=git, engine=engine.value, crypto=crypto, openssl_sources=openssl_sources or [],
        allow_known_bad=allow_known_bad, jobs=jobs or cores(),
    )  # fmt: skip
