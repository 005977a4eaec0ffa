"""Base images and toolchain images for the docker engine.

A base image is the one of that name here, else pulled, else bootstrapped from a Debian mirror and
imported under the same name. A toolchain image is cached under the hash of what made it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchkit import resources
from patchkit.building.engine import OWNER
from patchkit.building.toolchain import Base, Toolchain
from patchkit.errors import BaseImageError, CompileError, DiskFullError, OfflineError
from patchkit.source import debian
from patchkit.source.cache import Cache, writing
from patchkit.ui import Ui

if TYPE_CHECKING:
    import docker

TOP = "/build"
LABEL = "org.patchkit"


def toolchain_image(client: docker.DockerClient, toolchain: Toolchain, cache: Cache, ui: Ui, *, offline: bool) -> Any:
    """The image that compiles for this toolchain, built when it is not there yet."""
    base = base_image(client, toolchain.base, cache, ui, offline=offline)
    text = dockerfile(toolchain, base.id)
    tag = f"patchkit/toolchain:{toolchain.target.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    with cache.lock("docker-toolchain"):
        found = _local(client, tag)
        if found is not None:
            return found
        if offline:
            raise OfflineError(
                f"the toolchain image {tag} is not here", advice="drop --offline once; it is kept afterwards"
            )
        ui.step(f"Build the toolchain image {tag}")
        _build(client, text, tag, ui)
        return client.images.get(tag)


def base_image(client: docker.DockerClient, base: Base, cache: Cache, ui: Ui, *, offline: bool) -> Any:
    """The base image: here already, from a registry, or bootstrapped. Raises BaseImageError or OfflineError."""
    with cache.lock("docker-base"):
        found = _local(client, base.image)
        if found is not None:
            return found
        if offline:
            raise OfflineError(f"the base image {base.image} is not here", advice="patchkit image base, while online")
        import docker

        try:
            ui.step(f"Pull {base.image}")
            return client.images.pull(base.image)
        except docker.errors.DockerException as error:
            reason = _reason(error)
            ui.note(f"no registry gives {base.image}: {reason}")
        return bootstrap(client, base, ui, reason)


def bootstrap(client: docker.DockerClient, base: Base, ui: Ui, reason: str = "") -> Any:
    """Make the base image from a Debian mirror with mmdebstrap and import it under its name."""
    program = shutil.which("mmdebstrap")
    if program is None:
        raise BaseImageError(
            f"{base.image} can't be pulled, and mmdebstrap is not installed",
            why=reason,
            advice="apt-get install mmdebstrap, or docker load the image, or --engine host",
        )
    ui.step(f"Bootstrap {base.image} from the Debian mirror")
    with tempfile.TemporaryDirectory(prefix="patchkit-") as folder, writing(Path(folder)):
        archive = Path(folder, "base.tar")
        command = [
            program,
            "--quiet",
            "--variant=minbase",
            base.suite,
            str(archive),
            *debian.sources(base.suite),
        ]
        made = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if made.returncode != 0:
            raise BaseImageError(
                f"mmdebstrap could not make {base.image}",
                why=f"{reason}\n{_tail(made.stderr)}".strip(),
                advice="set PATCHKIT_DEBIAN_MIRROR to a mirror in reach, or use --engine host",
            )
        name, tag = base.image.split(":")
        client.api.import_image_from_file(str(archive), repository=name, tag=tag)
    return client.images.get(base.image)


def dockerfile(toolchain: Toolchain, base_id: str) -> str:
    """The rendered Dockerfile."""
    from jinja2 import Environment, StrictUndefined

    template = (resources.folder("docker") / "toolchain.Dockerfile.j2").read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    return environment.from_string(template).render(
        base=toolchain.base,
        base_id=base_id,
        target=toolchain.target.name,
        packages=sorted(toolchain.target.packages),
        uid=OWNER,
        top=TOP,
    )


def _build(client: docker.DockerClient, text: str, tag: str, ui: Ui) -> None:
    import docker

    said: list[str] = []
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
    context.seek(0)
    try:
        with ui.log("toolchain image") as show:
            stream = client.api.build(
                fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True,
                labels={LABEL: "toolchain"},
            )  # fmt: skip
            for line in _lines(stream):
                said.append(line)
                show(line)
    except docker.errors.DockerException as error:
        said.append(_reason(error))
        if any("no space left" in line.lower() for line in said[-20:]):
            raise DiskFullError(
                "no room left for the toolchain image",
                why=_tail("\n".join(said), 3),
                advice="docker system prune",
            ) from error
        raise CompileError("the toolchain image could not be built", why=_tail("\n".join(said))) from error


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    import docker

    for event in stream:
        if "error" in event:
            raise docker.errors.BuildError(event["error"], [])
        yield from str(event.get("stream", "")).rstrip("\n").splitlines()


def _local(client: docker.DockerClient, name: str) -> Any:
    import docker

    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or getattr(error, "msg", None) or error)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
