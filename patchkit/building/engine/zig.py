"""zig for the host engine: its wheel is fetched by pip, unpacked in the cache, and called by the names of gcc's tools.

The wheel's hash is pinned, and what was unpacked is compared with what it was before each build. Nothing of it is
installed. zig compiles musl before it first links for a processor: that is kept in patchkit's cache with its hash, and
each build gets a copy, since what zig keeps by itself it does not look at again.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from patchkit import children, limits
from patchkit.building.toolchain_table import Target, Zig, known_target, targets
from patchkit.children import Limits
from patchkit.context import Context
from patchkit.errors import NetworkUnavailableError, PlacesExhaustedError, ToolchainError, WrongHashError
from patchkit.source.fetch import download
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.fetch.places import Place, mirrors
from patchkit.storage import reading, replace_all, sha256_of, tell_damaged, whole_folder, writing

_PACKAGE = "ziglang"
_SUM = "files.sha256"
_LONGEST = 3600.0  # seconds for pip, which fetches a hundred megabytes
_SILENCE = 60.0  # seconds that a server may send nothing
_UNREACHABLE = re.compile(r"connection|timed out|timeout|resolution|unreachable", re.IGNORECASE)
GLOBAL = "zig-global"
"""The folder, in that of temporary files of a build, of what zig keeps for other builds as well: musl."""
_SCRIPT = """\
#!/bin/sh
# {tool} for {target}, by zig: written by patchkit.
ZIG_GLOBAL_CACHE_DIR=${{TMPDIR:-/tmp}}/{shared} ZIG_LOCAL_CACHE_DIR=${{TMPDIR:-/tmp}}/zig
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
{command}
"""
# zig does not look at CPATH and LIBRARY_PATH, which name the libraries of a build. What configure tries is linked as
# the program will be (-pie): zig would compile musl a second time for another kind. The linker strips already (-s).
# OpenSSL 1.0.2 asks which file includes which (-M): zig then looks at this machine's headers, and fails.
_COMPILE = """\
for word; do
    [ "$word" != -M ] || exec cc "$@"
done
[ -z "$CPATH" ] || set -- "$@" "-I$CPATH"
[ -z "$LIBRARY_PATH" ] || set -- "$@" "-L$LIBRARY_PATH"
unset CPATH LIBRARY_PATH
exec {{zig}} {language} -target {{name}} -fPIE -pie -Wno-unused-command-line-argument "$@\""""
_COMMANDS = {
    "gcc": _COMPILE.format(language="cc"),
    "g++": _COMPILE.format(language="c++"),
    "ar": 'exec {zig} ar "$@"',
    "ranlib": 'exec {zig} ranlib "$@"',
    "strip": "exit 0",
}


def wheel(pin: Zig, context: Context) -> Path:
    """Return the pinned wheel in the cache. Raises the download's errors."""
    file = ExpectedFile(pin.name, pin.sha256, pin.size)
    with tempfile.TemporaryDirectory(prefix="patchkit-zig-") as folder:
        return download.fetch(file, lambda: _places(file, pin, Path(folder), context), context, advice=_advice(pin))


def tools(pin: Zig, context: Context) -> Path:
    """Return the folder with the scripts that call zig by the names of gcc's tools, for all targets.

    Raises the download's errors, ToolchainError for a wheel that does not hold zig, DiskFullError or StorageError.
    """
    home = context.cache.zig / f"{pin.version}-{pin.sha256[:16]}"
    scripts = _scripts(home)
    with context.cache.lock("zig"):
        if home.exists() and not is_whole(home):
            tell_damaged(home)
            shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            archive = wheel(pin, context)
            context.ui.step(f"Unpack zig {pin.version}, and keep it in the cache")
            with whole_folder(home) as place:
                _unpack(archive, place)
                replace_all({place / _SUM: _digest(place / _PACKAGE).encode()})
        folder = home / "bin"
        with writing(folder):
            folder.mkdir(exist_ok=True)
        if any(not (folder / name).is_file() or (folder / name).read_bytes() != text for name, text in scripts.items()):
            replace_all({folder / name: text for name, text in scripts.items()}, mode=0o755)
    return folder


def is_whole(home: Path) -> bool:
    """Return whether the folder ``home`` in the cache holds zig as it was unpacked. Raises StorageError."""
    with reading(home):
        expected = (home / _SUM).read_text("ascii", "replace") if (home / _SUM).is_file() else ""
    return _digest(home / _PACKAGE) == expected


def identity(pin: Zig) -> str:
    """Return a hash of the wheel, and of how its compiler is called."""
    return hashlib.sha256(json.dumps([pin.sha256, _SCRIPT, _COMMANDS], sort_keys=True).encode()).hexdigest()


def licences(folder: Path) -> dict[str, bytes]:
    """Return the licences of what zig links in, by path; ``folder`` is what :func:`tools` returned.

    Raises StorageError where one can't be read.
    """
    texts = {"musl/COPYRIGHT": "lib/libc/musl/COPYRIGHT", "zig/LICENSE": "LICENSE"}
    home = folder.parent / _PACKAGE
    with reading(home):
        return {name: (home / path).read_bytes() for name, path in texts.items()}


def version_line(pin: Zig, folder: Path, target: Target) -> str:
    """Return a line that names the compiler in ``folder``. Raises ToolchainError where it does not start."""
    try:
        done = children.run([str(folder / target.tool("gcc")), "--version"], Limits(120.0))
    except OSError as error:
        raise ToolchainError(f"zig {pin.version} can't be started", why=error.strerror or str(error)) from error
    lines = done.out.splitlines()
    if done.code != 0 or not lines:
        raise ToolchainError(f"zig {pin.version} does not start", why=done.err or f"exit code {done.code}")
    return f"zig {pin.version}, {lines[0].partition(' (')[0]}"


def _digest(folder: Path) -> str:
    """Return a hash of the paths and contents of all files below ``folder``, in hex. Raises StorageError."""
    whole = hashlib.sha256()
    with reading(folder):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            whole.update(f"{path.relative_to(folder)} {sha256_of(path)}\n".encode())
    return whole.hexdigest()


def _places(file: ExpectedFile, pin: Zig, folder: Path, context: Context) -> Sequence[Place]:
    """Return the user's mirrors where one has the wheel; otherwise let pip fetch it, from whichever index it uses."""
    named = [Place(f"{mirror.rstrip('/')}/{pin.name}", mirror=True) for mirror in mirrors()]
    if context.offline or any(download.offer_failure(file, place) is None for place in named):
        return named
    context.ui.note(f"pip download {_PACKAGE}=={pin.version}")
    return [*named, Place(str(_by_pip(pin, folder)))]


def _by_pip(pin: Zig, folder: Path) -> Path:
    requirement = folder / "requirements.txt"
    with writing(requirement):
        requirement.write_text(f"{_PACKAGE}=={pin.version} --hash=sha256:{pin.sha256}\n")
    silence = limits.silence(_SILENCE)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--require-hashes", "--timeout", f"{silence:g}", "--retries", "2",
        "--dest", str(folder), "--requirement", str(requirement),
    ]  # fmt: skip
    done = children.run(command, Limits(_LONGEST))
    path = folder / pin.name
    if done.code == 0 and path.is_file():
        return path
    why = "\n".join(done.err.splitlines()[-5:]) or f"pip: exit code {done.code}"
    if "DO NOT MATCH THE HASHES" in done.err:
        raise WrongHashError(f"{pin.name} is not the file that was pinned", why=why, advice="try another index")
    error = NetworkUnavailableError if _UNREACHABLE.search(why) else PlacesExhaustedError
    raise error(f"pip does not get {_PACKAGE} {pin.version}", why=why, advice=_advice(pin))


def _advice(pin: Zig) -> str:
    return (
        f"elsewhere: pip download --no-deps --dest FOLDER {_PACKAGE}=={pin.version}; then PATCHKIT_MIRROR=FOLDER here"
    )


def _unpack(archive: Path, place: Path) -> None:
    with writing(place):
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(place, [name for name in packed.namelist() if name.startswith(f"{_PACKAGE}/")])
            program = place / _PACKAGE / "zig"
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except (zipfile.BadZipFile, FileNotFoundError) as error:
            raise ToolchainError(f"{archive.name} does not hold zig", why=str(error)) from error


def _scripts(home: Path) -> Mapping[str, bytes]:
    """Return the scripts by name, for all targets that zig compiles for."""
    of_zig = [target for target in map(known_target, targets()) if target.zig]
    program = shlex.quote(str(home / _PACKAGE / "zig"))
    return {
        target.tool(tool): _SCRIPT.format(
            tool=tool, target=target.name, shared=GLOBAL, command=command.format(zig=program, name=target.zig)
        ).encode()
        for target in of_zig
        for tool, command in _COMMANDS.items()
    }
