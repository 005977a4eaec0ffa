"""The host engine."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patchkit.building.engine.host import HostEngine, installed
from patchkit.building.engine.protocol import Identity, files, versions
from patchkit.building.toolchain import toolchain
from patchkit.errors import BadUsageError, ToolchainError, ToolError, UnknownTargetError
from patchkit.releases.version import Version
from patchkit.ui import Ui
from tests.support.building.workspaces import check_workspace, run

IDENTITY = Identity("host", "cc", {})


def test_workspace(ui: Ui) -> None:
    with HostEngine(ui).workspace(IDENTITY, keep=False) as workspace:
        check_workspace(workspace)
        top = Path(workspace.top)
    assert not top.exists()


def test_a_kept_workspace_stays(ui: Ui) -> None:
    with HostEngine(ui).workspace(IDENTITY, keep=True) as workspace:
        pass
    (Path(workspace.top) / "tmp").rmdir()
    Path(workspace.top).rmdir()


def test_the_callers_flags_do_not_leak_into_a_build(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-march=mine")
    with HostEngine(ui).workspace(IDENTITY, keep=False) as workspace:
        assert run(workspace, "sh", "-c", "echo [$CFLAGS]") == (0, ["[]"])


def test_an_interrupt_takes_the_whole_process_group(ui: Ui) -> None:
    def interrupt(text: str) -> None:
        assert text == "started"
        raise KeyboardInterrupt

    mark = f"300.{os.getpid()}"
    with HostEngine(ui).workspace(IDENTITY, keep=False) as workspace, pytest.raises(KeyboardInterrupt):
        workspace.run(
            ["sh", "-c", f"sleep {mark} & sleep {mark} & echo started; wait"], cwd=".", env={}, line=interrupt
        )
    assert subprocess.run(["pgrep", "-f", f"sleep {mark}"], check=False, stdout=subprocess.DEVNULL).returncode == 1


@pytest.mark.slow
def test_a_script_runs_while_other_threads_start_children(ui: Ui) -> None:
    """Without a lock, a child that is being started holds the new script open: "Text file busy"."""
    with HostEngine(ui).workspace(IDENTITY, keep=False) as workspace:

        def codes(thread: int) -> set[int]:
            found = set()
            for number in range(100):
                name = f"script-{thread}-{number}"
                workspace.put(files({name: b"#!/bin/sh\n" + b"#" * 200_000}, mode=0o700))
                found.add(run(workspace, "timeout", "9", f"{workspace.top}/{name}")[0])
            return found

        with ThreadPoolExecutor(max_workers=4) as pool:
            assert set().union(*pool.map(codes, range(4))) == {0}


def test_missing_packages_are_named_with_the_command_that_helps(ui: Ui) -> None:
    tools = toolchain(Version("2.6.14"), "linux-amd64")
    if installed(tools.packages, tools.target.debian_arch) is None:
        pytest.skip("no dpkg on this host")
    with pytest.raises(ToolchainError) as caught:
        HostEngine(ui).prepare(tools.model_copy(update={"packages": [*tools.packages, "no-such-package"]}))
    assert "no-such-package" in caught.value.advice
    assert caught.value.advice.startswith("as root: apt-get update && apt-get install")


def test_a_package_of_another_architecture_is_not_the_one_that_is_wanted() -> None:
    rows = ["libssl-dev i386 3.0", "wine all 8.0", "wine32 i386 8.1", "make amd64 4.3", "less amd64 590"]
    packages = ["libssl-dev", "make", "wine", "wine32:i386"]
    assert versions(rows, packages, "amd64") == {"wine": "8.0", "wine32:i386": "8.1", "make": "4.3"}
    assert versions(["make i386 4.1", "make amd64 4.3", "make i386 4.2"], ["make"], "amd64") == {"make": "4.3"}


@pytest.mark.parametrize(("version", "lacking"), [("2.6.14", "make"), ("2.7.7", "make, cmake, ninja")])
def test_without_packages_the_commands_of_the_recipe_are_asked_for(
    version: str, lacking: str, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is no Debian, and has all but these."""
    tools = toolchain(Version(version), "windows-amd64")
    there = ("pkg-config", "autoreconf", "libtoolize", "wine", *map(tools.target.tool, ("gcc", "strip")))
    for name in there:
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as caught:
        HostEngine(ui).prepare(tools)
    assert caught.value.what == f"this host lacks {lacking}"


def test_a_compiler_for_something_else_is_refused(ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 32-bit system on a 64-bit kernel: uname does not tell, the compiler does."""
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho i686-linux-gnu\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UnknownTargetError, match="does not make linux-amd64") as caught:
        HostEngine(ui).prepare(toolchain(Version("2.6.14"), "linux-amd64"))
    assert "2038" in caught.value.why


KILLED = """
import os, signal, tempfile
from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Identity
from patchkit.ui import Ui
with HostEngine(Ui(quiet=True)).workspace(Identity("host", "cc", {}), keep=False):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_build_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / "patchkit-of-another-kind").mkdir()
    engine, identity = HostEngine(Ui(quiet=True)), Identity("host", "cc", {})
    with engine.workspace(identity, keep=True) as kept, engine.workspace(identity, keep=False) as other:
        assert not left.exists()
        assert Path(kept.top).exists()
        assert Path(other.top).exists()
    with engine.workspace(identity, keep=False):
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith("kind")) == [
            "patchkit-of-another-kind"
        ]
    assert Path(kept.top).exists()


def test_a_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHKIT_BUILD_TIMEOUT", "1")
    with HostEngine(Ui(quiet=True)).workspace(Identity("host", "cc", {}), keep=False) as space:
        with pytest.raises(ToolError, match="sleep did not end within 1 s"):
            space.run(["sleep", "65"], cwd=".", env={}, line=print)
        monkeypatch.setenv("PATCHKIT_BUILD_TIMEOUT", "a while")
        with pytest.raises(BadUsageError):
            space.run(["true"], cwd=".", env={}, line=print)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="setarch i686 is for x86-64")
@pytest.mark.parametrize(
    ("target", "advice"),
    [("linux-amd64", "--engine docker"), ("linux-static-amd64", "build it on Linux on x86_64")],
)
def test_on_another_processor_the_advice_is_one_that_helps(target: str, advice: str) -> None:
    """Docker builds no static programs."""
    ask = f"""
from patchkit.building.engine.host import HostEngine
from patchkit.building.toolchain import toolchain
from patchkit.errors import UnknownTargetError
from patchkit.releases.version import Version
from patchkit.ui import Ui

try:
    HostEngine(Ui(quiet=True)).check(toolchain(Version("2.6.14"), "{target}"))
except UnknownTargetError as error:
    print(error, error.why, error.advice, sep="; ")
"""
    command = ["setarch", "i686", sys.executable, "-P", "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"this host can't build {target}; it is Linux on i686; {advice}\n"
