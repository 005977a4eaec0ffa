"""Diagnose logs: each file or rotated set is read once, as a stream, in constant memory."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from pydantic import Field

from patchkit.diagnosis.both_ends import together
from patchkit.diagnosis.finding import LogFinding
from patchkit.diagnosis.incidents import Incidents
from patchkit.diagnosis.input.files import LogFile
from patchkit.diagnosis.input.lines import blocks
from patchkit.diagnosis.input.repair import repaired
from patchkit.diagnosis.reader import Reader
from patchkit.errors import NotALogError
from patchkit.json_schema import Part

_OBJECTS = 50_000  # that are new, before Python looks for cycles among them
_ROTATED = re.compile(
    r"(?:[-.](?P<number>\d{1,10})|[-.](?P<date>20\d\d-?\d\d-?\d\d(?:-?\d\d)?)(?P<kind>\.log)?)?"
    r"(?:\.(?:gz|xz|zst|bz2))?$"
)
"""What rotation adds to a name: openvpn.log.1.gz, openvpn.log-20240131, openvpn-20240131.log."""


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
    with _cycles_sought_seldom():
        for group in _groups(files):
            parts += _read(group)
    if all(file.is_empty for file in files):
        raise NotALogError(
            f"{_names(files)}: nothing in it",
            advice="a service may log elsewhere: look at --log in its configuration, and at journalctl",
        )
    if not any(part.end.lines for part in parts):
        raise NotALogError(
            f"no line of OpenVPN's was recognised in {_names(files)}",
            advice="docs/diagnose.md lists the kinds of logs that are read; --anonymize makes one that can be shown",
        )
    findings = together([(part.end, part.findings()) for part in parts])
    return Diagnosis(
        ends=[_summary(part) for part in parts if part.end.lines],
        findings=findings,
        left_out=sum(sum(part.left_out.values()) for part in parts),
        damaged=[f"{file.name}: {file.damage}" for file in files if file.damage],
    )


@contextmanager
def _cycles_sought_seldom() -> Iterator[None]:
    """Let Python look for cycles less often: lines make none, and to look takes a tenth of the time."""
    threshold = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *threshold[1:])
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def _names(files: Sequence[LogFile]) -> str:
    return ", ".join(file.name for file in files)[:300]


def _groups(files: Sequence[LogFile]) -> list[list[LogFile]]:
    """Put the parts of a rotated log together, the oldest first; other files are ends of their own."""
    groups: dict[str, list[LogFile]] = {}
    for file in files:
        stem = _ROTATED.sub(_kind_of, file.name, count=1) if file.path else file.name
        groups.setdefault(stem, []).append(file)
    return [sorted(group, key=_age, reverse=True) if len(group) > 1 else group for group in groups.values()]


def _kind_of(rotated: re.Match[str]) -> str:
    return rotated["kind"] or ""


def _age(file: LogFile) -> tuple[int, str]:
    """openvpn.log.2.gz is older than openvpn.log.1, and openvpn.log is the newest; dates sort the other way round."""
    match = _ROTATED.search(PurePath(file.name).name)
    digits = (match["number"] or match["date"] or "") if match else ""
    if not digits:
        return -1, file.name
    number = int(digits.replace("-", ""))
    return (number, file.name) if number < 10_000 else (100_000_000_000 - number, file.name)


def _read(files: Iterable[LogFile]) -> list[Incidents]:
    reader = Reader()
    for file in files:
        for first, block in blocks(repaired(file.pieces())):
            reader.block(file.name, first, block)
    return reader.finish()


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
