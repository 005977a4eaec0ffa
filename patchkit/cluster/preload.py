"""What a Dask worker loads at its start: ``dask worker ADDRESS --preload patchkit.cluster.preload``.

It looks at what this machine can do, and offers just that: Dask's resources are named after the work and this very
patchkit, so that a worker without a compiler, or with another patchkit, gets none of it.
"""

from __future__ import annotations

import logging
from typing import Any

from patchkit import __version__
from patchkit.cluster.ability import lacks
from patchkit.cluster.identity import ABILITIES, identity, resource
from patchkit.context import Context

OFFER = "patchkit"
"""The key of the offer in what a worker tells the scheduler about itself."""
_log = logging.getLogger("distributed.worker.patchkit")


def dask_setup(worker: Any) -> None:
    """Let ``worker`` offer what this machine can do, as many at a time as it has threads."""
    lacking = lacks(Context.default())
    for ability in ABILITIES:
        if ability in lacking:
            _log.warning("patchkit: no work of the kind %r here: %s", ability, lacking[ability])
            continue
        threads = float(worker.state.nthreads)
        worker.state.total_resources[resource(ability)] = threads
        worker.state.available_resources[resource(ability)] = threads
    offer = {"version": __version__, "identity": identity(), "lacks": lacking}
    worker.startup_information[OFFER] = lambda _: offer
    _log.warning(
        "patchkit %s (%s) offers: %s", __version__, identity(), ", ".join(set(ABILITIES) - lacking.keys()) or "nothing"
    )
