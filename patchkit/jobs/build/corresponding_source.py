"""The corresponding source of an artifact, as the GPL asks for it: all that its programs were made from, in one tar."""

from __future__ import annotations

import shlex
from pathlib import Path

from patchkit import __version__, resources
from patchkit.context import Context
from patchkit.jobs.build.plan import BuildInputs, Planned
from patchkit.packaging.archive import plain_archive
from patchkit.packaging.manifest import Artifact
from patchkit.source.library import LibrarySource
from patchkit.source.tree.tree import SourceTree
from patchkit.storage import reading

SUFFIX = "-source.tar"

_README = """\
The corresponding source of {name}

  upstream/   OpenVPN {release}, {verified}
  change/     what was changed in it: patch -p1
  libraries/  the libraries that are linked statically
  recipe/     patchkit {patchkit}, which controls compilation and installation: docker/toolchains.toml has the
              options, docker/*.sh compile the libraries; patchkit itself is under the GPL, version 2 or later

With patchkit {patchkit} installed, and the toolchain that the manifest names, the same bytes come of

  patchkit rebuild manifest.json --artifact {name}

By hand, a program of the same code comes of this, in the unpacked and patched tree, with {compiler}:

  SOURCE_DATE_EPOCH={epoch} LC_ALL=C TZ=UTC {commands}

It calls itself {release}: patchkit writes the version {version} into config.h behind configure.

The SBOM and the provenance beside the archive list every package of the toolchain with its version.
"""


def corresponding_source(artifact: Artifact, planned: Planned, inputs: BuildInputs, context: Context) -> bytes:
    """Pack the corresponding source of ``artifact``: the same inputs give the same bytes. Raises StorageError."""
    tree = inputs.obtained.tree
    files = {f"upstream/{name}": data for name, data in _upstream(tree, inputs.obtained.label, context).items()}
    if not planned.variant.is_stock:
        files[f"change/{planned.stem}.diff"] = planned.rendered.diff
    for library in inputs.static:
        files |= {f"libraries/{name}": data for name, data in _library(library.source).items()}
    files |= {f"recipe/{name}": data for name, data in resources.deciding_files().items()}
    files["README"] = _readme(artifact).encode()
    return plain_archive(f"{artifact.name}-source", files, tree.origin.epoch)


def _upstream(tree: SourceTree, label: str, context: Context) -> dict[str, bytes]:
    """Return the pinned tarball as upstream published it; for any other source the tree itself, packed."""
    path = context.cache.downloads / tree.origin.name
    if tree.origin.kind == "tarball" and tree.origin.verified and path.is_file():
        return {path.name: _read(path)}
    return {f"openvpn-{label}.tar": tree.tar(f"openvpn-{label}")}


def _library(source: LibrarySource) -> dict[str, bytes]:
    if source.pinned_tarball is not None:
        return {source.library.tarball.name: _read(source.pinned_tarball)}
    name = f"{source.library.title.lower()}-{source.version}"
    return {f"{name}.tar": source.tree.tar(name)}


def _read(path: Path) -> bytes:
    with reading(path):
        return path.read_bytes()


def _readme(artifact: Artifact) -> str:
    build = artifact.build
    flags = {"CPPFLAGS": build.cppflags, "CFLAGS": build.cflags, "LDFLAGS": build.ldflags}
    words = [f"{name}={' '.join(values)}" for name, values in flags.items()]
    configure = shlex.join(["./configure", "--prefix=/usr/local", f"--host={build.triplet}", *build.configure, *words])
    by_hand = f"sh -c {shlex.quote(f'{configure} && make && make install-strip')}"
    with_cmake = "cmake, with the options that recipe/patchkit/building/recipe/cmake.py gives"
    return _README.format(
        name=artifact.name,
        release=artifact.release,
        version=artifact.version,
        verified="as pinned" if artifact.source.verified else "which no pin covers",
        patchkit=__version__,
        compiler=build.compiler,
        epoch=artifact.source.epoch,
        commands=with_cmake if build.recipe == "cmake" else by_hand,
    )
