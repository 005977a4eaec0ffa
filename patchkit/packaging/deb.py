"""Lay an artifact out as a Debian package: the files, the control data and the scripts.

``dpkg-shlibdeps`` and ``dpkg-deb`` do the rest, in the workspace of the build, as the manifest names them.
"""

from __future__ import annotations

import datetime
import email.utils
import hashlib
import stat
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from patchkit.packaging import system_package
from patchkit.packaging.archive import package_tree, zipped
from patchkit.packaging.contents import Member, regular_file
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.system_package import MAINTAINER
from patchkit.packaging.units import units
from patchkit.printable import header_value

_FOLDERS = ("etc/openvpn", "etc/openvpn/client", "etc/openvpn/server")
_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    # An upgrade: what runs is the old program until it is started again.
    [ -z "$2" ] || deb-systemd-invoke try-restart 'openvpn-client@*' 'openvpn-server@*' 'openvpn@*' || true
fi
"""
_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop 'openvpn-client@*' 'openvpn-server@*' 'openvpn@*' || true
fi
"""
_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
"""


@dataclass(frozen=True)
class DebLayout:
    """The files of a package, by path, and what its control file needs."""

    files: Mapping[str, Member]
    name: str
    version: str
    architecture: str

    @property
    def file_name(self) -> str:
        """``NAME_VERSION_ARCH.deb``."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"


def layout(
    artifact: Artifact,
    contents: Mapping[str, Member],
    licences: Mapping[str, bytes],
    *,
    triplet: str,
    architecture: str,
) -> DebLayout:
    """Lay out the archive's ``contents`` as Debian has them; ``licences`` are texts by name."""
    name, plugins = system_package.name_of(artifact), f"usr/lib/{triplet}/openvpn/plugins"
    documents = system_package.documents_of(name)
    files: dict[str, Member] = {}
    for path, member in contents.items():
        place = system_package.place_of(path, plugins, documents)
        if place is None or not stat.S_ISREG(member.mode):
            continue
        if place.startswith("usr/share/man/"):
            files[f"{place}.gz"] = regular_file(zipped(member.data))
        else:
            files[place] = regular_file(member.data, 0o755 if place.startswith("usr/sbin/") else 0o644)
    files |= {f"usr/lib/systemd/system/{unit}": regular_file(data) for unit, data in units().items()}
    files[f"{documents}/README.Debian"] = regular_file(system_package.readme(artifact, plugins))
    files[f"{documents}/copyright"] = regular_file(_copyright(licences))
    files[f"{documents}/changelog.Debian.gz"] = regular_file(zipped(_changelog(artifact)))
    return DebLayout(files, name, _version(artifact), architecture)


def _version(artifact: Artifact) -> str:
    return f"{system_package.version_of(artifact)}-1"


def control(layout_of: DebLayout, artifact: Artifact, depends: str) -> bytes:
    """Return the control file; ``depends`` is what dpkg-shlibdeps found."""
    kilobytes = sum(-(-len(member.data) // 1024) for member in layout_of.files.values())
    fields = {
        "Package": layout_of.name,
        "Version": layout_of.version,
        "Architecture": layout_of.architecture,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(kilobytes),
        "Depends": header_value(depends),
        "Recommends": "iproute2",
        "Suggests": "openssl",
        # Not Replaces: dpkg would remove Debian's package after ours is unpacked, and with it our units, which it knows
        # as /lib/systemd, a link to where ours are.
        "Conflicts": "openvpn",
        "Provides": f"openvpn (= {layout_of.version})",
        "Section": "net",
        "Priority": "optional",
        "Homepage": "https://openvpn.net/community/",
        "Description": f"{system_package.summary(artifact)}\n"
        f"{textwrap.indent(system_package.description(artifact), ' ')}\n .\n"
        " It takes the place of the package openvpn, with the same configurations.",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value).encode()


def tree(layout_of: DebLayout, control_file: bytes, epoch: int, owner: int) -> bytes:
    """Pack what ``dpkg-deb --build`` reads into a tar: the files below ``deb/``, and ``deb/DEBIAN``.

    ``owner`` owns the files there; in the package, root does.
    """
    sums = "".join(
        f"{hashlib.md5(member.data, usedforsecurity=False).hexdigest()}  {path}\n"
        for path, member in sorted(layout_of.files.items())
    )
    scripts = {"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM}
    files = {
        **layout_of.files,
        "DEBIAN/control": regular_file(control_file),
        "DEBIAN/md5sums": regular_file(sums.encode()),
        **{f"DEBIAN/{name}": regular_file(text.encode(), 0o755) for name, text in scripts.items()},
    }
    return package_tree(
        {f"deb/{path}": member for path, member in files.items()},
        [f"deb/{folder}" for folder in (*_FOLDERS, "etc")],
        epoch=epoch,
        owner=owner,
    )


def _changelog(artifact: Artifact) -> bytes:
    date = email.utils.format_datetime(datetime.datetime.fromtimestamp(artifact.source.epoch, datetime.UTC))
    return (
        f"{system_package.name_of(artifact)} ({_version(artifact)}) unstable; urgency=medium\n\n"
        f"  * OpenVPN {artifact.release}, variant {artifact.patch.variant}, built by patchkit {artifact.patchkit}.\n\n"
        f" -- {MAINTAINER}  {date}\n"
    ).encode()


def _copyright(licences: Mapping[str, bytes]) -> bytes:
    head = (
        "This package was built by patchkit from OpenVPN's source, whose home is https://openvpn.net/community/.\n"
        "\nWhat the sources say of their licences follows. The GNU General Public License, version 2, is in\n"
        "/usr/share/common-licenses/GPL-2.\n"
    )
    texts = [
        f"\n{name}\n{'=' * len(name)}\n\n".encode() + text.rstrip() + b"\n" for name, text in sorted(licences.items())
    ]
    return head.encode() + b"".join(texts)
