"""The levels of profiles, and which plates of an experiment make which files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from lib.errors import InputError, listed
from lib.pipeline_files import read_pipeline
from lib.plates import SAFE, UNANNOTATED, Plate, is_address, source

# The levels of profiles in the order of the chain, and what each adds to the file name.
LEVELS = {
    "aggregated": "",
    "augmented": "_augmented",
    "normalized_negcon": "_normalized_negcon",
    "normalized": "_normalized",
    "normalized_feature_select_negcon_plate": "_normalized_feature_select_negcon_plate",
    "normalized_feature_select_plate": "_normalized_feature_select_plate",
    "normalized_feature_select_negcon_batch": "_normalized_feature_select_negcon_batch",
    "normalized_feature_select_batch": "_normalized_feature_select_batch",
    "spherized": "_spherized",
    "embeddings": "_embeddings",
    "embeddings_augmented": "_embeddings_augmented",
    "embeddings_normalized_negcon": "_embeddings_normalized_negcon",
    "embeddings_normalized": "_embeddings_normalized",
    "embeddings_spherized": "_embeddings_spherized",
}
# The levels that stand on one plate alone; the others take the plates of a batch or of a condition.
PLATE_LEVELS = [level for level in LEVELS if not level.endswith(("_batch", "spherized"))]
EMBEDDINGS = "embeddings"
INFIX = {"negcon": "_negcon", "all": ""}


def file_of(plate: Mapping[str, str], level: str) -> str:
    """The profile file of a plate at a level, relative to the results folder."""
    batch, name = plate["batch"], plate["plate"]
    return f"workspace/profiles/{batch}/{name}/{name}{LEVELS[level]}.parquet"


def batch_level(config: Mapping[str, Any]) -> str:
    """The level of profiles whose features are selected over a whole batch."""
    return f"normalized_feature_select{INFIX[config['feature_select']['reference']]}_batch"


def plate_level(config: Mapping[str, Any]) -> str:
    """The level of profiles whose features are selected on each plate."""
    return f"normalized_feature_select{INFIX[config['feature_select']['reference']]}_plate"


def selected_from(level: str) -> str:
    """The level that a feature-selected level is selected from."""
    return "normalized_negcon" if "_negcon_" in level else "normalized"


def spherized_from(config: Mapping[str, Any], spherized: str = "spherized") -> str:
    """The level of profiles that is sphered to the level `spherized`."""
    if is_embedding(spherized):
        return config["spherize"]["embeddings_level"]
    return config["spherize"]["level"] or f"normalized{INFIX[config['feature_select']['reference']]}"


def exported_levels(config: Mapping[str, Any]) -> list[str]:
    """The levels of profiles that are exported: all of them, unless the config names some.

    Raises:
        InputError: when the config names one that does not exist.
    """
    asked = config["export_levels"]
    unknown = [level for level in asked or () if level not in LEVELS]
    if unknown:
        raise InputError(f"export_levels: {listed(unknown)} is none of {listed(LEVELS)}.")
    return list(LEVELS) if asked is None else asked


def is_embedding(level: str) -> bool:
    """Whether a level holds a deep network's features instead of CellProfiler's."""
    return level.startswith(EMBEDDINGS)


def embedded_channels(config: Mapping[str, Any]) -> list[str]:
    """The channels that are embedded, in their order."""
    measured = [channel["name"] for channel in config["assay"]["channels"] if channel["measure"]]
    return config["embeddings"]["channels"] or measured


def judged(plate: Mapping[str, str], config: Mapping[str, Any]) -> bool:
    """Whether a plate belongs to a condition of the benchmark."""
    return all(plate.get(column) == value for column, value in config["benchmark"]["where"].items())


def levels_of(plate: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """The levels of profiles that the workflow has or makes for a plate.

    Sphered profiles are made when asked for, of the plates that belong to a condition.
    """
    made = chain_of(plate, config)
    sphered = [
        level
        for level in ("spherized", "embeddings_spherized")
        if (config["spherize"]["enabled"] or level in config["benchmark"]["feature_sets"])
        and judged(plate, config)
        and spherized_from(config, level) in made
    ]
    return [*made, *sphered]


def chain_of(plate: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """The levels of profiles from the one where a plate enters to its selected features.

    A plate that enters with published profiles has its own level and what follows from it; profiles
    that enter with features already selected over the batch can be selected further on the plate.
    """
    normalized = [f"normalized{INFIX[reference]}" for reference in config["normalize"]["to"]]
    selected = [plate_level(config), batch_level(config)]
    embedded = [EMBEDDINGS, *(f"{EMBEDDINGS}_{level}" for level in ("augmented", *normalized))]
    if source(plate) != "profiles":
        has_images = source(plate) == "images" and EMBEDDINGS in config
        return ["aggregated", "augmented", *normalized, *selected, *(embedded if has_images else [])]
    start = plate["level"]
    if start == EMBEDDINGS:
        return embedded
    if start == f"{EMBEDDINGS}_augmented":
        return embedded[1:]
    if start == "aggregated":
        return [start, "augmented", *normalized, *selected]
    if start == "augmented":
        return [start, *normalized, *selected]
    if start in ("normalized_negcon", "normalized"):
        made = [level for level in selected if selected_from(level) == start]
        return [start, *made]
    if start.endswith("_batch"):
        return [start, start.removesuffix("_batch") + "_plate"]
    return [start]


def chosen_plates(plates: list[Plate], only: Iterable[str] | None) -> list[Plate]:
    """The plates that `only` names, or all of them.

    Snakemake reads `--config only=0012` as the number 12: a number that is no plate's name is the plate
    whose barcode is that number, where there is one such plate.

    Raises:
        InputError: when `only` names a plate that the sample sheet does not list.
    """
    if only is None:
        return plates
    names = {plate["plate"] for plate in plates}
    chosen, unknown = set(), []
    for name in only:
        meant = [name] if name in names else same_number(name, names)
        chosen.update(meant[:1] if len(meant) == 1 else [])
        if not meant:
            unknown.append(f"only={name}: the sample sheet lists no such plate.")
        elif len(meant) > 1:
            unknown.append(
                f"only={name} may be {listed(meant)}: quote the barcode twice, as in "
                f"--config only='\"{meant[0]}\"'."
            )
    if unknown:
        raise InputError("\n".join(unknown))
    return [plate for plate in plates if plate["plate"] in chosen]


def same_number(name: str, names: Iterable[str]) -> list[str]:
    """The names that, read as a number, are the number `name`."""

    def number(text: str) -> float | None:
        try:
            return float(text)
        except ValueError:
            return None

    return sorted(other for other in names if number(name) is not None and number(other) == number(name))


def refuse_missing(
    plates: Iterable[Plate], config: Mapping[str, Any], config_file: Path, results: str | Path
) -> None:
    """Make sure that the files which the plates start from are there, before anything runs.

    An input may be gone once what is made of it exists (images that were archived), and one inside the
    results folder may be the workflow's own work.

    Raises:
        InputError: naming each missing file, its plate and its column.
    """
    exists = cache(os.path.exists)
    results = Path(results).resolve()
    missing = []
    for plate in plates:
        for column, location, made in starting_points(plate, config):
            path = Path(os.path.normpath(config_file.parent / location))
            if not exists(path) and not path.is_relative_to(results) and not exists(results / made):
                missing.append(f"plate {plate['plate']} of batch {plate['batch']}: {column}: {path}")
    if missing:
        more = f"\n  and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise InputError(
            "These files and folders do not exist:\n  " + "\n  ".join(missing[:20]) + more + "\nCorrect them "
            f"in {config_file.parent / config['plates']} or {config_file}; paths are relative to the "
            "config's folder."
        )


def refuse_own_pipelines(config: Mapping[str, Any], config_file: Path) -> None:
    """Make sure that a pipeline of the user's own can be read and runs nothing as it is read.

    Raises:
        InputError: naming the pipeline, the line and what is wrong there.
    """
    for key in ("illumination_pipeline", "analysis_pipeline"):
        path = config_file.parent / (config["cellprofiler"][key] or "")
        if path.is_file():
            try:
                read_pipeline(path)
            except InputError as error:
                raise InputError(f"cellprofiler.{key}: {error}") from None


def starting_points(plate: Plate, config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The local files that a plate starts from: (where they are named, path, what is made of them)."""
    batch, name = plate["batch"], plate["plate"]
    start = source(plate)
    made = {
        "images": f"workspace/load_data_csv/{batch}/{name}/load_data.csv",
        "cellprofiler": f"workspace/backend/{batch}/{name}/{name}.parquet",
        "profiles": file_of(plate, plate.get("level") or "aggregated") if start == "profiles" else "",
    }
    points = [(start, plate[start], made[start])]
    annotated = file_of(plate, annotated_level(plate, config))
    if start != "profiles" or plate["level"] in UNANNOTATED:
        points.append(("plate_map", plate["plate_map"], annotated))
    described = config["annotation"].get(plate["perturbation"])
    if described:
        points.append((f"annotation.{plate['perturbation']}.table", described["table"], annotated))
    if start == "images":
        for key in ("illumination_pipeline", "analysis_pipeline"):
            if config["cellprofiler"][key]:
                points.append((f"cellprofiler.{key}", config["cellprofiler"][key], made["cellprofiler"]))
    yield from (point for point in points if not is_address(point[1]))


def conditions(plates: list[Plate], config: Mapping[str, Any]) -> dict[str, list[Plate]]:
    """The conditions of the benchmark by name, each with its plates.

    Raises:
        InputError: when the config names a column that the sample sheet does not have, or whose values
            cannot be part of a file's name.
    """
    benchmark = config["benchmark"]
    columns = benchmark["condition"]
    asked = {*columns, *benchmark["where"], *benchmark["matching_same"]}
    unknown = sorted(asked - set(plates[0]))
    if unknown:
        raise InputError(f"benchmark: the sample sheet has no column {listed(unknown)}.")
    unsafe = [
        f"{column} `{plate[column]}` of plate {plate['plate']}"
        for column in columns
        for plate in plates
        if judged(plate, config) and plate[column] and not SAFE.fullmatch(plate[column])
    ]
    if unsafe:
        raise InputError(
            "benchmark.condition: what names a condition is part of file names, so it may hold only letters, "
            f"digits, dot, dash and underscore; correct {listed(unsafe, 5)} in the sample sheet."
        )
    grouped: dict[tuple[str, ...], list[Plate]] = {}
    for plate in plates:
        if judged(plate, config):
            grouped.setdefault(tuple(plate[column] for column in columns), []).append(plate)
    named = {"_".join(filter(None, values)) or "all": found for values, found in grouped.items()}
    if len(named) < len(grouped):
        raise InputError(
            f"benchmark.condition: the values of {listed(columns)} give two conditions the same name "
            f"({listed(' '.join(value or '(empty)' for value in values) for values in grouped)}): write "
            "something where one of them is empty."
        )
    return dict(sorted(named.items()))


def comparisons(grouped: Mapping[str, list[Plate]], config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The pairs of conditions that Percent Matching compares, by the comparison's name."""
    benchmark = config["benchmark"]
    found: dict[str, tuple[str, str]] = {}
    for (a, plates_a), (b, plates_b) in product(grouped.items(), repeat=2):
        first, second = plates_a[0], plates_b[0]
        types = [first["perturbation"], second["perturbation"]]
        shared = all(first[column] == second[column] for column in benchmark["matching_same"])
        within_one = types[0] == types[1]
        if types in benchmark["matching"] and shared and (a == b or not within_one):
            found[f"{a}__{b}"] = (a, b)
    return found


def plates_of_split(name: str, plates: list[Plate], config: Mapping[str, Any]) -> list[Plate]:
    """The plates that a recommended split divides.

    Raises:
        InputError: when its `where` names a column that the sample sheet does not have, or no plate.
    """
    where = config["splits"][name]["where"]
    unknown = sorted(set(where) - set(plates[0]))
    if unknown:
        raise InputError(f"splits.{name}.where: the sample sheet has no column {listed(unknown)}.")
    found = [plate for plate in plates if all(plate[column] == value for column, value in where.items())]
    if not found:
        raise InputError(f"splits.{name}.where: no plate of the sample sheet has {where}.")
    return found


def annotated_level(plate: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """The first level of a plate's profiles that says what is in its wells."""
    return next(level for level in levels_of(plate, config) if level not in UNANNOTATED)


def plates_with(feature_set: str, plates: Iterable[Plate]) -> list[Plate]:
    """The plates that a feature set is judged on.

    Published embeddings and published CellProfiler profiles of one plate are two rows of the sample sheet
    (in two batches); each is judged on the feature sets of its own kind only.
    """
    return [
        plate
        for plate in plates
        if source(plate) != "profiles" or is_embedding(plate["level"]) == is_embedding(feature_set)
    ]


def feature_set_levels(plates: Iterable[Plate], config: Mapping[str, Any]) -> list[str]:
    """The benchmark's feature sets, each checked to exist for every plate that is judged on it.

    Raises:
        InputError: naming the feature set and the plates that do not have it.
    """
    plates = list(plates)
    for level in config["benchmark"]["feature_sets"]:
        having = plates_with(level, plates)
        lacking = [plate["plate"] for plate in having or plates if level not in levels_of(plate, config)]
        if lacking:
            raise InputError(
                f"benchmark.feature_sets: {level} is not made for plate {listed(lacking)}; "
                f"made are {listed(levels_of((having or plates)[0], config))}."
                + (
                    " Embeddings are made of plates that start with images, when the config has a block "
                    "`embeddings`."
                    if is_embedding(level)
                    else ""
                )
            )
    return config["benchmark"]["feature_sets"]
