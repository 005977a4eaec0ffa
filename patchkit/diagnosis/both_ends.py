"""What the logs of both ends show together: one end's log often has the reason for the other end's failure."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.diagnosis.advice import advice
from patchkit.diagnosis.finding import Certainty, Kind, LogFinding
from patchkit.diagnosis.peers import End

_APART = 120.0  # seconds that clocks may differ by
_REASONS = frozenset((Kind.KEY, Kind.CERTIFICATE, Kind.AUTH, Kind.TLS, Kind.ONE_WAY))
"""What a server sees and its client does not."""
_ON_THE_WAY = frozenset((Kind.STALL, Kind.LOSSY, Kind.MTU))
"""What both ends suffer from, and one of them may not be able to tell."""
_HEARD = frozenset((Kind.NOT_ENOUGH, Kind.ONE_WAY))
_ONE_WAY = "the server got packets of the client, and the client got none of the server's"


def together(ends: Sequence[tuple[End, list[LogFinding]]]) -> list[LogFinding]:
    """Join the findings of ``ends`` that are of the same time: drop what another end explains."""
    servers = [(end, findings) for end, findings in ends if end.is_server]
    for client, findings in ends:
        if client.is_server:
            continue
        for server, seen in servers:
            if _is_same_time(client, server):
                _explain(findings, seen, server)
    return [finding for _, findings in ends for finding in findings]


def _explain(client: list[LogFinding], server: list[LogFinding], end: End) -> None:
    """Change the findings of a ``client`` and its ``server`` in place."""
    for findings, others in ((server, client), (client, server)):
        if any(finding.kind in _ON_THE_WAY for finding in others):
            findings[:] = [finding for finding in findings if finding.kind != Kind.NOT_ENOUGH]
    if any(finding.kind in _REASONS and finding.certainty != Certainty.POSSIBLE for finding in server):
        client[:] = [finding for finding in client if finding.kind not in (Kind.NOT_ENOUGH, Kind.NO_REPLY)]
        return
    silent = next((finding for finding in client if finding.kind == Kind.NO_REPLY), None)
    heard = next((finding for finding in server if finding.kind in _HEARD and finding.side == "server"), None)
    if silent is None or heard is None:
        return
    client.remove(silent)
    server[server.index(heard)] = heard.model_copy(
        update={
            "kind": Kind.ONE_WAY,
            "certainty": Certainty.LIKELY,
            "summary": "packets get through in one direction only",
            "reason": _ONE_WAY,
            "evidence": [*heard.evidence, *silent.evidence],
            "advice": advice(Kind.ONE_WAY, "", end.version, end.verb),
        }
    )


def _is_same_time(first: End, second: End) -> bool:
    times = (first.begin, first.last, second.begin, second.last)
    if any(time is None for time in times):
        return True
    begin, last, other_begin, other_last = (time or 0.0 for time in times)
    return begin <= other_last + _APART and other_begin <= last + _APART
