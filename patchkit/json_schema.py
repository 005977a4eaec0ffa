"""Models of JSON and TOML files: the base class, and tables of the fields in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A value that never changes, and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
