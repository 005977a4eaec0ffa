"""The lines of a log, told apart: ordinary handshakes by their bytes, all else by its text."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.diagnosis.events import WORDS, recognised, unearthed
from patchkit.diagnosis.incidents import Incidents
from patchkit.diagnosis.input.block import Block, Line, WholeLine
from patchkit.diagnosis.input.framing import Framer, peer_of
from patchkit.diagnosis.input.lines import find_with
from patchkit.diagnosis.input.repair import JSON_WORDS, from_json
from patchkit.diagnosis.ordinary import (
    BEGINS,
    ENDS,
    MAY_END,
    MOST_LINES,
    MOST_WAITING,
    PARTS,
    RENEGOTIATES,
    OrdinaryHandshakes,
    Place,
    ends,
    is_ordinary,
)
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.stream import Stream

_BLANK, _DASH, _U, _S = b" -us"
_TIME, _MESSAGE = 19, 20  # bytes of "2024-01-01 00:00:00", and where the message begins behind it
_NO_HEAD = b"\n"  # what no line begins with
_PACKETS = ("UDP", "TCP", "Connection Attempt ")
_RETURN = b"\xe2\x8f\x8e"  # RETURN SYMBOL in UTF-8
_MOST_STREAMS = 64  # processes that one log is split into; a container that is restarted has one more each time


class Reader:
    """The lines of one set of files: ordinary handshakes are told apart by their bytes, all else goes to a stream."""

    def __init__(self) -> None:
        self._streams: dict[str, tuple[Stream, Incidents]] = {}
        self._files: dict[str, int] = {}
        self._framer = Framer()
        self._ordinary = OrdinaryHandshakes()
        self._find = find_with((*WORDS, *JSON_WORDS))
        self._by_tag: dict[bytes, tuple[Stream, Incidents]] = {}
        """The streams of processes that ordinary handshakes were seen of, by the logger's tag."""
        self._last_of: dict[bytes, bytes] = {}
        """The last line of the last ordinary handshake of each."""

    def block(self, file: str, first: int, data: bytes) -> None:  # noqa: PLR0912 - see below
        """Take the lines of ``data``, whose first one is line ``first`` of ``file``.

        This is the inner loop: for a line of an ordinary handshake it calls little but methods of bytes. With a
        function of its own for a line's head, a log of --verb 3 takes 5 to 8 % longer.
        """
        self._files.setdefault(file, len(self._files))
        block = Block(file, first, data)
        find, rfind, begins = data.find, data.rfind, data.startswith
        ordinary = self._ordinary
        waiting = ordinary.waiting
        head, peer = _NO_HEAD, b""  # the time and peer that lines of one handshake begin with
        lines: list[Line] | None = None
        before = -1
        for end, word in self._find(data):
            start = rfind(b"\n", 0, end) + 1
            if start == before:
                continue
            before = start
            part = PARTS[word]
            if not part or not begins(head, start):
                head, peer = _NO_HEAD, b""
                if end - start > _MESSAGE and data[start + 10] == _BLANK and data[start + 4] == _DASH:
                    begin = start + _MESSAGE
                    if data[begin] == _U and data[begin + 1] == _S:
                        begin = find(b" ", begin, end) + 1
                    stop = find(b" ", begin, end)
                    peer = data[begin:stop].rpartition(b"/")[2] if stop > begin > start else b""
                    if not peer[-1:].isdigit() or b":" not in peer:
                        peer = b""
                    elif part:
                        head, lines = data[start : stop + 1], waiting.get(peer)
                if head is _NO_HEAD:
                    self._take(block, start, word, peer)
                    continue
            if lines is None:
                lines = waiting[peer] = [(start, word)]
                for line in ordinary.too_many() if len(waiting) > MOST_WAITING else ():
                    self._parse(*block.whole(line))
                continue
            if part >= BEGINS or len(lines) >= MOST_LINES:
                if done := ordinary.add(peer, (start, word)):
                    self._settle((_MESSAGE, b"", peer), [block.whole(line) for line in done])
                lines = waiting.get(peer)
                continue
            lines.append((start, word))
            if part == ENDS or (part == MAY_END and PARTS[lines[0][-1]] == RENEGOTIATES):
                head = _NO_HEAD
                del waiting[peer]
                begun = lines[0][0]
                if (
                    isinstance(begun, str)
                    or not begins(data[begun : begun + _TIME], start)
                    or not self._is_over((_MESSAGE, b"", peer), data[start:end])
                ):
                    self._settle((_MESSAGE, b"", peer), [block.whole(line) for line in lines])
        self._keep(block)

    def _keep(self, block: Block) -> None:
        """Cut what waits out of ``block``, which is read to its end."""
        for lines in self._ordinary.waiting.values():
            if len(lines[-1]) == 2:
                lines[:] = [block.whole(line) for line in lines]

    def _take(self, block: Block, start: int, word: int, peer: bytes) -> None:
        """Take the line that begins at ``start`` and has the word of that index; of ``peer``, unless that is empty."""
        ordinary = self._ordinary
        if peer:
            for earlier in ordinary.waiting.pop(peer, ()):
                self._parse(*block.whole(earlier))
            self._parse(*block.whole((start, word)))
            return
        line = block.whole((start, word))
        place = ordinary.place(line[2]) if ordinary.waiting or PARTS[word] else None
        if PARTS[word] and place is not None:
            if done := ordinary.add(place[1] + place[2], (start, word)):
                self._settle(place, [block.whole(earlier) for earlier in done])
            return
        if ordinary.waiting:  # what waits comes first: of all peers, where this line does not show its own
            for earlier in ordinary.pop(place) if place is not None else ordinary.pop_all():
                self._parse(*block.whole(earlier))
        self._parse(*line)

    def _settle(self, place: Place, lines: Sequence[WholeLine]) -> None:
        """Take the ``lines`` of a handshake: at once where it is over and was ordinary, otherwise one by one."""
        last = lines[-1][2]
        if ends(lines) and is_ordinary(lines[0][2], last, place[0]) and self._is_over(place, last):
            return
        for line in lines:
            parsed = self._parse(*line)
            if parsed is not None and len(self._by_tag) < _MOST_STREAMS:
                self._by_tag[place[1]] = parsed

    def _is_over(self, place: Place, last: bytes) -> bool:
        """Take an ordinary handshake, which ends with the line ``last``; False where more is open with its peer."""
        start, tag, peer = place
        if tag not in self._by_tag:
            return False
        stream, incidents = self._by_tag[tag]
        logged = stream.peer(peer.decode("utf-8", "replace"))
        if not logged.name:
            logged.name = _name_in(last, start, peer)
        if not stream.ordinary(logged, lambda: self._framer.time(_text(last))):
            return False
        incidents.handshakes += 1
        incidents.completed += 1
        self._last_of[tag] = last
        return True

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
            streams[key] = _stream(f"{file} {key}".strip(), self._files)
        streams[key][0].feed(event, framed, prefix, file, number)
        return streams[key]

    def finish(self) -> list[Incidents]:
        """Return the incidents of each end; all lines have been taken."""
        nothing = Block("", 0, b"")
        for line in self._ordinary.pop_all():
            self._parse(*nothing.whole(line))
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


def _stream(name: str, files: dict[str, int]) -> tuple[Stream, Incidents]:
    end = End(name, files)
    incidents = Incidents(end)
    return Stream(end, incidents.judge, incidents.ending), incidents


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")
