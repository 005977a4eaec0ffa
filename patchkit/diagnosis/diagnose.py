"""Diagnose logs: each file or rotated set is read once, as a stream, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from pydantic import Field

from patchkit.diagnosis.both_ends import together
from patchkit.diagnosis.events import ORDINARY, WORDS, recognised, unearthed
from patchkit.diagnosis.finding import LogFinding
from patchkit.diagnosis.incidents import Incidents
from patchkit.diagnosis.input.files import LogFile
from patchkit.diagnosis.input.framing import Framer, peer_of
from patchkit.diagnosis.input.lines import LONGEST, blocks, find_with, line_at
from patchkit.diagnosis.input.repair import JSON_WORDS, from_json, repaired
from patchkit.diagnosis.ordinary import MOST_LINES, OrdinaryHandshakes, Place, Waiting, is_ordinary
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.stream import Stream
from patchkit.errors import NotALogError
from patchkit.json_schema import Part

_BLANK, _DASH, _U, _S = b" -us"
_INSIDE = frozenset(("verified-leaf", "peer-info", "push-request", "initiated"))
"""What neither begins nor ends an ordinary handshake."""
_IS_INSIDE = tuple(kind in _INSIDE for kind in ORDINARY)
_PACKETS = ("UDP", "TCP", "Connection Attempt ")
_RETURN = b"\xe2\x8f\x8e"  # RETURN SYMBOL in UTF-8
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
    findings: list[LogFinding] = Field(description="what is wrong; empty where nothing is")
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
            advice="docs/diagnose.md lists the kinds of logs that are read; --anonymize makes one that can be shown",
        )
    findings = together([(part.end, part.findings()) for part in parts])
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
    match = re.search(r"[-.](\d{1,10})(?:\.\w+)?$", PurePath(file.name).name)
    if match is None:
        return -1, file.name
    number = int(match[1])
    return (number, file.name) if number < 10_000 else (100_000_000_000 - number, file.name)


def _read(files: Iterable[LogFile]) -> list[Incidents]:
    reader = Reader()
    for file in files:
        for first, block in blocks(repaired(file.pieces())):
            reader.block(file.name, first, block)
    return reader.finish()


class Reader:
    """The lines of one set of files: ordinary handshakes are told apart by their bytes, all else goes to a stream."""

    def __init__(self) -> None:
        self._streams: dict[str, tuple[Stream, Incidents]] = {}
        self._framer = Framer()
        self._ordinary = OrdinaryHandshakes()
        self._find = find_with((*WORDS, *JSON_WORDS))
        self._by_tag: dict[bytes, tuple[Stream, Incidents]] = {}
        """The streams of processes that ordinary handshakes were seen of, by the logger's tag."""
        self._last_of: dict[bytes, bytes] = {}
        """The last line of the last ordinary handshake of each."""

    def block(self, file: str, first: int, block: bytes) -> None:
        """Take the lines of ``block``, whose first one is line ``first`` of ``file``.

        This is the inner loop: for a line of an ordinary handshake it calls nothing but methods of bytes.
        """
        number, counted, covered = first, 0, -1
        find, rfind, count, waiting = block.find, block.rfind, block.count, self._ordinary.waiting
        lines: list[Waiting] = []
        begins, head = block.startswith, b""  # the time and peer of the line before, and its handshake
        for end, word in self._find(block):
            if end <= covered:
                continue
            start = rfind(b"\n", 0, end) + 1
            covered = find(b"\n", end)
            if covered < 0:
                covered = len(block)
            number += count(b"\n", counted, start)
            counted = start
            if (
                _IS_INSIDE[word]
                and head
                and begins(head, start)
                and covered - start < LONGEST
                and len(lines) < MOST_LINES
            ):
                lines.append((file, number, block[start:covered], word))
                continue
            head = b""
            kind = ORDINARY[word]
            if kind and 40 < covered - start < LONGEST and block[start + 10] == _BLANK and block[start + 4] == _DASH:
                begin = start + 20
                if block[begin] == _U and block[begin + 1] == _S:
                    begin = find(b" ", begin) + 1
                stop = find(b" ", begin, covered)
                peer = block[begin:stop].rpartition(b"/")[2]
                if peer[-1:].isdigit() and b":" in peer:
                    line = (file, number, block[start:covered], word)
                    known = waiting.get(peer)
                    if known is not None and _IS_INSIDE[word] and len(known) < MOST_LINES:
                        known.append(line)
                        head, lines = block[start : stop + 1], known
                    elif done := self._ordinary.add((20, b"", peer), kind, line):
                        self._settle((20, b"", peer), done)
                    elif (known := waiting.get(peer)) is not None:
                        head, lines = block[start : stop + 1], known
                    continue
            self.take(file, number, line_at(block, start, covered), word)

    def take(self, file: str, number: int, raw: bytes, word: int) -> None:
        """Take line ``number`` of ``file``, which has the word of that index."""
        ordinary = self._ordinary
        place = ordinary.place(raw) if ordinary.waiting or ORDINARY[word] else None
        if ORDINARY[word] and place is not None:
            if done := ordinary.add(place, ORDINARY[word], (file, number, raw, word)):
                self._settle(place, done)
            return
        if ordinary.waiting:  # what waits comes first: of all peers, where this line does not show its own
            for earlier in ordinary.pop(place) if place is not None else ordinary.pop_all():
                self._parse(*earlier)
        self._parse(file, number, raw, word)

    def _settle(self, place: Place, lines: Sequence[Waiting]) -> None:
        """Take the ``lines`` of a whole handshake: at once where it was ordinary, otherwise one by one."""
        start, tag, peer = place
        known = self._by_tag.get(tag)
        if known is not None and len(lines) > 1 and is_ordinary(lines[0][2], lines[-1][2], start):
            stream, incidents = known
            last = lines[-1][2]
            address = peer.decode("utf-8", "replace")
            if stream.ordinary(
                address, lambda: _name_in(last, start, peer), 3, lambda: self._framer.split(_text(last)).time
            ):
                incidents.handshakes += 1
                incidents.completed += 1
                self._last_of[tag] = last
                return
        for line in lines:
            parsed = self._parse(*line)
            if parsed is not None and len(self._by_tag) < _MOST_STREAMS:
                self._by_tag[tag] = parsed

    def _parse(self, file: str, number: int, raw: bytes, word: int) -> tuple[Stream, Incidents] | None:
        if _RETURN in raw:  # pasted: several lines in one
            parts = [self._parse(file, number, part.strip(), -1) for part in raw.split(_RETURN)]
            return next(filter(None, parts), None)
        line = _text(from_json(raw) if raw.startswith((b"{", b" {", b"\t{")) else raw)
        framed = self._framer.split(line)
        prefix = peer_of(framed.message)
        event = recognised(prefix[2], word)
        if event is None or (event.anywhere and not prefix[1] and not prefix[2].startswith(_PACKETS)):
            inner = unearthed(framed.message)
            if inner is not None:
                prefix = peer_of(inner)
                event = recognised(prefix[2]) or event
        if event is None:
            return None
        if event.kind == "left-out":
            for stream, _ in self._streams.values():
                stream.end.left_out.append((file, number))
            return None
        streams = self._streams
        key = framed.program if framed.program in streams or len(streams) < _MOST_STREAMS else ""
        if key not in streams:
            streams[key] = _stream(f"{file} {key}".strip())
        streams[key][0].feed(event, framed, prefix, file, number)
        return streams[key]

    def finish(self) -> list[Incidents]:
        """Return the incidents of each end; all lines have been taken."""
        for line in self._ordinary.pop_all():
            self._parse(*line)
        for tag, last in self._last_of.items():
            framed = self._framer.split(_text(last))
            if framed.time is not None:
                self._by_tag[tag][0].end.see(framed.time, framed.stamp)
        for stream, incidents in self._streams.values():
            stream.finish()
            incidents.finish()
        return [incidents for _, incidents in self._streams.values()]


def _name_in(line: bytes, start: int, peer: bytes) -> str:
    """The common name beside the address ``peer`` in ``line``, whose message begins at ``start``."""
    head, slash, _ = line[start:].partition(b"/" + peer)
    if slash:
        return _text(head[head.rfind(b" ") + 1 :] if head.startswith(b"us=") else head)
    name, bracket, _ = line.partition(peer + b" [")[2].partition(b"] Peer Connection")
    return _text(name[:64]) if bracket else ""


def _stream(name: str) -> tuple[Stream, Incidents]:
    end = End(name)
    incidents = Incidents(end)
    return Stream(end, incidents.judge, incidents.ending), incidents


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
