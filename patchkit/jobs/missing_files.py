"""What can't be had, gathered: who is without a network wants to hear of all missing files at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from patchkit.errors import NetworkUnavailableError, OfflineError, PatchkitError, PlacesExhaustedError

_Found = TypeVar("_Found")
_SHORTAGES = (OfflineError, NetworkUnavailableError, PlacesExhaustedError)


@dataclass
class MissingFiles:
    """Tries several things before the first failure is raised, if all that failed is a lack of files."""

    gather: bool = True
    """False: the first lack is raised at once, for who only has to try again."""
    errors: list[PatchkitError] = field(default_factory=list)

    def attempt(self, get: Callable[[], _Found]) -> _Found | None:
        """Return what ``get`` returns, or None where no place in reach has it. Raises all other errors of ``get``."""
        try:
            return get()
        except _SHORTAGES as error:
            if not self.gather:
                raise
            self.errors.append(error)
            return None

    def error(self, advice: str = "") -> PatchkitError:
        """Return one error for all that is missing, of the class of the first; ``advice`` says what helps with all."""
        first, *others = errors = list({error.what: error for error in self.errors}.values())
        if not others:
            return first
        return type(first)(
            f"{len(errors)} things can't be had: {'; '.join(error.what for error in errors)}",
            why="\n".join(f"{error.what}:\n{error.why}" for error in errors),
            advice=advice or "; ".join(dict.fromkeys(error.advice for error in errors if error.advice)),
        )
