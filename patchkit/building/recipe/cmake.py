"""OpenVPN built with CMake: what upstream's own builds for Windows are made with since 2.7."""

from __future__ import annotations

from collections.abc import Sequence

from patchkit.building.engine.protocol import files, one_file
from patchkit.building.recipe.static_library import DEPENDENCIES
from patchkit.building.recipe.tree import PREFIX, TREE, OpenVpnTree

_OUT = "out"
# CMake's targets, and the file of each. The installer's own library (openvpnmsica) is not built.
_PROGRAMS = {"openvpn": "openvpn.exe", "tapctl": "src/tapctl/tapctl.exe"}
_SERVICE = {
    "openvpnserv": "src/openvpnserv/openvpnserv.exe",
    "openvpnservmsg": "src/openvpnserv/libopenvpnservmsg.dll",
}
_OF_THE_SERVICE = "src/openvpnserv/eventmsg.mc"
_DOCUMENTS = ("AUTHORS", "COPYING", "COPYRIGHT.GPL", "Changes.rst", "ChangeLog", "README", "README.dco.md", "README.ec")


class CMakeTree(OpenVpnTree):
    """A tree that CMake and Ninja build for Windows, in a folder beside the sources."""

    config_h = f"{_OUT}/config.h"
    _defines: tuple[str, ...] = ()

    def configure(self, *further: str) -> None:
        """Unpack and configure, with ``further`` arguments.

        Raises CompileError, BadSourceError or DiskFullError, and the engine's errors.
        """
        self._unpack()
        self._cmake(*self._toolchain.configure, *further)
        self._configured()

    def install(self, name: str) -> str:
        """Install stripped programs, plugin interface and documents, for which upstream's CMake has no rules.

        Returns the folder of the installed tree, whose name contains ``name``. Raises CompileError or DiskFullError.
        """
        stage = f"stage/{name}{PREFIX}"
        strip = self._toolchain.target.tool("strip")
        built = [f"../{_OUT}/{path}" for path in self._programs.values()]
        self._run("install", "-d", f"../{stage}/sbin", f"../{stage}/include", f"../{stage}/share/doc/openvpn")
        self._run("install", "-s", f"--strip-program={strip}", "-t", f"../{stage}/sbin", *built)
        self._run(
            "install", "-m644", "-t", f"../{stage}/include", f"../{_OUT}/openvpn-plugin.h", "include/openvpn-msg.h"
        )
        documents = [name for name in _DOCUMENTS if name in self._source]
        self._run("install", "-m644", "-t", f"../{stage}/share/doc/openvpn", *documents)
        return stage

    def _make(self, defines: Sequence[str]) -> None:
        if tuple(defines) != self._defines:
            # Everything is compiled again, and config.h is written again: put back the one with the version's suffix.
            self._defines = tuple(defines)
            branded, mtime = one_file(self._workspace.get(self.config_h))
            self._cmake()
            self._workspace.put(files({self.config_h: branded}, mtime))
        self._run("cmake", "--build", f"../{_OUT}", "--parallel", str(self._jobs), "--target", *self._programs)

    @property
    def left_out(self) -> list[str]:
        """The service, where the source lacks a file of it: tarballs of 2.7.0 to 2.7.7 at least do, not the tags."""
        if _OF_THE_SERVICE in self._source:
            return []
        return [f"openvpnserv.exe: {self._source.origin.name} lacks {_OF_THE_SERVICE}, which is in git (--git)"]

    @property
    def _top(self) -> str:
        return self._workspace.top

    @property
    def _programs(self) -> dict[str, str]:
        return _PROGRAMS if self.left_out else {**_PROGRAMS, **_SERVICE}

    def _cmake(self, *options: str) -> None:
        target, top = self._toolchain.target, self._workspace.top
        # CMake compiles by absolute paths, and __FILE__ is in messages.
        cflags = [*self._cppflags(), *target.cflags, f"-ffile-prefix-map={top}/{TREE}/="]
        settings = {
            "CMAKE_SYSTEM_NAME": "Windows",
            "CMAKE_C_COMPILER": target.tool("gcc"),
            "CMAKE_CXX_COMPILER": target.tool("g++"),  # CMake asks for it and does not use it
            "CMAKE_RC_COMPILER": target.tool("windres"),
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_C_FLAGS_RELEASE": "",
            "CMAKE_C_FLAGS": " ".join(cflags),
            "CMAKE_EXE_LINKER_FLAGS": " ".join(target.ldflags),
            "CMAKE_SHARED_LINKER_FLAGS": " ".join(target.ldflags),
            "OPENSSL_ROOT_DIR": f"{top}/{DEPENDENCIES}",
        }
        words = [f"-D{name}={value}" for name, value in settings.items()]
        self._run("cmake", "-S", ".", "-B", f"../{_OUT}", "-G", "Ninja", *words, *options)

    def _cppflags(self) -> list[str]:
        return [*self._toolchain.target.cppflags, *(f"-D{name}" for name in self._defines)]

    @property
    def _binary(self) -> str:
        return f"../{_OUT}/{_PROGRAMS['openvpn']}"
