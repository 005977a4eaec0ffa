"""Models of JSON and TOML files: what they have in common, and what their fields mean, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A value that never changes, and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def tables(models: Iterable[type[BaseModel]], level: int = 2) -> list[str]:
    """Lines: for each model a heading of that level, its docstring, and a table of its fields."""
    out = []
    for model in models:
        out += [
            f"{'#' * level} {model.__name__}",
            "",
            str(model.__doc__).strip(),
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
