"""Incidents by peer: what repeats is one finding, with a count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from patchkit.diagnosis.advice import advice
from patchkit.diagnosis.finding import RANK, Certainty, Kind, LogFinding, Moment
from patchkit.diagnosis.handshake import Drawn, Handshake
from patchkit.diagnosis.judge import verdict
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import BACK_WITHIN, End, Ending
from patchkit.diagnosis.rules.steps import losses
from patchkit.diagnosis.rules.verdict import Verdict

_MOST = 2_000  # findings of one kind; more are counted
_MOST_EVIDENCE = 8
_MANY = 3
_SOON = 600.0  # seconds between two sessions with one name that fight each other
_MANY_REPLAYS = 20
_DRAWN = 12  # findings of a kind whose packets are kept


@dataclass(slots=True)
class _Incident:
    verdict: Verdict
    end: End
    peer: str
    count: int
    begin: str
    last: str
    moments: Sequence[Drawn] = field(default_factory=list)


@dataclass
class Incidents:
    """The incidents of one end."""

    end: End
    left_out: dict[Kind, int] = field(default_factory=dict)
    """How many incidents there were beyond those that are kept."""
    handshakes: int = 0
    completed: int = 0
    _kept: OrderedDict[tuple[Kind, str, str], _Incident] = field(default_factory=OrderedDict)
    _by_kind: dict[Kind, int] = field(default_factory=dict)
    _names: dict[str, tuple[float | None, int]] = field(default_factory=dict)

    def judge(self, handshake: Handshake, end: End) -> None:
        """Judge ``handshake``, which is over."""
        self.handshakes += 1
        self.completed += handshake.is_complete
        judged = verdict(handshake, end)
        if judged is not None:
            stamps = [mark.stamp for mark in (handshake.begin, handshake.last) if mark is not None]
            moments = handshake.moments if self._by_kind.get(judged.kind, 0) < _DRAWN else []
            self._keep(judged, handshake.peer, stamps[0] if stamps else "", stamps[-1] if stamps else "", list(moments))

    def ending(self, ending: Ending, end: End) -> None:
        """Take the end of a session."""
        if ending.kind == "ping-restart" and ending.back is not None:
            gone, back = ending.mark.time, ending.back.time
            if gone is None or back is None or not 0 <= back - gone <= BACK_WITHIN:
                return
            why = (
                f"--ping-restart ended a session, and the peer was back after {back - gone:.0f} s: "
                "the link itself works in both directions"
            )
            judged = Verdict(Kind.PING_RESTART, Certainty.LIKELY, why, (ending.mark, ending.back))
            self._keep(judged, ending.peer, ending.mark.stamp, ending.back.stamp, [])
        elif ending.kind == "tcp-reset":
            judged = Verdict(Kind.TCP_RESET, Certainty.LIKELY, "the TCP connection was reset", (ending.mark,))
            if not end.is_server:
                self._keep(judged, ending.peer, ending.mark.stamp, ending.mark.stamp, [])
        elif ending.kind == "duplicate-cn":
            before, count = self._names.get(ending.peer, (None, 0))
            time = ending.mark.time
            is_soon = before is None or time is None or 0 <= time - before <= _SOON
            count = count + 1 if is_soon else 1
            if len(self._names) < _MOST or ending.peer in self._names:
                self._names[ending.peer] = (time, count)
            if count >= _MANY:
                why = "sessions with one common name end each other again and again: two clients share a certificate"
                judged = Verdict(Kind.SETTINGS, Certainty.LIKELY, why, (ending.mark,), "duplicate-cn")
                self._keep(judged, ending.peer, ending.mark.stamp, ending.mark.stamp, [])

    def finish(self) -> None:
        """Take what the whole log shows."""
        end = self.end
        if not end.is_server:
            for mark in end.left.values():
                why = "--ping-restart ended the session, and the log does not show what came then"
                self._keep(
                    Verdict(Kind.PING_RESTART, Certainty.POSSIBLE, why, (mark,), "open"), "", mark.stamp, mark.stamp, []
                )
            if end.refused_when_up is not None:
                mark = end.refused_when_up
                why = "the server's host refused packets of a session that was up: OpenVPN does not run there any more"
                judged = Verdict(Kind.PORT_CLOSED, Certainty.LIKELY, why, (mark,), "stopped")
                self._keep(judged, "", mark.stamp, mark.stamp, [])
        if end.undecryptable_count >= _MANY:
            why = (
                f"{end.undecryptable_count} packets of the data channel could not be decrypted: ciphers or keys differ"
            )
            self._keep(Verdict(Kind.SETTINGS, Certainty.LIKELY, why, end.undecryptable, "cipher"), "", "", "", [])
        if end.replay_count >= _MANY_REPLAYS:
            why = f"{end.replay_count} packets or more came twice or far too late within a minute"
            self._keep(Verdict(Kind.SETTINGS, Certainty.POSSIBLE, why, end.replays, "replay"), "", "", "", [])

        if end.is_server and end.unheard >= _MANY and not self.handshakes and end.unheard_line is not None:
            why = (
                f"by verb 5's letters, {end.unheard} packets went out and no client's attempt began: what asks for an "
                "answer is answered, and no answer is taken up"
            )
            mark = end.unheard_line
            self._keep(Verdict(Kind.ONE_WAY, Certainty.POSSIBLE, why, (mark,)), "", mark.stamp, mark.stamp, [])

    def _keep(self, judged: Verdict, peer: str, begin: str, last: str, moments: Sequence[Drawn]) -> None:
        key = (judged.kind, _host(peer), judged.detail)
        known = self._kept.get(key)
        if known is not None:
            known.count += 1
            known.last = last or known.last
            if RANK[judged.certainty] < RANK[known.verdict.certainty]:
                known.verdict, known.moments = judged, moments or known.moments
            return
        count = self._by_kind[judged.kind] = self._by_kind.get(judged.kind, 0) + 1
        if count > _MOST:
            self.left_out[judged.kind] = self.left_out.get(judged.kind, 0) + 1
            return
        self._kept[key] = _Incident(judged, self.end, peer, 1, begin, last, moments)

    def findings(self) -> list[LogFinding]:
        """Return the findings, the most certain ones first."""
        by_host: dict[str, set[Kind]] = {}
        for one in self._kept.values():
            by_host.setdefault(_host(one.peer), set()).add(one.verdict.kind)
        findings = [
            self._finding(incident)
            for incident in self._unsteady(by_host)
            if not _is_explained(incident.verdict, by_host[_host(incident.peer)] - {incident.verdict.kind})
        ]
        return sorted(findings, key=lambda finding: (finding.kind == Kind.NOT_ENOUGH, RANK[finding.certainty]))

    def _unsteady(self, by_host: dict[str, set[Kind]]) -> list[_Incident]:
        """Return the incidents; a server that answers in one attempt and not in another one is behind a lossy link."""
        hosts = {host for host, kinds in by_host.items() if self._is_unsteady(host, kinds)}
        out = []
        for incident in self._kept.values():
            host = _host(incident.peer)
            if host not in hosts:
                out.append(incident)
            elif incident.verdict.kind == Kind.NO_REPLY:
                by_host[host] = {Kind.STALL if self.end.sends_small else Kind.LOSSY}
                out.append(replace(incident, verdict=losses(self.end, _POSSIBLE, _UNSTEADY, incident.verdict.marks)))
        return out

    def _is_unsteady(self, host: str, kinds: set[Kind]) -> bool:
        if (
            self.end.is_server
            or self.end.is_tcp
            or not (Kind.NO_REPLY in kinds and kinds <= {Kind.NO_REPLY, *_REACHED})
        ):
            return False
        reached = [
            incident.verdict
            for incident in self._kept.values()
            if incident.verdict.kind in _REACHED and _host(incident.peer) == host
        ]
        return any(mark.kind in _ANSWERED for verdict_of in reached for mark in verdict_of.marks)

    def _finding(self, incident: _Incident) -> LogFinding:
        judged, end = incident.verdict, incident.end
        marks: list[Mark] = sorted(set(judged.marks), key=lambda mark: (end.files[mark.file], mark.line))
        return LogFinding(
            kind=judged.kind,
            certainty=judged.certainty,
            peer=incident.peer,
            side=end.side if end.lines else "",
            summary=SUMMARIES[judged.kind],
            reason=judged.reason,
            evidence=[mark.evidence() for mark in marks[:_MOST_EVIDENCE]],
            count=incident.count,
            begin=incident.begin,
            end=incident.last,
            advice=advice(judged.kind, judged.detail, end.version, end.verb),
            moments=[
                Moment(seconds=seconds, direction=direction, label=label, stuck=pid is not None and pid == judged.stuck)
                for seconds, direction, label, pid in incident.moments
            ],
        )


_POSSIBLE = Certainty.POSSIBLE
_ANSWERED = frozenset(("initial", "auth-state", "verified-leaf"))
_REACHED = frozenset((Kind.NOT_ENOUGH, Kind.MTU))
_UNSTEADY = "the server answered the first packet of one attempt and not that of another one; neither came to its end"
_REFUSALS = frozenset((Kind.CERTIFICATE, Kind.KEY, Kind.TLS, Kind.AUTH))
_LOSSES = frozenset((Kind.STALL, Kind.LOSSY))


def _is_explained(judged: Verdict, others: set[Kind]) -> bool:
    """Whether ``others``, findings about the same peer, explain ``judged``: what is refused or lost leaves traces."""
    if judged.kind in (Kind.NOT_ENOUGH, Kind.UNKNOWN_SESSION):
        return bool(others - {Kind.NOT_ENOUGH, Kind.UNKNOWN_SESSION})
    if judged.kind == Kind.MTU and (judged.detail == "first-packet" or judged.certainty == Certainty.POSSIBLE):
        # A server since 2.6 no longer knows a client that it has refused.
        return bool(others & (_REFUSALS | _LOSSES))
    if judged.kind == Kind.NO_REPLY and judged.certainty != Certainty.CERTAIN:
        return bool(others & (_REFUSALS | _LOSSES))
    return False


SUMMARIES = {
    Kind.STALL: "the control channel stalled on a full window: one lost packet or ACK stops all until a timer fires",
    Kind.LOSSY: "the link loses packets: handshakes get on, too slowly, since each loss waits for a timer",
    Kind.NO_REPLY: "nothing comes from the other end: a wrong address or port, a firewall, NAT, a host that is down",
    Kind.PORT_CLOSED: "nothing listens on that port, or a firewall rejects it",
    Kind.ONE_WAY: "packets get through in one direction only: NAT, the route back, or the answers' source address",
    Kind.CERTIFICATE: "a certificate, a revocation list or a clock is wrong",
    Kind.KEY: "the keys of tls-auth or tls-crypt differ, or only one end uses them",
    Kind.MTU: "large packets do not get through: an MTU or MSS black hole on the path",
    Kind.AUTH: "TLS is through, and the user was not admitted",
    Kind.UNKNOWN_SESSION: "an end gets packets of a session that it does not have (any more)",
    Kind.PING_RESTART: "sessions end by --ping-restart",
    Kind.TLS: "the two ends have no TLS version, cipher or key size in common",
    Kind.UNREACHABLE: "packets do not leave this host",
    Kind.TCP_RESET: "TCP connections are reset",
    Kind.SETTINGS: "the settings are not valid, or those of the two ends differ",
    Kind.NOT_ENOUGH: "something failed, and this excerpt does not show why",
}


def _host(peer: str) -> str:
    """``peer`` without its port, which changes with each attempt."""
    name, _, address = peer.rpartition("/")
    host = address.rpartition(":")[0] or address
    return host or name
