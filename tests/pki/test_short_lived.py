"""Credentials for handshakes by this machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from patchkit.pki.short_lived import short_lived_credentials


@pytest.mark.parametrize("name", ["leaf-rsa2048", "chain-8"])
def test_they_are_valid_now_and_not_much_longer(name: str) -> None:
    now = datetime.now(UTC)
    files = short_lived_credentials(name)
    (root,) = x509.load_pem_x509_certificates(files["ca.crt"])
    for side in ("server", "client"):
        chain = [*x509.load_pem_x509_certificates(files[f"{side}.crt"]), root]
        for certificate, issuer in zip(chain, [*chain[1:], root], strict=True):
            certificate.verify_directly_issued_by(issuer)
            assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc < now + timedelta(days=3)


def test_they_are_made_once_a_process() -> None:
    assert short_lived_credentials() is short_lived_credentials()
