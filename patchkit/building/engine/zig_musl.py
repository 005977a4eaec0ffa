"""musl, as zig compiles it for a target: compiled once, kept with its hash, and copied into each build."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from pathlib import Path

from patchkit import children
from patchkit.building.engine.zig import GLOBAL
from patchkit.building.toolchain_table import Target
from patchkit.children import Limits
from patchkit.context import Context
from patchkit.errors import ToolchainError
from patchkit.storage import keep, kept, reading, writing

_LONGEST = 3600.0  # seconds; one core takes 43


def musl(folder: Path, target: Target, context: Context) -> bytes:
    """Return a tar of what zig compiles of musl for ``target``: kept, or compiled now by the tools in ``folder``.

    Raises ToolchainError where zig can't compile it, DiskFullError or StorageError.
    """
    compiler = folder / target.tool("gcc")
    with reading(compiler):
        key = hashlib.sha256(f"{folder.parent.name}\n{compiler.read_text()}".encode()).hexdigest()[:16]
    path = context.cache.zig / f"musl-{target.zig}-{key}.tar"
    with context.cache.lock(path.stem):
        archive = kept(path)
        if archive is None:
            context.ui.step(f"Compile musl for {target.name}, and keep it in the cache")
            archive = _compiled(compiler, target)
            keep(path, archive)
    return archive


def _compiled(compiler: Path, target: Target) -> bytes:
    with tempfile.TemporaryDirectory(prefix="patchkit-zig-") as top:
        source, own = Path(top, "empty.c"), Path(top, GLOBAL)
        with writing(source):
            source.write_text("int main(void) { return 0; }\n")
            own.mkdir()
        command = [str(compiler), *target.cflags, *target.ldflags, str(source), "-o", f"{top}/a.out"]
        done = children.run(command, Limits(_LONGEST), env={"TMPDIR": top, "CPATH": "", "LIBRARY_PATH": ""})
        if done.code != 0:
            raise ToolchainError(f"zig can't compile musl for {target.name}", why=done.err or f"exit code {done.code}")
        out = io.BytesIO()
        with reading(own), tarfile.open(fileobj=out, mode="w") as packed:
            packed.add(own, GLOBAL)
        return out.getvalue()
