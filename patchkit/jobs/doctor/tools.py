"""Programs that are called by name: git and gpg, tried on a repository and a key of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from patchkit.jobs.doctor.finding import FaultError

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
    """Makes a key, signs with it, and checks the signature, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="patchkit-") as folder:
        top = Path(folder)  # its mode is 0700, which gpg wants
        here = {"GNUPGHOME": folder}
        quiet = ["gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        (top / "file").write_text("tried\n")
        try:
            _said([*quiet, "--quick-generate-key", "doctor@example.org", "ed25519", "sign", "1d"], top, here)
            _said([*quiet, "--detach-sign", "--output", "sig", "file"], top, here)
            said = _said(["gpg", "--batch", "--status-fd", "1", "--verify", "sig", "file"], top, here)
        finally:
            if shutil.which("gpgconf"):  # ends the agent that gpg has started
                subprocess.run(["gpgconf", "--kill", "all"], env=os.environ | here, capture_output=True, check=False)
        if "VALIDSIG" not in said:
            raise FaultError("gpg does not call its own signature valid", why=said)
        return f"{_said(['gpg', '--version'], top, here).splitlines()[0]} checks signatures"


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
