"""Check detached signatures against public keys that the user names: no other key counts, and nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patchkit.errors import ToolError
from patchkit.packaging.signatures import sigstore_bundle
from patchkit.packaging.signatures.keys import PublicKey, Scheme, is_allowed_signers, minisign_number
from patchkit.packaging.signatures.sign import NAMESPACE
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import judge
from patchkit.storage import writing

State = Literal["good", "bad", "key expired", "unknown key", "not checked"]
_LIMIT = 60.0  # seconds
_ANYBODY = b"anybody"


@dataclass(frozen=True)
class SignatureVerdict:
    """What was found of one signature."""

    state: State
    detail: str
    key: Path | None = None
    """The file of the key that made it."""


def verify(scheme: Scheme, signature: bytes, data: bytes, keys: Sequence[PublicKey]) -> SignatureVerdict:
    """Check the detached ``signature`` of ``data`` against those of ``keys`` that are of its ``scheme``.

    Raises ToolError where the program that reads it is missing or does not end, OpenPgpMissingError, and
    SignatureFileError where a key can't be read.
    """
    fitting = [key for key in keys if key.scheme == scheme]
    if not fitting:
        return SignatureVerdict("not checked", "no key of its kind was given: --key")
    verdicts = [_VERIFIERS[scheme](signature, data, key) for key in fitting]
    order: Sequence[State] = ("bad", "good", "key expired", "unknown key", "not checked")
    return min(verdicts, key=lambda verdict: order.index(verdict.state))


def _openpgp(signature: bytes, data: bytes, key: PublicKey) -> SignatureVerdict:
    with key_ring([key.data]) as ring:
        judged = judge(ring, signature, data)
    match judged.worth:
        case "good":
            return SignatureVerdict("good", judged.detail, key.path)
        case "unknown key":
            return SignatureVerdict("unknown key", judged.detail)
        case "good, key since expired" | "good, key since revoked":
            # The time in a signature is its maker's claim: who has an old key can date it back.
            return SignatureVerdict("key expired", judged.detail, key.path)
        case _:
            expired = "expired" in judged.detail
            return SignatureVerdict("key expired" if expired else "bad", judged.detail, key.path)


def _ssh(signature: bytes, data: bytes, key: PublicKey) -> SignatureVerdict:
    lines = key.data if is_allowed_signers(key.data) else _ANYBODY + b" " + key.data.strip() + b"\n"
    with _files(signature=signature, allowed=lines) as folder:
        sign, allowed = str(folder / "signature"), str(folder / "allowed")
        whole = _run(["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", sign], data)
        if whole.returncode != 0:
            return SignatureVerdict("bad", f"it is not of these data, or was altered: {_words(whole)}")
        listing = _run(["ssh-keygen", "-Y", "find-principals", "-s", sign, "-f", allowed], b"")
        if listing.returncode != 0:
            # Without its dates, a list of allowed signers knows a key that it no longer allows.
            timeless = [b" ".join(_without_dates(line.split())) for line in lines.splitlines()]
            (folder / "allowed").write_bytes(b"\n".join(timeless) + b"\n")
            known = _run(["ssh-keygen", "-Y", "find-principals", "-s", sign, "-f", allowed], b"")
            if known.returncode == 0:
                who = known.stdout.decode("utf-8", "replace").strip()
                return SignatureVerdict(
                    "key expired", f"{who}: the list of allowed signers does not allow it now", key.path
                )
            return SignatureVerdict("unknown key", "made with a key that is not the given one")
        who = listing.stdout.decode("utf-8", "replace").splitlines()[0]
        done = _run(["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", who, "-n", NAMESPACE, "-s", sign], data)
    if done.returncode != 0:
        return SignatureVerdict("bad", _words(done))
    return SignatureVerdict("good", done.stdout.decode("utf-8", "replace").strip(), key.path)


def _without_dates(words: Sequence[bytes]) -> list[bytes]:
    """Return the ``words`` of an entry of allowed signers without valid-after and valid-before."""
    if len(words) < 2 or b"valid-" not in words[1]:
        return list(words)
    options = [part for part in words[1].split(b",") if not part.startswith((b"valid-after=", b"valid-before="))]
    return [words[0], *([b",".join(options)] if options else []), *words[2:]]


def _minisign(signature: bytes, data: bytes, key: PublicKey) -> SignatureVerdict:
    number = minisign_number(signature, "signature")
    if not number:
        return SignatureVerdict("bad", "it is not a signature of minisign's")
    if number != key.minisign_number:
        return SignatureVerdict(
            "unknown key", f"made with the key {number[::-1].hex().upper()}, which is not the given one"
        )
    with _files(signature=signature, data=data, key=key.data) as folder:
        names = ["-p", str(folder / "key"), "-m", str(folder / "data"), "-x", str(folder / "signature")]
        done = _run(["minisign", "-V", *names], b"")
    if done.returncode != 0:
        return SignatureVerdict("bad", f"it is not of these data, or was altered: {_words(done)}")
    return SignatureVerdict("good", f"minisign, key {number[::-1].hex().upper()}", key.path)


def _sigstore(signature: bytes, data: bytes, key: PublicKey) -> SignatureVerdict:
    try:
        bundle = sigstore_bundle.read(signature)
    except ValueError as error:
        return SignatureVerdict("bad", f"it is not a bundle of sigstore's: {error}")
    if not bundle.hint:
        return SignatureVerdict("not checked", "a keyless signature, which sigstore verify identity checks")
    own = sigstore_bundle.public_key(key.data)
    if bundle.hint != sigstore_bundle.hint_of(own):
        return SignatureVerdict("unknown key", f"made with the key {bundle.hint}, which is not the given one")
    if not sigstore_bundle.holds(bundle, own, data):
        return SignatureVerdict("bad", "it is not of these data, or was altered", key.path)
    return SignatureVerdict("good", f"sigstore, key {bundle.hint}", key.path)


_VERIFIERS: Mapping[Scheme, Callable[[bytes, bytes, PublicKey], SignatureVerdict]] = {
    "openpgp": _openpgp,
    "ssh": _ssh,
    "minisign": _minisign,
    "sigstore": _sigstore,
}


@contextmanager
def _files(**files: bytes) -> Iterator[Path]:
    """Make a folder with ``files`` by name, as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="patchkit-verify-") as folder:
        with writing(Path(folder)):
            for name, data in files.items():
                Path(folder, name).write_bytes(data)
        yield Path(folder)


def _run(command: Sequence[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        raise ToolError(
            f"{command[0]} is missing", why="it checks the signature", advice=f"apt-get install {_PACKAGES[command[0]]}"
        )
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=_LIMIT,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


_PACKAGES = {"ssh-keygen": "openssh-client", "minisign": "minisign"}


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    return "; ".join(line for line in text.splitlines() if line)[:200]
