"""Read and check an experiment's configuration: strictly, all problems at once, before anything runs."""

import difflib
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lib.assay import assay_problems
from lib.errors import InputError, listed
from lib.image_names import compiled

SCHEMAS = Path(__file__).resolve().parents[2] / "config" / "schema"


@cache
def schema() -> dict[str, Any]:
    """The schema of config.yaml, with that of its `assay` block in place."""
    whole = yaml.safe_load((SCHEMAS / "config.schema.yaml").read_text())
    whole["properties"]["assay"] = yaml.safe_load((SCHEMAS / "assay.schema.yaml").read_text())
    return whole


def with_defaults(values: Any, described: Mapping[str, Any]) -> Any:
    """`values` with every key that it leaves out set to its default in the schema `described`."""
    described = next(
        (
            option
            for option in described.get("oneOf", described.get("anyOf", [described]))
            if Draft202012Validator({"type": option.get("type", "object")}).is_valid(values)
        ),
        described,
    )
    if isinstance(values, Mapping):
        filled = dict(values)
        for key, described_key in described.get("properties", {}).items():
            if key not in filled and "default" in described_key:
                filled[key] = deepcopy(described_key["default"])
            if key in filled:
                filled[key] = with_defaults(filled[key], described_key)
        extra = described.get("additionalProperties")
        if isinstance(extra, Mapping):
            for key in set(filled) - set(described.get("properties", {})):
                filled[key] = with_defaults(filled[key], extra)
        return filled
    if isinstance(values, list) and "items" in described:
        return [with_defaults(value, described["items"]) for value in values]
    return values


def words_read(values: Any, described: Mapping[str, Any]) -> Any:
    """`values` with words read as the booleans and numbers that are due, and numbers as the text.

    `--config fetch=true` and `--config "images={pixel_size: 0.6}"` give words; a key that may be text keeps
    them. YAML reads `image: 5` as a number where a name is due.
    """
    if isinstance(values, Mapping):
        keys, more = described.get("properties", {}), described.get("additionalProperties")
        more = more if isinstance(more, Mapping) else {}
        return {key: words_read(value, keys.get(key, more)) for key, value in values.items()}
    if isinstance(values, list):
        return [words_read(value, described.get("items", {})) for value in values]
    types = described.get("type", ())
    types = {types} if isinstance(types, str) else set(types)
    if isinstance(values, int | float) and not isinstance(values, bool):
        return str(values) if "string" in types and not types & {"integer", "number"} else values
    if not isinstance(values, str):
        return values
    if "boolean" in types and values.lower() in ("true", "false"):
        return values.lower() == "true"
    if types & {"integer", "number"} and "string" not in types:
        for kind in (int, float):
            try:
                return kind(values)
            except ValueError:
                continue
    return values


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Each thing wrong with `config`: which key, what is wrong, the nearest right key."""
    for error in Draft202012Validator(schema()).iter_errors(config):
        yield from described_problem(error)


def described_problem(error: ValidationError) -> Iterator[str]:
    """One validation error in words; of alternatives (`oneOf`), the one that was meant."""
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known), key=str):
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {listed(known, 40)}."
            yield f"{where}: unknown key `{key}`; {hint}"
    elif error.validator in ("oneOf", "anyOf") and error.context:
        same_type = [part for part in error.context if part.validator != "type"]
        for part in same_type or [min(error.context, key=lambda part: len(part.path))]:
            yield from described_problem(part)
    else:
        meaning = error.schema.get("description") if isinstance(error.schema, Mapping) else None
        yield f"{where}: {error.message}" + (f" ({meaning})" if meaning else "")


def expression_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """What the regular expressions of a complete config have wrong, as sentences."""
    written = [
        ("single_cells.site_pattern", config["single_cells"]["site_pattern"]),
        *(("aggregate.exclude_features", pattern) for pattern in config["aggregate"]["exclude_features"]),
    ]
    for key, pattern in written:
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield f"{key}: `{pattern}` is no regular expression: {error}."
    try:
        compiled(config["images"]["pattern"], len(config.get("assay", {}).get("channels", [])))
    except InputError as error:
        yield str(error)


def address_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Addresses whose file would be fetched to outside the results, as sentences."""
    for name, described in config["annotation"].items():
        if "://" in described["table"] and ".." in described["table"].split("/"):
            yield f"annotation.{name}.table: the address has a folder `..`; write it without."


def embeddings_problems(config: Mapping[str, Any]) -> list[str]:
    """What a schema cannot see in the block `embeddings`, as sentences."""
    if "embeddings" not in config:
        return []
    known = [channel["name"] for channel in config["assay"]["channels"]]
    unknown = [name for name in config["embeddings"]["channels"] or [] if name not in known]
    found = [f"embeddings: channels: the assay has no channel {listed(unknown)}."] if unknown else []
    for key in ("percentiles", "fixed"):
        ends = config["embeddings"][key]
        if ends and ends[0] >= ends[1]:
            found.append(f"embeddings: {key}: {ends} is no range; write the lower end first.")
    return found


def columns_named(config: Mapping[str, Any]) -> dict[str, Any]:
    """A complete config whose columns of profiles have `Metadata_`, and `controls.column` has not.

    Both ways of writing them are understood.
    """

    def full(name: Any) -> Any:
        if isinstance(name, Mapping):
            return {key: full(value) for key, value in name.items()}
        if isinstance(name, list):
            return [full(part) for part in name]
        return name if name is None or name.startswith("Metadata_") else f"Metadata_{name}"

    benchmark, controls = config["benchmark"], config["controls"]
    named = {key: full(benchmark[key]) for key in ("group", "gene", "different", "clinical_phase")}
    column = controls["column"].removeprefix("Metadata_")
    return {**config, "benchmark": {**benchmark, **named}, "controls": {**controls, "column": column}}


def complete_config(config: Mapping[str, Any], file: str | Path) -> dict[str, Any]:
    """`config` checked against the schema and completed with its defaults.

    Raises:
        InputError: naming `file` and every problem in it.
    """
    config = words_read(config, schema())
    found = list(problems(config))
    complete: dict[str, Any] = {}
    if not found:
        complete = with_defaults(config, schema())
        found = list(problems(complete))
    if not found:
        found = [*expression_problems(complete), *address_problems(complete)]
    if not found and "assay" in complete:
        found = assay_problems(complete["assay"]) + embeddings_problems(complete)
    if found:
        raise InputError(f"{file} is not right:\n  " + "\n  ".join(dict.fromkeys(found)))
    return columns_named(complete)
