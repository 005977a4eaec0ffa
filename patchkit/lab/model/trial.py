"""The result of one trial: a line of ``trials.jsonl``. It holds no date, no host name and no wall time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from patchkit.json_schema import Part
from patchkit.lab.model.bounds import MOST_TRIALS

Direction = Literal["up", "down"]
"""``up`` is client → server."""

DIRECTIONS: tuple[Direction, ...] = ("up", "down")


# What can be counted and added up: a report may come from anybody, and statistics end at what a float can hold.
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Number = TypeVar("Number", int, float)
CONTROL = "P_CONTROL_"
"""The beginning of the names of control packets' opcodes, without pure ACKs."""
TCP, TCP_ACK = "TCP", "TCP_ACK"
"""Stand for an opcode where OpenVPN runs over TCP: segments with data, a SYN or a FIN, and those with an ACK alone."""


def control_of(opcodes: Mapping[str, Number]) -> Number | int:
    """Add up the control packets (P_CONTROL_*) among ``opcodes``, and the TCP segments that carry something."""
    return sum(count for opcode, count in opcodes.items() if opcode.startswith(CONTROL) or opcode == TCP)


def acks_of(opcodes: Mapping[str, Number]) -> Number | int:
    """Add up the pure ACKs among ``opcodes``, OpenVPN's or TCP's."""
    return sum(count for opcode, count in opcodes.items() if opcode in ("P_ACK_V1", TCP_ACK))


class Sending(Part):
    """How one end sent its control packets, to be compared with a variant's bound."""

    messages: _Count = Field(description="different control packets: sessions, keys and packet IDs that differ")
    copies: _Count = Field(description="how often the one that was sent most often was sent")
    seconds: _Amount = Field(description="from the first control packet to the last one")
    peak: _Count = Field(description="control packets within the second that had most of them")
    peak_messages: _Count = Field(description="different ones among these")


class Traffic(Part):
    """The packets of one direction of the link, counted at the router, not taken from logs."""

    sent: _Count = Field(description="UDP packets, or TCP segments, that came to the router")
    delivered: _Count = Field(description="those that left it, duplicates included")
    dropped: _Count = Field(description="packets that came and never left, whatever dropped them")
    duplicated: _Count = Field(description="packets that left more than once")
    reordered: _Count = Field(description="packets that left behind one that had come later")
    ruled_out: _Count = Field(
        description="of the dropped ones, those that the scenario's own rules dropped: outages, the n-th packet"
    )
    delay_ms: _Amount | None = Field(description="median time between the two, in ms; null when nothing was delivered")
    opcodes: dict[str, _Count] = Field(
        max_length=64,
        description="packets sent, by opcode: P_CONTROL_V1, P_ACK_V1, …; of TCP, segments: TCP with data, a SYN or a "
        "FIN, TCP_ACK without",
    )
    control_bytes: _Count = Field(
        description="bytes of UDP payload sent in control packets and ACKs; of TCP, of all segments, with their headers"
    )
    sending: Sending | None = Field(
        description="how control packets were sent; null when their IDs cannot be read, as with tls-crypt and over TCP"
    )

    @property
    def control(self) -> int:
        """Control packets sent (P_CONTROL_*), without ACKs and data; of TCP, segments that carry something."""
        return control_of(self.opcodes)

    @property
    def acks(self) -> int:
        """Pure ACKs sent, OpenVPN's or TCP's."""
        return acks_of(self.opcodes)


class Soak(Part):
    """How a tunnel held over a long time."""

    seconds: _Amount = Field(description="how long it was watched, in guest seconds")
    pings_sent: _Count = Field(description="pings sent across the tunnel")
    pings_answered: _Count = Field(description="those that were answered")
    longest_outage: _Amount = Field(description="longest time without an answer, in seconds")
    outages: _Count = Field(description="times without an answer that were longer than the scenario calls an outage")
    down_seconds: _Amount = Field(description="how long all of these took together, in seconds")
    renegotiations: _Count = Field(description="soft resets that the server or the client began")
    failed_renegotiations: _Count = Field(description="'TLS key negotiation failed' on either side")
    ping_restarts: _Count = Field(description="restarts for want of a ping, on either side")
    reconnects: _Count = Field(description="times that the client completed again after the first")

    @property
    def held(self) -> bool:
        """Whether the tunnel was there all the time."""
        return not self.outages and not self.reconnects


class Crowd(Part):
    """How many clients of one server completed."""

    clients: _Count = Field(description="how many were started")
    completed: _Count = Field(description="those that were done within the limit, which counts from the first's packet")
    seconds: list[_Amount | None] = Field(
        min_length=1,
        description="of each, in the order of their starts: from when it began to send until it was done; null for one "
        "that was not done within the limit",
    )


class Trial(Part):
    """One run of one cell with one seed."""

    cell: str = Field(description="which cell it belongs to")
    trial: int = Field(
        ge=1, le=MOST_TRIALS, description="its number, from 1; the same number in two cells means the same seeds"
    )
    seed: int = Field(description="what netem and the guest's random generator were seeded with")
    outcome: Literal["completed", "timeout", "crash", "hang", "void"] = Field(
        description="completed: both sides within the limit, of many clients all. timeout: not within it. crash: a "
        "peer died. hang: a peer did not end when told to, or used up its CPU time. void: the link did not do what was "
        "asked; not counted"
    )
    seconds: _Amount | None = Field(
        description="from the client's first packet until both sides were done, of many clients from the first one's "
        "until the last was; null unless completed",
    )
    detail: str = Field(default="", description="why it is void, how a peer died")
    traffic: dict[Direction, Traffic] = Field(description="up to one second after the end of the handshake")
    cpu: dict[Literal["client", "server"], _Amount] = Field(
        description="CPU seconds of each peer, on the guest's clock"
    )
    guest_seconds: _Amount = Field(description="how long the whole trial took on the guest's clock")
    soak: Soak | None = Field(default=None, description="for soaks only")
    crowd: Crowd | None = Field(default=None, description="for crowds only: one server, many clients")

    @property
    def succeeded(self) -> bool:
        """Whether both sides were done within the limit; of a soak, whether the tunnel held."""
        return self.outcome == "completed" and (self.soak is None or self.soak.held)

    @property
    def control_packets(self) -> int:
        """P_CONTROL_* sent, both directions."""
        return sum(traffic.control for traffic in self.traffic.values())

    @property
    def ack_packets(self) -> int:
        """P_ACK_V1 sent, both directions."""
        return sum(traffic.acks for traffic in self.traffic.values())
