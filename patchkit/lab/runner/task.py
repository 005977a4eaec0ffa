"""From an order to an answer: the same on both kinds of link."""

from __future__ import annotations

from . import answer, network
from .capture import Capture
from .experiment import Experiment

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PORT = 1194
LOGS, FRAMES, LAST = 1, 2, 4
"""What may be wished of a trial, added up: its logs, its frames, and that it is the last one."""
# Not "From ... icmp_seq=5 Destination Host Unreachable".
_REPLY = rb"\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) "


def kind(order: Mapping[str, Any]) -> type[Experiment]:
    """What the order's trials are. To be asked before the first one begins."""
    if "crowd" in order:
        from .crowd import Crowd  # read by the trials that need it alone

        return Crowd
    return Experiment


def perform(
    order: Mapping[str, Any],
    number: int,
    namespaces: Mapping[str, int],
    wish: Callable[[int], int],
    experimenting: type[Experiment],
) -> bytes:
    """Run a trial; in the router's namespace, in the folder that holds ``peers`` and ``credentials``.

    ``number`` counts the order's turns from 0; what is wished of it is asked for when it is over.
    """
    turn = order["turns"][number]
    capture = Capture(PORT, order["acks_at"], control_only=order["run"] == "soak")
    capture.open(network.TO_CLIENT, network.TO_SERVER)
    experiment = experimenting(order, turn, namespaces, capture)
    outcome = experiment.run()
    wished = wish(number)
    parts = {"packets": bytes(capture.records)}
    if wished & FRAMES:
        parts["frames"] = bytes(capture.frames)
    if wished & LOGS or outcome["outcome"] in ("crash", "hang"):
        parts |= experiment.logs()
    if order["run"] == "soak" and outcome["outcome"] == "completed":
        outcome["pings"] = _pings(*experiment.pings, every=order["soak"]["ping_s"])
    return answer.packed(outcome, parts)


def _pings(began: int, ended: int, said: bytes, *, every: float) -> dict[str, object]:
    """How many were sent and answered, and the times without an answer, in seconds from the begin."""
    import re  # of no use but for a soak

    answers = sorted({(float(reply[1]) - began / 1e9, int(reply[2])) for reply in re.finditer(_REPLY, said)})
    duration = (ended - began) / 1e9
    moments = [0.0, *(moment for moment, _ in answers), duration]
    gaps = [(round(a, 3), round(b - a, 3)) for a, b in zip(moments, moments[1:], strict=False) if b - a > 2.5 * every]
    sent = max(int(duration / every), len(answers))
    return {"sent": sent, "answered": len(answers), "gaps": gaps, "seconds": duration}
