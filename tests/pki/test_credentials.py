"""The lab's credentials: the same bytes anywhere, and good for a handshake."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from patchkit.cache import Cache
from patchkit.errors import GuestError, ScenarioError
from patchkit.lab.link.guest_process import GUEST_TIME
from patchkit.pki.credentials import credentials, digest
from patchkit.pki.profile import BUILT_IN

# What `digest` says, and how many bytes of certificates a side sends (DER). Where they change, results of the lab
# from before do not compare with those from then on: if that is meant, raise _SCHEME in
# patchkit.pki.credentials too.
PINS = {
    "leaf-rsa2048": ("68ec8dacfa3fcec42c6295120f38dd9ed0f83df3414097459c22bbd0fa6b9b9d", 806),
    "leaf-rsa4096": ("e1bfa90dce99f55d2d60eb28f65de9db5de0ab350778a5cb43e659235de6faef", 1318),
    "leaf-ec": ("704780c36224eac6c68e4b0e82132977dfdc267ecb06d7d816ef86d6ecc36b3b", 406),
    "chain-3": ("e019ec916960de6a21531eab47a7fed7e9d462e5b6d2911fce168e7cd4682340", 3228),
    "chain-8": ("f4b4a4f2763495aaf09016d168ccdc587a55d56a88f6adf33cb1e73ae4a9623b", 7273),
    "chain-8-ec": ("9b4654f54241117a121ca62ef2ddd549b038f5802a8fb863f32cfafcebc035f1", 3757),
}
QUICK = ["leaf-ec", "chain-8-ec", "leaf-rsa2048"]
ALL = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN if name not in QUICK)]

# Says that it is about to ask; then the digest, and whether they had to be made.
CHILD = """
import sys
from pathlib import Path
from patchkit.pki.credentials import credentials, digest
from patchkit.cache import Cache
print("asks", flush=True)
print(digest(credentials(sys.argv[1], Cache(Path(sys.argv[2])))), "patchkit.pki.certificates" in sys.modules)
"""


def child(name: str, cache: Cache, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD, name, str(cache.root)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return out.replace("asks\n", "").split()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache that this module's tests fill, each profile once."""
    return Cache(tmp_path_factory.mktemp("made"))


def certificates(files: Mapping[str, bytes], name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(files[name])


# These come first: what they make, in processes of their own, the others use.
@pytest.mark.parametrize("name", ALL)
def test_they_are_the_pinned_ones(name: str, made: Cache) -> None:
    assert said(child(name, made)) == [PINS[name][0], "True"]
    assert digest(credentials(name, made)) == PINS[name][0]


def test_neither_the_clock_nor_the_zone_nor_the_hash_seed_matters(cache: Cache) -> None:
    settings = {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7", "LC_ALL": "tr_TR.UTF-8", "SOURCE_DATE_EPOCH": "1"}
    assert said(child("leaf-ec", cache, **settings)) == [PINS["leaf-ec"][0], "True"]


def test_all_profiles_are_pinned() -> None:
    assert tuple(PINS) == BUILT_IN


@pytest.mark.parametrize("name", ALL)
def test_what_a_side_sends_has_its_size(name: str, made: Cache) -> None:
    files = credentials(name, made)
    sizes = {
        sum(len(certificate.public_bytes(Encoding.DER)) for certificate in certificates(files, f"{side}.crt"))
        for side in ("server", "client")
    }
    assert PINS[name][1] in sizes
    assert max(sizes) - min(sizes) <= 4  # an ECDSA signature may be a byte or two shorter


@pytest.mark.parametrize("name", ALL)
def test_the_files_are_what_openvpn_reads(name: str, made: Cache) -> None:
    files = credentials(name, made)
    assert sorted(files) == ["ca.crt", "client.crt", "client.key", "dh.pem", "server.crt", "server.key", "ta.key"]
    form = rb"(# .*\n)?-----BEGIN OpenVPN Static key V1-----\n([0-9a-f]{32}\n){16}-----END OpenVPN Static key V1-----\n"
    assert re.fullmatch(form, files["ta.key"])
    # Old releases read PKCS #1 and SEC 1; PKCS #8 is said otherwise.
    assert files["server.key"].startswith(b"-----BEGIN %s PRIVATE KEY-----" % (b"EC" if "ec" in name else b"RSA"))


@pytest.mark.parametrize("name", ALL)
def test_certificates_are_valid_and_say_that_they_are_no_secret(name: str, made: Cache) -> None:
    files = credentials(name, made)
    (root,) = certificates(files, "ca.crt")
    for side in ("server", "client"):
        chain = [*certificates(files, f"{side}.crt"), root]
        for certificate, issuer in zip(chain, [*chain[1:], root], strict=True):
            certificate.verify_directly_issued_by(issuer)
            assert certificate.not_valid_before_utc < GUEST_TIME < certificate.not_valid_after_utc
            assert "NOT SECRET" in certificate.subject.rfc4514_string()
            assert certificate.serial_number.bit_length() == 127
    issued = [root, *certificates(files, "server.crt"), certificates(files, "client.crt")[0]]
    assert len({certificate.serial_number for certificate in issued}) == len(issued)
    keys = {
        certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for certificate in issued
    }
    assert len(keys) == len(issued)


@pytest.mark.parametrize("name", ALL)
def test_openssl_accepts_the_leaves(name: str, made: Cache, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    for file, content in credentials(name, made).items():
        (tmp_path / file).write_bytes(content)
    for side in ("server", "client"):
        leaf = f"{side}.crt"
        done = subprocess.run(
            ["openssl", "verify", "-attime", str(int(GUEST_TIME.timestamp())), "-purpose", f"ssl{side}",
             "-CAfile", "ca.crt", "-untrusted", leaf, leaf],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == f"{leaf}: OK\n", done.stderr


@pytest.mark.parametrize("name", ALL)
def test_a_handshake_passes(name: str, made: Cache, tmp_path: Path) -> None:
    """Python's own TLS, in memory: keys fit certificates, and the chains that are sent suffice."""
    for file, content in credentials(name, made).items():
        (tmp_path / file).write_bytes(content)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()

    def side(purpose: ssl.Purpose, who: str, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        context = ssl.create_default_context(purpose, cafile=str(tmp_path / "ca.crt"))
        context.load_cert_chain(tmp_path / f"{who}.crt", tmp_path / f"{who}.key")
        context.check_hostname, context.verify_mode = False, ssl.CERT_REQUIRED
        # OpenVPN does not ask for what the newest standards want in a CA, and does not look at today's clock here.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        context.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
        return context.wrap_bio(incoming, outgoing, server_side=who == "server")

    sides = [
        side(ssl.Purpose.SERVER_AUTH, "client", to_client, to_server),
        side(ssl.Purpose.CLIENT_AUTH, "server", to_server, to_client),
    ]
    waiting = list(sides)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    for end, peer in zip(sides, ("server", "client"), strict=True):
        seen = end.getpeercert(binary_form=True)
        assert seen == certificates(credentials(name, made), f"{peer}.crt")[0].public_bytes(Encoding.DER)


def usage_bits(certificate: x509.Certificate) -> int:
    """As OpenVPN prints them: 80 is a digital signature, 20 enciphers a key, 08 agrees on one."""
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return 0x80 * usage.digital_signature | 0x20 * usage.key_encipherment | 0x08 * usage.key_agreement


@pytest.mark.parametrize("name", QUICK)
def test_old_releases_take_them_with_remote_cert_tls(name: str, made: Cache) -> None:
    """Up to 2.3 it wants one of these very values."""
    files = credentials(name, made)
    assert usage_bits(certificates(files, "server.crt")[0]) in (0xA0, 0x88)
    assert usage_bits(certificates(files, "client.crt")[0]) in (0x80, 0x08, 0x88)


def test_profiles_share_nothing(made: Cache) -> None:
    """What was mixed up must not work by chance."""
    several = [credentials(name, made) for name in QUICK]
    for file in several[0].keys() - {"dh.pem"}:
        assert len({files[file] for files in several}) == len(several)


def test_an_unknown_profile_leaves_nothing(cache: Cache) -> None:
    with pytest.raises(ScenarioError, match="no credentials leaf-dsa"):
        credentials("leaf-dsa", cache)
    assert not cache.root.exists()


@pytest.mark.parametrize("damage", ["empty", "no json", "another shape", "cut", "a letter", "a file gone", "another's"])
def test_what_is_damaged_is_made_anew(damage: str, cache: Cache) -> None:
    whole = credentials("leaf-ec", cache)
    (path,) = cache.credentials.rglob("leaf-ec.json")
    data = path.read_bytes()
    credentials("chain-1-ec", cache)
    damaged = {
        "empty": b"",
        "no json": b"\xff\xfe",
        "another shape": b"[]",
        "cut": data[: len(data) // 2],
        "a letter": data.replace(b"MII", b"MIJ", 1),
        "a file gone": re.sub(rb'"dh\.pem": .*\n', b"", data),
        "another's": path.with_name("chain-1-ec.json").read_bytes(),
    }[damage]
    assert damaged != data
    path.write_bytes(damaged)
    assert credentials("leaf-ec", cache) == whole
    assert path.read_bytes() == data


def test_two_at_once_make_them_once(cache: Cache) -> None:
    with cache.lock("credentials-chain-2-ec"):  # so that neither is done before the other one starts
        both = [child("chain-2-ec", cache) for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "asks\n"
    (first, made_by_first), (second, made_by_second) = map(said, both)
    assert first == second == digest(credentials("chain-2-ec", cache))
    assert sorted([made_by_first, made_by_second]) == ["False", "True"]
    assert [path.name for path in cache.credentials.rglob("*") if path.is_file()] == ["chain-2-ec.json"]


def test_an_openssl_that_is_too_old_is_said(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, ecdsa_deterministic: bool | None, **__: object) -> None:
        assert ecdsa_deterministic
        raise UnsupportedAlgorithm("ECDSA with deterministic signature (RFC 6979) is not supported")

    monkeypatch.setattr(x509.CertificateBuilder, "sign", refused)
    with pytest.raises(GuestError, match="the same each time") as raised:
        credentials("leaf-ec", cache)
    assert "OpenSSL 3.2" in raised.value.advice
    assert not list(cache.credentials.rglob("*.json"))


def test_the_digest_is_that_of_what_sha256sum_prints(tmp_path: Path) -> None:
    files = {"b": b"2", "a.crt": b"1"}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    shell = subprocess.run(
        ["sh", "-c", "sha256sum * | sha256sum"], cwd=tmp_path, env={**os.environ, "LC_ALL": "C"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert digest(files) == shell.stdout.split()[0]
