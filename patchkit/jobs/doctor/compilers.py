"""Compile a program for each kind of target with the libraries of a build, and run it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchkit.building.check.launch import needs, scripts, warm_up, wind_down
from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Identity, Workspace
from patchkit.building.toolchain import toolchain
from patchkit.building.toolchain_table import SYSTEM, Target, known_target, newest
from patchkit.jobs.doctor.distribution import Distribution
from patchkit.jobs.doctor.model import FaultError
from patchkit.releases.version import Version
from patchkit.ui import Ui

# One call into each library that a build for Linux is linked with: headers and libraries must both be there.
_LINUX = """\
#include <cap-ng.h>
#include <lz4.h>
#include <lzo/lzo1x.h>
#include <netlink/genl/genl.h>
#include <openssl/crypto.h>
#include <security/pam_appl.h>
#include <stdio.h>
int main(void)
{
    struct nl_sock *sock = nl_socket_alloc();
    if (!sock || lzo_init() != LZO_E_OK || LZ4_versionNumber() <= 0 || !pam_strerror(NULL, PAM_SUCCESS))
        return 1;
    nl_socket_free(sock);
    capng_clear(CAPNG_SELECT_BOTH);
    return puts(OpenSSL_version(OPENSSL_VERSION)) < 0;
}
"""
_LIBRARIES = ("openssl", "libcap-ng", "liblz4", "libnl-genl-3.0", "lzo2")
_WINDOWS = """\
#include <winsock2.h>
#include <stdio.h>
int main(void)
{
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data))
        return 1;
    puts("winsock starts");
    return WSACleanup();
}
"""
_FOLDER = "try"


class Compilers:
    """The host engine's compilers. The program that mingw compiled is kept in memory, for wine to run it."""

    def __init__(self, distribution: Distribution, ui: Ui) -> None:
        self._distribution = distribution
        self._engine = HostEngine(ui)
        self._for_windows: bytes | None = None

    def native(self) -> str:
        """Compile, link and run a program with all the libraries of a build; report compiler and OpenSSL in a line.

        Raises FaultError, and ToolchainError or UnknownTargetError where the host engine can't build.
        """
        tools = toolchain(Version.parse(newest()), "linux-amd64", crypto=SYSTEM)
        identity = self._engine.prepare(tools)
        with self._workspace({"try.c": _LINUX}) as workspace:
            words = _run(workspace, ["pkg-config", "--cflags", "--libs", *_LIBRARIES])[0].split()
            _compile(workspace, tools.target, "try", [*words, "-lpam"])
            output = _run(workspace, [f"{workspace.top}/{_FOLDER}/try"])
        return f"{identity.compiler}; a program with {output[0]} runs"

    def mingw(self) -> str:
        """Compile and link a program for Windows; report the compiler in a line. Raises FaultError."""
        target = known_target("windows-amd64")
        self._refuse_incomplete("mingw", ("cmake", "ninja"))
        with self._workspace({"try.c": _WINDOWS}) as workspace:
            _compile(workspace, target, "try.exe", ["-lws2_32"])
            self._for_windows = Path(workspace.top, _FOLDER, "try.exe").read_bytes()
            version = _run(workspace, [target.tool("gcc"), "--version"])[0]
        if not self._for_windows.startswith(b"MZ"):
            raise FaultError(f"what {target.tool('gcc')} linked is not a program for Windows")
        return f"{version}; a program for Windows of {len(self._for_windows) // 1000} kB"

    def wine(self) -> str:
        """Run the program that :meth:`mingw` compiled, or one of wine's own; report wine's version in a line.

        Raises FaultError or SmokeError.
        """
        target = known_target("windows-amd64")
        self._refuse_incomplete("wine", ())
        program = self._for_windows
        with self._workspace({}) as workspace:
            folder = Path(workspace.top, _FOLDER)
            (folder / "try.exe").write_bytes(program or b"")
            programs = {"run": f"{folder}/try.exe" if program else "cmd", "version": "--version"}
            for name, data in {**needs(target), **scripts(workspace, target, _FOLDER, programs)}.items():
                (folder / name).write_bytes(data)
            warm_up(workspace, target, _FOLDER)
            try:
                output = _run(workspace, ["sh", "run", *([] if program else ["/c", "ver"])])
                version = _run(workspace, ["sh", "version"])
            finally:
                wind_down(workspace, target, _FOLDER)
        text = next((line.strip() for line in output if line.strip()), "")
        if program and text != "winsock starts":
            raise FaultError("wine runs a program, and it does not print what it should", why=text)
        return f"{version[0].strip() if version else 'wine'}: {text}"

    def _refuse_incomplete(self, kit: str, commands: tuple[str, ...]) -> None:
        """Raise FaultError where a package is missing that a build needs, even if a small program does not."""
        lacking = list(self._distribution.lacking(kit))
        lacking = lacking or [command for command in commands if shutil.which(command) is None]
        if lacking:
            raise FaultError(f"not installed: {', '.join(lacking)}", state="missing")

    @contextmanager
    def _workspace(self, files: dict[str, str]) -> Iterator[Workspace]:
        with self._engine.workspace(Identity("host", "", {}), keep=False) as workspace:
            folder = Path(workspace.top, _FOLDER)
            folder.mkdir()
            for name, text in files.items():
                (folder / name).write_text(text)
            yield workspace


def _compile(workspace: Workspace, target: Target, program: str, libraries: list[str]) -> None:
    flags = [*target.cppflags, *target.cflags]
    _run(workspace, [target.tool("gcc"), *flags, "-o", program, "try.c", *target.ldflags, *libraries])


def _run(workspace: Workspace, command: list[str]) -> list[str]:
    """Run ``command`` and return the lines that it prints. Raises FaultError where it fails."""
    output: list[str] = []
    try:
        code = workspace.run(command, cwd=_FOLDER, env={"LC_ALL": "C"}, line=output.append)
    except OSError as error:
        raise FaultError(f"{command[0]} can't be started", why=error.strerror or str(error), state="missing") from error
    if code != 0:
        raise FaultError(f"{Path(command[0]).name} failed with exit code {code}", why="\n".join(output[:2]))
    return output
