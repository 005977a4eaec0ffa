"""The files that a program needs in a container of its own: its libraries, theirs, the loader, and the licences."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence

from patchkit.building.check.elf import interpreter, linkage
from patchkit.building.engine.protocol import Workspace
from patchkit.building.toolchain_table import Target
from patchkit.errors import CompileError
from patchkit.packaging.contents import Member, regular_file

_PLACE = "runtime"
# $0 is the compiler. Debian's licences lie beside each package, and a package's folder may be a link to another one's.
_COPY = r"""
mkdir -p runtime/lib runtime/doc
for name; do
    path=$("$0" -print-file-name="$name")
    [ -f "$path" ] || continue
    cp -L "$path" "runtime/lib/$name"
    path=$(realpath -s "$path")
    owner=$(dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "${path#/usr}" 2>/dev/null || true)
    package=${owner%%:*}
    [ -z "$package" ] || cp -L "/usr/share/doc/$package/copyright" "runtime/doc/$package" || true
done
"""


def runtime(workspace: Workspace, target: Target, program: bytes) -> Mapping[str, Member]:
    """Return what ``program`` needs beside itself, by path: libraries, the loader, and texts of licences.

    Raises CompileError for a library that the compiler does not find, and the engine's errors.
    """
    libraries: dict[str, bytes] = {}
    waiting = list(linkage(program).needed)
    try:
        while waiting:
            copied_files = _copied(workspace, target.tool("gcc"), waiting)
            missing = [name for name in waiting if f"lib/{name}" not in copied_files]
            if missing:
                raise CompileError(f"{missing[0]} is not found", why="the program loads it")
            libraries |= {name: copied_files[f"lib/{name}"] for name in waiting}
            further = {name for wanted in waiting for name in linkage(libraries[wanted]).needed}
            waiting = sorted(further - libraries.keys())
        texts = {path: data for path, data in copied_files.items() if path.startswith("doc/")} if libraries else {}
    finally:
        workspace.run(["rm", "-rf", _PLACE], cwd=".", env={}, line=lambda _: None)
    loader = interpreter(program)
    files = {f"lib/{target.triplet}/{name}": regular_file(data, 0o755) for name, data in libraries.items()}
    name = loader.rpartition("/")[2]
    if name in libraries:
        files.pop(f"lib/{target.triplet}/{name}")
        files[loader.lstrip("/")] = regular_file(libraries[name], 0o755)
    return {**files, **{f"usr/share/{path}/copyright": regular_file(data, 0o644) for path, data in texts.items()}}


def _copied(workspace: Workspace, compiler: str, names: Sequence[str]) -> dict[str, bytes]:
    """Copy the libraries ``names`` into the workspace, and return all files that were copied so far, by path."""
    workspace.run(["sh", "-c", _COPY, compiler, *names], cwd=".", env={"LC_ALL": "C"}, line=lambda _: None)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(workspace.get(_PLACE))) as members:
        for member in members:
            content = members.extractfile(member) if member.isreg() else None
            if content is not None:
                files[member.name.partition("/")[2]] = content.read()
    return files
