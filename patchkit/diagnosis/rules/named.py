"""Rules for what an error line names: certificates, keys, TLS, users."""

from __future__ import annotations

import re
from collections.abc import Sequence

from patchkit.diagnosis.finding import Certainty, Kind
from patchkit.diagnosis.handshake import Handshake
from patchkit.diagnosis.mark import Mark
from patchkit.diagnosis.peers import End
from patchkit.diagnosis.rules.verdict import CERTAIN, LIKELY, Verdict, marks_of, times

_NAMED: dict[str, tuple[Kind, Certainty, str, str]] = {
    "verify-error": (Kind.CERTIFICATE, CERTAIN, "", ""),
    "alert": (Kind.TLS, LIKELY, "the other end refused our TLS version or cipher", ""),
    "openssl": (Kind.TLS, CERTAIN, "the two ends have no TLS version, cipher or key size in common", ""),
    "cipher": (Kind.SETTINGS, LIKELY, "the two ends have no cipher for the data channel in common", "cipher"),
    "auth-failed": (Kind.AUTH, CERTAIN, "the server refused the user, the password or what the client sent", "refused"),
}
"""What an error line names, the most telling first: kind, certainty, reason, and detail for the advice."""
_CAUSES = (
    ("CRL has expired", "crl-expired"), ("CRL is not yet valid", "clock"), ("CRL not loaded", "crl-missing"),
    ("revoked", "revoked"), ("not yet valid", "clock"), ("expired", "expired"), ("self signed", "ca"),
    ("self-signed", "ca"), ("unable to get", "ca"), ("unknown ca", "ca"), ("nsCertType", "usage"),
    ("KU ERROR", "usage"),
    ("X509NAME", "name"), ("SCRIPT", "script"), ("PLUGIN", "script"), ("fingerprint", "ca"), ("too weak", "weak"),
)  # fmt: skip


def named(handshake: Handshake, _end: End) -> Verdict | None:
    """Judge by the line that names an error, the most telling first."""
    event = next((kind for kind in _NAMED if handshake.has(kind)), None)
    if event is None or (event == "cipher" and handshake.has("completed")):
        return None
    text, marks = handshake.first[event].text, marks_of(handshake, event)
    if event == "alert":
        return _alert(text, marks)
    if event == "verify-error":
        return Verdict(Kind.CERTIFICATE, CERTAIN, _certificate(text), marks, _cause(text))
    if event == "openssl" and ("verif" in text or "certificate" in text):
        return Verdict(Kind.CERTIFICATE, CERTAIN, "TLS refused the other end's certificate", marks, _cause(text))
    kind, certainty, why, detail = _NAMED[event]
    return Verdict(kind, certainty, why, marks, detail)


def _alert(text: str, marks: Sequence[Mark]) -> Verdict:
    if "certificate" in text or "unknown ca" in text or "unknown_ca" in text:
        why = f"the other end refused our certificate: {text.rpartition('alert ')[2][:60]}"
        return Verdict(Kind.CERTIFICATE, CERTAIN, why, marks, _cause(text) or "alert")
    why = "the other end refused our TLS version or cipher"
    return Verdict(Kind.TLS, LIKELY, why, marks)


def keys(handshake: Handshake, _end: End) -> Verdict | None:
    """Recognize an attempt of which no packet passes tls-auth or tls-crypt."""
    count = handshake.counts.get("wrap", 0)
    if not count or handshake.is_complete or handshake.has("verified-leaf"):
        return None
    certainty = CERTAIN if count > 1 else LIKELY
    why = f"{times(count, 'packet')} of the peer's did not pass tls-auth or tls-crypt, and none did"
    return Verdict(Kind.KEY, certainty, why, marks_of(handshake, "wrap"))


def _cause(text: str) -> str:
    return next((cause for words, cause in _CAUSES if words in text), "")


def _certificate(text: str) -> str:
    match = re.search(r"error=([^:]{1,80})", text)
    return f"a certificate was refused: {match[1]}" if match else f"a certificate was refused: {text[:100]}"
