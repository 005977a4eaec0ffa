"""The group for Diffie-Hellman."""

from __future__ import annotations

import base64

from patchkit.building.check.dh import dh_parameters


def test_it_is_the_one_that_rfc_3526_prints() -> None:
    first, *body, last = dh_parameters().decode().splitlines()
    assert (first, last) == ("-----BEGIN DH PARAMETERS-----", "-----END DH PARAMETERS-----")
    der = base64.b64decode("".join(body), validate=True).hex().upper()
    # Section 3, the first line and the last; before it DER's own bytes, behind it the generator.
    assert der.startswith("308201080282010100FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1")
    assert der.endswith("15728E5A8AACAA68FFFFFFFFFFFFFFFF020102")
