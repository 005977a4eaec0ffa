"""OpenVPN's options that the lab sets itself, and that nobody else may: a trial stands on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_RESERVED = frozenset(
    {
        "config", "verb", "log", "log-append", "syslog", "daemon", "remote", "local", "port", "lport", "rport", "dev",
        "ca", "cert", "key", "dh", "cd", "chroot", "user", "group", "mode", "server", "client",
    }
)  # fmt: skip


def reserved(words: Sequence[str]) -> Iterator[str]:
    """Yield the reserved options among the ``words`` of a command line of openvpn, without their dashes.

    ``--setenv opt NAME`` is NAME, as openvpn reads it.
    """
    for at, word in enumerate(words):
        if word.startswith("--") and word[2:] in _RESERVED:
            yield word[2:]
        elif words[at : at + 2] == ["--setenv", "opt"] and words[at + 2 : at + 3]:
            yield from (name for name in words[at + 2 : at + 3] if name.removeprefix("--") in _RESERVED)
