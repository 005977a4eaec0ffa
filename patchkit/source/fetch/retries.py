"""How often one URL is requested, and how long patchkit waits in between: urllib3's Retry, with fixed pauses."""

from __future__ import annotations

from urllib3 import Retry

PAUSES = (0.5, 2.0)  # seconds before the second and the third request
_SERVER_ERRORS = frozenset({429, *range(500, 600)})


class FixedPauses(Retry):
    """A Retry that waits :data:`PAUSES`: urllib3's own backoff sends the second request at once."""

    def get_backoff_time(self) -> float:
        """Return the seconds to wait before the next request."""
        return PAUSES[len(self.history) - 1] if self.history else 0.0


def retries(count: int | None = None) -> FixedPauses:
    """Return a policy of ``count`` further requests, by default one for each of :data:`PAUSES`.

    A broken connection, a time-out while reading, a 5xx and a 429 are retried. A host that can't be reached, a TLS
    error and any other status are not: the next place is asked instead. A ``Retry-After`` header is ignored, since
    every wait here has a limit.
    """
    return FixedPauses(
        total=len(PAUSES) if count is None else count,
        connect=0,
        other=0,
        redirect=0,  # requests follows redirects
        status_forcelist=_SERVER_ERRORS,
        raise_on_status=False,  # the last answer says which status it was
        respect_retry_after_header=False,
    )
