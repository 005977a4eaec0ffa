"""What ``openvpn-patched`` is on every system: its name, its version, where its files lie, and what its README says."""

from __future__ import annotations

from patchkit.packaging.manifest import Artifact

NAME = "openvpn-patched"
MAINTAINER = "patchkit <patchkit@patchkit.invalid>"
DOCUMENTS = f"usr/share/doc/{NAME}"
_README = """\
OpenVPN {release} with the change {variant}, built by patchkit {patchkit}

This package takes the place of the package openvpn and leaves /etc/openvpn as it is. Configurations are started as
with it: openvpn-client@NAME, openvpn-server@NAME and openvpn@NAME.

The program was built below /usr/local: a plugin that a configuration names without a path is looked for in
/usr/local/lib/openvpn/plugins. Name it with its path, /{plugins}/NAME.so.

Where the source is, and how the package can be checked: the files that were published beside it.
"""


def version_of(artifact: Artifact) -> str:
    """Return the package's version: sorts like upstream's, pre-releases first."""
    version = artifact.version.replace("_", "~")
    return version if version[:1].isdigit() else f"0~{version}"


def place_of(path: str, plugins: str) -> str | None:
    """Return where a system has the file ``path`` of an archive, with plugins in the folder ``plugins``.

    None for one that a package does not have, and for licences, which have a place of their own there.
    """
    folders = {
        "sbin/": "usr/sbin/", "lib/openvpn/plugins/": f"{plugins}/", "include/": "usr/include/openvpn/",
        "share/man/": "usr/share/man/", "share/doc/openvpn/": f"{DOCUMENTS}/",
        "lib/tmpfiles.d/": "usr/lib/tmpfiles.d/",
    }  # fmt: skip
    if path.rpartition("/")[2] in ("COPYING", "COPYRIGHT.GPL") or "/licences/" in path:
        return None
    return next((new + path.removeprefix(old) for old, new in folders.items() if path.startswith(old)), None)


def readme(artifact: Artifact, plugins: str) -> bytes:
    """Write the README of a package that has its plugins in the folder ``plugins``."""
    return _README.format(
        release=artifact.release, variant=artifact.patch.variant, patchkit=artifact.patchkit, plugins=plugins
    ).encode()
