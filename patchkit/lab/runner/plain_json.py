"""JSON by the interpreter's compiled parts alone.

The package ``json`` brings regular expressions and enumerations along: some milliseconds at every boot.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False  # typing would be compiled at every boot
if TYPE_CHECKING:
    from typing import Any, NoReturn


def _refuse(value: object) -> NoReturn:
    raise ValueError(f"not JSON: {value!r}")


class _Rules:
    """What ``json.JSONDecoder`` hands to the scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_refuse)  # NaN and the infinities


_decoded = make_scanner(_Rules())  # type: ignore[arg-type] # it reads these attributes only
_encoded = make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", True, False, False)


def loads(text: str) -> Any:
    """Decode ``text``, which begins with its value."""
    return _decoded(text, 0)[0]


def dumps(value: object) -> str:
    """Encode ``value``, with sorted keys. Raises ValueError for what JSON does not have."""
    return "".join(_encoded(value, 0))
