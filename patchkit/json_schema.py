"""Models of JSON and TOML files: the base class, JSON of others in bounded memory, and the fields in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from inspect import cleandoc
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from patchkit.printable import in_one_line

_MOST_VALUES = 1_000_000  # of a document; a fault in each takes 400 MB
INVALID = "Invalid JSON"
"""Begins the text of :func:`validated`'s ValueError where the data are not JSON."""
_TOLD, _MOST_FAULTS, _LONGEST_FAULT = 3, 10_000, 200
Model = TypeVar("Model", bound=BaseModel)


class Part(BaseModel):
    """A value that never changes, and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def document(data: bytes) -> Any:
    """Parse ``data`` as JSON. Raises ValueError where it is not, is nested too deeply, or has too many values."""
    _refuse_large(data, _MOST_VALUES)
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def validated(model: type[Model], data: bytes, most: int = _MOST_VALUES) -> Model:
    """Parse ``data`` as JSON of ``model``, of at most ``most`` values.

    Raises ValueError, whose text has a line for each of the first faults.
    """
    _refuse_large(data, most)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise ValueError(faults(error)) from error


def _refuse_large(data: bytes, most: int) -> None:
    # Counted, since a parser would take a hundred times the room before it could refuse.
    if sum(map(data.count, (b",", b"[", b"{"))) > most:
        raise ValueError(f"it has more than {most} values")


def faults(error: ValidationError) -> str:
    """Write the first faults of ``error``, a line each."""
    if error.error_count() > _MOST_FAULTS:  # a list of them all takes seconds
        return f"it has {error.error_count()} faults"
    told = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()[:_TOLD]]
    lines = (f"{place}: {message}" if place else message for place, message in told)
    return "\n".join(in_one_line(line)[:_LONGEST_FAULT] for line in lines)


def tables(models: Iterable[type[BaseModel]], level: int = 2) -> list[str]:
    """Write ``models`` as Markdown: for each a heading of ``level``, the docstring, and a table of the fields.

    Returns lines without line ends.
    """
    out = []
    for model in models:
        out += [
            f"{'#' * level} {model.__name__}",
            "",
            cleandoc(str(model.__doc__)),
            "",
            "| field | type | meaning |",
            "|---|---|---|",
        ]
        properties = model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            out.append(f"| `{name}` | {_type(properties[name])} | {field.description} |")
        out.append("")
    return out


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + " and ".join(_type(part) for part in schema.get("prefixItems", [schema.get("items")]))
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object, each value: {_type(schema['additionalProperties'])}"
    return str(schema.get("type", schema.get("const")))
