"""The host engine: this machine's own compiler, in a temporary folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from patchkit import temporary
from patchkit.building.engine import zig
from patchkit.building.engine.protocol import Identity, Workspace, longest_command, too_long, versions
from patchkit.building.engine.zig_musl import musl
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Target, known_target
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import ToolchainError, UnknownTargetError
from patchkit.signals import GROUPS, held_off
from patchkit.storage import writing
from patchkit.ui import Ui

LAB_PACKAGES = ("bc", "bison", "flex")
"""The Debian packages that the lab's kernel is compiled with, besides those of a build."""
_COMMANDS = ("make", "pkg-config", "autoreconf", "libtoolize")
_OF_RECIPE = {"autotools": (), "cmake": ("cmake", "ninja")}
_TOOLS = ("gcc", "strip")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # by Debian's name, the kernel's
# The variables of the caller that a compiler gets; flags set there must not leak into a build.
_ANSWER = 60.0  # seconds for a question that takes milliseconds
_ENVIRONMENT = ("PATH", "HOME", "LD_LIBRARY_PATH")

# Held while files are written and while a child is started. A child that is forked while another thread writes a
# script holds that script open until it has become another program, and Linux refuses to run a file that is open for
# writing (ETXTBSY).
_NOT_BOTH = threading.Lock()


class HostEngine:
    """Compiles with the compiler and libraries of this host."""

    name: Literal["host"] = "host"

    def __init__(self, ui: Ui, context: Context | None = None) -> None:
        self._ui = ui
        self._context = context

    def prepare(self, toolchain: Toolchain) -> Identity:
        """Check that this host has what ``toolchain`` needs, and return what it is made of.

        Raises UnknownTargetError where this host can't build for the target, ToolchainError where packages are missing,
        and the errors of a compiler that has to be fetched.
        """
        there, target = self.check(toolchain), toolchain.target
        if toolchain.zig is not None:
            context = self._context or Context(Cache.default(), self._ui)
            programs = zig.tools(toolchain.zig, context)
            compiler = zig.version_line(toolchain.zig, programs, target)
            wheel, compiled = zig.identity(toolchain.zig), musl(programs, target, context)
            return Identity(
                "host", compiler, there or {}, wheel=wheel, programs=programs, musl=compiled, system=_system()
            )
        _check_compiler(toolchain)
        output = subprocess.run(
            [target.tool("gcc"), "--version"], capture_output=True, text=True, check=True, timeout=_ANSWER
        ).stdout
        return Identity("host", output.splitlines()[0], there or {}, system=_system())

    def check(self, toolchain: Toolchain) -> dict[str, str] | None:
        """Check that this host has the packages of ``toolchain``, and return their versions; fetches nothing.

        None where the system does not use dpkg: then its commands are looked for. Raises UnknownTargetError and
        ToolchainError as :meth:`prepare` does.
        """
        machine = os.uname()
        target = toolchain.target
        needed_machine = _MACHINES[target.debian_arch]
        if (machine.sysname, machine.machine) != ("Linux", needed_machine):
            raise UnknownTargetError(
                f"this host can't build {target.name}",
                why=f"it is {machine.sysname} on {machine.machine}",
                # zig's wheel is for one processor, and the engine docker refuses it.
                advice=f"build it on Linux on {needed_machine}" if toolchain.zig else "--engine docker",
            )
        there = installed(toolchain.packages, target.debian_arch)
        missing = [name for name in toolchain.packages if there is not None and name not in there]
        commands = [*_COMMANDS, *_OF_RECIPE[toolchain.series.recipe]]
        needed = [*commands, *([] if toolchain.zig else map(target.tool, _TOOLS)), *target.runs_with[:1]]
        absent = [command for command in needed if shutil.which(command) is None]
        if missing or (there is None and absent):
            lacking = missing or absent
            raise ToolchainError(
                f"this host lacks {', '.join(lacking)}",
                why=f"OpenVPN {toolchain.series.name} is compiled with them",
                advice=install_line(target, missing) if missing else "install them, or use --engine docker",
            )
        return there

    @contextmanager
    def workspace(self, identity: Identity, *, keep: bool) -> Iterator[Workspace]:
        """Make a temporary folder, and remove those of killed builds. Raises DiskFullError or StorageError."""
        parent = Path(tempfile.gettempdir())
        temporary.remove_left(parent)
        with writing(parent):
            top, mark = temporary.marked("", parent)
        try:
            workspace = HostWorkspace(top, identity.programs)
            if identity.musl is not None:
                workspace.unpack_temporary(identity.musl)
            yield workspace
        finally:
            (top / temporary.MARK).unlink(missing_ok=True)
            os.close(mark)
            if keep:
                self._ui.note(f"kept: {top}")
            else:
                with held_off():
                    shutil.rmtree(top, ignore_errors=True)


class HostWorkspace:
    """A temporary folder as a workspace. Commands get a session of their own, so that an interrupt ends all of them."""

    def __init__(self, top: Path, programs: Path | None = None) -> None:
        self.top = str(top)
        self._programs = programs
        self._running: set[int] = set()
        self._temporary = Path(top, "tmp")
        self._temporary.mkdir()

    def unpack_temporary(self, archive: bytes) -> None:
        """Unpack the tar ``archive`` into the folder of temporary files. Raises DiskFullError or StorageError."""
        with writing(self._temporary), tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(self._temporary, filter="data")

    def put(self, archive: bytes) -> None:
        """Unpack a tar below ``top``. Raises DiskFullError or StorageError."""
        with _NOT_BOTH, writing(Path(self.top)), tarfile.open(fileobj=io.BytesIO(archive)) as members:
            # Patchkit's own archive of checked entries: nothing in it can leave the folder. Python 3.11.2, which
            # Debian 12 has, has no filters; later versions warn where none is named.
            options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            for member in members:
                member.uid, member.gid = os.getuid(), os.getgid()
                members.extract(member, self.top, **options)

    def get(self, path: str) -> bytes:
        """Return a tar of ``path``. Raises FileNotFoundError where there is no such file."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.add(Path(self.top, path), arcname=Path(path).name)
        return out.getvalue()

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        """Run ``command`` as :meth:`Workspace.run` has it.

        Raises OSError where it can't be started, and ToolError where it does not end.
        """
        limit = longest_command()
        # A compiler that is killed leaves its temporary files: they are removed with the workspace.
        own = {"TMPDIR": str(self._temporary), **env}
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | own
        if self._programs is not None:
            # Behind what is first already: a wrapper of the user's, such as ccache, calls the next of the same name.
            environment["PATH"] = f"{self._programs}:{environment.get('PATH', os.defpath)}"
        with _NOT_BOTH:
            child = subprocess.Popen(
                list(command),
                cwd=Path(self.top, cwd),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        with child as process:
            self._running.add(process.pid)
            GROUPS.add(process.pid)
            try:
                with _limited(process.pid, command, limit):
                    for text in process.stdout or ():
                        line(text.rstrip("\n"))
                    return process.wait()
            except BaseException:
                self.stop()
                raise
            finally:
                self._running.discard(process.pid)
                GROUPS.discard(process.pid)

    def stop(self) -> None:
        """Kill all commands that are running, with their children."""
        for group in list(self._running):
            _kill(group)


@contextmanager
def _limited(group: int, command: Sequence[str], limit: float) -> Iterator[None]:
    """Kill ``group``, which runs ``command``, after ``limit`` seconds, and raise ToolError then."""
    over = threading.Event()

    def end() -> None:
        over.set()
        _kill(group)

    clock = threading.Timer(limit, end)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
        if over.is_set():
            raise too_long(command, limit)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def install_line(target: Target, missing: Sequence[str]) -> str:
    """Return the line that installs ``missing`` and all else that builds for ``target`` need.

    For this machine's own target that is what the lab needs too: ``build``, ``lab run``, ``verify`` and
    ``doctor build lab`` print one and the same line, so that nobody has to become root twice.
    """
    own = () if target.cross else LAB_PACKAGES
    wanted = sorted({*known_target(target.name).packages, *own, *missing})
    there = installed(wanted, target.debian_arch) or {}
    packages = [name for name in wanted if name in missing or name not in there]
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if target.foreign is not None and any(name.endswith(f":{target.foreign}") for name in packages):
        line = f"dpkg --add-architecture {target.foreign} && {line}"
    return f"as root: {line}"


def _check_compiler(toolchain: Toolchain) -> None:
    """Raise UnknownTargetError for a compiler of another target, such as a 32-bit system's on a 64-bit kernel."""
    compiler = toolchain.target.tool("gcc")
    dumped = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True, check=False, timeout=_ANSWER)
    machine = dumped.stdout.strip()
    if machine.split("-")[0] != toolchain.target.triplet.split("-")[0]:
        raise UnknownTargetError(
            f"this host's compiler does not make {toolchain.target.name}",
            why=f"{compiler} compiles for {machine or 'an unknown target'}, not for {toolchain.target.triplet}: "
            "the artifact would not be what its name says, and may hold its time in 32 bits, which end in 2038",
            advice=f"--engine docker, or a compiler for that target as {compiler}",
        )


def _system() -> str | None:
    """Hash dpkg's records, which change with every package, and what is installed beside packages."""
    status = Path("/var/lib/dpkg/status")
    if not status.is_file():
        return None
    digest = hashlib.sha256(status.read_bytes())
    for name in ("PATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH"):
        digest.update(f"{name}={os.environ.get(name)}\n".encode())
    for folder in ("bin", "include", "lib", "lib/pkgconfig"):
        for path in sorted(Path("/usr/local", folder).glob("*")):
            digest.update(f"{path} {path.lstat().st_mtime_ns}\n".encode())
    return digest.hexdigest()


def installed(packages: Sequence[str], native: str) -> dict[str, str] | None:
    """Return the versions of those Debian ``packages`` that are installed; None where the system does not use dpkg.

    Packages that name no architecture are those of the ``native`` one.
    """
    if shutil.which("dpkg-query") is None:
        return None
    if subprocess.run(["dpkg-query", "-W", "dpkg"], capture_output=True, check=False, timeout=_ANSWER).returncode != 0:
        return None  # dpkg is a mere tool on another distribution
    query = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Package} ${Architecture} ${Version}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
        timeout=_ANSWER,
    )
    rows = [line.partition(" ") for line in query.stdout.splitlines()]
    return versions((rest for status, _, rest in rows if status == "installed"), packages, native)
