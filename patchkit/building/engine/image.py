"""Base images and toolchain images for the docker engine.

A base image is the one of that name here, else pulled, else bootstrapped from a Debian mirror and
imported under the same name. A toolchain image is cached under the hash of what made it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchkit import resources
from patchkit.building.engine.protocol import OWNER
from patchkit.building.toolchain import Base, Toolchain
from patchkit.context import Context
from patchkit.errors import BaseImageError, DiskFullError, OfflineError, ToolchainError, UnknownTargetError
from patchkit.signals import held_off
from patchkit.source.fetch import debian, mirror
from patchkit.storage import reading, writing
from patchkit.ui import Ui

if TYPE_CHECKING:
    import docker

TOP = "/build"
LABEL = "org.patchkit"
PROCESS = f"{LABEL}.process"
"""The label of a workspace that holds the id of the process that made it."""
_GRACE = 30.0  # seconds for mmdebstrap to tidy up
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def toolchain_image(client: docker.DockerClient, toolchain: Toolchain, context: Context) -> Any:
    """The image that compiles for this toolchain, built when it is not there yet."""
    base = base_image(client, toolchain.base, toolchain.target.debian_arch, context)
    text, tag = _text_and_tag(toolchain, base)
    with context.cache.lock("docker-toolchain"):
        found = local(client, tag)
        if found is None and _load(client, archive_name(toolchain), context):
            found = local(client, tag) or _with_the_mirrors_base(client, toolchain, context)
        if found is not None:
            return found
        if context.offline:
            raise OfflineError(
                f"the toolchain image {tag} is not here",
                why=f"no mirror holds {archive_name(toolchain)}",
                advice="drop --offline once, it is kept afterwards; or patchkit mirror sync, where there is a network",
            )
        context.ui.step(f"Build the toolchain image {tag}")
        _build(client, text, tag, toolchain.base, context.ui)
        return client.images.get(tag)


def base_image(client: docker.DockerClient, base: Base, arch: str, context: Context) -> Any:
    """The base image: here already, from a registry, or bootstrapped. Raises BaseImageError or OfflineError.

    Also UnknownTargetError, where an image of that name is here for another architecture.
    """
    with context.cache.lock("docker-base"):
        found = local(client, base.image)
        if found is None and _load(client, base_archive_name(base, arch), context):
            found = local(client, base.image)
        if found is None and context.offline:
            raise OfflineError(
                f"the base image {base.image} is not here",
                why=f"no mirror holds {base_archive_name(base, arch)}",
                advice="patchkit image base, or patchkit mirror sync, where there is a network",
            )
        if found is None:
            found = _pulled(client, base, arch, context.ui) or _bootstrapped(client, base, arch, context.ui)
    return _of_architecture(found, base, arch)


def bootstrap(client: docker.DockerClient, base: Base, arch: str, context: Context) -> Any:
    """Make the base image from a Debian mirror, whatever is here and whether or not there is a registry."""
    with context.cache.lock("docker-base"):
        return _of_architecture(_bootstrapped(client, base, arch, context.ui), base, arch)


def tag_of(client: docker.DockerClient, toolchain: Toolchain) -> str:
    """The name of the toolchain's image on the base that is here."""
    return _text_and_tag(toolchain, local(client, toolchain.base.image))[1]


def tag_if_here(client: docker.DockerClient, toolchain: Toolchain) -> str | None:
    """The name of the toolchain's image where it is here, and its base with it."""
    if local(client, toolchain.base.image) is None:
        return None
    tag = tag_of(client, toolchain)
    return None if local(client, tag) is None else tag


def archive_name(toolchain: Toolchain) -> str:
    """What a mirror calls this toolchain's image; it does not depend on which build of the base it stands on."""
    digest = hashlib.sha256(dockerfile(toolchain, toolchain.base.image).encode()).hexdigest()
    return f"toolchain-{toolchain.target.name}-{digest[:16]}.tar.gz"


def base_archive_name(base: Base, arch: str) -> str:
    """What a mirror calls a base image."""
    return f"base-{base.suite}-{arch}.tar.gz"


def save(client: docker.DockerClient, name: str, path: Path, ui: Ui) -> None:
    """Write an image, under its name, as a compressed tar that ``docker load`` takes."""
    # Level 1: it halves the size, and the disk is not much faster.
    with (
        writing(path),
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as out,
        ui.bar(path.name, None) as advance,
    ):
        for chunk in client.images.get(name).save(named=name):
            out.write(chunk)
            advance(len(chunk))


def _load(client: docker.DockerClient, name: str, context: Context) -> bool:
    """Load an image from one of the user's mirrors; whether there was one."""
    path = mirror.indexed(name, context)
    if path is None:
        return False
    context.ui.note(f"docker load {path}")
    with reading(path), path.open("rb") as file:
        client.images.load(file)
    return True


def _with_the_mirrors_base(client: docker.DockerClient, toolchain: Toolchain, context: Context) -> Any:
    """The base image here is another one than the mirror's toolchain stands on: theirs takes its name."""
    if not _load(client, base_archive_name(toolchain.base, toolchain.target.debian_arch), context):
        return None
    context.ui.note(f"{toolchain.base.image} is the mirror's now")
    return local(client, tag_of(client, toolchain))


def _text_and_tag(toolchain: Toolchain, base: Any) -> tuple[str, str]:
    text = dockerfile(toolchain, base.id)
    return text, f"patchkit/toolchain:{toolchain.target.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _of_architecture(found: Any, base: Base, arch: str) -> Any:
    """Autoconf would take a native compiler for a cross compiler, and the result would carry a wrong name."""
    if found.attrs["Architecture"] != arch:
        raise UnknownTargetError(
            f"{base.image} is here for {found.attrs['Architecture']}, not for {arch}",
            why="what it compiles would not be what its name says",
            advice=f"docker rmi {base.image}, on a daemon that runs on {arch}",
        )
    return found


def _pulled(client: docker.DockerClient, base: Base, arch: str, ui: Ui) -> Any:
    import docker

    ui.step(f"Pull {base.image}")
    try:
        return client.images.pull(base.image, platform=f"linux/{arch}")
    except docker.errors.DockerException as error:
        ui.note(f"no registry gives {base.image}: {_reason(error)}")
        return None


def _bootstrapped(client: docker.DockerClient, base: Base, arch: str, ui: Ui) -> Any:
    """mmdebstrap, then docker import under the base's name."""
    program = shutil.which("mmdebstrap")
    if program is None:
        raise BaseImageError(
            f"{base.image} is not here, no registry gave it, and mmdebstrap is not installed",
            advice="apt-get install mmdebstrap, or docker load the image, or --engine host",
        )
    ui.step(f"Bootstrap {base.image} from the Debian mirror")
    with writing(Path(tempfile.gettempdir())):
        folder = Path(tempfile.mkdtemp(prefix="patchkit-"))
    try:
        archive = folder / "base.tar"
        command = [program, "--quiet", "--variant=minbase", f"--architectures={arch}", base.suite, str(archive)]
        code, said = _mmdebstrap([*command, *debian.sources(base.suite)], folder)
        if code != 0:
            raise BaseImageError(
                f"mmdebstrap could not make {base.image}",
                why=_tail(said),
                advice="set PATCHKIT_DEBIAN_MIRROR to a mirror in reach, or use --engine host",
            )
        name, tag = base.image.split(":")
        client.api.import_image_from_file(str(archive), repository=name, tag=tag)
    finally:
        with held_off():
            shutil.rmtree(folder, ignore_errors=True)
    return client.images.get(base.image)


def _mmdebstrap(command: list[str], folder: Path) -> tuple[int, str]:
    """Run it so that nothing of it stays when we are interrupted: no process, no mount, no folder."""
    # Root's mmdebstrap mounts /proc and /sys below its folder; in a mount namespace they end with it.
    apart = ["unshare", "--mount", "--"]
    may = os.geteuid() == 0 and subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    isolated = [*apart, *command] if may else command
    with subprocess.Popen(
        isolated,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate()
        except BaseException:
            with held_off(), suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_GRACE)
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said


def dockerfile(toolchain: Toolchain, base_id: str) -> str:
    """The rendered Dockerfile."""
    from jinja2 import Environment, StrictUndefined

    template = (resources.folder("docker") / "toolchain.Dockerfile.j2").read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    return environment.from_string(template).render(
        base=toolchain.base,
        base_id=base_id,
        target=toolchain.target.name,
        packages=toolchain.packages,
        foreign=toolchain.target.foreign,
        uid=OWNER,
        top=TOP,
    )


def _build(client: docker.DockerClient, text: str, tag: str, base: Base, ui: Ui) -> None:
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
                labels={LABEL: "toolchain"}, buildargs=_build_arguments(base),
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
        raise ToolchainError(
            "the toolchain image could not be built",
            why=_tail("\n".join(said)),
            advice="set PATCHKIT_DEBIAN_MIRROR to a mirror in reach, or use --engine host",
        ) from error


def _build_arguments(base: Base) -> dict[str, str]:
    """What a site may need for reaching its mirror; none of it decides what the image becomes."""
    arguments = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    if os.environ.get("PATCHKIT_DEBIAN_MIRROR"):
        arguments["DEBIAN_SOURCES"] = "\n".join(debian.sources(base.suite))
    return arguments


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    import docker

    for event in stream:
        if "error" in event:
            raise docker.errors.BuildError(event["error"], [])
        yield from str(event.get("stream", "")).rstrip("\n").splitlines()


def local(client: docker.DockerClient, name: str) -> Any:
    """An image that is here, or None."""
    import docker

    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or getattr(error, "msg", None) or error)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
