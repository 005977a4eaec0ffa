"""OpenVPN's source in a workspace: configured once, built for every variant, recompiling only what changed.

The stock tree is compiled first, unless an earlier build has kept its program. For a variant, its changed files and the
version in config.h are written, and only the sources that depend on them are touched: the build system does the rest. A
build of one variant alone gives the same bytes as a build among others (a test compares them).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from patchkit import resources
from patchkit.building.engine.protocol import OWNER, Workspace, files, one_file
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.log import BuildLog
from patchkit.building.recipe.static_library import DEPENDENCIES, CompiledLibrary, environment
from patchkit.building.toolchain import Toolchain
from patchkit.errors import BadSourceError, CompileError
from patchkit.source.tree.tree import SourceTree

TREE = "tree"
PREFIX = "/usr/local"
# The macros of config.h that hold the version in every series; openvpn --version and the IV_VER that is sent to peers
# come from them. Other version macros (the plugin interface's) stay as they are.
_VERSION_MACRO = re.compile(rb'^(#define (?:VERSION|PACKAGE_VERSION|PACKAGE_STRING) ".*)"$', re.MULTILINE)
_MENTIONS_VERSION = re.compile(rb"\b(?:VERSION|PACKAGE_VERSION|PACKAGE_STRING)\b")
_TAP_HEADER = "tap-windows.h"


class OpenVpnTree(ABC):
    """OpenVPN's source in a workspace, configured once."""

    config_h = f"{TREE}/config.h"
    """The file into which the build system writes the version."""

    def __init__(
        self,
        workspace: Workspace,
        source: SourceTree,
        toolchain: Toolchain,
        *,
        jobs: int,
        log: BuildLog,
        answers: ConfigureAnswers,
        libraries: Sequence[CompiledLibrary] = (),
    ) -> None:
        self._workspace = workspace
        self._answers = answers
        self._source = source
        self._toolchain = toolchain
        self._jobs = jobs
        self._log = log
        self._libraries = libraries
        self._changed: set[str] = set()
        self._config: tuple[bytes, int] = (b"", 0)
        self._env = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(source.origin.epoch)}
        # configure asks git whether this is a checkout: a repository around the build's folder must not count as one.
        self._env["GIT_CEILING_DIRECTORIES"] = workspace.top
        self._env |= toolchain.target.environment
        if libraries:
            self._env |= environment(workspace.top)
        if toolchain.target.system == "windows":
            # The libraries of this machine are for its own programs.
            self._env["PKG_CONFIG_LIBDIR"] = f"{self._top}/{DEPENDENCIES}/lib/pkgconfig"

    @abstractmethod
    def configure(self, *further: str) -> None:
        """Unpack and configure, with ``further`` arguments behind the series' own.

        Raises CompileError, BadSourceError where the source has been built in already, or DiskFullError, and the
        engine's errors.
        """

    @abstractmethod
    def install(self, name: str) -> str:
        """Install the last build, stripped, under ``name``, and return the folder that holds the installed tree.

        Raises CompileError or DiskFullError.
        """

    @property
    def cflags(self) -> list[str]:
        """The compiler flags that the configured tree has. Raises CompileError."""
        return list(self._toolchain.target.cflags)

    def machine_answer(self) -> str:
        """Return what the compiler, with the flags of the configured tree, says of the machine that it compiles for.

        Raises CompileError.
        """
        output: list[str] = []
        command = (self._toolchain.target.tool("gcc"), *self.cflags, "-Q", "--help=target")
        code = self._workspace.run(command, cwd=TREE, env=self._env, line=output.append)
        if code != 0:
            raise CompileError("the compiler does not state its machine", why="\n".join(output[-5:]))
        return "\n".join(output)

    @property
    def left_out(self) -> list[str]:
        """What can't be built from this source or for this target, with the reason."""
        return list(self._toolchain.target.left_out)

    @property
    def _top(self) -> str:
        """The workspace as seen from the tree. configure caches the path, so it is not absolute."""
        return ".."

    @abstractmethod
    def _make(self, defines: Sequence[str]) -> None:
        """Compile what is stale, with the macros ``defines``. Raises CompileError or DiskFullError."""

    @property
    @abstractmethod
    def _binary(self) -> str:
        """The linked program's path, as seen from the tree."""

    def version(self, suffix: str) -> str:
        """Return the version that a binary built with ``suffix`` reports.

        Raises CompileError where config.h does not hold one.
        """
        version = re.search(rb'^#define PACKAGE_VERSION "(.*)"$', self._config[0], re.MULTILINE)
        if version is None:
            raise CompileError("config.h does not hold a version", why="configure wrote it, and it is not as expected")
        return version[1].decode() + suffix

    def build(self, name: str, changes: Mapping[str, bytes], *, defines: Sequence[str], suffix: str) -> str:
        """Compile the tree with ``changes`` and the macros ``defines``; ``suffix`` is appended to the reported version.

        Returns the path of the binary, which is kept in the workspace under ``name``. Raises CompileError or
        DiskFullError.
        """
        stale = self._put(changes, suffix)
        if stale:
            self._run("touch", *stale)
        self._make(defines)
        binary = self._kept_as(name)
        self._run("install", "-D", self._binary, f"../{binary}")
        return binary

    def place(self, name: str, program: bytes) -> str:
        """Put ``program``, which an earlier build has made, where :meth:`build` keeps the binary ``name``.

        Returns its path. Raises DiskFullError or StorageError.
        """
        binary = self._kept_as(name)
        folder, _, name_there = binary.partition("/")
        self._workspace.put(files({name_there: program}, self._source.origin.epoch, mode=0o755, folder=folder))
        return binary

    def _kept_as(self, name: str) -> str:
        return f"bin/{name}{'.exe' if self._toolchain.target.system == 'windows' else ''}"

    def _unpack(self) -> None:
        """Unpack the source, and the libraries that are linked statically."""
        self._refuse_built()
        self._workspace.put(self._source.tar(TREE, OWNER))
        for library in self._libraries:
            self._workspace.put(library.archive)
        if self._toolchain.target.system == "windows":
            header = (resources.folder("docker") / _TAP_HEADER).read_bytes()
            self._workspace.put(files({f"{DEPENDENCIES}/include/{_TAP_HEADER}": header}, self._source.origin.epoch))

    def _configured(self) -> None:
        self._config = one_file(self._workspace.get(self.config_h))

    def _refuse_built(self) -> None:
        """Raise BadSourceError for object files in the source: make would keep them, whatever their flags."""
        built = [path for path in self._source.entries if path == "config.status" or path.endswith((".o", ".lo", ".a"))]
        if built:
            raise BadSourceError(
                f"{self._source.origin.name} has been built in already",
                why=f"it holds {', '.join(sorted(built)[:3])}",
                advice="run make distclean there, or git clean -dfx",
            )

    @property
    def _folder(self) -> str:
        """The folder of the program's sources: the root to 2.3-alpha1, src/openvpn/ since."""
        return self._source.find("reliable.c").removesuffix("reliable.c")

    def _put(self, changes: Mapping[str, bytes], suffix: str) -> list[str]:
        """Write ``changes`` and the version with ``suffix``; return the sources that have to be compiled again."""
        config_h, mtime = self._config
        branded = _VERSION_MACRO.sub(rb"\1" + suffix.encode() + b'"', config_h)
        reset = self._changed - changes.keys()
        brought = sorted(path for path in reset if path not in self._source)
        if brought:
            self._run("rm", "-f", *brought)
            reset -= set(brought)
        sources = {**{path: self._source.read(path) for path in reset}, **changes}
        # config.h keeps its time stamp: nearly everything includes it, and hardly anything uses what changed.
        content = {**{f"{TREE}/{path}": data for path, data in sources.items()}, self.config_h: branded}
        self._workspace.put(files(content, mtime))
        stale = (reset | changes.keys()) if self._changed or changes else set()
        if suffix or self._changed:
            stale |= {
                path
                for path, entry in self._source.entries.items()
                if path.endswith((".c", ".h", ".rc")) and _MENTIONS_VERSION.search(entry.read())
            }
        self._changed = set(changes)
        return sorted(stale)

    def _run(self, *command: str) -> None:
        self._log.run(self._workspace, command, cwd=TREE, env=self._env)
