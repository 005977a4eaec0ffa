"""What a diagnosis finds: of which kind, how certain, and on which lines it stands."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from patchkit.json_schema import Part


class Kind(StrEnum):
    """What is wrong."""

    STALL = "stall"
    LOSSY = "lossy-link"
    NO_REPLY = "no-reply"
    PORT_CLOSED = "port-closed"
    ONE_WAY = "one-way"
    CERTIFICATE = "certificate"
    KEY = "key-mismatch"
    MTU = "mtu"
    AUTH = "auth"
    UNKNOWN_SESSION = "unknown-session"
    PING_RESTART = "ping-restart"
    TLS = "tls-settings"
    UNREACHABLE = "unreachable"
    TCP_RESET = "tcp-reset"
    SETTINGS = "settings"
    NOT_ENOUGH = "not-enough"


class Certainty(StrEnum):
    """How certain a finding is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


RANK = {Certainty.CERTAIN: 0, Certainty.LIKELY: 1, Certainty.POSSIBLE: 2}


class Evidence(Part):
    """A line of a log."""

    file: str = Field(description="as it was named; - is standard input")
    line: int = Field(ge=1, description="counted from 1")
    time: str = Field(description="as it stands there; empty where the line has none")
    text: str = Field(description="the message, cut after 300 characters")


class Moment(Part):
    """A packet or an event of an incident, for the drawing."""

    seconds: float = Field(description="since the incident's first moment")
    direction: str = Field(description="out: sent by the end whose log this is; in: received; event: neither")
    label: str = Field(description="what it was")
    stuck: bool = Field(default=False, description="whether it is of the packet that is stuck")


class Advice(Part):
    """What to do about it."""

    patch: str = Field(description="what the patch would do here: the variant and the releases, or why none helps")
    helps: bool | None = Field(description="whether a patch helps; null where that can't be known")
    instead: list[str] = Field(description="options and actions, the best first")
    figures: list[str] = Field(default=[], description="what the lab has measured, where it has")


class LogFinding(Part):
    """Something that is wrong with one peer."""

    kind: Kind = Field(description="what is wrong")
    certainty: Certainty = Field(description="certain, likely or possible")
    peer: str = Field(description="the other end's address and name; empty where the log does not name it")
    side: str = Field(description="the end whose log shows it: client or server; empty where that is not known")
    summary: str = Field(description="one sentence")
    reason: str = Field(description="what in the log shows it")
    evidence: list[Evidence] = Field(description="the lines, the first ones if there are many")
    count: int = Field(default=1, description="how many incidents of this kind this peer had")
    begin: str = Field(default="", description="the time of the first incident, as it stands in the log")
    end: str = Field(default="", description="the time of the last one")
    advice: Advice = Field(description="what to do")
    moments: list[Moment] = Field(default=[], description="the first incident, packet by packet")
