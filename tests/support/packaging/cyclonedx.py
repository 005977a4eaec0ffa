"""SBOMs as their schema sees them."""

from __future__ import annotations


def invalid(bill: str) -> object:
    """What the schema of CycloneDX 1.6 finds wrong in ``bill``; None where it is valid.

    Imported when it is needed: jsonschema takes a second, in each worker.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill)
