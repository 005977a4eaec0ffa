"""Run a container: of an image that builds use, or else of one that holds only a program of this host."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchkit.building.check.elf import linkage
from patchkit.building.engine import image
from patchkit.building.engine.docker import CONFINED, connect, daemon_errors
from patchkit.building.toolchain import toolchain
from patchkit.building.toolchain_table import newest
from patchkit.errors import BaseImageError, DockerMissingError
from patchkit.jobs.doctor.distribution import Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.jobs.doctor.network import debian_mirror
from patchkit.releases.version import Version

if TYPE_CHECKING:
    import docker

_ENDS_WITH = 42
# Programs that distributions link statically: busybox where it is the static one, and glibc's ldconfig, which repairs
# shared libraries.
_STATIC = ("busybox", "ldconfig", "ldconfig.real")
_ADMINISTRATORS = ("/usr/sbin", "/sbin")
_TOOLS = toolchain(Version.parse(newest()), "linux-amd64")


def container() -> str:
    """Run a container as confined as a build's; name its image in a line.

    Raises FaultError where there is no daemon, no image can be run or the container fails; DockerSilentError.
    """
    try:
        client = connect()
    except DockerMissingError as error:
        raise FaultError(error.what, why=error.why, advice="dockerd, as root", steps=_start()) from error
    with closing(client), daemon_errors():
        version = client.version()["Version"]
        for name in (image.tag_if_here(client, _TOOLS), _TOOLS.base.image):
            if name is not None and image.local(client, name) is not None:
                _run(client, name, ["sh", "-c", f"exit {_ENDS_WITH}"], _ENDS_WITH)
                return f"Docker {version} runs {name}"
        return f"Docker {version} runs {_scratch(client)}"


def images() -> str:
    """Check that the image of builds is here or can be built, and report which in a line.

    Raises BaseImageError, or PlacesExhaustedError where no Debian mirror can be reached; what ``connect`` raises.
    """
    with closing(connect()) as client, daemon_errors():
        tag = image.tag_if_here(client, _TOOLS)
        base, arch = _TOOLS.base, _TOOLS.target.debian_arch
        changed = image.changed_line(client, base, arch)
        if tag is not None:
            known = image.digest(image.current(client, base, arch), base)
            return f"{tag} is here, on {known or 'a base of no registry'}" + (f"; {changed}" if changed else "")
        here = image.current(client, base, arch) is not None
    mirror = debian_mirror()
    if not here and shutil.which("mmdebstrap") is None:
        raise BaseImageError(
            f"{_TOOLS.base.image} is not here, and mmdebstrap is not installed",
            why="only a registry could give the image",
            advice=f"docker pull {_TOOLS.base.image}, where a registry can be reached",
        )
    how = f"on {_TOOLS.base.image}, which is here" if here else f"{_TOOLS.base.image} is bootstrapped first"
    return f"none yet; the first build makes it from {mirror}, {how}"


def _start() -> Sequence[Step]:
    """Return the command that starts a daemon which is installed; none where it is not, or none is known."""
    if shutil.which("dockerd") is None:
        return ()
    if Path("/run/systemd/system").is_dir():
        return [Step(["systemctl", "enable", "--now", "docker"])]
    if Path("/etc/init.d/docker").is_file():
        return [Step(["service", "docker", "start"])]
    return ()


def _scratch(client: docker.DockerClient) -> str:
    """Without an image for builds: import one that holds only a static program of this host, run and remove it."""
    program = static_program()
    if program is None:
        raise FaultError(
            "no image for builds is here to run, and no static program of which to make one",
            advice=f"docker pull {_TOOLS.base.image}, or patchkit image base",
        )
    name = f"patchkit/doctor:{uuid.uuid4().hex[:12]}"
    content, archive = program.read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo(program.name)
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
    repository, tag = name.split(":")
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    try:
        _run(client, name, [f"/{program.name}", "--help"], 0)
    finally:
        client.images.remove(name, force=True)
    return "a container of an image of its own; no image for builds is here yet"


def static_program() -> Path | None:
    """Return a program of this host that needs no shared library and knows ``--help``, if there is one."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ADMINISTRATORS])
    for name in _STATIC:
        path = shutil.which(name, path=search)
        try:
            if path is not None and not linkage(Path(path).read_bytes()).needed:
                return Path(path)
        except (OSError, ValueError):  # not readable, or a script
            continue
    return None


def _run(client: docker.DockerClient, name: str, command: Sequence[str], expected: int) -> None:
    """Run ``command`` in a container of the image ``name``. Raises FaultError for another exit code than expected."""
    import docker

    container: Any = client.containers.create(name, list(command), labels={image.LABEL: "doctor"}, **CONFINED)
    try:
        container.start()
        code = container.wait(timeout=60)["StatusCode"]
    finally:
        with suppress(docker.errors.APIError):
            container.remove(force=True)
    if code != expected:
        raise FaultError(f"a container of {name} ended with exit code {code}, not {expected}", advice="docker info")
