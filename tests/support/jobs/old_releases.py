"""Old releases, with what a modern peer needs in order to talk to them."""

from __future__ import annotations

from dataclasses import dataclass

from patchkit.building.toolchain_table import Series, all_series

OLD = "2.5.1"
"""The oldest release that the Debian pool serves; upstream wrote it for OpenSSL 1.1.1."""

# What a 2.6 peer reports where it lacks one of its options; OpenSSL 3.5 has the first text for the second one too.
VERSION_MIN = {"--tls-version-min": r"unsupported protocol"}
CERT_PROFILE = {"--tls-cert-profile": r"legacy sigalg disallowed|no suitable signature algorithm|unsupported protocol"}
FALLBACK = {"--data-ciphers-fallback": r"failed to negotiate cipher with peer and --data-ciphers-fallback not enabled"}
TLS_10, LATER = VERSION_MIN | CERT_PROFILE | FALLBACK, FALLBACK


@dataclass(frozen=True)
class Release:
    version: str
    library: str
    tls: str
    cipher: str

    @property
    def needs(self) -> dict[str, str]:
        """The options that a modern peer needs for this very release, with what it says without them."""
        return TLS_10 if self.tls == "TLSv1" else LATER

    @property
    def series(self) -> Series:
        (series,) = (series for series in all_series() if self.version.startswith(f"{series.name}."))
        return series


RELEASES = [
    Release("2.1.4", "openssl-1.0.2", "TLSv1", "AES-256-CBC"),
    Release("2.2.3", "openssl-1.0.2", "TLSv1", "AES-256-CBC"),
    Release("2.3.2", "openssl-1.0.2", "TLSv1", "AES-256-CBC"),
    Release("2.3.18", "openssl-1.0.2", "TLSv1.2", "AES-256-CBC"),
    Release("2.4.12", "openssl-1.1.1", "TLSv1.3", "AES-256-GCM"),
    Release("2.5.11", "system", "TLSv1.3", "AES-256-GCM"),
]
