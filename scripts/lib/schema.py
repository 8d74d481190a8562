"""The schema of the config, and the one walk through it and through the values that it describes."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]

SCHEMAS = Path(__file__).resolve().parents[2] / "config" / "schema"
NUMBERS = {"integer", "number"}


@cache
def read_schema() -> dict[str, Any]:
    """Return the schema of config.yaml, with that of its `assay` block in place."""
    # libyaml's parser is ten times faster than PyYAML's own, which would take a tenth of a second.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schema, assay = (
        yaml.load((SCHEMAS / f"{name}.schema.yaml").read_text(), loader) for name in ("config", "assay")
    )
    schema["properties"]["assay"] = assay
    return schema


def get_alternatives(schema: Schema) -> list[Schema]:
    """Return the alternatives of a schema (`oneOf`, `anyOf`), or the schema itself if it has none."""
    return schema.get("oneOf", schema.get("anyOf", [schema]))


def get_types(schema: Schema) -> set[str]:
    """Return the types that a schema allows; none for a list of words."""
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def walk(
    schema: Schema, prefix: str = "", items: str = "[].", extra: str = "*."
) -> Iterator[tuple[str, Schema]]:
    """Yield every key with its schema, those of nested blocks after their block.

    Parameters
    ----------
    schema : mapping
        The schema whose keys are walked through.
    prefix : str
        The text before each key: `assay.nuclei.`.
    items, extra : str
        The placeholders for an entry of a list, and for a key that the user chooses.
    """
    for alternative in get_alternatives(schema):
        if isinstance(nested := alternative.get("items"), Mapping):
            yield from walk(nested, f"{prefix.removesuffix('.')}{items}")
        for key, value in alternative.get("properties", {}).items():
            yield f"{prefix}{key}", value
            yield from walk(value, f"{prefix}{key}.")
        if isinstance(nested := alternative.get("additionalProperties"), Mapping):
            yield from walk(nested, f"{prefix}{extra}")


def read_values(values: Any, schema: Schema, defaults: bool = False) -> Any:
    """Convert values to the types of their schema.

    Words become booleans and numbers where these are expected, and numbers text: `--config fetch=true` and
    `--config "images={pixel_size: 0.6}"` give words, and YAML reads `image: 5` as a number although a name is
    expected. A key that may be any text keeps it.

    Parameters
    ----------
    values : mapping, list or scalar
        The config, or a part of it.
    schema : mapping
        The schema of these values.
    defaults : bool
        Whether keys that are left out get their default.
    """
    if not isinstance(values, Mapping | list):
        return read_scalar(values, schema)
    schema = next(
        (
            option
            for option in get_alternatives(schema)
            if Draft202012Validator({"type": option.get("type", "object")}).is_valid(values)
        ),
        schema,
    )
    if isinstance(values, list):
        return [read_values(value, schema.get("items", {}), defaults) for value in values]
    keys, more = schema.get("properties", {}), schema.get("additionalProperties")
    more = more if isinstance(more, Mapping) else {}
    filled = dict(values)
    for key in keys if defaults else ():
        if key not in filled and "default" in keys[key]:
            filled[key] = deepcopy(keys[key]["default"])
    return {key: read_values(value, keys.get(key, more), defaults) for key, value in filled.items()}


def read_scalar(value: Any, schema: Schema) -> Any:
    """Convert one value to its schema's type; a word that may also be a number stays that word."""
    options = get_alternatives(schema)
    types = {kind for option in options for kind in get_types(option)}
    words = [word for option in options for word in (*option.get("enum", ()), option.get("const"))]
    if isinstance(value, bool) or value in words:
        return value
    if isinstance(value, int | float):
        return str(value) if "string" in types and not types & NUMBERS else value
    if not isinstance(value, str) or "string" in types:
        return value
    if "boolean" in types and value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float) if types & NUMBERS else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return value
