"""Warn of columns that the config names for chains and rankings, but that the wells of no plate have.

Such a step fails hours after the run began. The columns of plate maps, annotation and profiles are known from
their headers.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from lib.chain_options import COLUMNS
from lib.errors import InputError, join_names
from lib.experiment import Experiment
from lib.layouts import find_heading, read_annotation_rows, read_plate_map_rows
from lib.plate_columns import find_count_column
from lib.plates import KNOWN, Plate, is_address, source
from lib.profile_files import read_column_names
from lib.values import MissingValues

# The workflow gives each well these columns.
OF_WORKFLOW = {"Batch", "Plate", "Well", "plate_map", "perturbation", "cell_line", "timepoint", "few_cells"}
COUNTS = {"Count_Cells", "Count_Cells_Flagged", "Count_Sites", "Count_Sites_Excluded"}
RENAMED = "plate_map_"  # prefix of a plate map's column that the sample sheet has, too
MOST_FILES = 200  # files whose headers are read


def find_lacking_columns(experiment: Experiment) -> Iterator[str]:
    """Return sentences on columns that chains and rankings need, and that no plate has."""
    needed = list(list_needed_columns(experiment.config))
    if not needed:
        return
    known = find_known_columns(experiment)
    if known is None:
        return
    for where, columns in needed:
        lacking = [name for name in columns if name not in known]
        if lacking == ["Count_Cells"]:
            yield (
                f"{where}: the profiles of no plate have numbers of cells. Add them to the files of profiles "
                "as the column Metadata_Count_Cells."
            )
        elif lacking:
            near = [(find_heading(name, sorted(known)), name) for name in lacking]
            hint = "".join(f" Is `{name}` meant to be `{one}`?" for one, name in near if one)
            shown = join_names((name for name in sorted(known) if not name.startswith(RENAMED)), 30)
            yield (
                f"{where}: no plate has the column {join_names(lacking)}.{hint} The columns of the wells are "
                f"{shown}."
            )


def list_needed_columns(config: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Return the columns that each step of a chain, and each ranking, needs, without `Metadata_`."""
    for name, chain in config["chains"].items():
        for step, options in chain["steps"]:
            columns = [str(options[key]) for key in COLUMNS if key in options]
            columns += get_columns_of_query(str(options.get("reference", "")))
            columns += ["Count_Cells"] if step == "cell_count" else []
            if columns:
                yield f"chains.{name}.{step}", [each.removeprefix("Metadata_") for each in columns]
    for name, ranking in config["benchmark"]["rankings"].items():
        columns = [each for side in ranking.values() for names in side.values() for each in names]
        plain = dict.fromkeys(each.removeprefix("Metadata_") for each in columns)
        # The benchmark itself names the control type of each well.
        yield f"benchmark.rankings.{name}", [each for each in plain if each != "control_type"]


def get_columns_of_query(query: str) -> list[str]:
    """Return the columns that a query on the metadata of wells names."""
    try:
        tree = ast.parse(query, mode="eval")
    except SyntaxError:
        return []
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [name for name in dict.fromkeys(names) if name.startswith("Metadata_")]


def find_known_columns(experiment: Experiment) -> set[str] | None:
    """Return the columns of the wells of all plates, without `Metadata_`.

    They are not known (None) if a table of a plate cannot be read now, or if there are too many tables.
    """
    config = experiment.config
    known = OF_WORKFLOW | (set(experiment.plates[0]) - set(KNOWN))
    tables: dict[tuple[str, ...], Plate] = {}
    for plate in experiment.plates:
        is_annotated = source(plate) == "profiles" and experiment.levels[plate["level"]].annotated
        of_profiles = plate["profiles"] if source(plate) == "profiles" else ""
        known |= set() if of_profiles else COUNTS
        table = config["annotation"].get(plate["perturbation"], {}).get("table", "")
        tables.setdefault(("annotation", table, plate["perturbation"]), plate)
        tables.setdefault(("profiles", of_profiles), plate)
        tables.setdefault(("map", "" if is_annotated else plate["plate_map"]), plate)
    if len(tables) > MOST_FILES:
        return None
    for (kind, file, *_), plate in tables.items():
        if file:
            columns = read_columns_of(kind, file, plate, experiment)
            if not columns:
                return None
            known |= {name.removeprefix("Metadata_") for name in columns}
    return known


def read_columns_of(kind: str, file: str, plate: Plate, experiment: Experiment) -> set[str]:
    """Return the columns that a table gives the wells; nothing if it cannot be read now.

    Parameters
    ----------
    kind
        `annotation`, `profiles` or `map`.
    file
        The table, relative to the folder of the config.
    plate
        A plate that uses it.
    experiment
        The experiment.
    """
    path, missing = experiment.config_file.parent / file, MissingValues.of_config(experiment.config)
    if is_address(file) or not path.is_file():
        return set()
    try:
        if kind == "annotation":
            gene = experiment.config["annotation"][plate["perturbation"]]["gene"]
            return set(read_annotation_rows(path, gene, missing)[0])
        if kind == "profiles":
            columns = read_column_names(path)
            return columns | ({"Count_Cells"} if find_count_column(columns) else set())
        columns = set(read_plate_map_rows(path, plate["plate"], missing)[0])
        return columns | {f"{RENAMED}{name}" for name in columns}
    except InputError:
        return set()
