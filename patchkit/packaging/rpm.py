"""Lay an artifact out as an RPM package: the files and the spec file of ``openvpn-patched``.

``rpmbuild`` does the rest, in the workspace of the build; it reads from the programs what they need.
"""

from __future__ import annotations

import datetime
import email.utils
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from patchkit.packaging import system_package
from patchkit.packaging.archive import package_tree, zipped
from patchkit.packaging.contents import Member, regular_file
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.system_package import MAINTAINER
from patchkit.packaging.units import units
from patchkit.printable import header_value

SPEC = "rpm/openvpn-patched.spec"
"""Where :func:`tree` puts the spec file; what is packed lies beside it, in ``rpm/tree``."""
FOLDER = "rpm"
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7hl", "i386": "i686"}
_LIBRARIES = {"amd64": "lib64", "arm64": "lib64", "armhf": "lib", "i386": "lib"}
"""By Debian's names of processors, RPM's own and its folder of libraries."""
_FOLDERS = ("etc/openvpn", "etc/openvpn/client", "etc/openvpn/server", "usr/include/openvpn")
_SERVICES = "'openvpn-client@*' 'openvpn-server@*' 'openvpn@*'"
_SPEC = """\
# What rpmbuild would add by itself: its own time, this machine's name, links to debug information.
%global _buildhost localhost
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _build_id_links none
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global optflags %{{nil}}
# xz, which every rpm reads; one thread, since it splits what it compresses where there are more.
%global _binary_payload w9.xzdio
# Plugins are not libraries that others load.
%global __provides_exclude_from ^{plugins}/

Name: {name}
Version: {version}
Release: 1
Summary: {summary}
License: GPL-2.0-only
Group: Applications/Internet
URL: https://openvpn.net/community/
Vendor: patchkit
Packager: {maintainer}
Provides: openvpn = %{{version}}-%{{release}}
Conflicts: openvpn
Obsoletes: openvpn < %{{version}}-%{{release}}
Recommends: iproute
Suggests: openssl

%description
{description}

It takes the place of the package openvpn, with the same configurations.

%install
cp -a "%{{_topdir}}/tree/." "%{{buildroot}}/"

%post
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi

%preun
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then systemctl stop {services} || :; fi

%postun
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    # An upgrade: what runs is the old program until it is started again.
    if [ "$1" -ge 1 ]; then systemctl try-restart {services} || :; fi
fi

%files
{files}

%changelog
* {date} {maintainer} - {version}-1
- OpenVPN {release}, variant {variant}, built by patchkit {patchkit}.
"""


@dataclass(frozen=True)
class RpmLayout:
    """The files of a package, by path, and what its spec file states."""

    files: Mapping[str, Member]
    name: str
    version: str
    architecture: str
    """RPM's name of the processor."""
    plugins: str

    @property
    def file_name(self) -> str:
        """``NAME-VERSION-1.ARCH.rpm``."""
        return f"{self.name}-{self.version}-1.{self.architecture}.rpm"

    @property
    def folders(self) -> list[str]:
        """The folders that every such package has."""
        return [*_FOLDERS, system_package.documents_of(self.name), _licences_of(self.name)]


def _licences_of(name: str) -> str:
    return f"usr/share/licenses/{name}"


def layout(
    artifact: Artifact, contents: Mapping[str, Member], licences: Mapping[str, bytes], *, architecture: str
) -> RpmLayout:
    """Lay out the archive's ``contents`` as Fedora has them; ``licences`` are texts by name.

    ``architecture`` is Debian's name of the processor.
    """
    plugins = f"usr/{_LIBRARIES[architecture]}/openvpn/plugins"
    files: dict[str, Member] = {}
    name = system_package.name_of(artifact)
    documents, texts = system_package.documents_of(name), _licences_of(name)
    for path, member in contents.items():
        place = system_package.place_of(path, plugins, documents)
        if place is None or not stat.S_ISREG(member.mode):
            continue
        if place.startswith("usr/share/man/"):
            files[f"{place}.gz"] = regular_file(zipped(member.data))
            continue
        # What rpmbuild reads the needs of has to be executable: the plugins, too.
        files[place] = regular_file(member.data, 0o755 if member.is_program else 0o644)
    files |= {f"usr/lib/systemd/system/{unit}": regular_file(data) for unit, data in units().items()}
    files |= {f"{texts}/{licence.replace('/', '-')}": regular_file(text) for licence, text in licences.items()}
    files[f"{documents}/README.patchkit"] = regular_file(system_package.readme(artifact, plugins))
    version = system_package.version_of(artifact)
    return RpmLayout(files, name, version, _ARCHITECTURES[architecture], plugins)


def command(layout_of: RpmLayout, top: str) -> list[str]:
    """Return the command that packs what :func:`tree` has laid out in the workspace ``top``."""
    folder = f"{top}/{FOLDER}"
    defined = {"_topdir": folder, "_dbpath": f"{folder}/database", "_tmppath": folder, "_rpmdir": folder,
               "_rpmfilename": "package.rpm"}  # fmt: skip
    words = [word for name, value in defined.items() for word in ("--define", f"{name} {value}")]
    return ["rpmbuild", "-bb", "--quiet", "--target", f"{layout_of.architecture}-linux", *words, f"{top}/{SPEC}"]


def tree(layout_of: RpmLayout, artifact: Artifact, owner: int) -> bytes:
    """Pack what ``rpmbuild`` reads into a tar: the spec file, and the files below ``rpm/tree``.

    ``owner`` owns the files there; in the package, root does.
    """
    epoch = artifact.source.epoch
    spec = _spec(layout_of, artifact)
    members = {SPEC: regular_file(spec.encode())}
    members |= {f"{FOLDER}/tree/{path}": member for path, member in layout_of.files.items()}
    folders = [f"{FOLDER}/tree/{folder}" for folder in ("etc", *layout_of.folders)]
    return package_tree(members, folders, epoch=epoch, owner=owner)


def _spec(layout_of: RpmLayout, artifact: Artifact) -> str:
    day, date, month, year, *_ = email.utils.format_datetime(
        datetime.datetime.fromtimestamp(artifact.source.epoch, datetime.UTC)
    ).split()
    texts = {
        "name": layout_of.name,
        "version": layout_of.version,
        "release": artifact.release,
        "variant": artifact.patch.variant,
        "summary": _capital(system_package.summary(artifact)),
        "patchkit": artifact.patchkit,
        "maintainer": MAINTAINER,
        "plugins": f"/{layout_of.plugins}",
        "date": f"{day.rstrip(',')} {month} {date} {year}",
    }
    # A percent sign begins a macro.
    quoted = {name: header_value(text).replace("%", "%%") for name, text in texts.items()}
    described = system_package.description(artifact).replace("%", "%%")
    return _SPEC.format(**quoted, description=described, services=_SERVICES, files="\n".join(_listed(layout_of)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(layout_of: RpmLayout) -> list[str]:
    """Return the lines of %files: rights and owners are stated, so that no umask decides them."""
    folders = [*layout_of.folders]
    if any(path.startswith(f"{layout_of.plugins}/") for path in layout_of.files):  # a static program has none
        folders += [layout_of.plugins, layout_of.plugins.rpartition("/")[0]]
    lines = [f"%dir %attr(0755,root,root) /{folder}" for folder in sorted(folders)]
    kinds = {_licences_of(layout_of.name): "%license ", system_package.documents_of(layout_of.name): "%doc "}
    for path, member in sorted(layout_of.files.items()):
        kind = next((word for folder, word in kinds.items() if path.startswith(f"{folder}/")), "")
        # rpmbuild takes a blank or a sign of the shell's in a name for several names.
        lines.append(f'{kind}%attr({member.mode & 0o777:04o},root,root) "/{path}"')
    return lines
