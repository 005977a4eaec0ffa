"""Base images: recorded at their first use, by the digest of a registry where one answers, and compared afterwards."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from patchkit.building.engine import image
from patchkit.building.engine.docker import connect
from patchkit.building.toolchain_table import Base
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import PatchkitError, UnknownTargetError
from patchkit.ui import Ui
from tests.support.loopback import PORT, own_address

ARCH = "amd64"


@pytest.fixture
def client() -> Iterator[Any]:
    try:
        connected = connect()
    except PatchkitError as error:
        pytest.skip(f"{error.what}: {error.why}")
    with closing(connected):
        yield connected


@pytest.fixture
def base(client: Any) -> Iterator[Base]:
    """A base whose names nobody else uses; they are removed."""
    known = Base(image=f"patchkit-test-{uuid.uuid4().hex[:8]}:bookworm", suite="bookworm")
    yield known
    forget(client, known)


def forget(client: Any, base: Base) -> None:
    for name in (base.image, image.record_name(base, ARCH)):
        if image.local(client, name) is not None:
            client.images.remove(name, force=True)


def make(client: Any, name: str, text: str) -> Any:
    """An image of one small file, which nothing can run."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    repository, _, tag = name.rpartition(":")
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    return client.images.get(name)


def told(cache: Cache, capsys: pytest.CaptureFixture[str], client: Any, base: Base) -> tuple[str, str]:
    """The id of the base that builds use, and what is said."""
    found = image.base_image(client, base, ARCH, Context(cache, Ui(), offline=True))
    return found.id, capsys.readouterr().err


@pytest.mark.slow
def test_builds_go_on_with_the_image_of_the_first_use(
    client: Any, base: Base, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make(client, base.image, "one")
    assert told(cache, capsys, client, base) == (first.id, "")
    second = make(client, base.image, "two")
    assert second.id != first.id
    used, said = told(cache, capsys, client, base)
    assert used == first.id
    assert said.startswith(f"warning: {base.image} is another image now ({second.id[:19]}): builds go on with ")
    assert image.current(client, base, ARCH).id == first.id
    accepted = image.accept(client, base, ARCH)
    assert accepted.id == second.id
    assert told(cache, capsys, client, base) == (second.id, "")
    client.images.remove(first.id, force=True)


@pytest.mark.slow
def test_an_image_of_another_architecture_is_not_recorded(client: Any, base: Base, cache: Cache) -> None:
    make(client, base.image, "one")
    with pytest.raises(UnknownTargetError, match="not for arm64"):
        image.base_image(client, base, "arm64", Context(cache, Ui(quiet=True), offline=True))
    assert image.local(client, image.record_name(base, "arm64")) is None


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on this machine; Docker takes those at 127.0.0.0/8 without TLS."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    address = (own_address(), PORT)
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        f"http: {{addr: {address[0]}:{address[1]}}}\n"
    )
    with subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as own:
        try:
            until = time.monotonic() + 20
            while socket.socket().connect_ex(address):
                assert own.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"{address[0]}:{address[1]}"
        finally:
            own.terminate()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_registry_gives_it_by_its_digest(
    client: Any, registry: str, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Base(image=f"{registry}/patchkit-test:bookworm", suite="bookworm")
    try:
        pushed = make(client, base.image, "one")
        client.images.push(base.image)
        known = client.images.get_registry_data(base.image).id
        client.images.remove(base.image, force=True)
        assert image.local(client, pushed.id) is None
        pulled = image.base_image(client, base, ARCH, Context(cache, Ui(), offline=False))
        assert image.digest(pulled, base) == known
        assert f"{base.image} is {known}" in capsys.readouterr().err
        make(client, base.image, "two")
        client.images.push(base.image)  # the tag moves, at the registry and here
        assert image.digest(image.current(client, base, ARCH), base) == known
        assert "is another image now" in image.changed_line(client, base, ARCH)
        client.images.remove(pulled.id, force=True)  # its digest is a name too
    finally:
        forget(client, base)
