"""The docker engine: compile in a container without network, privileges or the host's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from patchkit.building import image
from patchkit.building.engine import OWNER, Identity, Workspace
from patchkit.building.toolchain import Toolchain
from patchkit.errors import CompileError, DiskFullError, DockerMissingError, DockerSilentError
from patchkit.source.cache import Cache
from patchkit.ui import Ui

if TYPE_CHECKING:
    import docker

# Seconds after which a container ends by itself, should patchkit be killed before it can remove it.
_LIFETIME = 4 * 3600
_NOBODY_THERE = ("FileNotFoundError", "No such file", "ConnectionRefusedError", "Connection refused")
_PING = 10.0  # seconds for the first answer of the daemon
_ANSWER = 600.0  # seconds for any later one: importing an image may take minutes


def connect() -> docker.DockerClient:
    """A client of the daemon that ``DOCKER_HOST`` or the default socket names, which has just answered.

    Raises DockerMissingError where there is none, DockerSilentError where it does not answer.
    """
    import docker

    client = None
    try:
        client = docker.from_env(timeout=_PING)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:  # OSError: requests' time-outs and broken connections
        if client is not None:
            client.close()
        raise _unanswered(str(error)) from error
    client.api.timeout = _ANSWER
    return client


def _unanswered(why: str) -> DockerMissingError | DockerSilentError:
    if any(sign in why for sign in _NOBODY_THERE):
        return DockerMissingError("there is no Docker daemon", why=why, advice="start dockerd, or use --engine host")
    return DockerSilentError("Docker's daemon does not answer as it should", why=why, advice="docker info")


class DockerEngine:
    """Compiles in containers of a toolchain image."""

    name: Literal["docker"] = "docker"

    def __init__(self, client: docker.DockerClient, cache: Cache, ui: Ui) -> None:
        self._client = client
        self._cache = cache
        self._ui = ui

    def prepare(self, toolchain: Toolchain, *, offline: bool) -> Identity:
        found = image.toolchain_image(self._client, toolchain, self._cache, self._ui, offline=offline)
        compiler, packages = self._contents(found.id, toolchain.target.packages)
        base = self._client.images.get(toolchain.base.image).id
        return Identity("docker", compiler, packages, image=found.id, base_image=base, system=found.id)

    def _contents(self, image_id: str, packages: Sequence[str]) -> tuple[str, dict[str, str]]:
        """What an image holds never changes, so it is asked once and remembered in the cache."""
        import json

        memory = self._cache.folder("images") / f"{image_id.removeprefix('sha256:')}.json"
        if not memory.exists():
            query = "cc --version | head -n1; dpkg-query -W -f='${Package} ${Version}\\n' " + " ".join(packages)
            said = self._client.containers.run(
                image_id, ["sh", "-c", query], remove=True, network_mode="none", cap_drop=["ALL"]
            )
            compiler, *rows = said.decode().splitlines()
            text = json.dumps({"compiler": compiler, "packages": dict(row.split() for row in rows)})
            temporary = memory.with_suffix(f".{os.getpid()}")
            temporary.write_text(text)
            temporary.replace(memory)
        known = json.loads(memory.read_text())
        return known["compiler"], known["packages"]

    @contextmanager
    def workspace(self, identity: Identity, *, keep: bool) -> Iterator[Workspace]:
        container = self._client.containers.create(
            identity.image,
            ["sleep", str(_LIFETIME)],
            init=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            user=f"{OWNER}:{OWNER}",
            labels={image.LABEL: "workspace"},
        )
        try:
            container.start()
            yield DockerWorkspace(self._client, container)
        finally:
            if keep:
                self._ui.note(f"kept: docker exec -it {container.short_id} sh, then docker rm -f {container.short_id}")
            else:
                container.remove(force=True)


class DockerWorkspace:
    """One running container."""

    top = image.TOP

    def __init__(self, client: docker.DockerClient, container: Any) -> None:
        self._api = client.api
        self._container = container

    def put(self, archive: bytes) -> None:
        with _daemon_errors():
            self._container.put_archive(self.top, archive)

    def get(self, path: str) -> bytes:
        with _daemon_errors():
            chunks, _ = self._container.get_archive(f"{self.top}/{path}")
            return b"".join(chunks)

    def run(self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], line: Callable[[str], None]) -> int:
        with _daemon_errors():
            # One stream inside the container: Docker's two arrive in no particular order.
            merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
            job = self._api.exec_create(self._container.id, merged, workdir=f"{self.top}/{cwd}", environment=dict(env))[
                "Id"
            ]
            rest = b""
            for chunk in self._output(job):
                *whole, rest = (rest + chunk).split(b"\n")
                for text in whole:
                    line(text.decode("utf-8", "replace"))
            if rest:
                line(rest.decode("utf-8", "replace"))
            code = self._api.exec_inspect(job)["ExitCode"]
        if code is None:
            raise CompileError("Docker's connection broke in mid-build", advice="docker info")
        return int(code)

    def _output(self, job: str) -> Iterator[bytes]:
        stream = self._api.exec_start(job, stream=True)
        try:
            yield from stream
        finally:
            # The SDK leaves the connection open, and its close() leaves the file on top of the socket.
            with suppress(OSError):
                stream.close()
            stream._response.close()


@contextmanager
def _daemon_errors() -> Iterator[None]:
    import docker

    try:
        yield
    except docker.errors.NotFound as error:
        raise FileNotFoundError(str(error.explanation)) from error
    except docker.errors.DockerException as error:
        why = str(getattr(error, "explanation", error))
        if "no space left" in why.lower():
            raise DiskFullError("no room left in Docker's storage", why=why, advice="docker system prune") from error
        raise CompileError("Docker failed in mid-build", why=why, advice="docker info") from error
