"""zig's wheel: from a mirror or by pip, checked by its hash, unpacked, and called by the names of gcc's tools."""

from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from patchkit.building.engine import zig
from patchkit.building.engine.docker import DockerEngine
from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Identity
from patchkit.building.engine.zig_musl import musl
from patchkit.building.toolchain import toolchain
from patchkit.building.toolchain_table import Zig, known_target
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import OfflineError, PlacesExhaustedError, ToolchainError, WrongHashError
from patchkit.jobs.doctor.cache_health import examine
from patchkit.releases.version import Version
from patchkit.ui import Ui

AMD64 = known_target("linux-static-amd64")
# Prints what it was called with, as the real one is: a program without an ending that lies beside its library.
PROGRAM = b"""\
#!/bin/sh
case "$*" in *" --version") echo "clang version 1.2 (of ours)" && exit ;; esac
echo "$ZIG_GLOBAL_CACHE_DIR $ZIG_LOCAL_CACHE_DIR ${CPATH-none} $*"
"""
METADATA = b"Metadata-Version: 2.1\nName: ziglang\nVersion: 0.1\n"


def wheel(*, program: bytes | None = PROGRAM) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        if program is not None:
            packed.writestr("ziglang/zig", program)
        packed.writestr("ziglang/lib/std.zig", "// a library\n")
        packed.writestr("ziglang-0.1.dist-info/METADATA", METADATA)
        packed.writestr("ziglang-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr("ziglang-0.1.dist-info/RECORD", "")
    return out.getvalue()


def pin(data: bytes) -> Zig:
    name, digest = "ziglang-0.1-py3-none-any.whl", hashlib.sha256(data).hexdigest()
    return Zig(version="0.1", name=name, sha256=digest, size=len(data), runtime=[])


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("PATCHKIT_MIRROR", str(folder))
    return folder


@pytest.fixture
def context(cache: Cache, ui: Ui) -> Context:
    return Context(cache, ui, offline=True)


def test_the_tools_call_zig_for_their_target(mirror: Path, context: Context, tmp_path: Path) -> None:
    data = wheel()
    (mirror / pin(data).name).write_bytes(data)
    folder = zig.tools(pin(data), context)
    assert zig.version_line(pin(data), folder, AMD64) == "zig 0.1, clang version 1.2"
    command = [str(folder / "x86_64-linux-musl-gcc"), "-c", "a b.c"]
    environment = {"TMPDIR": "/t", "CPATH": "/deps/include", "LIBRARY_PATH": "/deps/lib"}
    called = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    words = (
        "cc -target x86_64-linux-musl -fPIE -pie -Wno-unused-command-line-argument -c a b.c -I/deps/include -L/deps/lib"
    )
    assert called.stdout == f"/t/{zig.GLOBAL} /t/zig none {words}\n"
    (tmp_path / "a.c").write_text("#include <stdio.h>\n")
    listing = [str(folder / "x86_64-linux-musl-gcc"), "-M", "a.c"]
    assert "stdio.h" in subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for name in ("aarch64-linux-musl-ar", "arm-linux-musleabihf-ranlib", "x86_64-linux-musl-strip"):
        subprocess.run([folder / name], check=True, capture_output=True)


def test_what_was_unpacked_is_found_again_without_the_wheel(mirror: Path, context: Context) -> None:
    data = wheel()
    (mirror / pin(data).name).write_bytes(data)
    folder = zig.tools(pin(data), context)
    (mirror / pin(data).name).unlink()
    (context.cache.downloads / pin(data).name).unlink()
    (folder / "x86_64-linux-musl-gcc").write_text("of another patchkit\n")
    assert zig.tools(pin(data), context) == folder
    assert "-target x86_64-linux-musl" in (folder / "x86_64-linux-musl-gcc").read_text()


@pytest.mark.parametrize("damage", ["ziglang/zig", "ziglang/lib/std.zig", "ziglang/lib/another.zig", "files.sha256"])
def test_what_was_altered_in_the_cache_is_unpacked_anew(damage: str, mirror: Path, context: Context) -> None:
    data = wheel()
    (mirror / pin(data).name).write_bytes(data)
    home = zig.tools(pin(data), context).parent
    (home / damage).write_bytes(b"#!/bin/sh\n")
    assert not zig.is_whole(home)
    assert [path.name for path in examine(context.cache).damaged] == [home.name]
    zig.tools(pin(data), context)
    assert zig.is_whole(home)
    assert (home / "ziglang/zig").read_bytes() == PROGRAM
    assert sorted(path.name for path in (home / "ziglang/lib").iterdir()) == ["std.zig"]


def test_musl_is_compiled_once_and_each_build_gets_a_copy(
    mirror: Path, context: Context, ui: Ui, tmp_path: Path
) -> None:
    """By a zig that writes a number for musl each time."""
    compiles = b"""#!/bin/sh
mkdir -p "$ZIG_GLOBAL_CACHE_DIR/o"
echo x >>%s
wc -l <%s >"$ZIG_GLOBAL_CACHE_DIR/o/libc.a"
""".replace(b"%s", bytes(tmp_path / "count"))
    data = wheel(program=compiles)
    (mirror / pin(data).name).write_bytes(data)
    folder = zig.tools(pin(data), context)
    first = musl(folder, AMD64, context)
    assert musl(folder, AMD64, context) == first
    identity = Identity("host", "zig 0.1", {}, programs=folder, musl=first)
    with HostEngine(ui, context).workspace(identity, keep=False) as workspace:
        assert Path(workspace.top, "tmp", zig.GLOBAL, "o/libc.a").read_text().strip() == "1"
    (kept,) = context.cache.zig.glob("musl-*.tar")
    kept.write_bytes(first[:-1])
    assert [path.name for path in examine(context.cache).damaged] == [kept.name]
    assert musl(folder, AMD64, context) != first  # compiled anew: the second one
    failing = wheel(program=b"#!/bin/sh\necho no room >&2\nexit 3\n")
    (mirror / pin(failing).name).write_bytes(failing)
    (context.cache.downloads / pin(failing).name).unlink()
    with pytest.raises(ToolchainError, match="zig can't compile musl for linux-static-amd64") as caught:
        musl(zig.tools(pin(failing), context), AMD64, context)
    assert caught.value.why.strip() == "no room"


def test_another_wheel_is_refused(mirror: Path, context: Context) -> None:
    other = wheel(program=b"#!/bin/sh\necho not ours\n")
    (mirror / pin(other).name).write_bytes(other)
    with pytest.raises(WrongHashError):
        zig.tools(pin(wheel()), context)
    assert not list(context.cache.zig.iterdir())


def test_offline_without_a_mirror_the_advice_is_a_command_for_elsewhere(context: Context) -> None:
    with pytest.raises(OfflineError) as caught:
        zig.tools(pin(wheel()), context)
    assert "pip download --no-deps --dest FOLDER ziglang==0.1" in caught.value.advice


def test_a_wheel_without_zig_leaves_nothing(mirror: Path, context: Context) -> None:
    data = wheel(program=None)
    (mirror / pin(data).name).write_bytes(data)
    with pytest.raises(ToolchainError, match="does not hold zig"):
        zig.tools(pin(data), context)
    assert not list(context.cache.zig.iterdir())


@pytest.mark.slow
def test_pip_fetches_it_from_the_users_own_index(
    cache: Cache, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, index = wheel(), tmp_path / "index"
    index.mkdir()
    (index / pin(data).name).write_bytes(data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    assert zig.wheel(pin(data), Context(cache, ui)).read_bytes() == data
    with pytest.raises(WrongHashError, match="is not the file that was pinned"):
        zig.wheel(pin(wheel(program=b"another")), Context(Cache(tmp_path / "other"), ui))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(PlacesExhaustedError, match=r"pip does not get ziglang 0\.1"):
        zig.wheel(pin(data), Context(Cache(tmp_path / "third"), ui))


def test_a_container_does_not_build_it() -> None:
    tools = toolchain(Version("2.6.14"), AMD64.name)
    with pytest.raises(ToolchainError, match="linux-static-amd64 is not built in a container") as caught:
        DockerEngine(None, None).prepare(tools)  # type: ignore[arg-type]  # refused before either is used
    assert caught.value.advice == "--engine host"
