"""Where a kernel can be compiled: on this host if it has the tools, otherwise in a container without network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from patchkit.building.engine.choose import choose
from patchkit.building.engine.host import HostEngine, install_line
from patchkit.building.engine.protocol import Identity, Workspace
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.building.toolchain_table import known_target, newest
from patchkit.context import Context
from patchkit.errors import DockerMissingError, DockerSilentError, GuestError
from patchkit.releases.version import Version

_PACKAGE_OF = {
    "gcc": "gcc", "ld": "binutils", "strip": "binutils", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc",
}  # fmt: skip
_LIBC = "libc6-dev"
PACKAGES = tuple(sorted({*_PACKAGE_OF.values(), _LIBC}))
"""The Debian packages that a kernel is compiled with."""
_TARGET = "linux-amd64"
_PATIENCE = 60.0  # seconds for a compiler that says what it is


def check_processor() -> None:
    """Raise GuestError where no kernel of the lab's can run: they are compiled for x86-64 only."""
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        raise GuestError(
            "the lab's kernel runs on x86-64 only",
            why=f"this is {machine.sysname} on {machine.machine}",
            advice="--link qemu",
        )


def host_compiler() -> str | None:
    """Return the first line of ``gcc --version``; None where there is no compiler."""
    try:
        done = subprocess.run(
            ["gcc", "--version"], capture_output=True, text=True, check=True, timeout=_PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition("\n")[0]


def lacking() -> list[str]:
    """List what this host lacks to compile a kernel: commands, or ``libc.a``, which a static program is linked with."""
    missing = [command for command in _PACKAGE_OF if shutil.which(command) is None]
    return missing or ([] if _links() else ["libc.a"])


def install(missing: list[str]) -> str:
    """Return the line that installs what :func:`lacking` has named, and what programs for the lab are compiled with."""
    return install_line(known_target(_TARGET), [_PACKAGE_OF.get(name, _LIBC) for name in missing])


@contextmanager
def workspace(context: Context) -> Iterator[tuple[Workspace, str]]:
    """Open a workspace in which a kernel can be compiled; yield it and the compiler's first line.

    Raises GuestError where this host lacks tools and there is no Docker; the engine's errors.
    """
    missing = lacking()
    if not missing:
        engine = HostEngine(context.ui)
        with engine.workspace(Identity("host", str(host_compiler()), {}), keep=False) as opened:
            yield opened, str(host_compiler())
        return
    with ExitStack() as stack:
        try:
            docker = stack.enter_context(choose("docker", context))
        except (DockerMissingError, DockerSilentError) as error:
            raise GuestError(
                f"the lab's kernel can't be compiled: this host lacks {', '.join(missing)}",
                why=f"nor is there a container to compile it in: {error.what}",
                advice=f"{install(missing)}; or start dockerd",
            ) from error
        context.ui.note(f"in a container: this host lacks {', '.join(missing)}")
        identity = docker.prepare(_toolchain())
        yield stack.enter_context(docker.workspace(identity, keep=False)), identity.compiler


def _toolchain() -> Toolchain:
    """Return a toolchain of the docker engine with what a kernel is compiled with."""
    series = toolchain(Version.parse(f"{newest()}.0"), _TARGET)
    return series.model_copy(update={"packages": list(PACKAGES)})


def _links() -> bool:
    """Return whether the compiler has a C library for static programs; of one that it lacks it gives the bare name."""
    try:
        done = subprocess.run(
            ["gcc", "-print-file-name=libc.a"], capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return Path(done.stdout.strip()).is_absolute()
