"""How git connects: never a question, never an endless wait, and no password where other users can read it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from patchkit.children import Limits

LIMITS = Limits(total=3600, silence=120)
"""For a git that connects: with ``--progress`` it prints something every second in which anything comes."""
_SLOW = ("1000", "60")  # bytes a second, and for how many seconds
# ssh would ask on the terminal for a host's key, a passphrase or a password.
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
_HELPER = '!f() { echo "username=$PATCHKIT_GIT_USER"; echo "password=$PATCHKIT_GIT_PASSWORD"; }; f'


def environment() -> dict[str, str]:
    """Return the variables with which git asks nothing and gives up on a connection that carries nothing.

    What the user has set stays, but for questions.
    """
    settings = {
        "LC_ALL": "C",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GCM_INTERACTIVE": "never",
        "GIT_HTTP_LOW_SPEED_LIMIT": os.environ.get("GIT_HTTP_LOW_SPEED_LIMIT", _SLOW[0]),
        "GIT_HTTP_LOW_SPEED_TIME": os.environ.get("GIT_HTTP_LOW_SPEED_TIME", _SLOW[1]),
    }
    if "GIT_SSH_COMMAND" not in os.environ and "GIT_SSH" not in os.environ:
        settings["GIT_SSH_COMMAND"] = _SSH
    return settings


def without_secret(where: str) -> tuple[str, Mapping[str, str]]:
    """Split the user and the password off the http or https URL ``where``: return the rest, and variables for git.

    The variables configure a credential helper for that host alone.
    """
    if not where.lower().startswith(("http://", "https://")):
        return where, {}
    try:
        parts = urlsplit(where)
    except ValueError:
        return where, {}
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return where, {}
    name, _, password = user.partition(":")
    count = int(os.environ.get("GIT_CONFIG_COUNT") or "0")
    scope = f"credential.{parts.scheme}://{host}"
    settings = (("credential.helper", ""), (f"{scope}.helper", _HELPER))
    variables = {"GIT_CONFIG_COUNT": str(count + len(settings))}
    for number, (key, value) in enumerate(settings, count):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    variables |= {"PATCHKIT_GIT_USER": unquote(name), "PATCHKIT_GIT_PASSWORD": unquote(password)}
    return urlunsplit(parts._replace(netloc=host)), variables


def message(stderr: str) -> str:
    """Return what git complains about in ``stderr``, without the lines of its progress."""
    lines = stderr.replace("\r", "\n").splitlines()
    told = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "remote: fatal", "ssh:"))]
    return "\n".join(told or lines[-5:]).strip()
