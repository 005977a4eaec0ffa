"""Choose the engine: Docker where a daemon answers, otherwise the host's own compiler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from patchkit.building.engine.docker import DockerEngine, connect
from patchkit.building.engine.host import HostEngine
from patchkit.building.engine.protocol import Engine, EngineName
from patchkit.context import Context
from patchkit.errors import DockerMissingError, DockerSilentError


@contextmanager
def choose(name: EngineName, context: Context) -> Iterator[Engine]:
    """Open the engine ``name``; ``auto`` is Docker where a daemon answers, and the host otherwise.

    Raises DockerMissingError or DockerSilentError where ``docker`` is named and no daemon answers.
    """
    if name == "host":
        yield HostEngine(context.ui, context)
        return
    try:
        client = connect()
    except (DockerMissingError, DockerSilentError) as error:
        if name == "docker":
            raise
        if isinstance(error, DockerSilentError):
            context.ui.warn(f"{error.what} ({error.why}); building with the host's own compiler")
        yield HostEngine(context.ui, context)
        return
    with closing(client):
        yield DockerEngine(client, context)
