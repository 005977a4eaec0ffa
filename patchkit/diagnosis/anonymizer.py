"""Replace what names people and places in a log, the same thing by the same word, and nothing that a verdict needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from patchkit.diagnosis.input.framing import Framer, peer_of
from patchkit.printable import without_passwords

_MOST = 100_000  # different names, and different addresses
_SHORTEST = 3  # letters of a name that is replaced wherever it stands
# Such a name tells nothing, and a log has the word in many other places.
_ORDINARY = frozenset((
    "client", "server", "openvpn", "user", "test", "vpn", "tls", "undef", "tcp/udp", "easy-rsa ca", "ca", "root",
    "localhost", "redacted", "connection attempt",
))  # fmt: skip
_V4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_V6 = re.compile(
    r"(?<![\w:.])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}|"
    r"::(?:[0-9a-f]{1,4}:){1,6}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){2,6}:)(?![\w.])",
    re.IGNORECASE,
)
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DOMAIN = re.compile(r"(?<![\w.@/\\-])(?:[a-z0-9](?:[a-z0-9-]{0,61})\.){1,8}[a-z]{2,24}(?![\w-])", re.IGNORECASE)
_FILES = frozenset((
    "auth", "c", "cfg", "conf", "crl", "crt", "csr", "db", "dll", "exe", "gz", "h", "json", "key", "log", "ovpn", "p12",
    "pem", "pid", "pl", "py", "service", "sh", "so", "sock", "status", "txt", "xz",
))  # fmt: skip
"""Endings of files, which look like the last part of a domain."""
_HOME = re.compile(r"((?:/home/|/Users/|[A-Z]:\\+Users\\+))([^/\\\s'\"]{1,64})")
_NEXT_FIELD = r"(?!, [A-Za-z]{1,20}=|/[A-Za-z]{1,20}=|, serial=)"
_SUBJECT = re.compile(rf"\b(C|ST|L|O|OU|GN|SN|DC|UID|name|title|street|email|emailAddress)=((?:{_NEXT_FIELD}[^\n])*)")
_CN = re.compile(rf"\bCN=((?:{_NEXT_FIELD}[^\n\"])+)")
_QUOTED = re.compile(
    r"\b((?:user)?name|common name|client|CN|user|SENT CONTROL|password)( ?:? ?['\[])([^'\]\n]{1,64})(?=['\]])",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b(password|auth_token|session_token|SESS_ID_\w*)([=:,] ?)[^\s,'\"]+", re.IGNORECASE)
_ENV = re.compile(r"\b((?:common_|user)name|X509_\d_\w+|tls_id_\d|UV_\w+|IV_SSO|IV_HWADDR)=([^\s,'\"]+)")
_CREDENTIAL = re.compile(r"((?:username|password) \\?\"[^\"]{0,64}\\?\" \\?\"?)[^\"'\n]{1,128}")
# Of syslog: behind the time, in front of a program with the number of its process.
_HOST = re.compile(
    r".{0,40}?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)? ([A-Za-z][\w.-]{1,63}) [\w@./()-]{2,64}\[\d{1,10}\]: "
)
_PEER_IN_BRACKETS = re.compile(r"\[([^\]\[]{1,64})\] (?:Peer Connection|Inactivity|Received)")


class Anonymizer:
    """Learns the names of a log in a first pass, and replaces them in a second one."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._names: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, line: str) -> None:
        """Learn the names in ``line``."""
        framed = self._framer.split(line[:2048])
        name, _, message = peer_of(framed.message)
        self._name(name)
        for pattern in (_CN, _PEER_IN_BRACKETS):
            for match in pattern.finditer(message):
                self._name(match[1].strip())
        for match in _QUOTED.finditer(message):
            self._name(match[3].strip())
        for match in _ENV.finditer(message):
            self._name(match[2].strip())
        host = _HOST.match(line[:300])
        if host and host[1].lower() not in _ORDINARY and len(self._hosts) < _MOST:
            self._hosts.setdefault(host[1], f"host{len(self._hosts) + 1}")

    def _name(self, name: str) -> None:
        name = name.rstrip(",' ")
        if name.startswith("AF_"):
            return  # "client [AF_INET]192.0.2.1:5": a family of addresses
        if name and name.lower() not in _ORDINARY and len(self._names) < _MOST and not _V4.fullmatch(name):
            self._names.setdefault(name, f"name{len(self._names) + 1}")

    def replaced(self, line: str) -> str:
        """Return ``line`` with addresses and names replaced."""
        if self._pattern is None:
            self._pattern = self._words()
        text = without_passwords(line)
        text = _SECRET.sub(r"\1\2REMOVED", text)
        text = _CREDENTIAL.sub(r"\1REMOVED", text)
        text = self._pattern.sub(self._word, text)
        text = _CN.sub(lambda match: f"CN={self._names.get(match[1].strip(), match[1])}", text)
        text = _SUBJECT.sub(r"\1=X", text) if "=" in text and ("CN=" in text or "VERIFY" in text) else text
        text = _HOME.sub(r"\1user", text)
        text = _MAIL.sub("user@example.org", text)
        text = _MAC.sub("02:00:00:00:00:01", text)
        text = _V6.sub(self._v6, text)
        text = _V4.sub(self._v4, text)
        return _DOMAIN.sub(self._domain, text)

    def _words(self) -> re.Pattern[str]:
        """Match every learned word; the longest first."""
        words = {word for word in (*self._names, *self._hosts) if len(word) >= _SHORTEST}
        words |= {json.dumps(word)[1:-1] for word in words}
        ordered = sorted(words, key=len, reverse=True)
        return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, ordered))})(?![\w])" if ordered else r"(?!)")

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word not in self._names and word not in self._hosts and "\\" in word:
            word = str(json.loads(f'"{word}"'))
        return self._names.get(word) or self._hosts.get(word) or word

    def _v4(self, match: re.Match[str]) -> str:
        address = match[0]
        parts = [int(part) for part in address.split(".")]
        if max(parts) > 255 or parts[0] in (0, 127, 255):
            return address
        return self._address(
            address, lambda number: f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}"
        )

    def _v6(self, match: re.Match[str]) -> str:
        address = match[0]
        if address.lower().startswith(("::ffff:", "fe80::")) or address in ("::1", "::"):
            return address
        return self._address(address, lambda number: f"2001:db8::{number >> 16:x}:{number & 65535:x}")

    def _address(self, address: str, made: Callable[[int], str]) -> str:
        if address not in self._addresses and len(self._addresses) < _MOST:
            self._addresses[address] = made(len(self._addresses) + 1)
        return self._addresses.get(address, made(_MOST + 1))

    def _domain(self, match: re.Match[str]) -> str:
        name = match[0].lower()
        if name.rpartition(".")[2] in _FILES or name.endswith(("openvpn.net", "example.org")):
            return match[0]
        if name not in self._hosts and len(self._hosts) < _MOST:
            self._hosts[name] = f"host{len(self._hosts) + 1}"
        return f"{self._hosts.get(name, 'host0')}.example.org"
