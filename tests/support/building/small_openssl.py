"""A smaller OpenSSL: the pinned source, told to leave out what OpenVPN never calls. Its compilation takes less time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from patchkit.context import Context
from patchkit.releases.libraries import libraries
from patchkit.source.library import tarball_path

LIBRARY = "openssl-3.0"
_NOT_CALLED = (
    "aria", "bf", "blake2", "camellia", "cast", "cmp", "cms", "ct", "dtls", "ec2m", "gost", "idea", "legacy", "mdc2",
    "multiblock", "ocb", "ocsp", "rc2", "rc4", "rfc3779", "rmd160", "scrypt", "seed", "siphash", "siv", "sm2", "sm3",
    "sm4", "srp", "srtp", "ssl-trace", "ts", "whirlpool",
)  # fmt: skip
_DEFAULTS = 'our %disabled = ( # "what"         => "comment"\n'


def small_openssl(folder: Path, context: Context) -> Path:
    """Unpack it into ``folder``, for ``--openssl-source``; raises the download's errors where no place has it."""
    archive = tarball_path(libraries()[LIBRARY], context)
    subprocess.run(["tar", "-xf", archive, "-C", folder, "--strip-components=1"], check=True)
    configure = folder / "Configure"
    date = configure.stat().st_mtime
    text = configure.read_text()
    assert text.count(_DEFAULTS) == 1
    words = "".join(f'    "{name}" => "default",\n' for name in _NOT_CALLED)
    configure.write_text(text.replace(_DEFAULTS, _DEFAULTS + words))
    os.utime(configure, (date, date))  # the same source each time: what was compiled from it is found again
    return folder
