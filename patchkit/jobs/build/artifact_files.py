"""The files of an artifact: what was installed, packed as its target has it, and the diff."""

from __future__ import annotations

from collections.abc import Mapping

from patchkit.building.check import pe
from patchkit.errors import CompileError
from patchkit.jobs.build.plan import BuildInputs, Planned
from patchkit.packaging.archive import release_archive
from patchkit.packaging.bundle import programs, release_zip
from patchkit.ui import Ui

_LICENCES = ("COPYING", "COPYRIGHT.GPL")
_HOME = "https://openvpn.net/community/"


def packed(planned: Planned, inputs: BuildInputs, installed: bytes, ui: Ui) -> dict[str, bytes]:
    """Files by name, the archive first; ``installed`` is a tar of the installed tree.

    Raises CompileError for programs for Windows that are not as they should be, and SigningError.
    """
    diff = f"{planned.stem}.diff"
    documents = {} if planned.variant.is_stock else {diff: planned.rendered.diff}
    if inputs.tools.target.system == "windows":
        return {f"{planned.name}.zip": _zip(planned, inputs, installed, documents, ui), **documents}
    extra = {f"share/doc/openvpn/{name}": data for name, data in documents.items()}
    if inputs.tools.zig is not None:  # other programs for Linux hold at most an OpenSSL
        extra |= {f"share/doc/openvpn/licences/{path}": data for path, data in inputs.licences.items()}
    epoch = inputs.obtained.tree.origin.epoch
    return {f"{planned.name}.tar.gz": release_archive(installed, planned.name, epoch, extra), **documents}


def _zip(planned: Planned, inputs: BuildInputs, installed: bytes, documents: Mapping[str, bytes], ui: Ui) -> bytes:
    """Programs that are checked, and signed where that was asked for, with all licences."""
    tree, target, signer = inputs.obtained.tree, inputs.tools.target, inputs.signer
    executables = programs(installed)
    if "openvpn.exe" not in executables:
        raise CompileError(
            "there is no openvpn.exe", why=f"what was installed: {', '.join(executables) or 'no program'}"
        )
    shipped = frozenset(name.lower() for name in executables)
    for name, data in executables.items():
        pe.check(name, data, target, epoch=tree.origin.epoch, shipped=shipped)
    if signer is not None:
        ui.step(f"Sign {planned.name}")
        executables = {
            name: signer.signed(name, data, epoch=tree.origin.epoch, url=_HOME) for name, data in executables.items()
        }
    extra = {f"doc/{name}": data for name, data in documents.items()}
    extra |= {f"licences/openvpn/{name}": tree.read(name) for name in _LICENCES if name in tree}
    extra |= {f"licences/{path}": data for path, data in inputs.licences.items()}
    return release_zip(installed, planned.name, tree.origin.epoch, extra, executables)
