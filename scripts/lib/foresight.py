"""What will stop a plate later is told before anything runs: plate maps, annotation, negative controls.

Nothing is refused here. A plate whose tables are wrong stops alone, when its cells have been measured;
whoever reads the warning may spare the hours until then.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.errors import InputError, listed
from lib.plate_contents import read_known_wells
from lib.plates import KNOWN, MAY_BE_EMPTY, Plate, is_address, source

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
        if source(plate) != "profiles" or plate["level"] in ("aggregated", "embeddings"):
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
    annotation = paths[1] if len(paths) > 1 else None
    gene = config["annotation"][perturbation]["gene"] if annotation else None
    try:
        known = read_known_wells(paths[0], annotation, gene, plates[0]["plate"])
    except InputError as error:
        yield str(error)
        return
    controls, tables = config["controls"], listed(path.name for path in paths)
    if "negcon" in config["normalize"]["to"]:
        if controls["column"] not in known:
            yield (
                f"no column {controls['column']} in {tables}, by which negative controls are found; it has "
                f"{listed(known.columns)}. Name theirs in controls.column, or set normalize.to to [all] and "
                "feature_select.reference to all."
            )
        elif (number := int((known[controls["column"]] == controls["negcon"]).sum())) < config["normalize"][
            "minimum_wells"
        ]:
            values = sorted({value for value in known[controls["column"]].dropna() if value})
            yield (
                f"{number} negative controls ({controls['column']} = {controls['negcon']}) in {tables}; "
                f"normalizing needs {config['normalize']['minimum_wells']}. The column has "
                f"{listed(values, 5) or 'no value'}; see controls.negcon."
            )
    group = config["benchmark"]["group"]
    wanted = [name.removeprefix("Metadata_") for name in ([group] if isinstance(group, str) else group)]
    of_sheet = (set(plates[0]) - set(KNOWN)) | {"plate_map", "perturbation", *MAY_BE_EMPTY}
    there = {*known.columns, *of_sheet, "Batch", "Plate", "Well"}
    if lacking := [name for name in wanted if name not in there]:
        yield f"no column {listed(lacking)} in {tables}, which benchmark.group names replicates by."
