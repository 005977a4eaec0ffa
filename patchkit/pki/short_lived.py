"""Credentials that are valid now: for handshakes on this machine's clock, as in the smoke test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from patchkit.pki.profile import profile

_BEFORE, _AFTER = timedelta(days=1), timedelta(days=2)


@cache
def short_lived_credentials(name: str = "leaf-rsa2048") -> Mapping[str, bytes]:
    """Issue the PEM files of the profile ``name``, valid from yesterday until the day after tomorrow; once a process.

    The files are those of pki/credentials.py. All series since 2.1 can read RSA 2048 with SHA-256. Raises
    ScenarioError when there is no such profile.
    """
    from patchkit.pki.certificates import Validity, issued

    now = datetime.now(UTC)
    return issued(profile(name), Validity(now - _BEFORE, now + _AFTER))
