"""What loggers put around a message: the time, the host, the program; and OpenVPN's own prefix, the peer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_NO_YEAR = 2000  # a leap year: what has no year is compared with its neighbours only
_MONTH = "(?:" + "|".join(_MONTHS) + ")"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d{1,2}:\d\d:\d\d"
# Verb 5 writes R and W for each packet, without a line end: lazily, since a W may belong to "Wed".
_GLUED = r"(?P<rw>[RWrw]*?)"
_STAMPS = (
    # OpenVPN since 2.5, journalctl -o short-iso, containers, most apps.
    r"(?P<iso>\d{4}-\d\d-\d\d[T ]" + _CLOCK + r")(?:[.,](?P<isofrac>\d{1,9}))?:?"
    r"(?: ?(?P<zone>Z|[+-]\d\d:?\d\d)(?![\d:]))?(?: us ?= ?(?P<us>\d{1,6}))?",
    # OpenVPN up to 2.4 (asctime), logread.
    rf"(?P<asc>{_DAY} {_MONTH} {{1,2}}\d{{1,2}} {_CLOCK} \d{{4}})(?: us ?= ?(?P<ascus>\d{{1,6}}))?",
    # syslog, journalctl; some add a year or a fraction.
    rf"(?P<bsd>{_MONTH} {{1,2}}\d{{1,2}},? (?:\d{{4}},? )?{_CLOCK})(?:\.(?P<bsdfrac>\d{{1,6}}))?:?",
    # --machine-readable-output: seconds, and flags in hex.
    r"(?P<epoch>\d{9,10}\.\d{6}) [0-9a-f]{1,8}(?= )",
    # The management interface's own log.
    r">LOG:(?P<managed>\d{9,10}),\w{0,4},",
    # Apps: 4/9/2019, 11:35:58 PM; 09.04.2019 23:35:58; [Apr 09, 2019, 23:35:58].
    rf"\[?(?P<us_date>\d{{1,2}}/\d{{1,2}}/\d{{4}},? {_CLOCK}(?:[ \u202f][AaPp]\.?[Mm]\.?)?)\]?",
    rf"\[?(?P<german>\d{{1,2}}\.\d{{1,2}}\.\d{{4}},? {_CLOCK})\]?",
    rf"\[(?P<app>{_MONTH} \d{{1,2}}, \d{{4}}, {_CLOCK})\]",
    rf"\[(?P<bracketed>\d{{4}}[-/]\d\d[-/]\d\d[ T]{_CLOCK})[^\]]{{0,12}}\]",
    r"(?P<logcat>\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})(?: +\d+ +\d+)?(?: [VDIWEF])?",
    rf"(?P<clock>{_CLOCK})(?:[.,](?P<clockfrac>\d{{1,6}}))?",
)
_STAMP = re.compile(rf"[\s,]*{_GLUED}(?:{'|'.join(_STAMPS)})(?:(?=[\s,]|$)[\s,]*|(?<=,))")
_AGE = re.compile(r"\s*\[?\s*\d{1,9}\.\d{6}\]? (?=\S)")  # dmesg's kind of time, before another one
_QUOTE = re.compile(r"(?:[>|\"'`*#] ?){1,8}(?=\S)")  # of a mail, a table or a list
_LABEL = re.compile(r"\[[\w.-]{1,64}\] (?=\S)")  # pritunl: a server's name before the time
_SERVICE = re.compile(r"[\w.-]{1,60}\s*\| ?")  # docker compose
_CRI = re.compile(r"(?:stdout|stderr) [FP] ")
_TAG = re.compile(
    r"(?:(?P<host>[\w.:@-]{1,255})\s+)?(?:[a-z0-9]{1,10}\.(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)\s+)?"
    r"(?:[VDIWEF]/)?(?P<program>[\w.@/+-]{1,64}?)(?:\([^()\s]{0,64}\))?\s?(?:\[(?P<pid>\d{1,10})\]|\(\s*(?P<pid2>\d{1,10})\)):\s"
)
# Without a number, only what calls itself so: "TLS Error: …" looks the same.
_NAMED = re.compile(
    r"(?:(?P<host>[\w.:-]{1,255})\s+)?(?P<program>(?i:(?:nm-)?o(?:pen)?vpn[\w.@-]{0,60}))"
    r"(?:\s*:\s+|\s+(?P<pid>\d{1,7})(?:\s+-)*\s+|\s*\[(?P<pid2>\d{1,10})\]:?\s+)"
)
_OTHER_NOISE = re.compile(
    r"(?:\*Tunnelblick:|OpenVPN: ?|openvpn *: |--? |[<>] |N ?- |"
    # openvpn3-linux; gluetun and others that print a level and a part; Android Studio; a time without its seconds.
    r"[VDIWEF]/[\w.-]{1,64}: |\{tag:\d{1,24}\} (?:Client|Session Manager) \w{1,16}: (?:\{tag:\d{1,24}\} )?|"
    r"\[?(?:INFO|WARN|WARNING|ERROR|ERR|DEBUG|DBG|NOTICE|TRACE)\]?\s+(?:-\s+)?(?:\[[\w.-]{1,40}\]\s+)?|"
    r"\d{1,7}-\d{1,7}/[\w.?-]{1,80}\s+[VDIWEF]/[\w.-]{1,64}: |us=\d{1,6} )",
    re.IGNORECASE,
)
_PEER = re.compile(
    r"(?:(?P<name>[^/\s][^/]{0,63})/)?"
    r"(?P<address>(?:(?:udp|tcp)[46]?(?:-\w+)?:)?\[?[\w.:*<>%-]{1,64}\]?:\d{1,5}|"
    r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}) (?=\S)"
)
_PARTS = (("iso", "isofrac", "us"), ("asc", "", "ascus"), ("bsd", "bsdfrac", ""), ("clock", "clockfrac", ""))
"""Groups of a time: without its fraction, the fraction, OpenVPN's microseconds."""
# The two most frequent kinds, at a fifth of the price of all others.
_PLAIN = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:us=(\d{1,6}) )?(?=\S)")
_SYSLOG = re.compile(
    rf"({_MONTH} [ \d]\d \d\d:\d\d:\d\d) (?:[\w.:-]{{1,255}} )?([\w.@/+-]{{1,64}}(?:\[\d{{1,10}}\])?): "
    r"(?=[^\s\d]|\d+[^\d-])"
)
_DEEPEST = 4  # frames within frames
_TAG_ENDS = 160  # characters within which a tag ends
_DAYS = frozenset(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])


@dataclass(slots=True)
class Framed:
    """A line without what is around its message."""

    time: float | None
    """Seconds since 1970, as if its clock were UTC; without a year, since the year 2000's beginning."""
    stamp: str
    """The time as it stands there."""
    program: str
    """Host, program and number of the process, as far as they stand there: what tells two daemons apart."""
    letters: str
    """R and W of verb 5 that stand before it."""
    message: str
    is_framed: bool
    micro: bool = False
    """Whether the time has OpenVPN's own microseconds, as verb 4 and more write them."""


class Framer:
    """Splits lines. It remembers the last few times that it has read: most lines repeat one."""

    def __init__(self) -> None:
        self._times: dict[str, float | None] = {}
        self._minute, self._minute_at = "-", 0.0
        """The minute that was read last, and its beginning."""

    def split(self, line: str, depth: int = 0) -> Framed:
        """Split ``line`` into its frame and its message; it is inside of ``depth`` other frames."""
        match = _PLAIN.match(line)
        if match is not None and not _may_have_tag(line[match.end() : _TAG_ENDS]):
            whole, us = match.groups()
            time = self._known(whole)
            if us is not None and time is not None:
                time += int(us) / 1e6
            return Framed(
                time, whole if us is None else match[0][:-1], "", "", line[match.end() :], True, us is not None
            )
        match = _SYSLOG.match(line)
        if match is not None and match[2].endswith("]"):
            message = line[match.end() :]
            if message[2:3] != "/" and message[4:5] not in "-/" and message[:3] not in _DAYS:
                return Framed(self._known(match[1]), match[1], match[2], "", message, True)
        return self._split(line, depth)

    def time(self, line: str) -> float | None:
        """Return the time of ``line``, whose message begins with a peer's address: as ``split``, and nothing else."""
        match = _PLAIN.match(line)
        if match is None:
            return self.split(line).time
        time = self._known(match[1])
        return time if match[2] is None or time is None else time + int(match[2]) / 1e6

    def is_framed(self, line: str) -> bool:
        """Return whether something stands around the message of ``line``: as ``split``, and nothing else."""
        return _PLAIN.match(line) is not None or self.split(line).is_framed

    def _split(self, line: str, depth: int) -> Framed:
        match = _STAMP.match(line)
        if match is None:
            return self._unusual(line, depth)
        rest = match.end()
        time, letters = self._time(match), match["rw"] or ""
        stamp = line[match.end("rw") : rest].strip(" ,")
        micro = bool(match["us"] or match["ascus"])
        message, program = line[rest:], ""
        for _ in range(3):  # a service's time, syslog's, and OpenVPN's own: the last one counts
            found_tag = _tag(message)
            if found_tag is not None:
                program = program or _program(found_tag)
                message = message[found_tag.end() :]
            match = _STAMP.match(message) if message[:1] in "0123456789[>MTWFSJADNORrw" else None
            if match is None or (match["clock"] and not found_tag):
                if found_tag is None:
                    break
                continue
            time, letters = self._time(match) or time, letters + (match["rw"] or "")
            micro = micro or bool(match["us"] or match["ascus"])
            message = message[match.end() :]
        return Framed(time, stamp, program, letters, message, True, micro)

    def _unusual(self, line: str, depth: int) -> Framed:
        for pattern in (_AGE, _SERVICE, _CRI, _QUOTE, _LABEL) if depth < _DEEPEST else ():
            match = pattern.match(line)
            if match and (pattern is not _AGE or _STAMP.match(line, match.end())):
                inner = self.split(line[match.end() :], depth + 1) if pattern is not _CRI else None
                if inner is not None and (inner.is_framed or pattern is _SERVICE):
                    inner.program = inner.program or (line[: match.end()].strip(" |") if pattern is _SERVICE else "")
                    return inner
        tag = _tag(line)
        if tag is not None:
            inner = self.split(line[tag.end() :], depth + 1) if tag.re is _OTHER_NOISE and depth < _DEEPEST else None
            if inner is not None and inner.is_framed:
                return inner
            return Framed(None, "", _program(tag), "", line[tag.end() :], True)
        letters = line[: len(line) - len(line.lstrip("RWrw"))] if line[:2].strip("RWrw") == "" else ""
        return Framed(None, "", "", letters, line[len(letters) :].lstrip() if letters else line.strip(), False)

    def _time(self, match: re.Match[str]) -> float | None:
        whole, fraction = _whole(match)
        seconds = self._known(whole)
        return seconds + float(f"0.{fraction}") if fraction and seconds is not None else seconds

    def _known(self, whole: str) -> float | None:
        if whole[:-2] == self._minute:
            return self._minute_at + int(whole[-2:])
        if len(whole) == 19 and whole[10:11] == " " and whole[13:14] == whole[16:17] == ":":
            # Of the plain kinds, only the day is read once.
            day, clock = whole[:10], whole[11:]
        elif len(whole) == 15 and whole[6:7] == " ":
            day, clock = whole[:6], whole[7:]
        else:
            return self._day(whole)
        midnight = self._day(f"{day} 00:00:00")
        try:
            if midnight is None:
                return None
            at = midnight + 3600 * int(clock[:2]) + 60 * int(clock[3:5])
            time = at + int(clock[6:])
        except ValueError:
            return None
        self._minute, self._minute_at = whole[:-2], at
        return time

    def _day(self, whole: str) -> float | None:
        if whole not in self._times:
            if len(self._times) > 4096:
                self._times.clear()
            self._times[whole] = _seconds(whole)
        return self._times[whole]


def peer_of(message: str) -> tuple[str, str, str]:
    """Split the prefix that a server puts before a ``message``: the client's name, its address, and the rest."""
    match = _PEER.match(message)
    if match is None:
        return "", "", message
    name, address = match.groups()
    return name or "", address, message[match.end() :]


def _may_have_tag(text: str) -> bool:
    return (
        "]:" in text or "vpn" in text or "VPN" in text or "daemon." in text or ">LOG:" in text or text.startswith("std")
    )


def _tag(text: str) -> re.Match[str] | None:
    return _TAG.match(text) or _NAMED.match(text) or _CRI.match(text) or _OTHER_NOISE.match(text)


def _program(match: re.Match[str]) -> str:
    parts = match.groupdict()
    pid = parts.get("pid") or parts.get("pid2") or ""
    return f"{parts.get('program') or ''}[{pid}]" if parts.get("program") else ""


def _whole(match: re.Match[str]) -> tuple[str, str]:
    """The time of ``match`` without its fraction, and the digits of the fraction."""
    group = match.group
    for whole, fraction, micro in _PARTS:
        if text := group(whole):
            us = group(micro) if micro else None
            return text.replace("T", " "), us.zfill(6) if us else group(fraction) or "" if fraction else ""
    for joined in ("epoch", "logcat", "managed"):
        if text := group(joined):
            begin, _, rest = text.partition(".")
            return begin, rest
    return group("us_date") or group("german") or group("app") or group("bracketed") or "", ""


def _seconds(text: str) -> float | None:
    if text.isdigit():
        return float(text)
    clock = re.search(r"(\d{1,2}):(\d\d):(\d\d)", text)
    if clock is None:
        return None
    hour, minute, second = (int(part) for part in clock.groups())
    lowered = text[clock.end() :].lower().replace(".", "").strip()
    if lowered in ("am", "pm"):
        hour = hour % 12 + 12 * (lowered == "pm")
    try:
        year, month, day = _date(text[: clock.start()] + text[clock.end() :])
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _date(text: str) -> tuple[int, int, int]:
    """The date in ``text``, which has no clock. Raises ValueError."""
    year = re.search(r"\b(\d{4})\b", text)
    name = re.search(_MONTH, text)
    if name:
        day = re.search(r"\b(\d{1,2})\b", text)
        return int(year[1]) if year else _NO_YEAR, _MONTHS[name[0]], int(day[1]) if day else 1
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if year and len(numbers) >= 3:
        if text.lstrip().startswith(year[1]):
            return numbers[0], numbers[1], numbers[2]
        first, second = numbers[0], numbers[1]
        is_american = "/" in text and first <= 12
        return (numbers[2], first, second) if is_american else (numbers[2], second, first)
    if len(numbers) >= 2:
        return _NO_YEAR, numbers[0], numbers[1]
    return _NO_YEAR, 1, 1
