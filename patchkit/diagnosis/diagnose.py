"""Diagnose logs: each file or rotated set is read once, as a stream, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from pydantic import Field

from patchkit.diagnosis.events import WORDS, recognised
from patchkit.diagnosis.finding import Finding
from patchkit.diagnosis.incidents import Incidents
from patchkit.diagnosis.input.files import LogFile
from patchkit.diagnosis.input.framing import Framer
from patchkit.diagnosis.input.lines import numbered
from patchkit.diagnosis.input.repair import JSON_WORDS, from_json, repaired
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.stream import Stream
from patchkit.errors import NotALogError
from patchkit.json_schema import Part

_MOST_STREAMS = 64  # processes that one log is split into; a container that is restarted has one more each time
_ROTATED = re.compile(r"(?:[-.]\d{1,10})?(?:\.(?:gz|xz|zst|bz2))?$")


class EndSummary(Part):
    """One end, whose log was read."""

    name: str = Field(description="the log, and the process where a log has several")
    side: str = Field(description="client or server, as far as the log shows it")
    version: str = Field(description="of its OpenVPN; empty where the log does not name it")
    verb: int = Field(description="the lowest --verb that prints what was seen; 0: not known")
    handshakes: int = Field(description="that were begun, renegotiations among them")
    completed: int = Field(description="of these, how many came to their end")
    begin: str = Field(description="the first time in it, as it stands there")
    end: str = Field(description="the last one")


class Diagnosis(Part):
    """What the logs show."""

    ends: list[EndSummary] = Field(description="the ends whose logs were read")
    findings: list[Finding] = Field(description="what is wrong; empty where nothing is")
    left_out: int = Field(default=0, description="findings beyond those listed")
    damaged: list[str] = Field(default=[], description="files whose end could not be read, with the reason")


def diagnose(files: Sequence[LogFile]) -> Diagnosis:
    """Read ``files`` and say what is wrong. Raises UnreadableLogError, and NotALogError where none is OpenVPN's."""
    parts: list[Incidents] = []
    for group in _groups(files):
        parts += _read(group)
    if not any(part.end.lines for part in parts):
        raise NotALogError(
            f"no line of OpenVPN's was recognised in {', '.join(file.name for file in files)[:300]}",
            advice="patchkit diagnose --help lists what it reads",
        )
    findings = [finding for part in parts for finding in part.findings()]
    return Diagnosis(
        ends=[_summary(part) for part in parts if part.end.lines],
        findings=findings,
        left_out=sum(sum(part.left_out.values()) for part in parts),
        damaged=[f"{file.name}: {file.damage}" for file in files if file.damage],
    )


def _groups(files: Sequence[LogFile]) -> list[list[LogFile]]:
    """Put the parts of a rotated log together, the oldest first; other files are ends of their own."""
    groups: dict[str, list[LogFile]] = {}
    for file in files:
        stem = _ROTATED.sub("", file.name, count=1) if file.path else file.name
        groups.setdefault(stem, []).append(file)
    return [sorted(group, key=_age, reverse=True) if len(group) > 1 else group for group in groups.values()]


def _age(file: LogFile) -> tuple[int, str]:
    """openvpn.log.2.gz is older than openvpn.log.1, and openvpn.log is the newest; dates sort the other way round."""
    found = re.search(r"[-.](\d{1,10})(?:\.\w+)?$", PurePath(file.name).name)
    if found is None:
        return -1, file.name
    number = int(found[1])
    return (number, file.name) if number < 10_000 else (100_000_000_000 - number, file.name)


def _read(files: Iterable[LogFile]) -> list[Incidents]:
    streams: dict[str, tuple[Stream, Incidents]] = {}
    framer = Framer()
    for file in files:
        for number, raw in numbered(repaired(file.pieces()), (*WORDS, *JSON_WORDS)):
            line = _text(from_json(raw) if raw.startswith((b"{", b" {", b"\t{")) else raw)
            framed = framer.split(line)
            message = framed.message
            # The name and address of a peer are cut off by the stream, where they are needed.
            event = recognised(message) or recognised(_without_peer(message))
            if event is None:
                continue
            key = framed.program if framed.program in streams or len(streams) < _MOST_STREAMS else ""
            if key not in streams:
                streams[key] = _stream(f"{file.name} {key}".strip())
            streams[key][0].feed(event, framed, file.name, number)
    for stream, incidents in streams.values():
        stream.finish()
        incidents.finish()
    return [incidents for _, incidents in streams.values()]


def _stream(name: str) -> tuple[Stream, Incidents]:
    end = End(name)
    incidents = Incidents(end)
    return Stream(end, incidents.judge, incidents.ending), incidents


def _without_peer(message: str) -> str:
    head, blank, rest = message.partition(" ")
    if blank and ":" in head:
        return rest
    slash = message.find("/")
    return message[message.find(" ", slash) + 1 :] if 0 < slash < 65 else message


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def _summary(part: Incidents) -> EndSummary:
    end = part.end
    return EndSummary(
        name=end.name,
        side=end.side,
        version=end.version,
        verb=end.verb,
        handshakes=part.handshakes,
        completed=part.completed,
        begin=end.first_stamp,
        end=end.last_stamp,
    )
