"""The docker engine, with a real daemon; and without one."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from patchkit.building.engine import docker as docker_engine
from patchkit.building.engine.docker import DockerEngine, connect
from patchkit.building.engine.image import PROCESS, base_image
from patchkit.building.engine.protocol import Identity, one_file
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.static_library import licences
from patchkit.building.toolchain import toolchain
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    DockerMissingError,
    DockerSilentError,
    NotReadyError,
    OfflineError,
    PatchkitError,
    UnknownTargetError,
)
from patchkit.releases.version import Version
from patchkit.ui import Ui
from tests.conftest import Run
from tests.support.building.made_up_openssl import contents, made_up, source_of
from tests.support.building.workspaces import check_workspace, run


def test_no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(DockerMissingError) as caught:
        connect()
    assert "--engine host" in caught.value.advice


# The SDK leaves its socket open when its constructor fails; collected here, it is not another test's fault.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", b"hello\r\n\r\n"])
def test_a_daemon_that_does_not_answer_as_it_should(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import threading

    path = str(tmp_path / "d.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(docker_engine, "_PING", 0.5)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)

        def serve() -> None:
            while True:
                try:
                    talk, _ = listener.accept()
                except OSError:
                    return
                with talk:
                    if not talk.recv(4096):
                        continue  # somebody who only knocked
                    if answer is None:
                        talk.recv(1)  # until the client has had enough
                    else:
                        talk.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(DockerSilentError):
            connect()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
    gc.collect()


def containers() -> list[Any]:
    with closing(connect()) as client:
        return list(client.containers.list(all=True, filters={"label": f"{PROCESS}={os.getpid()}"}))


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[DockerEngine, Identity]]:
    try:
        client = connect()
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    built = DockerEngine(client, Context(Cache.default(), Ui(quiet=True)))
    yield built, built.prepare(toolchain(Version("2.6.14"), "linux-amd64"))
    client.close()


@pytest.mark.slow
def test_workspace(engine: tuple[DockerEngine, Identity]) -> None:
    docker, identity = engine
    with docker.workspace(identity, keep=False) as workspace:
        check_workspace(workspace)


def check_confined(attrs: dict[str, Any]) -> None:
    """What the daemon says of a container: nothing of the host's in it, and no power over the host."""
    host = attrs["HostConfig"]
    assert attrs["Mounts"] == []
    for nothing in (
        "Binds",
        "Mounts",
        "VolumesFrom",
        "Devices",
        "DeviceRequests",
        "CapAdd",
        "GroupAdd",
        "PortBindings",
    ):
        assert not host.get(nothing), nothing
    assert host["Privileged"] is False
    assert host["PublishAllPorts"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
    assert (host["PidMode"], host["UTSMode"], host.get("UsernsMode", "")) == ("", "", "")
    assert host["IpcMode"] in ("", "private")
    assert host.get("CgroupnsMode", "private") in ("", "private", "host")  # the daemon's own choice, by the kernel
    assert attrs["Config"]["User"] == "1000:1000"
    assert not attrs["Config"]["Volumes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "codes"),
    [
        ("build --version 2.6.14 --variant stock --engine docker --cflag=-O0 --out {dist}", {0}),  # -O0: sooner
        ("doctor build", {0, NotReadyError.exit_code}),  # where something that is not Docker is missing
    ],
    ids=["build", "doctor"],
)
def test_a_command_creates_only_confined_containers(
    engine: tuple[DockerEngine, Identity], tmp_path: Path, what: str, codes: set[int]
) -> None:
    """Not a container that a test has made: all that a whole command makes, asked of the daemon while it runs."""
    del engine
    seen: dict[str, dict[str, Any]] = {}
    with closing(connect()) as client:
        events = client.events(filters={"type": "container", "event": "create"}, decode=True)
        words = [word.format(dist=tmp_path / "dist") for word in what.split()]
        command = [sys.executable, "-P", "-m", "patchkit", *words]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:

            def watch() -> None:
                for event in events:
                    # Workspaces that other tests make at the same time say so; whatever says nothing may be its own.
                    if event["Actor"]["Attributes"].get(PROCESS, str(build.pid)) == str(build.pid):
                        seen[event["id"]] = _inspected(client, event["id"])

            watcher = Thread(target=watch)
            watcher.start()
            assert build.wait(timeout=1200) in codes
        events.close()
        watcher.join(timeout=10)
    assert seen
    for attrs in seen.values():
        check_confined(attrs)


def _inspected(client: Any, name: str) -> dict[str, Any]:
    description: dict[str, Any] = client.api.inspect_container(name)
    return description


@pytest.mark.slow
def test_a_container_has_no_network_no_privileges_and_nothing_of_the_host(
    engine: tuple[DockerEngine, Identity],
) -> None:
    docker, identity = engine
    with docker.workspace(identity, keep=False) as workspace:
        assert run(workspace, "sh", "-c", "ls /sys/class/net") == (0, ["lo"])
        assert run(workspace, "id", "-u") == (0, ["1000"])
        _, status = run(workspace, "cat", "/proc/self/status")
        fields = dict(line.split(":\t") for line in status if ":\t" in line)
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
        assert fields["NoNewPrivs"] == "1"
        _, (name,) = run(workspace, "hostname")
        with closing(connect()) as client:
            check_confined(_inspected(client, name))
        with pytest.raises(FileNotFoundError):
            one_file(workspace.get("nothing"))
    assert name not in {container.short_id for container in containers()}


@pytest.mark.slow
def test_a_kept_container_can_be_entered(engine: tuple[DockerEngine, Identity]) -> None:
    docker, identity = engine
    with docker.workspace(identity, keep=True):
        pass
    with closing(connect()) as client:
        (container,) = client.containers.list(filters={"label": f"{PROCESS}={os.getpid()}"})
        container.remove(force=True)


@pytest.mark.slow
def test_identity_says_what_is_in_the_image(engine: tuple[DockerEngine, Identity]) -> None:
    _, identity = engine
    assert identity.compiler.startswith("cc (Debian")
    assert set(identity.packages) == set(toolchain(Version("2.6.14"), "linux-amd64").packages)
    assert identity.image is not None
    assert identity.image.startswith("sha256:")


@pytest.mark.slow
def test_a_static_library_is_compiled_in_a_container(
    engine: tuple[DockerEngine, Identity], cache: Cache, ui: Ui
) -> None:
    """A made-up one; test_libraries.py compiles a real one on the host, and by night here."""
    docker, identity = engine
    tools = toolchain(Version("2.5.1"), "linux-amd64", crypto="openssl-1.1.1")
    source = source_of(made_up(Path("count")))
    builder = LibraryBuilder(tools, docker, identity, Context(cache, ui), jobs=1)
    library = builder.openssl(source)
    assert {"deps/lib/libcrypto.a", "deps/lib/libssl.a"} <= contents(library.archive).keys()
    assert licences([library]) == {"openssl/LICENSE": b"made up\n"}
    again = builder.openssl(source)
    assert again.archive == library.archive


@pytest.mark.slow
def test_image_base_gives_the_base_images(engine: tuple[DockerEngine, Identity], patchkit: Run) -> None:
    _, identity = engine
    done = patchkit("image", "base")
    assert done.returncode == 0, done.stderr
    assert identity.base_image is not None
    assert identity.base_image in done.stdout


@pytest.mark.slow
def test_an_interrupt_of_the_bootstrap_leaves_nothing(engine: tuple[DockerEngine, Identity], tmp_path: Path) -> None:
    """Root's mmdebstrap mounts the host's /proc and /sys below its folder: a left-over would be dangerous."""
    del engine
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "patchkit", "image", "base", "--force"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("patchkit-*/mmdebstrap.*/usr")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=60) == 130
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], check=False, capture_output=True).returncode == 1


@pytest.mark.slow
def test_an_image_for_another_architecture_is_refused(
    engine: tuple[DockerEngine, Identity], cache: Cache, ui: Ui
) -> None:
    del engine
    base = toolchain(Version("2.6.14"), "linux-amd64").base
    with closing(connect()) as client, pytest.raises(UnknownTargetError, match="not for arm64"):
        base_image(client, base, "arm64", Context(cache, ui, offline=True))


@pytest.mark.slow
def test_offline_without_image(engine: tuple[DockerEngine, Identity], cache: Cache, ui: Ui) -> None:
    tools = toolchain(Version("2.6.14"), "linux-amd64")
    other = tools.base.model_copy(update={"image": "patchkit-test-no-such-image:1"})
    with closing(connect()) as client, pytest.raises(OfflineError):
        DockerEngine(client, Context(cache, ui, offline=True)).prepare(tools.model_copy(update={"base": other}))
