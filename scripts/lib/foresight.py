"""What will stop a plate later is told before anything runs: plate maps, annotation, negative controls.

Nothing is refused here. A plate whose tables are wrong stops alone, when its cells have been measured;
whoever reads the warning may spare the hours until then.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.errors import InputError, listed
from lib.layouts import SAMPLE_COLUMNS, annotation_rows, plate_map_rows
from lib.plates import KNOWN, MAY_BE_EMPTY, UNANNOTATED, Plate, is_address, source
from lib.values import MissingValues, same_value

# Reading a plate map takes milliseconds; thousands of different ones are left to their plates.
MOST_MAPS = 200


def foreseen(plates: Iterable[Plate], config: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What will stop plates at annotation, normalization or in the benchmark, as sentences.

    Args:
        plates: rows of the sample sheet.
        config: the complete config.
        folder: of the config; what it does not find, or would have to fetch, is passed over.
    """
    plates = list(plates)
    types = {plate["perturbation"] for plate in plates}
    if unused := sorted(set(config["annotation"]) - types):
        yield (
            f"annotation: no plate has the perturbation type {listed(unused)}; the sample sheet's are "
            f"{listed(sorted(types))}. Their wells will not be annotated."
        )
    seen: dict[tuple[str, str], list[Plate]] = {}
    for plate in plates:
        if source(plate) != "profiles" or plate["level"] in UNANNOTATED:
            seen.setdefault((plate["plate_map"], plate["perturbation"]), []).append(plate)
    for (plate_map, perturbation), alike in list(seen.items())[:MOST_MAPS]:
        table = config["annotation"].get(perturbation, {}).get("table", "")
        paths = [folder / name for name in (plate_map, table) if name]
        if not any(map(is_address, (plate_map, table))) and all(path.is_file() for path in paths):
            for said in problems_of_map(alike, paths, config):
                yield f"plate {listed((plate['plate'] for plate in alike), 3)}: {said}"


def problems_of_map(plates: list[Plate], paths: list[Path], config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a plate map and its annotation (`paths`), for the plates that have them."""
    perturbation = plates[0]["perturbation"]
    try:
        missing = MissingValues.of_config(config)
        known, reagents = [], []
        if len(paths) > 1:
            known, reagents = annotation_rows(paths[1], config["annotation"][perturbation]["gene"], missing)
        samples = {row["broad_sample"] for row in reagents}
        columns, wells = plate_map_rows(paths[0], plates[0]["plate"], missing, samples)
        # A column that the plate map leaves empty is the annotation's.
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
        marks = [marked(well, column, of_sample) for well in wells]
        number, needed = (
            sum(same_value(mark, controls["negcon"]) for mark in marks),
            config["normalize"]["minimum_wells"],
        )
        if column not in there:
            yield (
                f"no column {column} in {tables}, by which negative controls are found; it has "
                f"{listed(there)}. Name theirs in controls.column, or set normalize.to to [all] and "
                "feature_select.reference to all."
            )
        elif number < needed:
            values = listed(sorted(set(marks) - {""}), 5) or "no value"
            yield (
                f"{number} negative controls ({column} = {controls['negcon']}) in {tables}; normalizing "
                f"needs {needed}. The column has {values}; see controls.negcon."
            )
    group = config["benchmark"]["group"]
    wanted = [name.removeprefix("Metadata_") for name in ([group] if isinstance(group, str) else group)]
    of_sheet = (set(plates[0]) - set(KNOWN)) | {"plate_map", "perturbation", *MAY_BE_EMPTY}
    there += [*of_sheet, "Batch", "Plate", "Well"]
    if lacking := [name for name in wanted if name not in there]:
        yield f"no column {listed(lacking)} in {tables}, which benchmark.group names replicates by."


def marked(well: Mapping[str, str], column: str, of_sample: Mapping[str, Mapping[str, str]]) -> str:
    """What a column says of a well, in the plate map or of its reagent, as `known_wells` joins them.

    Where `broad_sample` is empty, the solvent is the reagent.
    """
    sample = well["broad_sample"] or well.get("solvent", "")
    if column == "broad_sample":
        return sample
    reagent = of_sample.get(well["broad_sample"]) or of_sample.get(sample) or {}
    return well[column] if column in well else reagent.get(column, "")
