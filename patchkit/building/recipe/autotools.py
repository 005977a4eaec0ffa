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
# The service and tapctl make paths and commands with wide formats, in which %s is a wide string to Windows; mingw's own
# stdio, which _GNU_SOURCE turns on, takes it for a narrow one, and of each text the first letter would be left.
_WIDE = ("src/openvpnserv", "src/tapctl")
_WINDOWS_STDIO = "-D__USE_MINGW_ANSI_STDIO=0"


class AutotoolsTree(OpenVpnTree):
    """All series for Linux; for Windows those whose own builds for it were made this way."""

    _settled: dict[str, str] | None = None

    def configure(self, *further: str) -> None:
        """Unpack and configure; autoreconf first where the source, as git has it, comes without configure."""
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
            f"LDFLAGS={' '.join([*target.ldflags, *self._found('..')])}",
        ]
        looks = f"PKG_CONFIG_LIBDIR={self._env.get('PKG_CONFIG_LIBDIR')}"  # configure remembers that, too
        questions = [*options, looks, *(one.key for one in self._libraries)]
        known = self._answers.recall(questions)
        # Put there even when empty: a source may bring a file of that name, and configure would run it.
        self._workspace.put(files({f"{TREE}/{ANSWERS}": known}, self._source.origin.epoch))
        self._run("./configure", f"--cache-file={ANSWERS}", *options)
        if not known:
            self._answers.remember(questions, one_file(self._workspace.get(f"{TREE}/{ANSWERS}"))[0])
        self._configured()

    def install(self, name: str) -> str:
        """``make install-strip`` into a folder of its own."""
        stage = f"stage/{name}"
        self._run("make", "install-strip", f"DESTDIR={self._workspace.top}/{stage}")
        return f"{stage}{PREFIX}"

    def _make(self, defines: Sequence[str]) -> None:
        if self._toolchain.target.system != "windows":
            self._run("make", f"-j{self._jobs}", f"CPPFLAGS={self._cppflags(*defines)}")
            return
        # What configure has put into CPPFLAGS there says for which Windows it is. windres is given them too, and knows
        # no warnings.
        ported = self._toolchain.target.cppflags
        flags = [*self._make_variable("CPPFLAGS").split(), *ported, *(f"-D{name}" for name in defines)]
        # Here the folder may be named, where configure must not be told: old releases print what it was called with.
        ldflags = [*self._toolchain.target.ldflags, *self._found(self._workspace.top)]
        # First, as it is among CPPFLAGS: a release that can't bear it says so behind it.
        common = [f"CFLAGS={' '.join([_DECLARED, *self.cflags])}", f"LDFLAGS={' '.join(ldflags)}"]
        for folder in (name for name in _WIDE if f"{name}/Makefile.am" in self._source):
            own = f"CPPFLAGS={' '.join([*flags, _WINDOWS_STDIO])}"
            self._run("make", "-C", folder, f"-j{self._jobs}", own, *common)
        self._run("make", f"-j{self._jobs}", f"CPPFLAGS={' '.join(flags)}", *common)

    def _found(self, top: str) -> list[str]:
        """Where a cross compiler finds libraries: it does not look at LIBRARY_PATH."""
        return [f"-L{top}/{DEPENDENCIES}/lib"] if self._toolchain.target.cross and self._libraries else []

    def objects(
        self,
        sources: Sequence[str],
        changes: Mapping[str, bytes],
        *,
        defines: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> dict[str, bytes]:
        """Compile single sources with ``changes`` in place, as make would, ``flags`` behind its own.

        Gives the object files by source. Raises CompileError.
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
        """The compiler flags that configure settled on: the toolchain's, and some that a series adds."""
        return self._make_variable("CFLAGS").split()

    def sources(self) -> list[str]:
        """All sources that the program is made of here, as configure decided; what they include is made."""
        made = self._make_variable("BUILT_SOURCES").split()
        if made:
            self._run("make", f"--directory={self._folder or '.'}", *made)
        found = (self._source_of(name) for name in self._make_variable("openvpn_OBJECTS").split())
        return [path for path in found if path in self._source]

    def _source_of(self, name: str) -> str:
        return self._folder + name.rpartition("/")[2].removeprefix("openvpn-").removesuffix(".o") + ".c"

    def _object_of(self, source: str) -> str:
        """automake writes openvpn-reliable.o where the program has compiler flags of its own."""
        for name in self._make_variable("openvpn_OBJECTS").split():
            if self._source_of(name) == source:
                return f"{self._folder}{name}"
        raise CompileError(f"make knows no object for {source}", why="openvpn_OBJECTS in its Makefile does not list it")

    def _make_variable(self, name: str) -> str:
        """What the configured Makefile says."""
        self._settled = self._settled or {}
        if name not in self._settled:
            said: list[str] = []
            command = ("make", "-s", f"--eval=patchkit: ; @echo $({name})", "patchkit")
            code = self._workspace.run(
                command, cwd=f"{TREE}/{self._folder}".rstrip("/"), env=self._env, line=said.append
            )
            if code != 0:
                raise CompileError(f"make does not tell what {name} is", why="\n".join(said[-5:]))
            self._settled[name] = " ".join(said)
        return self._settled[name]

    def _cppflags(self, *defines: str) -> str:
        """For make; configure's probes declare what they look for in ways of their own, and call what they do not.

        A function without declaration is taken for one that returns int, which cuts pointers in half: an error.
        """
        flags = [*self._toolchain.target.cppflags, *(f"-D{name}" for name in defines)]
        return " ".join([*flags, _DECLARED])

    @property
    def _binary(self) -> str:
        """Beside its sources."""
        return f"{self._folder}openvpn{'.exe' if self._toolchain.target.system == 'windows' else ''}"
