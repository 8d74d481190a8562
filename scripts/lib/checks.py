"""Checks before anything runs.

Each function `check_...` raises an InputError for what cannot work. `find_problems` raises nothing: a plate
whose tables have errors stops alone, after its cells have been measured, but its warning may save the hours
until then.
"""

import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lib.cell_rules import check_rules
from lib.config import PROVIDED_WEIGHTS
from lib.errors import InputError, listed
from lib.experiment import Experiment
from lib.imaged_wells import find_wells_with_images
from lib.layouts import SAMPLE_COLUMNS, annotation_rows, find_clashes, plate_map_rows, words_in_rows
from lib.levels import get_levels
from lib.pipeline_files import read_pipeline
from lib.plates import KNOWN, MAY_BE_EMPTY, SOURCES, Plate, is_address, source
from lib.profile_files import find_header_problems
from lib.shared_folders import check_shared_folders
from lib.starting_points import get_starting_points
from lib.values import SEVERAL, MissingValues, same_value

# Reading a plate map takes milliseconds; thousands of different ones are left to their plates.
MOST_MAPS = 200
SECONDS_OF_SKEW = 10  # between the clocks of this machine and of a file server
MOST_FILES = 20  # of the missing ones that a message lists


# --- errors ------------------------------------------------------------------------------------------


def check_python(executable: str) -> None:
    """Check that Snakemake can run scripts with this Python.

    Raises
    ------
    InputError
        If its path contains characters that a shell would interpret.
    """
    if re.search(r"[^\w@%+=:,./-]", executable):
        # Snakemake writes it unquoted into a shell line for each `script:`.
        raise InputError(
            f"{executable} has a blank, or a character that a shell reads, in its path, from which Snakemake "
            "runs no script: move Platewise's checkout and set it up there anew (an experiment may stay in "
            "such a folder)."
        )


def check_config_files(files: Iterable[str | Path]) -> None:
    """Reject a config file that Snakemake runs as a template: a config is data.

    Raises
    ------
    InputError
        Naming the file.
    """
    for file in files:
        if "__use_yte__" in Path(file).read_text(encoding="utf-8", errors="replace"):
            raise InputError(
                f"{file}: it has the key __use_yte__, with which Snakemake runs the file as a program before "
                "Platewise sees it. Take the key out, and write values only. If the file came from a "
                "stranger, look at what it has just done on this machine."
            )


def check_results_folder(folder: str | Path) -> None:
    """Check that the results folder can be created and written.

    Raises
    ------
    InputError
        Naming the folder that cannot be written.
    """
    existing = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(
            f"The results folder {folder} cannot be written: {existing} is "
            + ("read-only, or not yours to write to" if existing.is_dir() else "not a folder")
            + ". Name another folder as `results` in the config, or make this one writable."
        )


def check_experiment(experiment: Experiment, results: str | Path) -> None:
    """Check that an experiment's inputs exist and can be used.

    Raises
    ------
    InputError
        Naming each input that is missing or cannot be used.
    """
    check_files(experiment, results)
    check_shared_folders(experiment)
    check_times(experiment)
    check_pipelines(experiment)
    check_plugins(experiment)
    check_weights(experiment)
    check_models(experiment)
    if experiment.plates_with_images and not experiment.config["cellprofiler"]["analysis_pipeline"]:
        check_rules(experiment.config["cell_quality"], experiment.objects)


def check_files(experiment: Experiment, results: str | Path) -> None:
    """Check that the files which the chosen plates start from exist.

    An input may be missing once its result exists (images that were archived), and one inside the
    results folder may be written by the workflow itself.

    Raises
    ------
    InputError
        Naming each missing file, its plate and its column.
    """
    exists = cache(os.path.exists)
    folder, results = experiment.config_file.parent, Path(results).resolve()
    missing = []
    for plate in experiment.chosen:
        for named_in, location, result in get_starting_points(experiment, plate):
            path = Path(os.path.normpath(folder / location))
            if not exists(path) and not path.is_relative_to(results) and not exists(results / result):
                missing.append(f"plate {plate['plate']} of batch {plate['batch']}: {named_in}: {path}")
    if missing:
        more = f"\n  and {len(missing) - MOST_FILES} more" if len(missing) > MOST_FILES else ""
        raise InputError(
            "These files and folders do not exist:\n  "
            + "\n  ".join(missing[:MOST_FILES])
            + more
            + f"\nCorrect them in {folder / experiment.config['plates']} or {experiment.config_file}; paths "
            "are relative to the config's folder."
        )


def check_times(experiment: Experiment) -> None:
    """Check that no input of the chosen plates is dated in the future.

    Snakemake would consider each result older than its input, and remove it right after it was made.

    Raises
    ------
    InputError
        Naming these files and folders, with the command that sets their date to now.
    """
    folder, latest = experiment.config_file.parent, time.time() + SECONDS_OF_SKEW
    simulated = experiment.config.get("simulate", {}).get("effects")
    locations = {
        location for plate in experiment.chosen for _, location, _ in get_starting_points(experiment, plate)
    }
    paths = [Path(os.path.normpath(folder / name)) for name in sorted(locations | {simulated or "."})]
    late = [path for path in paths if path.exists() and path.stat().st_mtime > latest]
    if late:
        files = " ".join(shlex.quote(str(path)) for path in late[:MOST_FILES])
        more = f" (and {len(late) - MOST_FILES} more)" if len(late) > MOST_FILES else ""
        raise InputError(
            f"These files or folders are dated in the future{more}, so that Snakemake would remove what is "
            f"made from them. Date them now, or set the clock of this machine:\n  touch {files}"
        )


def check_pipelines(experiment: Experiment) -> None:
    """Check that a user's pipeline can be read and executes no code while it is read.

    Raises
    ------
    InputError
        Naming the pipeline, the line and the error.
    """
    for key in ("illumination_pipeline", "analysis_pipeline"):
        path = experiment.config_file.parent / (experiment.config["cellprofiler"][key] or "")
        if path.is_file():
            try:
                read_pipeline(path)
            except InputError as error:
                raise InputError(f"cellprofiler.{key}: {error}") from None


def check_plugins(experiment: Experiment) -> None:
    """Check that the folder of a user's own CellProfiler modules exists and holds modules.

    Raises
    ------
    InputError
        Naming the folder.
    """
    if plugins := experiment.config["cellprofiler"]["plugins"]:
        folder = experiment.config_file.parent / plugins
        if not any(folder.glob("[!_]*.py")):
            what = "holds no module (.py)" if folder.is_dir() else "is not a folder"
            raise InputError(
                f"cellprofiler.plugins: {folder} {what}. Name the folder that has the modules' files."
            )


def check_weights(experiment: Experiment) -> None:
    """Check that the file of a deep network's weights exists.

    Raises
    ------
    InputError
        Naming the file, and how to get one.
    """
    if not experiment.embeddings or experiment.embeddings["weights"] in PROVIDED_WEIGHTS:
        return
    path = experiment.config_file.parent / experiment.embeddings["weights"]
    if not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. Copy the file there (those of timm are at "
            f"https://huggingface.co/timm: model.safetensors of {experiment.embeddings['model']}), or set "
            "embeddings.weights to `pretrained` where there is a network."
        )


def check_models(experiment: Experiment) -> None:
    """Check that the files of the models of networks that find objects exist.

    Raises
    ------
    InputError
        Naming the file.
    """
    for name, settings in experiment.segmented.items():
        path = experiment.config_file.parent / (settings["model"] or "")
        if "/" in (settings["model"] or "") and not path.is_file():
            raise InputError(
                f"assay.{name.lower()}.network.model: {path} does not exist. Copy the model "
                f"there, or name one that {settings['method']} distributes, without a slash."
            )


# --- warnings ----------------------------------------------------------------------------------------


def find_problems(experiment: Experiment) -> Iterator[str]:
    """Return, as sentences, what will stop chosen plates at annotation, normalization or the benchmark.

    A file that does not exist, or would have to be fetched, is skipped.
    """
    config, folder = experiment.config, experiment.config_file.parent
    types = {plate["perturbation"] for plate in experiment.plates}
    if unused := sorted(set(config["annotation"]) - types):
        yield (
            f"annotation: no plate has the perturbation type {listed(unused)}; the sample sheet's are "
            f"{listed(sorted(types))}. Their wells will not be annotated."
        )
    alike: dict[tuple[str, str], list[Plate]] = {}
    for plate in experiment.chosen:
        if source(plate) != "profiles" or not experiment.levels[plate["level"]].annotated:
            alike.setdefault((plate["plate_map"], plate["perturbation"]), []).append(plate)
    for (plate_map, perturbation), plates in list(alike.items())[:MOST_MAPS]:
        table = config["annotation"].get(perturbation, {}).get("table", "")
        paths = [folder / name for name in (plate_map, table) if name]
        if not any(map(is_address, (plate_map, table))) and all(path.is_file() for path in paths):
            for problem in find_map_problems(plates, paths, config, folder):
                yield f"plate {listed((plate['plate'] for plate in plates), 3)}: {problem}"
    files: dict[str, list[str]] = {}
    for plate in experiment.chosen:
        if source(plate) == "profiles":
            files.setdefault(plate["profiles"], []).append(plate["plate"])
    for file, names in list(files.items())[:MOST_MAPS]:
        if not is_address(file) and (folder / file).is_file():
            for problem in find_header_problems(folder / file, names):
                yield f"plate {listed(names, 3)}: {problem}"


def find_map_problems(
    plates: list[Plate], paths: list[Path], config: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Return the errors of a plate map and its annotation (`paths`), for the plates that use them.

    Parameters
    ----------
    plates
        Plates of one perturbation type that share a plate map.
    paths
        The plate map, and the annotation if there is one.
    config
        The complete config.
    folder
        The folder of the config.
    """
    perturbation = plates[0]["perturbation"]
    try:
        missing = MissingValues.of_config(config)
        known, reagents = [], []
        if len(paths) > 1:
            known, reagents = annotation_rows(paths[1], config["annotation"][perturbation]["gene"], missing)
        samples = {row["broad_sample"] for row in reagents}
        columns, wells = plate_map_rows(paths[0], plates[0]["plate"], missing, samples)
        for path in paths:
            if words := words_in_rows(path, missing):
                yield f"in {path.name}, taken as empty: {listed(words)}. See missing_values in the config."
        own = {name: value for name, value in plates[0].items() if name not in SOURCES}
        own |= {
            "Batch": None,
            "Count_Cells": None,
            "Count_Cells_Flagged": None,
            "Count_Sites": None,
            "Count_Sites_Excluded": None,
        }
        of_map = {name: {row[name] for row in wells} for name in columns}
        yield from find_clashes(of_map, {name: {row[name] for row in reagents} for name in known}, own)[1]
        # A column that the plate map leaves empty comes from the annotation.
        empty = [name for name in columns if name in known and not any(row[name] for row in wells)]
        if hidden := set(empty) - set(SAMPLE_COLUMNS):
            columns = [name for name in columns if name not in hidden]
            wells = [{name: row[name] for name in columns} for row in wells]
    except InputError as error:
        yield str(error)
        return
    controls, tables = config["controls"], listed(path.name for path in paths)
    column, there = controls["column"], list(dict.fromkeys([*columns, *known]))
    of_sample = {row["broad_sample"]: row for row in reagents}
    if "negcon" in config["normalize"]["to"]:
        marks = [get_mark(well, column, of_sample) for well in wells]
        names = controls["negcon"].split(SEVERAL)
        number = sum(any(same_value(mark, name) for name in names) for mark in marks)
        needed = config["normalize"]["minimum_wells"]
        if column not in there:
            yield (
                f"no column {column} in {tables}, by which negative controls are found; it has "
                f"{listed(there)}. Name theirs in controls.column, or do without: {get_remedy(config)}."
            )
        elif number < needed:
            values = listed(sorted(set(marks) - {""}), 5) or "no value"
            yield (
                f"{number} negative controls ({column} = {controls['negcon']}) in {tables}; normalizing "
                f"needs {needed}. The column has {values}; see controls.negcon and normalize.minimum_wells, "
                f"or do without: {get_remedy(config)}."
            )
        else:
            pairs = zip(wells, marks, strict=True)
            negative = [well["well"] for well, mark in pairs if same_value(mark, controls["negcon"])]
            yield from find_controls_without_images(plates, negative, config, folder)
    group = config["benchmark"]["group"]
    wanted = [name.removeprefix("Metadata_") for name in ([group] if isinstance(group, str) else group)]
    of_sheet = (set(plates[0]) - set(KNOWN)) | {"plate_map", "perturbation", *MAY_BE_EMPTY}
    there += [*of_sheet, "Batch", "Plate", "Well"]
    if lacking := [name for name in wanted if name not in there]:
        yield f"no column {listed(lacking)} in {tables}, which benchmark.group names replicates by."
    if "dose_response" in config:
        doses = config["dose_response"]
        compound = [doses["compound"]] if isinstance(doses["compound"], str) else doses["compound"]
        wanted = [name.removeprefix("Metadata_") for name in (doses["dose"], *compound)]
        if lacking := [name for name in wanted if name not in there]:
            yield f"no column {listed(lacking)} in {tables}, which dose_response names."


def find_controls_without_images(
    plates: list[Plate], negative: list[str], config: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Return the plates of which too few negative controls have images.

    Parameters
    ----------
    plates
        Plates that share a plate map.
    negative
        The wells of its negative controls.
    config
        The complete config.
    folder
        The folder of the config.
    """
    needed = config["normalize"]["minimum_wells"]
    kind = f"{config['controls']['column']} = {config['controls']['negcon']}"
    if config["normalize"]["over"] == "batch":
        # The controls of all plates of a batch serve together.
        return
    for plate in plates:
        imaged = find_wells_with_images(plate, folder, config["images"]["pattern"])
        if imaged is None:
            continue
        there = [well for well in negative if well in imaged]
        if len(there) < needed:
            without = [well for well in negative if well not in imaged]
            yield (
                f"plate {plate['plate']} has images of {len(imaged)} wells, of which {len(there)} are "
                f"negative controls ({kind}); normalizing needs {needed}. Without images are "
                f"{listed(without, 5)}. Correct the plate map or images.pattern, lower "
                f"normalize.minimum_wells (at least 2), or do without: {get_remedy(config)}."
            )


def get_remedy(config: Mapping[str, Any]) -> str:
    """Return every key of the config that must change to compute profiles without negative controls."""
    levels = get_levels(config)
    judged = [levels[name] for name in config["benchmark"]["feature_sets"] if name in levels]
    others = {
        (level.features, level.step, level.scope, level.reference): level.name
        for level in levels.values()
        if not level.summary
    }
    kept = [
        others.get((level.features, level.step, level.scope, "all"), "") if level.reference else level.name
        for level in judged
    ]
    keys = ["normalize.to: [all]", "feature_select.reference: all"]
    keys.append(f"benchmark.feature_sets: [{', '.join(name for name in kept if name)}]")
    keys += ["spherize.enabled: false"] if config["spherize"]["enabled"] else []
    return "set " + ", ".join(keys)


def get_mark(well: Mapping[str, str], column: str, of_sample: Mapping[str, Mapping[str, str]]) -> str:
    """Return a column's value for a well, from the plate map or its reagent, as joined by `known_wells`.

    If `broad_sample` is empty, the solvent is the reagent.
    """
    sample = well["broad_sample"] or well.get("solvent", "")
    if column == "broad_sample":
        return sample
    reagent = of_sample.get(well["broad_sample"]) or of_sample.get(sample) or {}
    return well[column] if column in well else reagent.get(column, "")
