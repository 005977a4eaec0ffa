"""Programs that are called by name: git, tried on a repository of its own, and gpg, on a signature at hand."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from patchkit.jobs.doctor.model import FaultError
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import judge

# A key that was made for this, whose secret half is gone, and what it has signed.
_SIGNED = Path(__file__).with_name("signed")
_LIMIT = 60  # seconds for one call
_IDENTITY = ("-c", "user.name=doctor", "-c", "user.email=doctor@example.org", "-c", "commit.gpgSign=false")


def git() -> str:
    """Makes a repository with a commit and a tag, and reads the tag from a clone without blobs."""
    with tempfile.TemporaryDirectory(prefix="patchkit-") as folder:
        here = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        top = Path(folder)
        _said(["git", "init", "--quiet", "--bare", "source"], top, here)
        source = top / "source"
        _said(["git", "config", "uploadpack.allowFilter", "true"], source, here)
        tree = _said(["git", "hash-object", "-t", "tree", "-w", "--stdin"], source, here)
        commit = _said(["git", *_IDENTITY, "commit-tree", "-m", "tried", tree], source, here)
        _said(["git", "update-ref", "refs/tags/v1", commit], source, here)
        _said(["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{source}", "copy"], top, here)
        found = _said(["git", "rev-parse", "v1^{commit}"], top / "copy", here)
        if found != commit:
            raise FaultError("git gives another commit than it was given", why=f"{found}, not {commit}")
        return f"{_said(['git', '--version'], top, here)} clones"


def gpg() -> str:
    """Judges a signature as ``verify`` does, and another text under it. Nothing is signed here: that takes gpg-agent,
    which no verification needs and which distributions pack by itself."""
    version = _said(["gpg", "--version"], Path(), {}).splitlines()[0]
    signature, text = (_SIGNED / "text.asc").read_bytes(), (_SIGNED / "text").read_bytes()
    with key_ring([(_SIGNED / "key.asc").read_bytes()]) as ring:
        genuine, forged = judge(ring, signature, text), judge(ring, signature, text + b"forged\n")
    if genuine.worth != "good":
        raise FaultError(f"gpg calls a good signature {genuine.worth}", why=genuine.detail)
    if forged.worth != "bad":
        raise FaultError(f"gpg calls a forged text's signature {forged.worth}", why=forged.detail)
    return f"{version} checks signatures"


def _said(command: list[str], folder: Path, settings: dict[str, str]) -> str:
    """What a command prints. Raises FaultError where it fails, or is not there."""
    try:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "LC_ALL": "C", **settings}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_LIMIT, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise FaultError(f"there is no {command[0]} in PATH", state="missing") from None
    except subprocess.TimeoutExpired:
        raise FaultError(f"{command[0]} gave no answer within {_LIMIT} s") from None
    if done.returncode != 0:
        raise FaultError(f"{command[0]} failed with exit code {done.returncode}", why=done.stderr.strip())
    return done.stdout.strip()
