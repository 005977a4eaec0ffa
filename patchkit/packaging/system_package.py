"""What a package is on every system: its name, its version, where its files lie, and what its README says."""

from __future__ import annotations

import textwrap

from patchkit.building.toolchain_table import known_target
from patchkit.packaging.manifest import Artifact
from patchkit.patching.variants import STOCK, variant
from patchkit.printable import header_value

_NAME = "openvpn-patched"
MAINTAINER = "patchkit <patchkit@patchkit.invalid>"
_README = """\
{description}

Built by patchkit {patchkit}.

This package takes the place of the package openvpn and leaves /etc/openvpn as it is. Configurations are started as
with it: openvpn-client@NAME, openvpn-server@NAME and openvpn@NAME.

The program was built below /usr/local: a plugin that a configuration names without a path is looked for in
/usr/local/lib/openvpn/plugins. Name it with its path, /{plugins}/NAME.so.

Where the source is, and how the package can be checked: the files that were published beside it.
"""


def name_of(artifact: Artifact) -> str:
    """Return the package's name: a static program's is another one, since both can be of one version and processor."""
    return f"{_NAME}-static" if known_target(artifact.build.target).kind == "static" else _NAME


def documents_of(name: str) -> str:
    """Return the folder with the documents of the package ``name``."""
    return f"usr/share/doc/{name}"


def version_of(artifact: Artifact) -> str:
    """Return the package's version: sorts like upstream's, pre-releases first."""
    version = artifact.version.replace("_", "~")
    return version if version[:1].isdigit() else f"0~{version}"


def place_of(path: str, plugins: str, documents: str) -> str | None:
    """Return where a system has the file ``path`` of an archive, with plugins and documents in the folders given.

    None for one that a package does not have, and for licences, which have a place of their own there.
    """
    folders = {
        "sbin/": "usr/sbin/", "lib/openvpn/plugins/": f"{plugins}/", "include/": "usr/include/openvpn/",
        "share/man/": "usr/share/man/", "share/doc/openvpn/": f"{documents}/",
        "lib/tmpfiles.d/": "usr/lib/tmpfiles.d/",
    }  # fmt: skip
    if path.rpartition("/")[2] in ("COPYING", "COPYRIGHT.GPL") or "/licences/" in path:
        return None
    return next((new + path.removeprefix(old) for old, new in folders.items() if path.startswith(old)), None)


def summary(artifact: Artifact) -> str:
    """Return what the package is, in one line."""
    name = header_value(artifact.patch.variant)
    changed = "unchanged" if name == STOCK else f"with the change {name}"
    return f"virtual private network daemon, {changed}"


def description(artifact: Artifact) -> str:
    """Return what was built, and the title of each part of the change; lines of at most 78 characters."""
    built = f"OpenVPN {header_value(artifact.release)}, built by patchkit"
    if artifact.patch.variant == STOCK:
        return f"{built} from upstream's source, unchanged."
    own = {part.name: part.title or part.name for part in artifact.patch.own}
    titles = [own[name] if name in own else variant(name).title for name in artifact.patch.variant.split("+")]
    return textwrap.fill(f"{built} with a change: {header_value('; '.join(titles))}.", 78, break_on_hyphens=False)


def readme(artifact: Artifact, plugins: str) -> bytes:
    """Write the README of a package that has its plugins in the folder ``plugins``."""
    return _README.format(description=description(artifact), patchkit=artifact.patchkit, plugins=plugins).encode()
