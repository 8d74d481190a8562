"""Assay descriptions with their defaults filled in, for the tests."""

import copy
from pathlib import Path

import yaml

SCHEMA = Path(__file__).resolve().parents[1] / "config" / "schema" / "assay.schema.yaml"


def assay_schema():
    """The schema of assay descriptions."""
    return yaml.safe_load(SCHEMA.read_text())


def filled(schema, value):
    """A copy of `value` with the schema's defaults."""
    if isinstance(value, dict):
        value = dict(value)
        for name, part in schema.get("properties", {}).items():
            if name not in value and "default" in part:
                value[name] = copy.deepcopy(part["default"])
            if name in value:
                value[name] = filled(part, value[name])
    elif isinstance(value, list):
        value = [filled(schema.get("items", {}), item) for item in value]
    return value
