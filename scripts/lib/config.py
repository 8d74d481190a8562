"""Read and check an experiment's configuration: strictly, all problems at once, before anything runs."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lib.assay import find_assay_problems, get_labels, label_problems
from lib.cell_rules import find_rule_problems
from lib.chains import complete_chains
from lib.errors import InputError, find_nearest_name, join_names
from lib.image_names import compile_pattern, get_listing_pattern
from lib.network_presets import add_network_preset, find_preset_problems
from lib.schema import get_types, read_schema, read_values
from lib.values import SEVERAL, plain_text


def find_config_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Return each error in `config`: the key, the error, and the nearest valid key."""
    for error in Draft202012Validator(read_schema()).iter_errors(config):
        yield from describe_problem(error)


def describe_problem(error: ValidationError) -> Iterator[str]:
    """Return one validation error as a sentence; of alternatives (`oneOf`), the one that was meant."""
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known), key=str):
            near = find_nearest_name(key, known, cutoff=0.5)
            hint = f"did you mean `{near}`?" if near else f"known keys: {join_names(known, 40)}."
            yield f"{where}: unknown key `{key}`; {hint}"
    elif error.validator in ("oneOf", "anyOf") and error.context:
        same_type = [part for part in error.context if part.validator != "type"]
        for part in same_type or [min(error.context, key=lambda part: len(part.path))]:
            yield from describe_problem(part)
    elif error.validator == "type" and "string" in get_types(error.schema) and is_misread(error.instance):
        value = error.instance
        read = f'as the date {value}. Quote it, as in "{value}"'
        if isinstance(value, bool):
            read = f'as {str(value).lower()}, as it does yes, no, on and off. Quote the text, as in "yes"'
        yield f"{where}: without quotes, YAML reads this value {read}."
    else:
        meaning = error.schema.get("description") if isinstance(error.schema, Mapping) else None
        yield f"{where}: {error.message}" + (f" ({meaning})" if meaning else "")


def is_misread(value: Any) -> bool:
    """Return whether YAML read a user's name as something else."""
    return isinstance(value, bool | date)


def find_expression_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Return the errors of a complete config's regular expressions, as sentences."""
    written = [
        ("single_cells.site_pattern", config["single_cells"]["site_pattern"]),
        *(("aggregate.exclude_features", pattern) for pattern in config["aggregate"]["exclude_features"]),
    ]
    for key, pattern in written:
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield f"{key}: `{pattern}` is not a valid regular expression: {error}."
    try:
        in_files = config["images"]["channels_in"] == "files"
        channels = len(config.get("assay", {}).get("channels", []))
        compile_pattern(config["images"]["pattern"], 1 if in_files else channels)
    except InputError as error:
        yield str(error)
    for name, labels in get_labels(config.get("assay", {})).items():
        key = f"assay.{name.lower()}.labels.pattern"
        try:
            compile_pattern(get_listing_pattern(labels["pattern"]))
        except InputError as error:
            yield f"{key}: {str(error).removeprefix('images.pattern ')}"


def find_reading_keys(config: Mapping[str, Any]) -> list[str]:
    """Return the keys of a complete config for which images are more than files with one plane each."""
    images, channels = config["images"], config.get("assay", {}).get("channels", [])
    keys = {
        "images.pattern: ome-zarr": images["pattern"] == "ome-zarr",
        "images.project": images["project"] is not None,
        "images.channels_in: files": images["channels_in"] == "files",
        "assay.channels[].scale": any(channel["scale"] != 1 for channel in channels),
    }
    return [key for key, is_used in keys.items() if is_used]


def find_reading_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Return why images cannot be read as the config says, as sentences."""
    used, images = find_reading_keys(config), config["images"]
    if used and config["cellprofiler"]["environment"] == "container":
        yield (
            f"{join_names(used)}: CellProfiler's container cannot read such images; set "
            f"cellprofiler.environment to `built` "
            "or `conda`, or write one plane per channel and file."
        )
    if images["pattern"] in ("index", "ome-zarr") and images["channels_in"] == "files":
        yield f"images.channels_in: leave it out with images.pattern: {images['pattern']}."


def find_address_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Return the addresses whose files would be fetched to outside the results, as sentences."""
    for name, annotation in config["annotation"].items():
        if "://" in annotation["table"] and ".." in annotation["table"].split("/"):
            yield f"annotation.{name}.table: the address has a folder `..`; write it without."


PRESETS = Path(__file__).resolve().parents[2] / "config" / "presets"


def apply_preset(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config whose assay has the settings of its preset, unless it gives its own."""
    assay = config.get("assay")
    file = PRESETS / f"{assay.get('preset')}.yaml" if isinstance(assay, Mapping) else None
    # An unknown preset is reported with the other errors; the defaults are the first one's.
    if file is None or not file.is_file():
        return dict(config)
    return {**config, "assay": merge(yaml.safe_load(file.read_text()), assay)}


def merge(preset: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a preset, block by block, with a user's own in their place."""
    merged = dict(preset)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


# Weights that do not come from a file, and the networks of weights if embeddings.model does not name one.
PROVIDED_WEIGHTS = ("pretrained", "packaged", "random")
NETWORKS = {"packaged": "tf_efficientnet_lite0"}
USUAL_NETWORK = "efficientnet_b0"


def name_network(config: dict[str, Any]) -> None:
    """Set `embeddings.model`, if the config does not name a network, to the one of its weights."""
    if "embeddings" in config:
        settings = config["embeddings"]
        usual = NETWORKS.get(settings["weights"], USUAL_NETWORK)
        config["embeddings"] = {**settings, "model": settings["model"] or usual}


def find_embeddings_problems(config: Mapping[str, Any]) -> list[str]:
    """Return, as sentences, errors in the block `embeddings` that a schema cannot detect."""
    if "embeddings" not in config:
        return []
    known = [channel["name"] for channel in config["assay"]["channels"]]
    unknown = [name for name in config["embeddings"]["channels"] or [] if name not in known]
    found = [f"embeddings: channels: the assay has no channel {join_names(unknown)}."] if unknown else []
    for key in ("percentiles", "fixed"):
        ends = config["embeddings"][key]
        if ends and ends[0] >= ends[1]:
            found.append(f"embeddings: {key}: {ends} is not a range; write the lower end first.")
    weights, model = config["embeddings"]["weights"], config["embeddings"]["model"]
    if model != NETWORKS.get(weights, model):
        found.append(
            f"embeddings: model: {model} has no {weights} weights; leave out embeddings.model, or choose "
            "other weights."
        )
    return found


def find_crops_problems(config: Mapping[str, Any]) -> list[str]:
    """Return, as sentences, errors in the block `crops` that a schema cannot detect."""
    if "crops" not in config:
        return []
    known, ends = [channel["name"] for channel in config["assay"]["channels"]], config["crops"]["percentiles"]
    unknown = [name for name in config["crops"]["channels"] or [] if name not in known]
    found = []
    if unknown:
        found.append(
            f"crops: channels: the assay has no channel {join_names(unknown)}; it has {join_names(known)}."
        )
    if ends[0] >= ends[1]:
        found.append(f"crops: percentiles: {ends} is not a range; write the lower end first.")
    return found


def name_doses(
    settings: Mapping[str, Any], group: str | list[str], full: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return `dose_response` with full names of columns; the compound may be the group without the dose.

    Raises
    ------
    InputError
        If the dose is part of the compound, so that each compound would have a single dose.
    """
    dose = full(settings["dose"])
    compound = full(settings["compound"])
    if compound is None:
        compound = [name for name in ([group] if isinstance(group, str) else group) if name != dose]
    if not compound or dose in ([compound] if isinstance(compound, str) else compound):
        raise InputError(
            f"dose_response: {dose.removeprefix('Metadata_')} is the dose, so it cannot be part of the "
            "compound, too: each compound would have a single dose. Name the column of the compound in "
            "dose_response.compound, for example broad_sample."
        )
    return {**settings, "dose": dose, "compound": compound}


def name_columns(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a complete config with `Metadata_` before columns of profiles, not before `controls.column`.

    Both spellings are accepted, and names are written as in the columns of tables (`plain_text`).
    """

    def full(name: Any) -> Any:
        if isinstance(name, Mapping):
            return {key: full(value) for key, value in name.items()}
        if isinstance(name, list):
            return [full(part) for part in name]
        if name is None:
            return None
        name = plain_text(name)
        return name if name.startswith("Metadata_") else f"Metadata_{name}"

    benchmark, controls = config["benchmark"], config["controls"]
    named = {key: full(benchmark[key]) for key in ("group", "gene", "different", "clinical_phase")}
    named["rankings"] = full(benchmark["rankings"])
    column = plain_text(controls["column"]).removeprefix("Metadata_")
    annotation = {
        name: {**table, "gene": table["gene"] and plain_text(table["gene"])}
        for name, table in config["annotation"].items()
    }
    doses = {}
    if "dose_response" in config:
        settings = name_doses(config["dose_response"], named["group"], full)
        doses = {"dose_response": settings}
        if (
            named["different"] is None
            and isinstance(named["group"], list)
            and settings["dose"] in named["group"]
        ):
            # Two doses of one compound are not two compounds that share a target.
            named["different"] = settings["compound"]
    negcon = controls["negcon"] if isinstance(controls["negcon"], str) else SEVERAL.join(controls["negcon"])
    group = named["group"] if isinstance(named["group"], str) else named["group"][0]
    samples = config["plate_maps"]["sample"] or []
    samples = [samples] if isinstance(samples, str) else samples
    tables = {
        "sample": [plain_text(name).removeprefix("Metadata_") for name in samples],
        "group": group.removeprefix("Metadata_"),
    }
    judge = {**config["judge"], "batch": full(config["judge"]["batch"])}
    return {
        **config,
        **doses,
        "judge": judge,
        "annotation": annotation,
        "benchmark": {**benchmark, **named},
        "controls": {**controls, "column": column, "negcon": negcon},
        "plate_maps": tables,
    }


def get_named_columns(config: Mapping[str, Any]) -> list[str]:
    """Return the columns of profiles that a complete config names, without `Metadata_`, in order.

    They describe the wells: controls, perturbations, genes, doses. A column that is named here is not a
    feature.
    """
    benchmark, tables = config["benchmark"], config["plate_maps"]
    named = [benchmark[key] for key in ("group", "gene", "different", "clinical_phase", "rankings")]
    named += [config["controls"]["column"], tables["sample"], tables["group"]]
    if "dose_response" in config:
        named += [config["dose_response"][key] for key in ("dose", "compound")]

    def find_names(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value.removeprefix("Metadata_")
        elif value is not None:
            for part in value.values() if isinstance(value, Mapping) else value:
                yield from find_names(part)

    return sorted(set(find_names(named)) - {""})


def complete_config(config: Mapping[str, Any], file: str | Path) -> dict[str, Any]:
    """Check `config` against the schema and complete it with its defaults.

    Raises
    ------
    InputError
        Naming `file` and every problem in it.
    """
    written = read_values(config, read_schema())
    config = add_network_preset(apply_preset(written))
    found = list(find_config_problems(config))
    complete: dict[str, Any] = {}
    if not found:
        complete = read_values(config, read_schema(), defaults=True)
        name_network(complete)
        found = list(find_config_problems(complete))
    if not found:
        found = [
            *find_expression_problems(complete),
            *find_reading_problems(complete),
            *find_address_problems(complete),
            *find_rule_problems(complete["cell_quality"]),
        ]
    if not found and "assay" in complete:
        found = [
            *find_assay_problems(complete["assay"]),
            *find_embeddings_problems(complete),
            *find_preset_problems(complete),
            *find_crops_problems(complete),
            *label_problems(written.get("assay", {})),
        ]
    if found:
        raise InputError(f"{file} has errors:\n  " + "\n  ".join(dict.fromkeys(found)))
    try:
        return complete_chains(name_columns(complete), Path(file).parent)
    except InputError as error:
        raise InputError(f"{file} has errors:\n  {error}") from error
