"""``patchkit lab run``."""

from __future__ import annotations

from enum import StrEnum
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
)
from patchkit.lab.model.bounds import MOST_TRIALS


class LinkChoice(StrEnum):
    """What the link is made of."""

    uml = "uml"
    qemu = "qemu"
    netns = "netns"
    machine = "machine"


class WrapChoice(StrEnum):
    """What is put around control packets."""

    none = "none"
    tls_auth = "tls-auth"
    tls_crypt = "tls-crypt"


class TopologyChoice(StrEnum):
    """How the two peers are set up."""

    server = "server"
    p2p = "p2p"


@command
def run(
    version: OptionalVersionOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="An arm each; the first is what the others are compared with. Default: stock and recommended.",
            autocompletion=completion.variants,
        ),
    ] = None,
    patch: PatchOption = None,
    guard: GuardOption = False,
    client: Annotated[
        str | None,
        typer.Option("--client", metavar="V[+NAME] [OPTION...]", help="The client of every arm, if it is another one."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="V[+NAME] [OPTION...]", help="The server of every arm, if it is another one."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            metavar="CLIENT[:SERVER] [OPTION...]",
            help='An arm whose sides differ, or that has options of OpenVPN: "2.6.14 --tls-timeout 1", "2.6.14 --proto '
            'tcp". May be repeated, also beside --version and its variants.',
        ),
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
        int | None,
        typer.Option(
            "--max-packet-size",
            metavar="BYTES",
            min=154,
            max=2048,
            help="OpenVPN's --max-packet-size, which 2.6 and later have.",
        ),
    ] = None,
    topology: Annotated[
        TopologyChoice | None, typer.Option("--topology", help="server: --server with tun; p2p: --dev null.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, max=MOST_TRIALS, help="Trials a cell. Default: 100.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Default: 1.")] = None,
    link: Annotated[
        LinkChoice | None,
        typer.Option(
            "--link",
            help="uml: User-Mode Linux in virtual time, the default on x86-64; qemu: QEMU in virtual time; netns: this "
            "kernel, as root. machine: the old name of qemu.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")] = Path("report"),
    resume: Annotated[bool, typer.Option("--resume", help="Resume the campaign in --out.")] = False,
    shard: ShardOption = None,
    on: OnOption = None,
    git: GitOption = None,
    compiling: CompileOptions = CompileOptions(),
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
    allow_known_bad: KnownBadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run builds against each other on a lossy link, the same losses for each, and report what differs.

    \b
    Example: patchkit lab run --version 2.6.14 --variant stock --variant recommended --scenario loss-20 --trials 20
    """
    from patchkit.cli.output.document import print_json
    from patchkit.context import Context
    from patchkit.errors import BadUsageError
    from patchkit.jobs.lab.arms import arms_of, refuse_no_arm
    from patchkit.jobs.lab.campaign import run as run_campaign
    from patchkit.jobs.lab.request import (
        CampaignRequest,
        NewCampaignRequest,
        ResumeRequest,
        check_profiles,
        chosen_scenarios,
        link_name,
    )  # fmt: skip
    from patchkit.lab.report.report import markdown
    from patchkit.patching.own.choose import chosen
    from patchkit.patching.variants import STOCK
    from patchkit.shard import Shard
    from patchkit.source.obtain import SourceRequest
    from patchkit.ui import data

    names = chosen(variant, patch)
    if patch and not variant:
        # Without a version, the patches are only made known: --arm, --client, --server or the report name them.
        names = [STOCK, *names] if version is not None else []
    arms = arms_of(version, names, guard=guard, client=client, server=server, arms=arm or [])
    changes = {
        "wrap": wrap and wrap.value, "max_packet_size": max_packet_size, "topology": topology and topology.value,
    }  # fmt: skip
    places, settings = SourceRequest(git=git), compiling.settings(allow_known_bad=allow_known_bad)
    check_profiles(credentials or [])
    request: CampaignRequest
    if resume and not arms:
        if scenario or credentials or link or seed is not None or trials or guard or shard or any(changes.values()):
            raise BadUsageError(
                "--resume without a version runs all that the report was asked for",
                advice="leave the other options away, or give all of them",
            )
        request = ResumeRequest.of(out, places, settings, on)
    else:
        refuse_no_arm(arms)
        request = NewCampaignRequest(
            arms=arms,
            scenarios=chosen_scenarios(scenario or [], changes),
            source=places,
            settings=settings,
            credentials=credentials or [],
            trials=trials or 100,
            seed=1 if seed is None else seed,
            link=link_name(link.value) if link else None,
            out=out,
            resume=resume,
            shard=Shard.parse(shard) if shard else None,
            on=on,
        )
    context = Context.default(offline=offline)
    done = run_campaign(request, context)
    if as_json:
        print_json(done.results.model_dump(mode="json"))
    else:
        data(markdown(done.campaign, done.results, done.timing))
    context.ui.note(f"{out}/report.html has the plots and every trial")
