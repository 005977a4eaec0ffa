"""Scenarios: a link, what runs over it, and when that counts as failed. Read from TOML, built in or the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from patchkit.errors import ScenarioError
from patchkit.json_schema import Part
from patchkit.lab.model.bounds import WEEK
from patchkit.lab.model.reserved import reserved
from patchkit.lab.model.trial import Direction
from patchkit.pki.profile import profile
from patchkit.storage import reading

BUILT_IN = Path(__file__).with_name("scenarios.toml")
Wrap = Literal["none", "tls-auth", "tls-crypt"]
Proto = Literal["udp", "tcp"]


class _Part(Part):
    """A part of a scenario: no number in it may be infinite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Burst(_Part):
    """Gilbert-Elliott: two states, good and bad, each with its own loss. In percent, as ``tc netem loss gemodel``."""

    to_bad: float = Field(gt=0, le=100, description="chance, at each packet, to go from good to bad (p)")
    to_good: float = Field(gt=0, le=100, description="chance, at each packet, to go from bad to good (r)")
    loss_in_bad: float = Field(default=100.0, ge=0, le=100, description="loss in the bad state (1-h)")
    loss_in_good: float = Field(default=0.0, ge=0, le=100, description="loss in the good state (1-k)")

    @property
    def loss(self) -> float:
        """The loss in the long run, in percent."""
        bad = self.to_bad / (self.to_bad + self.to_good)
        return bad * self.loss_in_bad + (1 - bad) * self.loss_in_good


class Flow(_Part):
    """One direction of the link, and what netem on the router does to it."""

    delay_ms: float = Field(default=0.0, ge=0, le=60_000, description="one way")
    jitter_ms: float = Field(
        default=0.0, ge=0, le=60_000, description="standard deviation (normal), or half the width (uniform)"
    )
    distribution: Literal["uniform", "normal", "pareto"] = Field(
        default="uniform", description="how the jitter is distributed; uniform is netem's own"
    )
    loss: float = Field(default=0.0, ge=0, le=100, description="independent loss, percent")
    burst: Burst | None = Field(default=None, description="loss in bursts, instead of independent loss")
    duplicate: float = Field(default=0.0, ge=0, le=100, description="percent of packets that arrive twice")
    reorder: float = Field(default=0.0, ge=0, le=100, description="percent of packets that skip the delay")
    # netem takes whole bytes a second, and 0 for no limit. At 0.1 kbit/s a large packet takes 100 s.
    rate_kbit: float | None = Field(
        default=None, ge=0.1, le=100_000_000, description="kbit/s; None: as fast as the machine"
    )
    queue: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="packets that may be on their way or wait; more are dropped. A storm has 1300 within 50 ms",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.burst is not None and self.loss:
            raise ValueError("loss and burst exclude each other")
        if self.reorder and not self.delay_ms:
            raise ValueError("reorder needs a delay: what is reordered skips it")
        if self.jitter_ms and not self.delay_ms:
            raise ValueError("jitter needs a delay")
        return self

    @property
    def expected_loss(self) -> float:
        """The loss that netem is configured for, as a fraction."""
        return (self.burst.loss if self.burst else self.loss) / 100


class Drop(_Part):
    """A rule of the router that drops certain packets, recognised by what is in them."""

    direction: Direction = Field(description="up is client → server")
    kind: Literal["any", "control", "ack", "data"] = Field(
        default="any", description="control: P_CONTROL_*, ack: pure ACKs, data: P_DATA_*"
    )
    nth: list[int] = Field(
        default=[], description="which of the packets that match, from 1; empty: all of them", max_length=64
    )
    packet_id: int | None = Field(default=None, ge=0, lt=2**32, description="control packets with this ID only")
    acknowledges: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="pure ACKs only whose first ID is this: the packet whose ACK is to be lost",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.acknowledges is not None and self.kind != "ack":
            raise ValueError('acknowledges needs kind = "ack"')
        if self.packet_id is not None and self.kind != "control":
            raise ValueError('packet_id needs kind = "control"')
        if any(not 1 <= number <= 2**31 for number in self.nth):
            raise ValueError("nth counts from 1, and up to 2^31")
        return self


class Outage(_Part):
    """A time in which the link is dead in both directions."""

    at_s: float = Field(
        ge=0, le=WEEK, description="seconds after the client's first packet, or after a soak's first ping"
    )
    for_s: float = Field(gt=0, le=WEEK, description="seconds")


class Scenario(_Part):
    """A link, what is run over it, and its time limit."""

    summary: str = Field(min_length=1, description="what its figures stand for")
    up: Flow = Field(default=Flow(), description="client → server")
    down: Flow = Field(default=Flow(), description="server → client")
    drop: list[Drop] = Field(default=[], description="packets that the router drops besides")
    outage: list[Outage] = Field(default=[], description="when the link is dead")
    run: Literal["handshake", "reconnect", "soak"] = Field(
        default="handshake", description="one handshake; one after a kill; or a tunnel that is watched for a long time"
    )
    topology: Literal["server", "p2p"] = Field(
        default="server",
        description="server: --server and --client with tun devices, push and pull; p2p: --dev null",
    )
    clients: int = Field(
        default=1, ge=1, le=200, description="handshake: how many clients, each a process of its own; one server"
    )
    spread_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="of many clients: seconds over which their starts are spread, at random",
    )
    credentials: str = Field(default="leaf-rsa2048", description="a profile of patchkit/pki: leaf-rsa2048, chain-8, …")
    wrap: Wrap = Field(default="none", description="what is put around control packets")
    proto: Proto = Field(default="udp", description="what carries OpenVPN's packets; of tcp, segments are counted")
    max_packet_size: int | None = Field(
        default=None, ge=154, le=2048, description="--max-packet-size, of 2.6 and later; None: the release's own"
    )
    limit_s: float = Field(
        default=60.0, ge=0.1, le=86_400, description="--hand-window, and when a trial counts as failed"
    )
    client_options: list[str] = Field(default=[], description="further options of openvpn, for the client")
    server_options: list[str] = Field(default=[], description="further options of openvpn, for the server")
    kill: Literal["client", "server"] = Field(default="client", description="reconnect: who is killed and comes back")
    duration_s: float = Field(default=3600.0, ge=1, le=WEEK, description="soak: how long")
    reneg_s: int = Field(default=60, ge=5, le=WEEK, description="soak: --reneg-sec on both sides")
    tran_window_s: int = Field(
        default=60, ge=1, le=WEEK, description="soak: --tran-window: how long the old key still serves"
    )
    ping_s: float = Field(
        default=1.0, ge=0.01, le=WEEK, description="soak: seconds between two pings across the tunnel"
    )
    outage_s: float = Field(
        default=10.0, ge=0.1, le=WEEK, description="soak: seconds without an answer that count as an outage"
    )
    keepalive: tuple[int, int] = Field(default=(10, 60), description="--keepalive: ping, and restart without one")

    @model_validator(mode="before")
    @classmethod
    def _both(cls, fields: object) -> object:
        """Replace ``both`` by up and down."""
        if isinstance(fields, dict) and "both" in fields:
            if {"up", "down"} & fields.keys():
                raise ValueError("both stands for up and down: it excludes them")
            fields = dict(fields)
            fields["up"] = fields["down"] = fields.pop("both")
        return fields

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        inside = any(rule.packet_id is not None or rule.acknowledges is not None for rule in self.drop)
        if inside and self.wrap == "tls-crypt":
            raise ValueError("tls-crypt hides packet IDs: a rule cannot read them")
        if self.proto == "tcp" and any(rule.kind != "any" for rule in self.drop):
            raise ValueError('proto = "tcp": a segment has no opcode, rules can drop any of them only')
        for word in (*self.client_options, *self.server_options):
            if "\0" in word:
                raise ValueError("an option cannot hold a NUL byte")
        for name in reserved([*self.client_options, *self.server_options]):
            raise ValueError(f"--{name} is set by the lab itself: with another one it would be another experiment")
        profile(self.credentials)
        if not 0 < self.keepalive[0] < self.keepalive[1] <= WEEK:
            raise ValueError("keepalive: a ping every so many seconds, and a restart after more, a week at most")
        if self.run == "soak" and self.topology == "p2p":
            raise ValueError('a soak pings across the tunnel: it needs topology = "server"')
        if self.clients > 1 and (self.run, self.topology) != ("handshake", "server"):
            raise ValueError('many clients need run = "handshake" and topology = "server"')
        if self.spread_s and (self.clients == 1 or self.outage or self.spread_s >= self.limit_s):
            raise ValueError("spread_s needs many clients and no outage, and must be below limit_s")
        return self

    @property
    def is_crowd(self) -> bool:
        """Whether many clients connect to the server."""
        return self.clients > 1

    @property
    def runs(self) -> str:
        """What runs over the link, for tables."""
        return f"{self.clients} handshakes" if self.is_crowd else self.run

    @property
    def longest_s(self) -> float:
        """The longest time that a trial can count with: a handshake's limit, or a whole soak without the tunnel."""
        return self.duration_s if self.run == "soak" else self.limit_s

    def flow(self, direction: Direction) -> Flow:
        """Return the flow of ``direction``."""
        return self.up if direction == "up" else self.down


def parsed(text: str, where: str) -> dict[str, Scenario]:
    """Parse the scenarios in the TOML ``text`` of ``where``, by name. Raises ScenarioError when it is not valid."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where} is not TOML", why=str(error)) from error
    tables = document.get("scenario")
    if not isinstance(tables, dict) or not tables or document.keys() - {"scenario"}:
        raise ScenarioError(f"{where} has no scenarios", why="it needs tables named [scenario.NAME], and nothing else")
    return {name: _validated(name, fields, where) for name, fields in tables.items()}


def changed(name: str, scenario: Scenario, fields: Mapping[str, object]) -> Scenario:
    """Replace ``fields`` of the ``scenario`` called ``name``. Raises ScenarioError when the result is not valid."""
    return _validated(name, scenario.model_dump() | dict(fields), "the command line")


def _validated(name: str, fields: object, where: str) -> Scenario:
    try:
        if not name or not all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in name):
            raise ScenarioError(f"{where}: {name!r} is not a name for a scenario", why="letters, digits, '-', '_', '.'")
        return Scenario.model_validate(fields)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, problem['loc'])) or name}: {problem['msg']}" for problem in error.errors()]
        raise ScenarioError(
            f"{where}: scenario {name} is not valid",
            why="\n".join(lines),
            advice="patchkit lab scenarios --json shows the built-in ones with all their fields",
        ) from error


@cache
def built_in() -> Mapping[str, Scenario]:
    """Parse patchkit's own scenarios, by name."""
    return parsed(BUILT_IN.read_text(encoding="utf-8"), BUILT_IN.name)


def named(reference: str) -> dict[str, Scenario]:
    """Find the scenarios that ``reference`` names: a built-in NAME, all of a FILE, or one of them as FILE#NAME.

    Raises ScenarioError when there is none, or when the file is not valid.
    """
    if reference in built_in():
        return {reference: built_in()[reference]}
    file, _, name = reference.partition("#")
    path = Path(file)
    with reading(path):
        exists = path.exists()
    if path.suffix != ".toml" and not exists:
        from difflib import get_close_matches

        close = get_close_matches(reference, built_in(), n=1)
        raise ScenarioError(
            f"no scenario {reference}",
            why="built in: " + ", ".join(built_in()),
            advice=f"perhaps you meant {close[0]}" if close else "a file of your own must end in .toml",
        )
    with reading(path):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path} is not UTF-8 text", why=str(error)) from error
    scenarios = parsed(text, str(path))
    if not name:
        return scenarios
    if name not in scenarios:
        raise ScenarioError(f"{path} has no scenario {name}", why="it has: " + ", ".join(scenarios))
    return {name: scenarios[name]}
