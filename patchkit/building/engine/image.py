"""Base images and toolchain images for the docker engine.

A base image is the local one of that name, else pulled by the digest that the registry gives, else bootstrapped from a
Debian mirror and imported under that name. At its first use it gets a second name, its record: builds use that one from
then on, whatever the first name leads to later. A toolchain image is tagged with the hash of its Dockerfile, so that it
is built once.
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
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import Base
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
_BOOTSTRAP = 3600.0  # seconds for mmdebstrap, which takes a minute where the mirror is near
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def toolchain_image(client: docker.DockerClient, toolchain: Toolchain, context: Context) -> Any:
    """Return the image that compiles for ``toolchain``: here already, from a mirror, or built now.

    Raises OfflineError where it would have to be built, BaseImageError, UnknownTargetError, ToolchainError or
    DiskFullError.
    """
    base = base_image(client, toolchain.base, toolchain.target.debian_arch, context)
    text, tag = _text_and_tag(toolchain, base)
    with context.cache.lock("docker-toolchain"):
        built = local(client, tag)
        if built is None and _load(client, archive_name(toolchain), context):
            built = local(client, tag) or _with_the_mirrors_base(client, toolchain, context)
        if built is not None:
            return built
        if context.offline:
            raise OfflineError(
                f"the toolchain image {tag} is not here",
                why=f"no mirror holds {archive_name(toolchain)}",
                advice="drop --offline once, the image is kept; or patchkit mirror sync, where there is a network",
            )
        context.ui.step(f"Build the toolchain image {tag}")
        _build(client, text, tag, toolchain.base, context.ui)
        return client.images.get(tag)


def base_image(client: docker.DockerClient, base: Base, arch: str, context: Context) -> Any:
    """Return the image of ``base`` for Debian's architecture ``arch``: here already, from a registry, or bootstrapped.

    Raises BaseImageError, OfflineError, or UnknownTargetError where the image here is of another architecture.
    """
    with context.cache.lock("docker-base"):
        recorded = local(client, record_name(base, arch))
        if recorded is not None:
            changed = changed_line(client, base, arch)
            if changed:
                context.ui.warn(changed)
            return _of_architecture(recorded, base, arch)
        here = local(client, base.image)
        if here is None and _load(client, base_archive_name(base, arch), context):
            here = local(client, base.image)
        if here is None and context.offline:
            raise OfflineError(
                f"the base image {base.image} is not here",
                why=f"no mirror holds {base_archive_name(base, arch)}",
                advice="patchkit image base, or patchkit mirror sync, where there is a network",
            )
        if here is None:
            here = _pulled(client, base, arch, context.ui) or _bootstrapped(client, base, arch, context.ui)
        return _recorded(here, base, arch)


def bootstrap(client: docker.DockerClient, base: Base, arch: str, context: Context) -> Any:
    """Make the image of ``base`` from a Debian mirror, even where one is here or a registry has it.

    Raises BaseImageError, or UnknownTargetError for another architecture.
    """
    with context.cache.lock("docker-base"):
        return _recorded(_bootstrapped(client, base, arch, context.ui), base, arch)


def accept(client: docker.DockerClient, base: Base, arch: str) -> Any:
    """Record the image that has the name of ``base`` now: builds use it from now on. None where there is none.

    Raises UnknownTargetError where it is of another architecture.
    """
    here = local(client, base.image)
    return None if here is None else _recorded(here, base, arch)


def record_name(base: Base, arch: str) -> str:
    """Return the name that the image of ``base`` gets at its first use."""
    return f"patchkit/base:{base.suite}-{arch}-{hashlib.sha256(base.image.encode()).hexdigest()[:8]}"


def current(client: docker.DockerClient, base: Base, arch: str) -> Any:
    """Return the image of ``base`` that builds use: the recorded one, else the one of that name, else None."""
    return local(client, record_name(base, arch)) or local(client, base.image)


def changed_line(client: docker.DockerClient, base: Base, arch: str) -> str:
    """Tell in a line that the name of ``base`` leads to another image now than the recorded one; empty where not so."""
    recorded, here = local(client, record_name(base, arch)), local(client, base.image)
    if recorded is None or here is None or recorded.id == here.id:
        return ""
    return (
        f"{base.image} is another image now ({identity(here)}): builds go on with the one that was recorded at its "
        f"first use ({identity(recorded)}); to take the new one: patchkit image base --accept"
    )


def digest(image: Any, base: Base) -> str | None:
    """Return the digest by which the registry of ``base`` knows ``image``; None where it came from no registry."""
    name = base.image.rpartition(":")[0]
    known = [text.rpartition("@")[2] for text in image.attrs.get("RepoDigests") or [] if text.startswith(f"{name}@")]
    return known[0] if known else None


def identity(image: Any) -> str:
    """Return the id of ``image``, shortened."""
    return str(image.id)[:19]


def _recorded(image: Any, base: Base, arch: str) -> Any:
    """Give ``image`` the name under which builds look for ``base``."""
    repository, _, tag = record_name(base, arch).partition(":")
    _of_architecture(image, base, arch).tag(repository, tag)
    return image


def tag_of(client: docker.DockerClient, toolchain: Toolchain) -> str:
    """Return the tag of the image of ``toolchain`` on the base that is here."""
    return _text_and_tag(toolchain, _current(client, toolchain))[1]


def _current(client: docker.DockerClient, toolchain: Toolchain) -> Any:
    return current(client, toolchain.base, toolchain.target.debian_arch)


def tag_if_here(client: docker.DockerClient, toolchain: Toolchain) -> str | None:
    """Return the tag of the image of ``toolchain`` where image and base are here; None otherwise."""
    if _current(client, toolchain) is None:
        return None
    tag = tag_of(client, toolchain)
    return None if local(client, tag) is None else tag


def archive_name(toolchain: Toolchain) -> str:
    """Return the name in a mirror of the image of ``toolchain``; it does not depend on the build of its base."""
    digest = hashlib.sha256(dockerfile(toolchain, toolchain.base.image).encode()).hexdigest()
    return f"toolchain-{toolchain.target.name}-{digest[:16]}.tar.gz"


def base_archive_name(base: Base, arch: str) -> str:
    """Return the name in a mirror of the image of ``base``."""
    return f"base-{base.suite}-{arch}.tar.gz"


def save(client: docker.DockerClient, name: str, path: Path, ui: Ui) -> None:
    """Write the image ``name`` to ``path`` as a compressed tar that ``docker load`` reads. Raises StorageError."""
    # Level 1 halves the size about as fast as the disk writes.
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
    """Load an image from the user's mirrors; return whether one has it."""
    path = mirror.indexed(name, context)
    if path is None:
        return False
    context.ui.note(f"docker load {path}")
    with reading(path), path.open("rb") as file:
        client.images.load(file)
    return True


def _with_the_mirrors_base(client: docker.DockerClient, toolchain: Toolchain, context: Context) -> Any:
    """Load the mirror's base image under the name of the one here, on which the mirror's toolchain is not built."""
    if not _load(client, base_archive_name(toolchain.base, toolchain.target.debian_arch), context):
        return None
    context.ui.note(f"{toolchain.base.image} is now the mirror's image")
    accept(client, toolchain.base, toolchain.target.debian_arch)
    return local(client, tag_of(client, toolchain))


def _text_and_tag(toolchain: Toolchain, base: Any) -> tuple[str, str]:
    text = dockerfile(toolchain, base.id)
    return text, f"patchkit/toolchain:{toolchain.target.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _of_architecture(here: Any, base: Base, arch: str) -> Any:
    """Refuse an image for another machine: Autoconf would take its native compiler for a cross compiler."""
    if here.attrs["Architecture"] != arch:
        raise UnknownTargetError(
            f"{base.image} is here for {here.attrs['Architecture']}, not for {arch}",
            why="the artifact would not be what its name says",
            advice=f"docker rmi {base.image} {record_name(base, arch)}, on a daemon that runs on {arch}",
        )
    return here


def _pulled(client: docker.DockerClient, base: Base, arch: str, ui: Ui) -> Any:
    import docker

    ui.step(f"Pull {base.image}")
    name, _, tag = base.image.rpartition(":")
    try:
        # By its digest, so that what is pulled is what was looked up; a pull by digest gives the image no name.
        of_registry = client.images.get_registry_data(base.image).id
        pulled = client.images.pull(f"{name}@{of_registry}", platform=f"linux/{arch}")
        pulled.tag(name, tag)
        ui.note(f"{base.image} is {of_registry}")
        return client.images.get(base.image)
    except docker.errors.DockerException as error:
        ui.note(f"no registry gives {base.image}: {_reason(error)}")
        return None


def _bootstrapped(client: docker.DockerClient, base: Base, arch: str, ui: Ui) -> Any:
    """Run mmdebstrap, then import its result under the base's name. Raises BaseImageError."""
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
        # As Debian's own image has it: dpkg does not wait for the disk after each file, nor where this is built on.
        options = ["--quiet", "--variant=minbase", f"--architectures={arch}", "--dpkgopt=force-unsafe-io"]
        command = [program, *options, base.suite, str(archive)]
        try:
            code, output = _mmdebstrap([*command, *debian.sources(base.suite)], folder)
        except subprocess.TimeoutExpired:
            code, output = 1, f"it did not end within {_BOOTSTRAP:g} s"
        if code != 0:
            raise BaseImageError(
                f"mmdebstrap could not make {base.image}",
                why=_tail(output),
                advice="set PATCHKIT_DEBIAN_MIRROR to a mirror that can be reached, or use --engine host",
            )
        name, tag = base.image.split(":")
        client.api.import_image_from_file(str(archive), repository=name, tag=tag)
    finally:
        with held_off():
            shutil.rmtree(folder, ignore_errors=True)
    return client.images.get(base.image)


def _mmdebstrap(command: list[str], folder: Path) -> tuple[int, str]:
    """Run mmdebstrap so that an interrupt leaves no process, mount or folder; return its exit code and stderr."""
    # As root, mmdebstrap mounts /proc and /sys below its folder; in a mount namespace they end with it.
    apart = ["unshare", "--mount", "--"]
    may = (
        os.geteuid() == 0
        and subprocess.run([*apart, "true"], capture_output=True, check=False, timeout=_GRACE).returncode == 0
    )
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
            _, output = process.communicate(timeout=_BOOTSTRAP)
        except BaseException:
            with held_off(), suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_GRACE)
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output


def dockerfile(toolchain: Toolchain, base_id: str) -> str:
    """Return the Dockerfile of ``toolchain`` on the base image ``base_id``."""
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

    output: list[str] = []
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
                output.append(line)
                show(line)
    except docker.errors.DockerException as error:
        output.append(_reason(error))
        if any("no space left" in line.lower() for line in output[-20:]):
            raise DiskFullError(
                "no room left for the toolchain image",
                why=_tail("\n".join(output), 3),
                advice="docker system prune",
            ) from error
        raise ToolchainError(
            "the toolchain image could not be built",
            why=_tail("\n".join(output)),
            advice="set PATCHKIT_DEBIAN_MIRROR to a mirror that can be reached, or use --engine host",
        ) from error


def _build_arguments(base: Base) -> dict[str, str]:
    """Return what a site may need for reaching its mirror; nothing of it decides what is in the image."""
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
    """Return the image ``name`` where it is here, None otherwise."""
    import docker

    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or getattr(error, "msg", None) or error)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
