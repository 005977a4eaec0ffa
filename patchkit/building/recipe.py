"""How OpenVPN is compiled: one configured tree, every variant built in it, only what changed compiled again.

The stock tree is compiled first. For a variant, its changed files and the version in config.h are put
in place, and just the sources that these reach are touched: make does the rest. A build of one variant
alone gives the same bytes as a build among others (a test compares them).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO

from patchkit.building.answers import ConfigureAnswers
from patchkit.building.engine import OWNER, Workspace, one_file
from patchkit.building.log import BuildLog
from patchkit.building.openssl import StaticLibrary, configure_words
from patchkit.building.toolchain import Toolchain
from patchkit.errors import BadSourceError, CompileError
from patchkit.source.tree import SourceTree

TREE = "tree"
ANSWERS = "config.cache"
PREFIX = "/usr/local"
# The macros of config.h that hold the version in every series; openvpn --version and the IV_VER that
# peers are told come from them. Other version macros (the plugin interface's) stay as they are.
_VERSION_MACRO = re.compile(rb'^(#define (?:VERSION|PACKAGE_VERSION|PACKAGE_STRING) ".*)"$', re.MULTILINE)
_MENTIONS_VERSION = re.compile(rb"\b(?:VERSION|PACKAGE_VERSION|PACKAGE_STRING)\b")


class OpenVpnTree:
    """OpenVPN's source in a workspace, configured once."""

    def __init__(
        self,
        workspace: Workspace,
        source: SourceTree,
        toolchain: Toolchain,
        *,
        jobs: int,
        log: BuildLog,
        answers: ConfigureAnswers,
        library: StaticLibrary | None = None,
    ) -> None:
        self._workspace = workspace
        self._answers = answers
        self._source = source
        self._toolchain = toolchain
        self._jobs = jobs
        self._log = log
        self._library = library
        self._changed: set[str] = set()
        self._variables: dict[str, str] = {}
        self._config_h: tuple[bytes, int] = (b"", 0)
        self._env = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(source.origin.epoch)}
        if library is not None:
            self._env |= library.environment(workspace.top)

    def configure(self, *further: str) -> None:
        """Unpack and configure; autoreconf first where the source, as git has it, comes without configure.

        ``further`` goes behind the series' own options.
        """
        self._refuse_built()
        self._workspace.put(self._source.tar(TREE, OWNER))
        if self._library is not None:
            self._workspace.put(self._library.archive)
        if "configure" not in self._source:
            self._run("autoreconf", "--force", "--install")
        target = self._toolchain.target
        options = [
            f"--prefix={PREFIX}",
            f"--host={target.triplet}",
            *self._toolchain.configure,
            *configure_words(self._library),
            *further,
            f"CPPFLAGS={' '.join(self._toolchain.base_target.cppflags)}",
            f"CFLAGS={' '.join(target.cflags)}",
            f"LDFLAGS={' '.join(target.ldflags)}",
        ]
        questions = [*options, *([self._library.key] if self._library else [])]
        known = self._answers.recall(questions)
        # Put there even when empty: a source may bring a file of that name, and configure would run it.
        self._workspace.put(_files({ANSWERS: known}, self._source.origin.epoch))
        self._run("./configure", f"--cache-file={ANSWERS}", *options)
        if not known:
            self._answers.remember(questions, one_file(self._workspace.get(f"{TREE}/{ANSWERS}"))[0])
        self._config_h = one_file(self._workspace.get(f"{TREE}/config.h"))

    def _refuse_built(self) -> None:
        """Objects that somebody made elsewhere, with other flags, would pass for ours."""
        made = [path for path in self._source.entries if path == "config.status" or path.endswith((".o", ".lo", ".a"))]
        if made:
            raise BadSourceError(
                f"{self._source.origin.name} has been built in already",
                why=f"it holds {', '.join(sorted(made)[:3])}",
                advice="make distclean there, or git clean -dfx, and try again",
            )

    def version(self, suffix: str) -> str:
        """What a binary built with ``suffix`` calls itself."""
        found = re.search(rb'^#define PACKAGE_VERSION "(.*)"$', self._config_h[0], re.MULTILINE)
        if found is None:
            raise CompileError("config.h does not hold a version", why="configure made it, and it is not as expected")
        return found[1].decode() + suffix

    def build(self, name: str, changes: Mapping[str, bytes], *, defines: Sequence[str], suffix: str) -> str:
        """Compile the tree with ``changes``, saying ``suffix`` behind its version.

        Gives the path of the binary, which is kept in the workspace under ``name``. Raises CompileError.
        """
        stale = self._put(changes, suffix)
        if stale:
            self._run("touch", *stale)
        self._run("make", f"-j{self._jobs}", f"CPPFLAGS={self._cppflags(*defines)}")
        binary = f"bin/{name}"
        self._run("install", "-D", self._binary(), f"../{binary}")
        return binary

    def install(self, name: str) -> str:
        """Install what was built last, stripped, and give the folder that holds the installed tree."""
        stage = f"stage/{name}"
        self._run("make", "install-strip", f"DESTDIR={self._workspace.top}/{stage}")
        return f"{stage}{PREFIX}"

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
        if name not in self._variables:
            said: list[str] = []
            command = ("make", "-s", f"--eval=patchkit: ; @echo $({name})", "patchkit")
            code = self._workspace.run(
                command, cwd=f"{TREE}/{self._folder}".rstrip("/"), env=self._env, line=said.append
            )
            if code != 0:
                raise CompileError(f"make does not tell what {name} is", why="\n".join(said[-5:]))
            self._variables[name] = " ".join(said)
        return self._variables[name]

    @property
    def _folder(self) -> str:
        """Where the program's sources are: in the root to 2.3-alpha1, in src/openvpn/ since."""
        return self._source.find("reliable.c").removesuffix("reliable.c")

    def _put(self, changes: Mapping[str, bytes], suffix: str) -> list[str]:
        """Put files in place; the sources that have to be compiled again."""
        config_h, mtime = self._config_h
        branded = _VERSION_MACRO.sub(rb"\1" + suffix.encode() + b'"', config_h)
        reset = self._changed - changes.keys()
        files = {**{path: self._source.read(path) for path in reset}, **changes, "config.h": branded}
        # config.h keeps its time stamp: nearly everything includes it, and hardly anything uses what changed.
        self._workspace.put(_files(files, mtime))
        stale = (reset | changes.keys()) if self._changed or changes else set()
        if suffix or self._changed:
            stale |= {
                path
                for path, entry in self._source.entries.items()
                if path.endswith((".c", ".h")) and _MENTIONS_VERSION.search(entry.read())
            }
        self._changed = set(changes)
        return sorted(stale)

    def _cppflags(self, *defines: str) -> str:
        """For make; configure's probes declare what they look for in ways of their own, and call what they do not.

        A function without declaration is taken for one that returns int, which cuts pointers in half: an error.
        """
        flags = [*self._toolchain.target.cppflags, *(f"-D{name}" for name in defines)]
        return " ".join([*flags, "-Werror=implicit-function-declaration"])

    def _binary(self) -> str:
        """Where the linker leaves the program: beside its sources."""
        return f"{self._folder}openvpn"

    def _run(self, *command: str) -> None:
        self._log.run(self._workspace, command, cwd=TREE, env=self._env)


def _files(files: Mapping[str, bytes], mtime: int) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(f"{TREE}/{path}")
            info.size, info.mtime, info.uid, info.gid = len(data), mtime, OWNER, OWNER
            archive.addfile(info, BytesIO(data))
    return out.getvalue()
