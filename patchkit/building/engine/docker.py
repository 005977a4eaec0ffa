"""The docker engine: compile in a container without network, privileges or the host's files."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from patchkit import limits
from patchkit.building.engine import image
from patchkit.building.engine.protocol import OWNER, Identity, Workspace, longest_command, too_long, versions
from patchkit.building.toolchain import Toolchain
from patchkit.context import Context
from patchkit.errors import BaseImageError, DiskFullError, DockerMissingError, DockerSilentError, ToolchainError
from patchkit.signals import held_off
from patchkit.storage import keep, kept

if TYPE_CHECKING:
    import docker

CONFINED: Mapping[str, Any] = {
    "network_mode": "none",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "user": f"{OWNER}:{OWNER}",
}
"""Options, in the terms of Docker's SDK, that every container of patchkit has: no network, no privileges."""

# Seconds that a container lives longer than one of its commands may: it ends by itself where patchkit is killed.
_SPARE = 3600
_TIMED_OUT = 124  # timeout(1)
_NOBODY_THERE = ("FileNotFoundError", "No such file", "ConnectionRefusedError", "Connection refused")
_ROW = "${Package} ${Architecture} ${Version}\\n"
_PING = 10.0  # seconds for the first answer of the daemon
_ANSWER = 600.0  # seconds for any later one: importing an image may take minutes
_ASKED = 60.0  # seconds after which the daemon is asked whether it is there, while a command runs


def connect() -> docker.DockerClient:
    """Connect to the daemon that ``DOCKER_HOST`` or the default socket names, and check that it answers.

    Raises DockerMissingError where there is no daemon, DockerSilentError where it does not answer.
    """
    _knock()
    import docker

    client = None
    try:
        client = docker.from_env(timeout=limits.silence(_PING))
        client.ping()
    except (docker.errors.DockerException, OSError) as error:  # OSError: requests' time-outs and broken connections
        if client is not None:
            client.close()
        raise _unanswered(str(error)) from error
    client.api.timeout = limits.silence(_ANSWER)
    return client


def _knock() -> None:
    """Raise where nothing listens on the daemon's socket, before the SDK is loaded, which would leave a socket open."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(limits.silence(_PING))
        try:
            knock.connect(host.removeprefix("unix://"))
        except OSError as error:
            raise _unanswered(f"{host}: {error}") from error


def _unanswered(why: str) -> DockerMissingError | DockerSilentError:
    if any(sign in why for sign in _NOBODY_THERE):
        return DockerMissingError("there is no Docker daemon", why=why, advice="start dockerd, or use --engine host")
    if "Permission denied" in why:
        advice = "join the group docker, or use --engine host"
        return DockerSilentError("this user may not use Docker's daemon", why=why, advice=advice)
    return DockerSilentError("Docker's daemon does not answer correctly", why=why, advice="docker info")


class DockerEngine:
    """Compiles in containers of a toolchain image."""

    name: Literal["docker"] = "docker"

    def __init__(self, client: docker.DockerClient, context: Context) -> None:
        self._client = client
        self._context = context

    def prepare(self, toolchain: Toolchain) -> Identity:
        """Find or build the image of ``toolchain``, and return what it is made of.

        Raises BaseImageError, ToolchainError, UnknownTargetError, OfflineError, DiskFullError or DockerSilentError.
        """
        if toolchain.zig is not None:
            raise ToolchainError(
                f"{toolchain.target.name} is not built in a container",
                why=f"zig {toolchain.zig.version} is one wheel, whose hash is pinned, and compiles the same everywhere",
                advice="--engine host",
            )
        with daemon_errors():
            built = image.toolchain_image(self._client, toolchain, self._context)
            compiler, packages = self._contents(built.id, toolchain)
            base = image.current(self._client, toolchain.base, toolchain.target.debian_arch)
            digest = image.digest(base, toolchain.base)
        return Identity(
            "docker", compiler, packages, image=built.id, base_image=base.id, base_digest=digest, system=built.id
        )

    def save_images(self, toolchain: Toolchain, folder: Path) -> list[Path]:
        """Write the image of ``toolchain`` and its base into ``folder``, under their names in a mirror.

        Raises what :meth:`prepare` does, StorageError, and BaseImageError where the base's name leads to another image
        than the recorded one.
        """
        with daemon_errors():
            image.toolchain_image(self._client, toolchain, self._context)
            changed = image.changed_line(self._client, toolchain.base, toolchain.target.debian_arch)
            if changed:
                raise BaseImageError(
                    f"{toolchain.base.image} can't be saved: it is not what the toolchain was built on",
                    why=changed,
                    advice="patchkit image base --accept, or --force",
                )
            tag = image.tag_of(self._client, toolchain)
            paths = [folder / name for name in self.image_archives(toolchain)]
            for path, name in zip(paths, (toolchain.base.image, tag), strict=True):
                image.save(self._client, name, path, self._context.ui)
        return paths

    def image_archives(self, toolchain: Toolchain) -> tuple[str, str]:
        """Return the names in a mirror of the base of ``toolchain`` and of its image."""
        base = image.base_archive_name(toolchain.base, toolchain.target.debian_arch)
        return base, image.archive_name(toolchain)

    def _contents(self, image_id: str, toolchain: Toolchain) -> tuple[str, dict[str, str]]:
        """Return compiler and packages of an image: read once and kept in the cache, since an image never changes."""
        path = self._context.cache.images / f"{image_id.removeprefix('sha256:')}.contents"
        text = kept(path)
        if text is None:
            compiler = toolchain.target.tool("gcc")
            packages_list = " ".join(toolchain.packages)
            query = f"{compiler} --version | head -n1; dpkg-query -W -f='{_ROW}' {packages_list}"
            output: list[str] = []
            with self._container(image_id, keep=False) as container:
                DockerWorkspace(self._client, container).run(["sh", "-c", query], cwd=".", env={}, line=output.append)
            compiler, *rows = output
            packages = versions(rows, toolchain.packages, toolchain.target.debian_arch)
            text = json.dumps({"compiler": compiler, "packages": packages}).encode()
            keep(path, text)
        contents = json.loads(text)
        return contents["compiler"], contents["packages"]

    @contextmanager
    def workspace(self, identity: Identity, *, keep: bool) -> Iterator[Workspace]:
        """Start a container of the image of ``identity``. Raises DockerSilentError."""
        with self._container(str(identity.image), keep=keep) as container:
            yield DockerWorkspace(self._client, container)

    @contextmanager
    def _container(self, image_id: str, *, keep: bool) -> Iterator[Any]:
        """Run a container as long as this context lasts, and no longer than its own ``sleep``."""
        # Named first: an interrupt may come after the daemon has created it and before it answers.
        name = f"patchkit-{uuid.uuid4().hex[:12]}"
        try:
            with daemon_errors():
                container = self._client.containers.create(
                    image_id,
                    ["sleep", "infinity" if keep else str(int(longest_command()) + _SPARE)],
                    name=name,
                    init=True,
                    auto_remove=not keep,
                    labels={image.LABEL: "workspace", image.PROCESS: str(os.getpid())},
                    **CONFINED,
                )
                container.start()
            yield container
        finally:
            if keep:
                self._context.ui.note(f"kept: docker exec -it {name} sh, then docker rm -f {name}")
            else:
                with held_off():
                    self._remove(name)

    def _remove(self, name: str) -> None:
        import requests

        import docker

        # No such container, or one that is being removed: either way it will be gone.
        with suppress(docker.errors.APIError, requests.RequestException):
            self._client.api.remove_container(name, force=True)


class DockerWorkspace:
    """A running container as a workspace."""

    top = image.TOP

    def __init__(self, client: docker.DockerClient, container: Any) -> None:
        self._api = client.api
        self._container = container

    def put(self, archive: bytes) -> None:
        """Unpack a tar below ``top``. Raises DiskFullError or DockerSilentError."""
        with daemon_errors():
            self._container.put_archive(self.top, archive)

    def get(self, path: str) -> bytes:
        """Return a tar of ``path``. Raises FileNotFoundError where there is no such file, or DockerSilentError."""
        import docker

        with daemon_errors():
            try:
                chunks, _ = self._container.get_archive(f"{self.top}/{path}")
                return b"".join(chunks)
            except docker.errors.NotFound as error:
                raise FileNotFoundError(str(error.explanation)) from error

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        """Run ``command`` as :meth:`Workspace.run` has it. Raises DockerSilentError or DiskFullError."""
        with daemon_errors():
            # One stream inside the container: Docker's two arrive in no particular order.
            limit, began = longest_command(), time.monotonic()
            merged = ["sh", "-c", 'exec timeout --kill-after=10 "$@" 2>&1', "sh", f"{limit:g}", *command]
            job = self._api.exec_create(self._container.id, merged, workdir=f"{self.top}/{cwd}", environment=dict(env))[
                "Id"
            ]
            rest = b""
            with self._output(job) as chunks:
                for chunk in chunks:
                    *whole, rest = (rest + chunk).split(b"\n")
                    for text in whole:
                        line(text.decode("utf-8", "replace"))
            if rest:
                line(rest.decode("utf-8", "replace"))
            code = self._api.exec_inspect(job)["ExitCode"]
        if code is None:
            raise DockerSilentError("the connection to Docker broke during a build", advice="docker info")
        if code == _TIMED_OUT and time.monotonic() - began >= limit:
            raise too_long(command, limit)
        return int(code)

    def stop(self) -> None:
        """Kill the container, and with it every command in it."""
        import docker

        with suppress(docker.errors.APIError):
            self._container.kill()

    @contextmanager
    def _output(self, job: str) -> Iterator[Iterator[bytes]]:
        """The output of a command, which ends when the command does, or the daemon no longer answers."""
        stream, ended, silent = self._api.exec_start(job, stream=True), threading.Event(), threading.Event()
        wait = limits.silence(_ASKED)

        def ask() -> None:
            # The SDK waits for output without a limit, and a command may print nothing for as long as it runs.
            while not ended.wait(wait):
                try:
                    self._api.ping()
                except Exception:  # noqa: BLE001 - requests', urllib3's and the SDK's own
                    if not ended.is_set():
                        silent.set()
                        with suppress(OSError):
                            stream.close()
                    return

        watch = threading.Thread(target=ask, daemon=True)
        watch.start()
        try:
            yield stream
        finally:
            ended.set()
            # The SDK leaves the connection open, and its close() leaves the file object of the socket open.
            with suppress(OSError):
                stream.close()
            stream._response.close()
        if silent.is_set():
            raise DockerSilentError(
                "Docker's daemon no longer answers",
                why=f"no answer within {self._api.timeout:g} s, while a command ran in a container",
                advice=f"docker info; {limits.LONGER}",
            )


@contextmanager
def daemon_errors() -> Iterator[None]:
    """Turn errors of Docker's SDK into DiskFullError or DockerSilentError.

    The SDK's errors are OSErrors, and would otherwise pass for errors of the disk.
    """
    import requests
    import urllib3

    import docker

    try:
        yield
    except docker.errors.DockerException as error:
        why = str(getattr(error, "explanation", None) or error)
        if "no space left" in why.lower():
            raise DiskFullError("no room left in Docker's storage", why=why, advice="docker system prune") from error
        raise DockerSilentError("Docker refused a request", why=why, advice="docker info") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        advice = f"docker info; {limits.LONGER}" if isinstance(error, requests.Timeout) else "docker info"
        raise DockerSilentError("the connection to Docker broke", why=str(error), advice=advice) from error
