"""Signatures are judged at the time when they were made, with real keys of every kind of trouble."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.errors import OpenPgpMissingError, SignatureFileError
from patchkit.source.openpgp import gnupg
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import Judgement, Worth, best, judge
from tests.support.source.signers import DAY, START, Signer, signer

DATA = b"openvpn-2.9.1.tar.gz, or what passes for it\n"
LATER = START + 1000 * DAY


@pytest.fixture(scope="module")
def people() -> Iterator[Signer]:
    with signer() as home:
        yield home


def verdict(people: Signer, key: str, signature: bytes, data: bytes = DATA, now: int = LATER) -> Judgement:
    with key_ring([people.public(key)]) as ring:
        return judge(ring, signature, data, now)


def test_a_good_signature_names_its_key_and_its_day(people: Signer) -> None:
    key = people.key("Good <good@example.invalid>")
    judgement = verdict(people, key, people.sign(key, DATA, at=START + DAY))
    assert judgement == Judgement(
        "good", "Good <good@example.invalid>, SHA-512, on 2020-09-14", key, key, START + DAY
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "now", "worth"),
    [
        (START + 5 * DAY, START + 6 * DAY, "good"),
        (START + 5 * DAY, START + 11 * DAY, "good, key since expired"),
        (START + 5 * DAY, START + 10 * DAY, "good, key since expired"),
    ],
)
def test_a_key_that_expired_afterwards_has_signed_well(people: Signer, made: int, now: int, worth: Worth) -> None:
    key = people.key(f"Expiring {made} {now}", days=10)
    assert verdict(people, key, people.sign(key, DATA, at=made), now=now).worth == worth


def test_a_key_that_had_expired_before_has_not(people: Signer) -> None:
    """gpg itself refuses to sign with it: here the key's end was moved away, and is moved back."""
    key = people.key("Late", days=10)
    before = people.public(key)
    people.gpg("--quick-set-expire", key, "seconds=8640000", at=START + 5 * DAY)
    late = people.sign(key, DATA, at=START + 20 * DAY)
    with key_ring([before]) as ring:
        judgement = judge(ring, late, DATA, LATER)
    assert (judgement.worth, judgement.detail.partition(": ")[2]) == ("bad", "its key had expired on 2020-09-23")
    with key_ring([before, people.public(key)]) as ring:  # what the key's owner says last is what counts
        assert judge(ring, late, DATA, LATER).worth == "good, key since expired"


def test_an_expired_subkey_counts_by_itself_and_with_its_primary_key(people: Signer) -> None:
    primary = people.key("Upstream's way", days=900, use="cert")
    first = people.subkey(primary, made=START, days=100)
    signature = people.sign(first, DATA, at=START + 50 * DAY)
    second = people.subkey(primary, made=START + 100 * DAY, days=100)
    judgement = verdict(people, primary, signature, now=START + 200 * DAY)
    assert (judgement.worth, judgement.key, judgement.primary) == ("good, key since expired", first, primary)
    judgement = verdict(people, primary, people.sign(second, DATA, at=START + 150 * DAY), now=START + 160 * DAY)
    assert (judgement.worth, judgement.key) == ("good", second)


@pytest.mark.parametrize(
    ("reason", "signed", "worth"),
    [
        (2, 5, "good, key since revoked"),
        (3, 5, "good, key since revoked"),
        (2, 15, "bad"),
        (1, 5, "bad"),
        (0, 5, "bad"),
    ],
    ids=["replaced later", "retired later", "replaced before", "compromised", "no reason given"],
)
def test_a_revoked_key_is_good_only_for_what_is_older_and_only_if_replaced(
    people: Signer, reason: int, signed: int, worth: Worth
) -> None:
    key = people.key(f"Revoked {reason} {signed}")
    signature = people.sign(key, DATA, at=START + signed * DAY)
    people.revoke(key, reason, at=START + 10 * DAY)
    judgement = verdict(people, key, signature)
    assert judgement.worth == worth
    assert "2020-09-23" in judgement.detail


@pytest.mark.parametrize(
    ("digest", "at", "worth"),
    [
        ("SHA1", START + DAY, "weak"),
        ("SHA1", 1_300_000_000, "good"),
        ("MD5", 1_300_000_000, "weak"),
        ("SHA256", START + DAY, "good"),
    ],
)
def test_a_hash_counts_as_long_as_nobody_could_cheat_it(people: Signer, digest: str, at: int, worth: Worth) -> None:
    key = people.key(f"Weak {digest} {at}", made=1_200_000_000, algorithm="rsa1024")
    assert verdict(people, key, people.sign(key, DATA, at=at, hash=digest)).worth == worth


def test_a_signature_of_another_file_is_bad(people: Signer) -> None:
    key = people.key("Of another file")
    judgement = verdict(people, key, people.sign(key, b"another file", at=START + DAY))
    assert judgement.worth == "bad"
    assert key[-16:] in judgement.detail


def test_an_unknown_key_is_named(people: Signer) -> None:
    known, other = people.key("Known"), people.key("Somebody else")
    judgement = verdict(people, known, people.sign(other, DATA, at=START + DAY))
    assert (judgement.worth, judgement.key) == ("unknown key", other[-16:])


def test_the_same_name_on_another_key_is_another_key(people: Signer) -> None:
    known = people.key("Gert Doering <gert@example.invalid>")
    with signer() as elsewhere:
        forged = elsewhere.key("Gert Doering <gert@example.invalid>")
        signature = elsewhere.sign(forged, DATA, at=START + DAY)
    assert verdict(people, known, signature).worth == "unknown key"


def test_dated_in_the_future_is_bad(people: Signer) -> None:
    key = people.key("Tomorrow")
    signature = people.sign(key, DATA, at=START + 10 * DAY)
    assert verdict(people, key, signature, now=START + 5 * DAY).detail.endswith("it is dated in the future")


def test_a_key_that_is_not_meant_for_signatures(people: Signer) -> None:
    """A certifying key is refused by gpg itself, when it signs; the verifier must not rely on that."""
    key = people.key("Certifies", use="cert")
    subkey = people.subkey(key, made=START, days=100)
    with key_ring([people.public(key)]) as ring:
        assert not ring.parts[key].signs
        assert ring.parts[subkey].signs


def test_one_bad_signature_among_several_spoils_all(people: Signer) -> None:
    key = people.key("Twice")
    good, other = (people.sign(key, data, at=START + DAY) for data in (DATA, b"other"))
    binary = [people.gpg("--dearmor", at=START, stdin=signature) for signature in (good, other)]
    assert verdict(people, key, b"".join(binary)).worth == "bad"
    assert verdict(people, key, binary[0] * 2).worth == "good"
    stranger = people.key("Stranger")
    other = people.gpg("--dearmor", at=START, stdin=people.sign(stranger, DATA, at=START + DAY))
    with key_ring([people.public(key)]) as ring:
        assert judge(ring, binary[0] + other, DATA, LATER).worth == "good"


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"-----BEGIN PGP SIGNATURE-----\n",
        b"<html>please log in</html>",
        b"\x00" * 4096,
        b"\x88\x5d" * 1000,
        b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n=AAAA\n-----END PGP SIGNATURE-----\n",
        b"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0123456789ABCDEF me\n",
        b"x" * (2 << 20),
    ],
    ids=["empty", "cut off", "web page", "zeros", "packets", "armoured junk", "status lines", "too large"],
)
def test_what_is_no_signature_is_bad_and_never_missing(people: Signer, junk: bytes) -> None:
    key = people.key("Junk") if not (people.home / "junk").exists() else (people.home / "junk").read_text()
    (people.home / "junk").write_text(key)
    assert verdict(people, key, junk).worth == "bad"


def test_a_whole_signed_message_is_no_detached_signature(people: Signer) -> None:
    """gpg --verify would find the data inside the message good, and the file beside it is never looked at."""
    key = people.key("Inline")
    message = people.gpg("--local-user", key, "--armor", "--sign", at=START + DAY, stdin=b"other data")
    assert verdict(people, key, message).worth == "bad"
    clear = people.gpg("--local-user", key, "--clear-sign", at=START + DAY, stdin=b"other data")
    assert verdict(people, key, clear).worth == "bad"


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "x" * 1500, "[GNUPG:] VALIDSIG 0", "a%0a[GNUPG:] BADSIG 1 b"])
def test_a_hostile_name_stays_a_name(people: Signer, name: str) -> None:
    key = people.key(name)
    judgement = verdict(people, key, people.sign(key, DATA, at=START + DAY))
    assert judgement.worth == "good"
    assert judgement.detail.isprintable()
    assert len(judgement.detail) < 200


def test_a_ring_is_private_and_gone_afterwards(people: Signer) -> None:
    key = people.key("Private")
    with key_ring([people.public(key)]) as ring:
        assert stat.S_IMODE(ring.home.stat().st_mode) == 0o700
    assert not ring.home.exists()


@pytest.mark.parametrize("data", [b"", b"no key", b"<html></html>"])
def test_what_holds_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureFileError, match="no OpenPGP key"), key_ring([data]):
        pass


def test_without_gpg_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenPgpMissingError) as caught, key_ring([b"x"]):
        pass
    assert caught.value.advice == "apt-get install gpg"


def test_the_worth_that_counts_is_never_better_than_a_bad_one() -> None:
    order: list[Worth] = ["bad", "good", "weak", "unknown key", "missing"]
    for number, worth in enumerate(order):
        rest = [Judgement(worth, "") for worth in reversed(order[number:])]
        assert best(rest).worth == worth


def test_hashes_have_the_names_of_the_standard() -> None:
    assert {gnupg.HASHES[2], gnupg.HASHES[8]} == {"SHA-1", "SHA-256"}
