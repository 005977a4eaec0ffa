"""Which engine: Docker where a daemon answers, otherwise the host's own compiler."""

from __future__ import annotations

from patchkit.building.docker import DockerEngine, connect
from patchkit.building.engine import Engine, EngineName
from patchkit.building.host import HostEngine
from patchkit.errors import DockerMissingError, DockerSilentError
from patchkit.source.cache import Cache
from patchkit.ui import Ui


def choose(name: EngineName, cache: Cache, ui: Ui) -> Engine:
    """Raises DockerMissingError or DockerSilentError where ``docker`` was asked for and can't be had."""
    if name == "host":
        return HostEngine(ui)
    try:
        return DockerEngine(connect(), cache, ui)
    except (DockerMissingError, DockerSilentError) as error:
        if name == "docker":
            raise
        if isinstance(error, DockerSilentError):
            ui.warn(f"{error.what} ({error.why}); building with the host's own compiler")
        return HostEngine(ui)
