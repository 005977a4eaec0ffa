"""The kernel in the cache: made once by what it is made of, checked when it is used, and never half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import IO

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import CompileError, DiskFullError, GuestError, PatchkitError
from patchkit.lab.guest.kernel import changes, configuration, obtain, source, tools
from patchkit.lab.guest.kernel.obtain import PROGRAM, RECORD, kept, kernel
from patchkit.ui import Ui
from tests.support.lab.kernel_source import BUILDABLE, MAIN, MAKEFILE, package, pin
from tests.support.processes import marked

# A run of its own: with the pins that the first argument holds, and a cache.
RUN = """
import sys
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.lab.guest.kernel import obtain, source
from patchkit.lab.guest.kernel.pins import SourcePackage
from patchkit.signals import install
from patchkit.ui import Ui
install()
pins = (SourcePackage.model_validate_json(sys.argv[1]),)
source.pinned = obtain.pinned = lambda: pins
try:
    print(obtain.kernel(Context(Cache(__import__("pathlib").Path(sys.argv[2])), Ui(), offline=True)).digest)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workspaces of these tests, and nothing else, are here; none may stay."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert list(folder.iterdir()) == []


def given(cache: Cache, monkeypatch: pytest.MonkeyPatch, **changed: bytes) -> Context:
    """A context whose cache has one pinned source, with ``changed`` files in it, ``main_c`` for main.c."""
    data = package({**BUILDABLE, **{name.replace("_c", ".c"): text for name, text in changed.items()}})
    pins = (pin(data),)
    for module in (source, obtain):
        monkeypatch.setattr(module, "pinned", lambda: pins)
    (cache.downloads / pins[0].file_name).write_bytes(data)
    return Context(cache, Ui(StringIO()), offline=True)


def told(context: Context) -> str:
    """What was printed for the user since the last call."""
    stream = context.ui._stream
    assert isinstance(stream, StringIO)
    text = stream.getvalue()
    stream.truncate(0)
    stream.seek(0)
    return text


@pytest.fixture
def context(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Context:
    return given(cache, monkeypatch)


def test_it_is_made_once(context: Context) -> None:
    made = kernel(context)
    assert subprocess.run([made.program], capture_output=True, text=True, check=True).stdout == "ours\n"
    assert (made.release, made.syscall_ns) == ("7.2.99 (Debian 7.2.99-1)", changes.SYSCALL_NS)
    assert made.program.parent.parent == context.cache.kernels
    assert "compiled once" in told(context)
    status = made.program.stat()
    assert kernel(context) == made
    assert (made.program.stat().st_ino, made.program.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert told(context) == ""
    assert sorted(path.name for path in made.program.parent.iterdir()) == [RECORD, PROGRAM]


def test_a_source_that_was_here_stays_one_that_was_fetched_goes(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = given(cache, monkeypatch)
    (file,) = cache.downloads.iterdir()
    kernel(context)
    assert file.exists()
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    file.rename(mirror / file.name)
    monkeypatch.setenv("PATCHKIT_MIRROR", str(mirror))
    next(cache.kernels.glob(f"*/{PROGRAM}")).unlink()
    kernel(context)
    assert list(cache.downloads.glob("*.deb")) == []


def test_a_damaged_one_is_made_anew_with_one_line(context: Context) -> None:
    made = kernel(context)
    whole = made.program.read_bytes()
    made.program.write_bytes(whole[:-1] + b"x")
    told(context)
    assert obtain.damaged(context.cache.kernels) == (1, [made.program.parent])
    assert kernel(context).digest == made.digest
    assert told(context).count("is damaged") == 1
    assert made.program.read_bytes() == whole
    assert obtain.damaged(context.cache.kernels) == (1, [])


def test_a_damaged_record_is_no_kernel(context: Context) -> None:
    made = kernel(context)
    (made.program.parent / RECORD).write_text("{}")
    assert kept(context) is None
    assert kernel(context) == made


def test_another_configuration_or_compiler_is_another_kernel(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = kernel(context)
    with monkeypatch.context() as patch:
        patch.setattr(tools, "host_compiler", lambda: "gcc 99")
        assert kept(context) is None
        patch.setattr(tools, "lacking", lambda: ["flex"])  # where none can be compiled, any compiler's is taken
        assert kept(context) == made
    (tmp_path / "kernel.config").write_text("CONFIG_MORE=y\n")
    with monkeypatch.context() as patch:
        patch.setattr(configuration, "FRAGMENT", tmp_path / "kernel.config")
        assert kept(context) is None
    with monkeypatch.context() as patch:
        patch.setattr(changes, "SYSCALL_NS", 7000)
        assert kept(context) is None
    assert kept(context) == made


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"main_c": b"int main(void) { return }\n"}, CompileError, "failed with exit code 2"),
        ({"Makefile": MAKEFILE.replace(b"'^#'", b"VETH")}, GuestError, "not configured as the lab needs it"),
        ({"Makefile": MAKEFILE.replace(b"> .config", b"> other")}, GuestError, "was not configured"),
        ({"Makefile": MAKEFILE.replace(b"cc -o linux", b"true")}, CompileError, "strip linux failed"),
        (
            {"Makefile": MAKEFILE.replace(b"\tcc", b"\techo No space left on device; false\n\tcc")},
            DiskFullError,
            "full",
        ),
    ],
    ids=range(5),
)
def test_a_source_that_does_not_become_a_kernel(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, changed: dict[str, bytes], error: type[PatchkitError], message: str
) -> None:
    with pytest.raises(error, match=message):
        kernel(given(cache, monkeypatch, **changed))
    assert list(cache.kernels.iterdir()) == []


def test_a_disk_that_is_full_before_the_compiler_starts(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, tiny_disk: Path
) -> None:
    context = given(cache, monkeypatch, main_c=MAIN + b"/*" + b" " * 100_000 + b"*/")
    monkeypatch.setenv("TMPDIR", str(tiny_disk))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(DiskFullError):
        kernel(context)
    assert list(cache.kernels.iterdir()) == []
    assert list(tiny_disk.iterdir()) == []


def test_a_host_without_tools_and_docker(context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gcc", "ld", "strip", "make", "as"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(GuestError, match="this host lacks flex, bison, bc") as caught:
        kernel(context)
    line = caught.value.advice.partition(";")[0]
    assert line.startswith(
        "as root: apt-get update && apt-get install -y --no-install-recommends autoconf automake bc "
    )
    assert {"bison", "flex", "libssl-dev"} <= {*line.split()}
    (folder / "gcc").unlink()
    with pytest.raises(GuestError, match="lacks gcc, flex"):
        kernel(context)


def test_what_is_not_used_is_not_asked_for_its_version(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration, which is in the program, had the version of a host's rustc in it."""
    asked = MAKEFILE.replace(
        b"linux: main.c\n", b"linux: main.c\n\ttest $(RUSTC)$(BINDGEN)$(PAHOLE) = falsefalsefalse\n"
    )
    assert kernel(given(cache, monkeypatch, Makefile=asked)).program.exists()


@pytest.mark.slow
def test_a_host_without_tools_compiles_in_a_container(
    shared_cache: Cache, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the container's user, who writes beside sources wherever they lie, as the kernel's makefiles do."""
    monkeypatch.setattr(tools, "lacking", lambda: ["bison"])
    writing = MAKEFILE.replace(b"\tcc -o linux", b"\tcc -M -MF arch/um/kernel/.main.d main.c\n\tcc -o linux")
    given(cache, monkeypatch, Makefile=writing)
    # The image is built with a network; the kernel is compiled without.
    context = Context(cache, Ui(StringIO()))
    try:
        made = kernel(context)
    except GuestError as error:
        if "nor is there a container" not in error.why:
            raise
        pytest.skip(f"{error.what}: {error.why}")
    assert "in a container: this host lacks bison" in told(context)
    assert subprocess.run([made.program], capture_output=True, text=True, check=True).stdout == "ours\n"


def test_a_compiler_without_a_static_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It answers with the bare name where it has no such file."""
    for name in ("ld", "strip", "make", "flex", "bison", "bc"):
        (tmp_path / name).symlink_to("/usr/bin/true")
    (tmp_path / "gcc").write_text("#!/bin/sh\necho libc.a\n")
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert tools.lacking() == ["libc.a"]
    assert "libc6-dev" in tools.install(["libc.a"]).split()


def test_another_processor(monkeypatch: pytest.MonkeyPatch, context: Context) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "", "", "aarch64")))
    with pytest.raises(GuestError, match="x86-64 only") as caught:
        kernel(context)
    assert caught.value.advice == "--link qemu"


def started(context: Context, err: IO[str] | int = subprocess.PIPE, **env: str) -> subprocess.Popen[str]:
    (file,) = context.cache.downloads.iterdir()
    pinned = pin(file.read_bytes()).model_dump_json()
    return subprocess.Popen(
        [sys.executable, "-P", "-c", RUN, pinned, str(context.cache.root)],
        stdout=subprocess.PIPE, stderr=err, text=True, env={**os.environ, **env},
    )  # fmt: skip


@pytest.mark.slow
def test_two_first_runs_at_once(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The one that compiles goes on when the other one waits, however long that one takes to begin.
    both, go = tmp_path / "both", tmp_path / "go"
    waits = f"\twhile [ ! -e {go} ]; do sleep 0.1; done\n\tcc"
    context = given(cache, monkeypatch, Makefile=MAKEFILE.replace(b"\tcc", waits.encode()))
    with both.open("w") as err, started(context, err) as first, started(context, err) as second:
        deadline = time.monotonic() + 120
        while "waiting for another patchkit" not in both.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        go.touch()
        answers = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert answers[0] == answers[1] != ""
    assert both.read_text().count("compiled once") == 1
    assert both.read_text().count("waiting for another patchkit") == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, tmp_path: Path
) -> None:
    context = given(cache, monkeypatch, Makefile=MAKEFILE.replace(b"\tcc", b"\tsleep 60\n\tcc"))
    mark = str(tmp_path / "home")
    with started(context, HOME=mark) as process:  # of all variables, the workspace passes HOME on
        deadline = time.monotonic() + 60
        while not any("sleep 60" in line for line in marked(f"HOME={mark}")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(30) == 130
    assert marked(f"HOME={mark}") == []
    assert list(cache.kernels.iterdir()) == []
    assert list(cache.logs.iterdir()) == []
