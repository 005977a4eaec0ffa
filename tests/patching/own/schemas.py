"""The JSON schemas, as an editor applies them: to TOML, in which a date is a type of its own."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable

from tests.conftest import ROOT

PATHS = {"patch": "patchkit/patching/patch.schema.json", "scenarios": "patchkit/lab/model/scenarios.schema.json"}


Errors = Callable[[object], list[str]]


def errors_of(name: str) -> Errors:
    """What the schema ``name`` finds wrong in a document. jsonschema takes a second to import."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schema = json.loads((ROOT / PATHS[name]).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return lambda document: [error.message for error in validator.iter_errors(plain(document))]


def plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
