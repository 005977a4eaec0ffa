"""The lines of OpenVPN's that a diagnosis stands on: how each begins, what it means, from which --verb on it is there.

Texts are those of ssl.c, reliable.c, socket.c, forward.c, ssl_verify*.c, push.c, ping.c, multi.c and sig.c from 2.1 to
2.7, and of the OpenVPN 3 core where it shares a meaning. Levels are those of errlevel.h, the same in all series.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of line, recognised by the ``text`` that its message begins with or, if ``anywhere``, has in it."""

    kind: str
    text: str
    verb: int = 0
    """The lowest --verb that prints it; 0: not known, or printed always."""
    anywhere: bool = False
    word: str = ""
    """What is looked for in the raw log; by default ``text``."""


def _begins(kind: str, verb: int, *texts: str, word: str = "") -> tuple[Event, ...]:
    return tuple(Event(kind, text, verb, word=word) for text in texts)


def _has(kind: str, verb: int, *texts: str, word: str = "") -> tuple[Event, ...]:
    return tuple(Event(kind, text, verb, anywhere=True, word=word) for text in texts)


# In each group of texts with the same beginning the longer one comes first.
EVENTS: tuple[Event, ...] = (
    # Who runs, and the beginning of an attempt.
    *_begins("left-out", 0, "...", word="\n..."),
    *_begins("left-out", 0, "[...", word="\n[..."),
    *_begins("left-out", 0, "(...", word="\n(..."),
    *_begins("left-out", 0, "…", word="\n…"),
    *_begins("left-out", 0, "<snip", word="\n<snip"),
    *_begins("version", 1, "OpenVPN 2.", "OpenVPN 3.", "OpenVPN core 3", "OpenVPN core v3"),
    *_begins("multi-init", 3, "MULTI: multi_init called"),
    *_begins("buffers", 3, "Socket Buffers:"),
    *_has("link-remote", 1, " link remote: "),
    *_begins("contacting", 0, "Contacting ", "Connecting to ["),
    *_begins("tcp-accepted", 1, "TCP connection established with "),
    *_begins("tcp-attempt", 1, "Attempting to establish TCP connection with "),
    *_begins("instance", 0, "Control Channel MTU parms ["),
    *_begins("initial", 3, "TLS: Initial packet from "),
    *_begins("reneg", 3, "TLS: soft reset "),
    *_begins("state", 3, "MANAGEMENT: >STATE:"),
    *_begins("event", 0, "EVENT: "),
    *_begins("session-active", 0, "Session is ACTIVE"),
    # TLS has come so far.
    *_begins("verified-leaf", 2, "VERIFY OK: depth=0", "VERIFY OK : depth=0", "VERIFY OK: depth=0,"),
    *_begins("peer-info", 1, "peer info: IV_VER="),
    *_begins("tls-done", 2, "Control Channel: TLS", "SSL Handshake: ", "Control Channel: SSL"),
    *_has("initiated", 1, "] Peer Connection Initiated with ", "Peer Connection Initiated with "),
    *_begins("push-request", 3, "PUSH: Received control message: 'PUSH_REQUEST'"),
    *_has("push-reply", 3, "'PUSH_REPLY", "PUSH_REPLY,", word="PUSH_REPLY"),  # most lines have both: found once
    *_has("push-asked", 3, "]: 'PUSH_REQUEST'"),
    *_begins("no-push-reply", 1, "No reply from server ", "No reply from server after sending "),
    *_has("completed", 1, "Initialization Sequence Completed"),
    # Ends.
    *_has("timeout", 1, "TLS key negotiation failed to occur within "),
    *_begins("handshake-failed", 1, "TLS Error: TLS handshake failed"),
    *_begins("poll-timeout", 1, "Server poll timeout"),
    *_begins("ended", 0, "SIGUSR1[", "SIGTERM[", "SIGHUP[", "SIGINT["),
    *_has("ping-restart", 1, "Inactivity timeout (--ping-restart)", "Inactivity timeout (--ping-exit)"),
    *_begins("ping-restart", 0, "Session invalidated: KEEPALIVE_TIMEOUT"),
    *_begins("timeout", 0, "Session invalidated: HANDSHAKE_TIMEOUT"),
    *_begins("closing", 2, "TCP/UDP: Closing socket"),
    *_has("duplicate-cn", 1, "MULTI: new connection by client '"),
    # The packets and the reliable layer.
    *_begins("broken", 7, "ACK output sequence broken: "),
    *_has("packet", 6, ": P_CONTROL_", ": P_ACK_V1 "),
    *_has("read-error", 6, " READ [0] from [AF_UNSPEC]: DATA UNDEF"),
    *_begins("wrong-id", 4, "Packet (P_CONTROL_V1) with invalid or missing SID from "),
    *_begins("cookie", 4, "Connection Attempt ", word="Connection Attempt "),
    *_has("data-read", 6, " READ ["),
    # What refuses, by system calls.
    *_has("refused", 1, "(code=111)", "(code=10054)", "(code=61)", ",code=111)", ",code=10054)", ",code=61)"),
    *_has("refused", 1, "ECONNREFUSED", "Connection refused", "connection refused"),
    *_has("unreachable", 1, "(code=101)", "(code=113)", "(code=10051)", "(code=10065)", ",code=101)", ",code=113)"),
    *_has("unreachable", 1, ",code=10051)", ",code=10065)", "etwork is unreachable", "No route to host"),
    *_has("not-permitted", 1, "(code=1)", ",code=1)", "(code=10013)", ",code=10013)"),
    *_has("too-long", 1, "(code=90)", ",code=90)", "(code=10040)", ",code=10040)", "Message too long", "EMSGSIZE"),
    *_has("connect-timeout", 1, "failed: Connection timed out", "failed: Operation timed out"),
    *_has("connect-failed", 1, "failed: Unknown error"),  # Windows: 2.4 had no words for its codes
    *_has("connect-timeout", 1, "code=110)", "code=10060)"),
    *_has("too-long", 1, "packet too large on write to ", "truncated/expanded on write to "),
    *_has("tcp-reset", 1, "Connection reset, restarting", "(code=104)", ",code=104)"),
    *_begins("resolve", 1, "RESOLVE: Cannot resolve host", "Cannot resolve host", "RESOLVE: NOTE: "),
    *_has("in-use", 1, "Address already in use"),
    # Keys around the control channel.
    *_begins("wrap", 1, "tls-crypt unwrap error: ", "TLS Error: tls-crypt unwrapping failed from "),
    *_begins("wrap", 1, "TLS Error: incoming packet authentication failed from ", "TLS Error: cannot locate HMAC in "),
    *_begins("wrap", 1, "TLS Error: can not extract tls-crypt-v2 client key", "Can not unwrap tls-crypt-v2 client key"),
    *_begins("wrap", 1, "TLS Error: reading acknowledgement record from packet"),
    *_begins("wrap", 1, "TLS Error: could not determine wrapping from ", "Client wants tls-crypt-v2, but no "),
    *_begins("decrypt", 1, "Authenticate/Decrypt packet error: ", "AEAD Decrypt error: "),
    # Certificates.
    *_begins("verify-error", 1, "VERIFY ERROR", "VERIFY KU ERROR", "VERIFY EKU ERROR", "VERIFY X509NAME ERROR"),
    *_begins("verify-error", 1, "VERIFY nsCertType ERROR", "VERIFY SCRIPT ERROR", "VERIFY PLUGIN ERROR", "VERIFY FAIL"),
    *_begins("verify-error", 1, "VERIFY CRL: depth=", "CRL CHECK FAILED", "TLS Error: --tls-verify/--peer-fingerprint"),
    *_has("alert", 1, "alert certificate", "alert bad certificate", "alert unknown ca", "alert handshake failure"),
    *_has("alert", 1, "alert unsupported certificate", "alert protocol version"),
    *_has("alert", 1, "alert access denied", "alert number "),
    *_has("openssl", 1, "certificate verify failed", "no shared cipher"),
    *_has("openssl", 1, "unsupported protocol", "wrong version number"),
    *_has("openssl", 1, "no certificate returned", "peer did not return a certificate", "version too low"),
    *_has("openssl", 1, "ca md too weak", "ee key too small"),
    *_has("openssl", 1, "dh key too small", "unknown protocol", "no protocols available"),
    *_has("openssl", 1, "Certificate verification failed", "certificate is not yet valid", "certificate has expired"),
    *_begins("tls-object", 1, "TLS_ERROR: BIO read tls_read_plaintext error"),
    *_begins("tls-object", 1, "TLS Error: TLS object -> incoming plaintext"),
    # Users.
    *_begins("auth-failed", 1, "AUTH: Received control message: AUTH_FAILED", "TLS Auth Error: "),
    *_has("auth-failed", 1, "'AUTH_FAILED", "AUTH_FAILED,", ": AUTH_FAILED", "SIGTERM[soft,auth-failure]"),
    *_has("auth-pending", 1, "AUTH_PENDING", "[soft,auth-pending]"),
    *_has("auth-deferred", 3, "authentication deferred for username", ">CLIENT:CONNECT,", ">CLIENT:REAUTH,"),
    *_has("auth-ok", 3, "authentication succeeded for username"),
    *_begins("management-client", 3, "MANAGEMENT: Client connected", "MANAGEMENT: Client disconnected"),
    # Sessions that one end does not know.
    *_begins("unknown-session", 1, "TLS Error: Unroutable control packet received from "),
    *_begins("unknown-session", 1, "TLS Error: local/remote TLS keys are out of sync: "),
    *_begins("unknown-session", 1, "TLS ERROR: received control packet with stale session-id"),
    *_begins("unknown-session", 1, "TLS Error: session-id not match in packet from "),
    *_begins("unknown-session", 1, "TLS Error: Existing session control channel packet from unknown IP"),
    *_begins("unknown-session", 1, "TLS Error: Received control packet from unexpected IP addr"),
    *_begins("unknown-session", 1, "TLS State Error: No TLS state"),
    *_begins("unknown-session", 7, "ACK read BAD SESSION-ID FROM REMOTE"),
    *_begins("rejected-source", 1, "TCP/UDP: Incoming packet rejected from "),
    # Settings.
    *_begins("bad-length", 1, "WARNING: Bad encapsulated packet length from peer"),
    *_begins("bad-length", 1, "Non-OpenVPN client protocol detected"),
    *_begins("options", 1, "Options error: "),
    *_begins("fatal", 1, "Exiting due to fatal error", "Cannot open TUN/TAP dev", "Cannot allocate TUN/TAP dev"),
    *_begins("fatal", 1, "There are no TAP-Win", "All TAP-Win"),
    *_begins("fatal", 1, "All tap-windows6 adapters", "ERROR: Cannot open TUN/TAP dev"),
    *_has("cipher", 1, "no common cipher", "No common cipher", "incompatible cipher", "failed to negotiate cipher"),
    *_has("mute", 1, "message(s) suppressed by --mute", "NOTE: --mute triggered"),
)  # fmt: skip

_SOUGHT = tuple((event.word or event.text, event.kind) for event in EVENTS if event.kind != "data-read")


def _is_covered(word: str, kind: str) -> bool:
    """Whether each line with ``word`` has a shorter word of the same kind as well."""
    return any(other != word and other in word and kind == other_kind for other, other_kind in _SOUGHT)


WORDS = tuple(dict.fromkeys(word.encode() for word, kind in _SOUGHT if not _is_covered(word, kind)))
"""What every line that matters has in it."""

_BY_WORD: dict[bytes, Event] = {}
for _event in reversed(EVENTS):
    if _event.kind != "data-read":
        _BY_WORD[(_event.word or _event.text).encode()] = _event
_OF_WORD = tuple(_BY_WORD[word] for word in WORDS)

# What an ordinary handshake of a server consists of, and what ends it.
_ORDINARY = frozenset((
    "initial", "reneg", "verified-leaf", "peer-info", "tls-done", "initiated", "push-request", "push-reply", "instance",
))  # fmt: skip
ORDINARY = (*(event.kind if event.kind in _ORDINARY else "" for event in _OF_WORD), *[""] * 8)
"""By the index of a word: the kind of the event if it belongs to an ordinary handshake, otherwise empty.

Behind them are those of words that are no event's.
"""

_BY_BEGINNING: dict[str, list[Event]] = {}
for _event in EVENTS:
    if not _event.anywhere:
        _BY_BEGINNING.setdefault(_event.text[:3], []).append(_event)
_ANYWHERE = tuple(event for event in EVENTS if event.anywhere and event.kind != "data-read")


_BURIED = re.compile(
    r"(?:^|(?<=[\s\]>|:)}]))(?:(?P<peer>\S{3,130}) )?(?P<text>(?:UDP|TCP)[\w-]{0,12} (?:READ|WRITE) \[|"
    r"OpenSSL: |Initialization Sequence|\[[^\]\s]{1,64}\] (?:Peer Connection|Inactivity)|(?:read|write) (?:UDP|TCP)|"
    r"SENT CONTROL|PUSH: |Connection reset, |"
    + "|".join(
        re.escape(event.text)
        for event in EVENTS
        if not event.anywhere
        and re.match(
            r"TLS|tls-crypt |VERIFY|AEAD |Authenticate/|Control Channel: |peer info: |ACK |SIG.*\[|AUTH: ", event.text
        )
    )
    + ")"
)
_DEEP = 400  # characters of an unknown frame


def unearthed(message: str) -> str | None:
    """Return ``message`` from where a text of OpenVPN's own begins, its peer before it; None where none is in it.

    This is for what surrounds lines in a way that framing does not know. Only texts count that nobody else prints.
    """
    match = _BURIED.search(message, 0, _DEEP)
    if match is None:
        return None
    peer = match["peer"] or ""
    _, colon, port = peer.rpartition(":")
    return message[match.start("peer") if colon and port.isdigit() else match.start("text") :]


def recognised(message: str, word: int | None = None) -> Event | None:
    """Return the event that ``message`` is, without time and peer; None where it is none of them.

    ``word`` is the index of the first of ``WORDS`` that its line has.
    """
    if word is not None and word < len(_OF_WORD):
        likely = _OF_WORD[word]
        if likely.text in message if likely.anywhere else message.startswith(likely.text):
            return likely
    for event in _BY_BEGINNING.get(message[:3], ()):
        if message.startswith(event.text):
            return event
    for event in _ANYWHERE:
        if event.text in message:
            return event
    return None
