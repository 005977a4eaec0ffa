"""The arms of a campaign as a user asks for them: two builds, and the options that each side gets beside its own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from patchkit.errors import BadUsageError
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.model.reserved import reserved
from patchkit.lab.model.scenario import Proto
from patchkit.patching.variants import default_variant

_PROTOCOLS: dict[str, Proto] = {
    "udp": "udp", "udp4": "udp", "tcp": "tcp", "tcp4": "tcp",
    "tcp-client": "tcp", "tcp4-client": "tcp", "tcp-server": "tcp", "tcp4-server": "tcp",
}  # fmt: skip


@dataclass(frozen=True)
class ArmRequest:
    """An arm: the builds of both sides, and what a user would set there instead of a patch."""

    client: BinaryRequest
    server: BinaryRequest
    client_options: tuple[str, ...] = ()
    """Words for the client's command line."""
    server_options: tuple[str, ...] = ()
    proto: Proto | None = None
    """None: the scenario's."""

    @classmethod
    def both(cls, build: BinaryRequest) -> ArmRequest:
        """Return the arm in which ``build`` is on both sides."""
        return cls(build, build)


def refuse_no_arm(arms: Sequence[ArmRequest]) -> None:
    """Raise BadUsageError where ``arms`` is empty: there is nothing to compare."""
    if not arms:
        raise BadUsageError("no arm is named", advice=f"--version V --variant stock --variant {default_variant()}")


def arms_of(
    version: str | None,
    variants: Sequence[str],
    *,
    guard: bool = False,
    client: str | None = None,
    server: str | None = None,
    arms: Sequence[str] = (),
) -> list[ArmRequest]:
    """Return the arms that the options of ``lab run`` name, each once.

    ``arms`` may stand beside the ``variants`` of a ``version``, and come last: to compare a patch with an option.
    Raises BadUsageError where the options do not name a build, exclude each other, or leave a side open.
    """
    if arms and (client or server):
        raise BadUsageError("--arm names both sides", advice="leave --client and --server away")
    if variants and version is None:
        raise BadUsageError("--variant needs --version", advice="--version V")
    asked = []
    if version is not None:
        for variant in dict.fromkeys(variants or ["stock", default_variant()]):
            both = BinaryRequest(version, variant, guard and variant != "stock")
            asked.append(_of_sides(_side(client) if client else (both, []), _side(server) if server else (both, [])))
    elif client and server:
        asked.append(_of_sides(_side(client), _side(server)))
    elif client or server:
        raise BadUsageError(
            "--client and --server name one side each", why="the other side has no program", advice="--version V"
        )
    return list(dict.fromkeys([*asked, *map(_parsed, arms)]))


def _parsed(text: str) -> ArmRequest:
    """Parse the value of ``--arm``: ``CLIENT[:SERVER] [OPTION...]``, the options for both sides."""
    build, options = _split(text)
    first, _, second = build.partition(":")
    return _of_sides((BinaryRequest.parse(first), options), (BinaryRequest.parse(second or first), options))


def _side(text: str) -> tuple[BinaryRequest, list[str]]:
    build, options = _split(text)
    return BinaryRequest.parse(build), options


def _split(text: str) -> tuple[str, list[str]]:
    """Split ``text`` into what names a build and the words of its options."""
    try:
        build, *options = shlex.split(text) or [""]
    except ValueError as error:
        raise BadUsageError(f"{text!r} cannot be split into words", why=str(error)) from error
    if options and not options[0].startswith("--"):
        raise BadUsageError(
            f"{text!r} is not a build with options",
            why=f"{options[0]} does not begin with --",
            advice='it looks like "2.6.14 --tls-timeout 1"',
        )
    for name in reserved(options):
        raise BadUsageError(f"--{name} is set by the lab itself", why=f"{text!r} would be another experiment")
    return build, options


def _of_sides(client: tuple[BinaryRequest, list[str]], server: tuple[BinaryRequest, list[str]]) -> ArmRequest:
    client_proto, client_options = _without_proto(client[1])
    server_proto, server_options = _without_proto(server[1])
    if client_proto != server_proto:
        raise BadUsageError(
            "--proto differs between the two sides of an arm",
            why="both sides of an arm need the same",
            advice='--arm "V --proto tcp"',
        )
    return ArmRequest(client[0], server[0], tuple(client_options), tuple(server_options), client_proto)


def _without_proto(options: Sequence[str]) -> tuple[Proto | None, list[str]]:
    """Take ``--proto NAME`` out of ``options``: the lab writes it itself, as each side and release needs it."""
    if "--proto" not in options:
        return None, list(options)
    at = list(options).index("--proto")
    name = options[at + 1] if at + 1 < len(options) else ""
    if name not in _PROTOCOLS:
        raise BadUsageError(f"--proto {name}: the lab has udp and tcp", why="over IPv4")
    return _PROTOCOLS[name], [*options[:at], *options[at + 2 :]]
