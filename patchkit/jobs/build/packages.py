"""Packages of an artifact, made in the workspace of its build: ``--package deb``, ``oci`` or ``rpm``."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence

from patchkit.building.engine.protocol import OWNER, Workspace, one_file
from patchkit.building.engine.protocol import files as tar_of
from patchkit.errors import CompileError
from patchkit.jobs.build.plan import BuildInputs
from patchkit.jobs.build.runtime_files import runtime
from patchkit.packaging import deb, oci, rpm
from patchkit.packaging.contents import Member, members
from patchkit.packaging.manifest import Artifact

# One thread: xz splits what it compresses where there are more.
_BUILD = ("dpkg-deb", "--root-owner-group", "-Zxz", "-z9", "--threads-max=1", "--build", "deb", "package.deb")
_SHLIBS = "shlibs:Depends="
_SHLIBS_CONTROL = b"Source: openvpn\n\nPackage: openvpn\nArchitecture: any\n"


def packages(
    kinds: Sequence[str], artifact: Artifact, files: Mapping[str, bytes], inputs: BuildInputs, workspace: Workspace
) -> dict[str, bytes]:
    """Return the packages of ``artifact``, whose ``files`` are the archive first, by file name.

    Raises CompileError, and the engine's errors.
    """
    if not kinds:
        return {}
    contents = members(*next(iter(files.items())))
    makers = {"deb": _deb, "oci": _oci, "rpm": _rpm}
    made: dict[str, bytes] = {}
    for kind in (kind for kind in makers if kind in kinds):  # in one order, however they were asked for
        made |= makers[kind](artifact, contents, inputs, workspace)
    return made


def _deb(
    artifact: Artifact, contents: Mapping[str, Member], inputs: BuildInputs, workspace: Workspace
) -> dict[str, bytes]:
    target, source = inputs.tools.target, inputs.obtained.tree
    architecture = target.architecture
    layout = deb.layout(artifact, contents, _licences(inputs), triplet=target.triplet, architecture=architecture)
    epoch = source.origin.epoch
    workspace.put(deb.tree(layout, b"", epoch, OWNER))
    depends = "" if target.zig else _depends(layout, workspace, architecture)
    control = deb.control(layout, artifact, depends)
    # Only now is it known; the folder has an entry of its own above.
    workspace.put(tar_of({"deb/DEBIAN/control": control}, epoch))
    try:
        # A workspace on the host makes folders as the user's umask has it.
        _run(workspace, ("find", "deb", "-type", "d", "-exec", "chmod", "755", "{}", "+"), {})
        _run(workspace, _BUILD, {"SOURCE_DATE_EPOCH": str(epoch)})
        package, _ = one_file(workspace.get("package.deb"))
    finally:
        _run(workspace, ("rm", "-rf", "deb", "shlibs", "package.deb"), {})
    return {layout.file_name: package}


def _rpm(
    artifact: Artifact, contents: Mapping[str, Member], inputs: BuildInputs, workspace: Workspace
) -> dict[str, bytes]:
    target = inputs.tools.target
    architecture = target.architecture
    layout = rpm.layout(artifact, contents, _licences(inputs), architecture=architecture)
    workspace.put(rpm.tree(layout, artifact, OWNER))
    try:
        # Nothing of the user's own decides what it makes: no ~/.rpmmacros.
        home = f"{workspace.top}/{rpm.FOLDER}"
        variables = {"SOURCE_DATE_EPOCH": str(artifact.source.epoch), "HOME": home, "TZ": "UTC"}
        _run(workspace, rpm.command(layout, workspace.top), variables)
        package, _ = one_file(workspace.get(f"{rpm.FOLDER}/package.rpm"))
    finally:
        _run(workspace, ("rm", "-rf", rpm.FOLDER), {})
    return {layout.file_name: package}


def _licences(inputs: BuildInputs) -> dict[str, bytes]:
    """Return the texts of the licences of all that the programs hold, by name."""
    source = inputs.obtained.tree
    texts = {"OpenVPN": source.read("COPYING")} if "COPYING" in source else {}
    return {**texts, **inputs.licences}


def _oci(
    artifact: Artifact, contents: Mapping[str, Member], inputs: BuildInputs, workspace: Workspace
) -> dict[str, bytes]:
    target, source = inputs.tools.target, inputs.obtained.tree
    program = contents["sbin/openvpn"]
    loaded = runtime(workspace, target, program.data)
    files = {oci.PROGRAM: program, **loaded}
    if "COPYING" in source:
        files["usr/share/doc/openvpn/copyright"] = Member(stat.S_IFREG | 0o644, "0", source.read("COPYING"))
    for name, text in inputs.licences.items():
        files[f"usr/share/doc/{name}"] = Member(stat.S_IFREG | 0o644, "0", text)
    return {f"{artifact.name}{oci.SUFFIX}": oci.image(artifact, files, target.architecture)}


def _depends(layout: deb.DebLayout, workspace: Workspace, architecture: str) -> str:
    """Return the packages that the programs need, by what they are linked with, as dpkg-shlibdeps finds them."""
    # It reads a source package's control file, which has to be there. The folder is made first: in a container, root
    # would own it otherwise.
    _run(workspace, ("mkdir", "-p", "shlibs/debian"), {})
    workspace.put(tar_of({"shlibs/debian/control": _SHLIBS_CONTROL}))
    programs = [f"-e../deb/{path}" for path, member in sorted(layout.files.items()) if member.is_program]
    lines = _run(workspace, ("dpkg-shlibdeps", "-O", *programs), {"DEB_HOST_ARCH": architecture}, cwd="shlibs")
    return next((line.removeprefix(_SHLIBS) for line in lines if line.startswith(_SHLIBS)), "")


def _run(workspace: Workspace, command: Sequence[str], env: Mapping[str, str], cwd: str = ".") -> list[str]:
    lines: list[str] = []
    code = workspace.run(command, cwd=cwd, env={"LC_ALL": "C", **env}, line=lines.append)
    if code != 0:
        raise CompileError(f"{command[0]} failed with exit code {code}", why="\n".join(lines[-10:]))
    return lines
