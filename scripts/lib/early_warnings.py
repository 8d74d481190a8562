"""Warn of what will stop plates later, before anything runs.

A plate whose tables have errors stops alone, after its cells have been measured. A warning before that may
save the hours until then. Nothing here raises an error.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lib.column_warnings import find_lacking_columns
from lib.errors import InputError, join_names
from lib.experiment import Experiment
from lib.feature_names import describe_identifiers
from lib.imaged_wells import find_name_problem, lacks_images
from lib.layouts import get_plate_names, read_annotation_rows, read_columns, read_plate_map_rows
from lib.plate_map_warnings import find_map_problems
from lib.plates import SOURCES, Plate, is_address, source
from lib.profile_files import find_header_problems, read_column_names
from lib.suspects import find_alike_names
from lib.values import MissingValues

# Reading a plate map takes milliseconds; thousands of different ones are left to their plates.
MOST_MAPS = 200
SMALL = 1_000_000  # bytes
# The wells of profiles are read from the entire file, which takes a moment for each plate of an experiment.
MOST_PROFILES = 24
# So does reading the names of a plate's images; of the other plates, one name is read.
MOST_FOLDERS = 24


def find_problems(experiment: Experiment) -> Iterator[str]:
    """Return, as sentences, what will stop chosen plates at annotation, normalization or the benchmark.

    A file that does not exist, or would have to be fetched, is skipped.
    """
    yield from find_sample_sheet_problems(experiment)
    yield from find_problems_of_images(experiment)
    yield from find_problems_of_maps(experiment)
    yield from find_problems_of_headers(experiment)
    yield from find_identifiers(experiment)
    yield from find_problems_of_annotated_profiles(experiment)
    yield from find_lacking_columns(experiment)


def is_annotated(experiment: Experiment, plate: Plate) -> bool:
    """Return whether a plate starts with annotated profiles, for which its plate map is not read."""
    return source(plate) == "profiles" and experiment.levels[plate["level"]].annotated


def find_sample_sheet_problems(experiment: Experiment) -> Iterator[str]:
    """Return annotations that no plate uses, and values of the sheet that differ only in capitalization."""
    types = {plate["perturbation"] for plate in experiment.plates}
    if unused := sorted(set(experiment.config["annotation"]) - types):
        yield (
            f"annotation: no plate has the perturbation type {join_names(unused)}; the sample sheet's are "
            f"{join_names(sorted(types))}. Their wells will not be annotated."
        )
    for column in [name for name in experiment.plates[0] if name not in (*SOURCES, "plate_map", "level")]:
        for names in find_alike_names(plate[column] for plate in experiment.plates):
            yield f"{column} of the sample sheet: {names}; they are different values."


def find_problems_of_images(experiment: Experiment) -> Iterator[str]:
    """Return why the names of images will be refused by load_data."""
    config, folder = experiment.config, experiment.config_file.parent
    of_names = config["images"]["channels_in"] == "names"
    channels = experiment.assay.get("channels", []) if of_names else []
    labels = {channel["image"]: channel["name"] for channel in channels}
    pattern = config["images"]["pattern"]
    for number, plate in enumerate(experiment.chosen):
        if number >= MOST_FOLDERS and not lacks_images(plate, folder, pattern):
            continue
        if problem := find_name_problem(plate, folder, pattern, labels):
            yield f"plate {plate['plate']}: {problem}"


def find_problems_of_maps(experiment: Experiment) -> Iterator[str]:
    """Return the errors of plate maps, annotation and controls; plates that share them share a sentence."""
    config, folder = experiment.config, experiment.config_file.parent
    sharing: dict[tuple[str, str, str], list[Plate]] = {}
    several: dict[str, bool] = {}  # whether a table has the wells of several plates, each with its own
    for plate in experiment.chosen:
        file = plate["plate_map"]
        if not is_annotated(experiment, plate):
            if file not in several and len(several) < MOST_MAPS:
                several[file] = has_wells_of_several_plates(folder / file, plate["plate"])
            own = plate["plate"] if several.get(file) else ""
            sharing.setdefault((file, plate["perturbation"], own), []).append(plate)
    reads_profiles = sum(source(plate) == "profiles" for plate in experiment.chosen) <= MOST_PROFILES
    looked_at: Counter[str] = Counter()
    for (plate_map, perturbation, own), plates in list(sharing.items())[:MOST_MAPS]:
        looked_at[plate_map] += 1
        if own and looked_at[plate_map] > (MOST_PROFILES if is_small(folder / plate_map) else 1):
            continue
        table = config["annotation"].get(perturbation, {}).get("table", "")
        paths = [folder / name for name in (plate_map, table) if name]
        if not any(map(is_address, (plate_map, table))) and all(path.is_file() for path in paths):
            for problem in find_map_problems(plates, paths, experiment, reads_profiles):
                yield f"plate {join_names((plate['plate'] for plate in plates), 3)}: {problem}"


def has_wells_of_several_plates(path: Path, plate: str) -> bool:
    """Return whether a plate map lists the wells of this plate and of others, as JUMP's table does."""
    if is_address(str(path)) or not path.is_file():
        return False
    try:
        named = get_plate_names(read_columns(path)[1])
        return any(len(names) > 1 and plate in names for names in named.values())
    except InputError:
        return False


def is_small(path: Path) -> bool:
    """Return whether a table can be read once for each of its plates."""
    return path.is_file() and path.stat().st_size < SMALL


def find_problems_of_headers(experiment: Experiment) -> Iterator[str]:
    """Return the errors in the headers of files of profiles."""
    folder = experiment.config_file.parent
    files: dict[str, list[str]] = {}
    for plate in experiment.chosen:
        if source(plate) == "profiles":
            files.setdefault(plate["profiles"], []).append(plate["plate"])
    for file, names in list(files.items())[:MOST_MAPS]:
        if not is_address(file) and (folder / file).is_file():
            for problem in find_header_problems(folder / file, names):
                yield f"plate {join_names(names, 3)}: {problem}"


def find_problems_of_annotated_profiles(experiment: Experiment) -> Iterator[str]:
    """Return what annotated profiles lack; plates that start with the same file share a sentence."""
    folder = experiment.config_file.parent
    annotated: dict[tuple[str, str, str], list[str]] = {}
    for plate in experiment.chosen:
        if is_annotated(experiment, plate):
            key = plate["profiles"], plate["plate_map"], plate["perturbation"]
            annotated.setdefault(key, []).append(plate["plate"])
    of_tables: dict[str, set[str]] = {}  # the columns of each annotation table, which is read once
    for (file, plate_map, perturbation), names in list(annotated.items())[:MOST_MAPS]:
        for problem in find_annotation_problems(folder, file, plate_map, perturbation, experiment, of_tables):
            yield f"plate {join_names(names, 3)}: {problem}"


def find_identifiers(experiment: Experiment) -> Iterator[str]:
    """Return which features of profiles that are normalized here are not measurements.

    Plates with the same features share a sentence.
    """
    config, folder = experiment.config, experiment.config_file.parent
    files: dict[str, list[str]] = {}
    for plate in experiment.chosen:
        is_file = source(plate) == "profiles" and not is_address(plate["profiles"])
        if is_file and experiment.levels[plate["level"]].has_measurements:
            files.setdefault(plate["profiles"], []).append(plate["plate"])
    by_columns: dict[tuple[str, ...], list[str]] = {}
    for file, plates in list(files.items())[:MOST_MAPS]:
        if (folder / file).is_file():
            by_columns.setdefault(tuple(sorted(read_column_names(folder / file))), []).extend(plates)
    rules, patterns = config["aggregate"]["exclude_features"], config["exclude_features"]
    by_sentence: dict[str, list[str]] = {}
    for names, plates in by_columns.items():
        by_sentence.setdefault(describe_identifiers(list(names), rules, patterns), []).extend(plates)
    yield from (f"plate {join_names(plates, 3)}: {text}." for text, plates in by_sentence.items() if text)


def find_annotation_problems(
    folder: Path,
    file: str,
    plate_map: str,
    perturbation: str,
    experiment: Experiment,
    of_tables: dict[str, set[str]],
) -> Iterator[str]:
    """Return what annotated profiles lack: names of replicates, or controls that only their plate map names.

    Parameters
    ----------
    folder
        The folder of the config.
    file
        The profiles. Nothing is known of a file that is fetched, does not exist, or is AnnData.
    plate_map
        The plate map in the sample sheet, which is not read for annotated profiles; "" if there is none.
    perturbation
        The perturbation type of the plates that start with this file.
    experiment
        The experiment, for its annotation, its sample sheet and its names of replicates and controls.
    of_tables
        The columns of the annotation of each perturbation type that was read before; this one is added.
    """
    path, config = folder / file, experiment.config
    table = config["annotation"].get(perturbation, {}).get("table", "")
    if is_address(file) or is_address(table) or not path.is_file():
        return
    columns = read_column_names(path)
    if not columns:
        return
    missing = MissingValues.of_config(config)
    # A plain column that the config names is read as metadata.
    columns |= {f"Metadata_{name}" for name in (*columns, *experiment.plates[0], "Batch", "Plate", "Well")}
    of_map = []
    try:
        if table and perturbation not in of_tables:
            gene = config["annotation"][perturbation]["gene"]
            of_tables[perturbation] = set(read_annotation_rows(folder / table, gene, missing)[0])
        columns |= {f"Metadata_{name}" for name in of_tables.get(perturbation, ())}
        if plate_map and not is_address(plate_map) and (folder / plate_map).is_file():
            of_map = read_plate_map_rows(folder / plate_map, missing=missing)[0]
    except InputError:
        return
    group, control = config["benchmark"]["group"], config["controls"]["column"]
    names = [group] if isinstance(group, str) else group
    lacking = [name for name in names if f"Metadata_{name.removeprefix('Metadata_')}" not in columns]
    why = ", by which benchmark.group defines replicates: nothing can be scored" if lacking else ""
    if control in of_map and f"Metadata_{control}" not in columns:
        lacking.append(f"Metadata_{control}")
    if lacking:
        unread = f" {plate_map} is not read: a plate_map is used for profiles of level `aggregated` only."
        yield (
            f"{path.name} has no column {join_names(lacking)}{why}.{unread if of_map else ''} Add the column "
            "to the file or, if these profiles are not normalized yet, write `aggregated` as their level."
        )
