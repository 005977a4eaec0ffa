"""How git connects: never a question, never an endless wait, and no password where other users can read it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from patchkit import limits
from patchkit.children import Limits

_SILENCE = 120.0  # seconds: with --progress, git prints something every second in which anything comes
_TOTAL = 30  # times the longest silence
_SLOW = ("1000", 60.0)  # bytes a second, and for how many seconds
_CONNECT = 20.0  # seconds for ssh
_ALIVE = 60.0  # seconds for ssh, whose questions are not answered
_QUESTIONS = 4
_HELPER = '!f() { echo "username=$PATCHKIT_GIT_USER"; echo "password=$PATCHKIT_GIT_PASSWORD"; }; f'


def limits_of_git() -> Limits:
    """Return how long a git that connects may run. Raises BadUsageError for a wrong variable of the user's."""
    silence = limits.silence(_SILENCE)
    return Limits(total=_TOTAL * silence, silence=silence)


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
        "GIT_HTTP_LOW_SPEED_TIME": os.environ.get("GIT_HTTP_LOW_SPEED_TIME", f"{limits.silence(_SLOW[1]):.0f}"),
    }
    if "GIT_SSH_COMMAND" not in os.environ and "GIT_SSH" not in os.environ:
        settings["GIT_SSH_COMMAND"] = _ssh()
    return settings


def _ssh() -> str:
    """The ssh that asks nothing on the terminal: no host's key, passphrase or password."""
    alive = max(1, limits.silence(_ALIVE) // _QUESTIONS)
    settings = {
        "BatchMode": "yes",
        "ConnectTimeout": f"{limits.silence(_CONNECT):.0f}",
        "ServerAliveInterval": f"{alive:.0f}",
        "ServerAliveCountMax": f"{_QUESTIONS}",
    }
    return " ".join(["ssh", *(f"-o {name}={value}" for name, value in settings.items())])


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
