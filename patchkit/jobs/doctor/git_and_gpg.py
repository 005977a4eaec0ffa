"""Run git on a repository of its own, and gpg on a signature that comes with patchkit."""

from __future__ import annotations

import datetime
import os
import subprocess
import tempfile
from pathlib import Path

from patchkit.jobs.doctor.model import FaultError
from patchkit.releases.keys import expiry_warnings
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import judge

# A key that was made for this purpose, whose secret half was deleted, and a text that it signed.
_SIGNED = Path(__file__).with_name("signed")
_LIMIT = 60  # seconds for one call
_IDENTITY = ("-c", "user.name=doctor", "-c", "user.email=doctor@example.org", "-c", "commit.gpgSign=false")


def git() -> str:
    """Make a repository with a commit and a tag, and read the tag from a clone without blobs; report git's version.

    Raises FaultError.
    """
    with tempfile.TemporaryDirectory(prefix="patchkit-") as folder:
        here = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        top = Path(folder)
        _output(["git", "init", "--quiet", "--bare", "source"], top, here)
        source = top / "source"
        _output(["git", "config", "uploadpack.allowFilter", "true"], source, here)
        tree = _output(["git", "hash-object", "-t", "tree", "-w", "--stdin"], source, here)
        commit = _output(["git", *_IDENTITY, "commit-tree", "-m", "tried", tree], source, here)
        _output(["git", "update-ref", "refs/tags/v1", commit], source, here)
        _output(["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{source}", "copy"], top, here)
        tagged = _output(["git", "rev-parse", "v1^{commit}"], top / "copy", here)
        if tagged != commit:
            raise FaultError("git reads another commit than it was given", why=f"{tagged}, not {commit}")
        return f"{_output(['git', '--version'], top, here)} clones"


def gpg() -> str:
    """Judge a signature as ``verify`` does, of the signed text and of another one; report gpg's version, and which of
    upstream's keys end soon.

    Nothing is signed here: signing needs gpg-agent, which verification does not need and distributions pack apart.
    Raises FaultError, OpenPgpMissingError or StorageError.
    """
    version = _output(["gpg", "--version"], Path(), {}).splitlines()[0]
    signature, text = (_SIGNED / "text.asc").read_bytes(), (_SIGNED / "text").read_bytes()
    with key_ring([(_SIGNED / "key.asc").read_bytes()]) as ring:
        genuine, forged = judge(ring, signature, text), judge(ring, signature, text + b"forged\n")
    if genuine.worth != "good":
        raise FaultError(f"gpg calls a good signature {genuine.worth}", why=genuine.detail)
    if forged.worth != "bad":
        raise FaultError(f"gpg calls a forged text's signature {forged.worth}", why=forged.detail)
    ends = "".join(f"; {text}" for text in expiry_warnings(datetime.datetime.now(datetime.UTC).date()))
    return f"{version} checks signatures{ends}"


def _output(command: list[str], folder: Path, settings: dict[str, str]) -> str:
    """Run ``command`` in ``folder`` and return what it prints. Raises FaultError where it fails, or is not in PATH."""
    try:
        completed = subprocess.run(
            command, cwd=folder, env={**os.environ, "LC_ALL": "C", **settings}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_LIMIT, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise FaultError(f"there is no {command[0]} in PATH", state="missing") from None
    except subprocess.TimeoutExpired:
        raise FaultError(f"{command[0]} gave no answer within {_LIMIT} s") from None
    if completed.returncode != 0:
        raise FaultError(f"{command[0]} failed with exit code {completed.returncode}", why=completed.stderr.strip())
    return completed.stdout.strip()
