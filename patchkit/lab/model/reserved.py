"""The options of OpenVPN that the lab sets itself, and refuses in arms and scenarios."""

from __future__ import annotations

from collections.abc import Sequence

_RESERVED = frozenset(
    {
        "config", "verb", "log", "log-append", "syslog", "daemon", "remote", "local", "port", "lport", "rport", "dev",
        "ca", "cert", "key", "dh", "cd", "chroot", "user", "group", "mode", "server", "client",
    }
)  # fmt: skip


def reserved(words: Sequence[str]) -> list[str]:
    """Return the reserved options among the ``words`` of a command line of openvpn, without their dashes.

    OpenVPN reads ``--setenv opt NAME`` as the option NAME.
    """
    options = [word for word in words if word.startswith("--")]
    for first, second, name in zip(words, words[1:], words[2:], strict=False):
        if (first, second) == ("--setenv", "opt"):
            options.append(name)
    return [name for name in (option.removeprefix("--") for option in options) if name in _RESERVED]
