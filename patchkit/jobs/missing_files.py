"""Missing files, collected: without a network, all of them are reported at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from patchkit.errors import NetworkUnavailableError, OfflineError, PatchkitError, PlacesExhaustedError

_Result = TypeVar("_Result")
_UNAVAILABLE = (OfflineError, NetworkUnavailableError, PlacesExhaustedError)


@dataclass
class MissingFiles:
    """The errors of files that are not available, while the files after them are still looked for."""

    gather: bool = True
    """False: the first error is raised at once, for users who can simply run the command again."""
    errors: list[PatchkitError] = field(default_factory=list)

    def attempt(self, get: Callable[[], _Result]) -> _Result | None:
        """Return what ``get`` returns, or None where the file is not available from any place in reach.

        Raises what ``get`` raises otherwise; with ``gather`` off also OfflineError, NetworkUnavailableError and
        PlacesExhaustedError.
        """
        try:
            return get()
        except _UNAVAILABLE as error:
            if not self.gather:
                raise
            self.errors.append(error)
            return None

    def error(self, advice: str = "") -> PatchkitError:
        """Return one error for all that is missing, of the class of the first; ``advice`` applies to all of them.

        At least one error must have been collected.
        """
        first, *others = errors = list({error.what: error for error in self.errors}.values())
        if not others:
            return first
        return type(first)(
            f"{len(errors)} things are not available: {'; '.join(error.what for error in errors)}",
            why="\n".join(f"{error.what}:\n{error.why}" for error in errors),
            advice=advice or "; ".join(dict.fromkeys(error.advice for error in errors if error.advice)),
        )
