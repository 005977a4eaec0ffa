"""Docker, tried by running a container: of an image that builds use, or of one of our own that needs no network."""

from __future__ import annotations

import io
import platform
import shutil
import struct
import tarfile
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchkit.building.engine import image
from patchkit.building.engine.docker import CONFINED, connect, daemon_errors
from patchkit.building.toolchain import newest, toolchain
from patchkit.errors import BaseImageError, DockerMissingError
from patchkit.jobs.doctor.distribution import Step
from patchkit.jobs.doctor.model import FaultError
from patchkit.jobs.doctor.network import debian_mirror
from patchkit.releases.version import Version

if TYPE_CHECKING:
    import docker

# The least program there is: it ends with the exit code 42. By machine: e_machine of <elf.h>, and the instructions of
# exit_group(42), from the kernel's tables of system calls (x86-64: 231, arm64: 94).
_LEAST = {
    "x86_64": (62, bytes.fromhex("bf2a000000b8e70000000f05")),
    "aarch64": (183, bytes.fromhex("400580d2c80b80d2010000d4")),
}
_ENDS_WITH = 42
_TOOLS = toolchain(Version.parse(newest()), "linux-amd64")


def container() -> str:
    """Runs a container as confined as a build's. Raises FaultError, DockerMissingError or DockerSilentError."""
    try:
        client = connect()
    except DockerMissingError as error:
        raise FaultError(error.what, why=error.why, advice="dockerd, as root", steps=_start()) from error
    with closing(client), daemon_errors():
        version = client.version()["Version"]
        for name in (image.tag_if_here(client, _TOOLS), _TOOLS.base.image):
            if name is not None and image.local(client, name) is not None:
                _run(client, name, ["sh", "-c", f"exit {_ENDS_WITH}"])
                return f"Docker {version} runs {name}"
        return f"Docker {version} runs {_scratch(client)}"


def images() -> str:
    """The image that builds run in is here, or can be made."""
    with closing(connect()) as client, daemon_errors():
        tag = image.tag_if_here(client, _TOOLS)
        if tag is not None:
            return f"{tag} is here"
        here = image.local(client, _TOOLS.base.image) is not None
    mirror = debian_mirror()
    if not here and shutil.which("mmdebstrap") is None:
        raise BaseImageError(
            f"{_TOOLS.base.image} is not here, and there is no mmdebstrap",
            why="only a registry could give it",
            advice=f"docker pull {_TOOLS.base.image}, where a registry is in reach",
        )
    how = f"on {_TOOLS.base.image}, which is here" if here else f"{_TOOLS.base.image} is bootstrapped first"
    return f"none yet; the first build makes it from {mirror}, {how}"


def _start() -> Sequence[Step]:
    """The command that starts a daemon which is installed."""
    if shutil.which("dockerd") is None:
        return ()
    if Path("/run/systemd/system").is_dir():
        return [Step(["systemctl", "enable", "--now", "docker"])]
    if Path("/etc/init.d/docker").is_file():
        return [Step(["service", "docker", "start"])]
    return ()


def _scratch(client: docker.DockerClient) -> str:
    """Where there is no image at all: imports one that holds nothing but a program of our own, and removes it."""
    program = least_program(platform.machine())
    name = f"patchkit/doctor:{uuid.uuid4().hex[:12]}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("least")
        info.size, info.mode = len(program), 0o755
        tar.addfile(info, io.BytesIO(program))
    repository, tag = name.split(":")
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    try:
        _run(client, name, ["/least"])
    finally:
        client.images.remove(name, force=True)
    return "a container of an image of its own; no image for builds is here yet"


def _run(client: docker.DockerClient, name: str, command: Sequence[str]) -> None:
    import docker

    made: Any = client.containers.create(name, list(command), labels={image.LABEL: "doctor"}, **CONFINED)
    try:
        made.start()
        code = made.wait(timeout=60)["StatusCode"]
    finally:
        with suppress(docker.errors.APIError):
            made.remove(force=True)
    if code != _ENDS_WITH:
        raise FaultError(f"a container of {name} ended with exit code {code}, not {_ENDS_WITH}", advice="docker info")


def least_program(machine: str) -> bytes:
    """An ELF file of one segment, as elf(5) has it. Raises FaultError for a machine whose instructions are not here."""
    if machine not in _LEAST:
        raise FaultError(f"no image is here to try, and patchkit has no program for {machine}")
    number, code = _LEAST[machine]
    base, header = 0x400000, 64 + 56
    size = header + len(code)
    start = base + header
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, number, 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000) + code
