"""The constants: every profile has its keys, and they are sound."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from patchkit.pki.keys import FOLDER, STATIC_KEY, keys, private_key
from patchkit.pki.profile import LONGEST, profile

PROFILES = ["leaf-rsa2048", "leaf-rsa4096", "leaf-ec"]
PROFILES += [f"chain-{number}{kind}" for number in range(1, LONGEST + 1) for kind in ("", "-ec")]
QUICK = {"leaf-ec", "leaf-rsa2048"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_all_its_keys(name: str) -> None:
    pki_profile = profile(name)
    intermediates = [f"intermediate {number}" for number in range(1, pki_profile.intermediates + 1)]
    pems = keys(name)
    assert list(pems) == ["CA", *intermediates, "server", "client", STATIC_KEY]
    for owner in pems.keys() - {STATIC_KEY}:
        key = private_key(pems[owner])
        assert key.key_size == {"rsa2048": 2048, "rsa4096": 4096, "ec": 256}[pki_profile.kind]
        assert isinstance(key, ec.EllipticCurvePrivateKey) == (pki_profile.kind == "ec")


def test_there_are_no_keys_without_a_profile_and_all_files_say_that_they_are_no_secret() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(PROFILES)
    assert all("NOT SECRET" in path.read_text().splitlines()[0] for path in FOLDER.iterdir())


def test_no_key_is_there_twice() -> None:
    every = [pem for name in PROFILES for pem in keys(name).values()]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name not in QUICK else name for name in PROFILES]
)
def test_openssl_finds_the_keys_sound(name: str) -> None:
    """With the checks that the product skips, because the keys are constants."""
    for owner, pem in keys(name).items():
        if owner != STATIC_KEY:
            load_pem_private_key(pem, None)
