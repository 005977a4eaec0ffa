"""OpenVPN built with autotools: ``configure`` and ``make``, natively or with a cross compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from patchkit.building.engine.protocol import files, one_file
from patchkit.building.recipe.openssl import configure_words
from patchkit.building.recipe.static_library import DEPENDENCIES
from patchkit.building.recipe.tree import PREFIX, TREE, OpenVpnTree
from patchkit.errors import CompileError

ANSWERS = "config.cache"
_DECLARED = "-Werror=implicit-function-declaration"
# The service and tapctl make paths and commands with wide formats, in which %s is a wide string for Windows; mingw's
# own stdio, which _GNU_SOURCE turns on, takes it for a narrow one and would print the first letter of each text.
_WIDE = ("src/openvpnserv", "src/tapctl")
_WINDOWS_STDIO = "-D__USE_MINGW_ANSI_STDIO=0"


class AutotoolsTree(OpenVpnTree):
    """A tree of any series for Linux; for Windows, of a series that upstream itself built with autotools."""

    _settled: dict[str, str] | None = None

    def configure(self, *further: str) -> None:
        """Unpack and configure, with ``further`` arguments; run autoreconf first where the source has no configure.

        Raises CompileError, BadSourceError or DiskFullError, and the engine's errors.
        """
        self._unpack()
        if "configure" not in self._source:
            self._run("autoreconf", "--force", "--install")
        target = self._toolchain.target
        options = [
            f"--prefix={PREFIX}",
            f"--host={target.triplet}",
            *self._toolchain.configure,
            *(configure_words(target) if self._libraries else []),
            *further,
            f"CPPFLAGS={' '.join(self._toolchain.base_target.cppflags)}",
            f"CFLAGS={' '.join(target.cflags)}",
            f"LDFLAGS={' '.join([*target.ldflags, *self._library_folders('..')])}",
        ]
        search = f"PKG_CONFIG_LIBDIR={self._env.get('PKG_CONFIG_LIBDIR')}"  # configure caches this variable, too
        questions = [*options, search, *(library.key for library in self._libraries)]
        answers = self._answers.recall(questions)
        # Written even when empty: a source may contain a file of that name, which configure would run.
        self._workspace.put(files({f"{TREE}/{ANSWERS}": answers}, self._source.origin.epoch))
        self._run("./configure", f"--cache-file={ANSWERS}", *options)
        if not answers:
            self._answers.remember(questions, one_file(self._workspace.get(f"{TREE}/{ANSWERS}"))[0])
        self._configured()

    def install(self, name: str) -> str:
        """Run ``make install-strip`` into a folder called ``name``, and return the folder of the installed tree.

        Raises CompileError or DiskFullError.
        """
        stage = f"stage/{name}"
        self._run("make", "install-strip", f"DESTDIR={self._workspace.top}/{stage}")
        return f"{stage}{PREFIX}"

    def _make(self, defines: Sequence[str]) -> None:
        if self._toolchain.target.system != "windows":
            self._run("make", f"-j{self._jobs}", f"CPPFLAGS={self._cppflags(*defines)}")
            return
        # configure put the version of Windows into CPPFLAGS. windres gets the flags too, and knows no warnings.
        ported = self._toolchain.target.cppflags
        flags = [*self._make_variable("CPPFLAGS").split(), *ported, *(f"-D{name}" for name in defines)]
        # make may get the absolute folder, configure not: old releases print the arguments of configure.
        ldflags = [*self._toolchain.target.ldflags, *self._library_folders(self._workspace.top)]
        # First, as among CPPFLAGS: a release that does not compile with it takes it back behind it.
        common = [f"CFLAGS={' '.join([_DECLARED, *self.cflags])}", f"LDFLAGS={' '.join(ldflags)}"]
        for folder in (name for name in _WIDE if f"{name}/Makefile.am" in self._source):
            own = f"CPPFLAGS={' '.join([*flags, _WINDOWS_STDIO])}"
            self._run("make", "-C", folder, f"-j{self._jobs}", own, *common)
        self._run("make", f"-j{self._jobs}", f"CPPFLAGS={' '.join(flags)}", *common)

    def _library_folders(self, top: str) -> list[str]:
        """Return the linker flags of a cross gcc, which ignores LIBRARY_PATH."""
        is_cross_gcc = self._toolchain.target.cross and self._toolchain.zig is None
        return [f"-L{top}/{DEPENDENCIES}/lib"] if is_cross_gcc and self._libraries else []

    def objects(
        self,
        sources: Sequence[str],
        changes: Mapping[str, bytes],
        *,
        defines: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> dict[str, bytes]:
        """Compile ``sources`` with ``changes`` in place, as make does, with ``flags`` behind its own.

        Returns the object files by source. Raises CompileError or DiskFullError.
        """
        if not sources:
            return {}  # without a target, make would build everything
        self._put(changes, "")
        objects = {source: self._object_of(source) for source in sources}
        self._run("rm", "-f", *objects.values())
        cflags = " ".join([*self.cflags, *flags])
        names = [path.removeprefix(self._folder) for path in objects.values()]
        inside = f"--directory={self._folder or '.'}"
        self._run("make", inside, f"-j{self._jobs}", *names, f"CPPFLAGS={self._cppflags(*defines)}", f"CFLAGS={cflags}")
        return {source: one_file(self._workspace.get(f"{TREE}/{path}"))[0] for source, path in objects.items()}

    @property
    def cflags(self) -> list[str]:
        """The compiler flags in the configured Makefile: the toolchain's, and some that a series adds.

        Raises CompileError.
        """
        return self._make_variable("CFLAGS").split()

    def sources(self) -> list[str]:
        """Return all sources that the configured program consists of, and make the generated files that they include.

        Raises CompileError or DiskFullError.
        """
        generated = self._make_variable("BUILT_SOURCES").split()
        if generated:
            self._run("make", f"--directory={self._folder or '.'}", *generated)
        paths = (self._source_of(name) for name in self._make_variable("openvpn_OBJECTS").split())
        return [path for path in paths if path in self._source]

    def _source_of(self, name: str) -> str:
        return self._folder + name.rpartition("/")[2].removeprefix("openvpn-").removesuffix(".o") + ".c"

    def _object_of(self, source: str) -> str:
        """Return the object of ``source``: automake's name has a prefix where the program has flags of its own."""
        for name in self._make_variable("openvpn_OBJECTS").split():
            if self._source_of(name) == source:
                return f"{self._folder}{name}"
        raise CompileError(f"make has no object for {source}", why="openvpn_OBJECTS in its Makefile does not list it")

    def _make_variable(self, name: str) -> str:
        """Return the value of a variable in the configured Makefile. Raises CompileError."""
        self._settled = self._settled or {}
        if name not in self._settled:
            output: list[str] = []
            command = ("make", "-s", f"--eval=patchkit: ; @echo $({name})", "patchkit")
            code = self._workspace.run(
                command, cwd=f"{TREE}/{self._folder}".rstrip("/"), env=self._env, line=output.append
            )
            if code != 0:
                raise CompileError(f"make does not print its variable {name}", why="\n".join(output[-5:]))
            self._settled[name] = " ".join(output)
        return self._settled[name]

    def _cppflags(self, *defines: str) -> str:
        """Return CPPFLAGS for make, with which calling an undeclared function is an error.

        C89 assumes that such a function returns int, which cuts pointers in half. configure's probes need the
        opposite: they call functions that they do not declare.
        """
        flags = [*self._toolchain.target.cppflags, *(f"-D{name}" for name in defines)]
        return " ".join([*flags, _DECLARED])

    @property
    def _binary(self) -> str:
        """The program, beside its sources."""
        return f"{self._folder}openvpn{'.exe' if self._toolchain.target.system == 'windows' else ''}"
