"""Make a zip for Windows, laid out as the folder that upstream's installer makes.

The bytes depend on the contents alone, and on zlib, as for the tar.gz.
"""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Mapping

_FIRST = 315532800  # 1980-01-01, before which a zip can't name a day
PROGRAMS = (".exe", ".dll")
# Where `make install` puts things, and where they are on Windows. Manual pages are for systems that have man.
_FOLDERS = {"sbin/": "bin/", "bin/": "bin/", "share/doc/openvpn/": "doc/", "include/": "include/"}


def programs(installed: bytes) -> dict[str, bytes]:
    """Read the programs and libraries of ``installed``, a tar whose one top folder is the prefix; by file name."""
    return {path.removeprefix("bin/"): data for path, data in _laid_out(installed).items() if path.endswith(PROGRAMS)}


def release_zip(
    installed: bytes, name: str, epoch: int, extra: Mapping[str, bytes], replaced: Mapping[str, bytes]
) -> bytes:
    """Pack ``installed``, a tar whose one top folder is the prefix, as ``name/…`` in a zip.

    ``epoch`` is every member's time stamp, in seconds since 1970; ``extra`` are files to add, by path; ``replaced`` are
    contents for :func:`programs` of the same names, such as signed ones.
    """
    members = {**_laid_out(installed), **{f"bin/{program}": data for program, data in replaced.items()}, **extra}
    day = time.gmtime(max(epoch, _FIRST))[:6]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path, data in sorted(members.items()):
            info = zipfile.ZipInfo(f"{name}/{path}", (day[0], day[1], day[2], day[3], day[4], day[5]))
            info.create_system = 3  # Unix, wherever it was made: the modes are Unix's
            info.external_attr = (0o100755 if path.endswith(PROGRAMS) else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)
    return out.getvalue()


def _laid_out(installed: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(installed)) as source:
        for member in source:
            path = member.name.partition("/")[2]
            for folder, ours in _FOLDERS.items():
                content = source.extractfile(member) if member.isreg() and path.startswith(folder) else None
                if content is not None:
                    files[ours + path.removeprefix(folder)] = content.read()
    return files
