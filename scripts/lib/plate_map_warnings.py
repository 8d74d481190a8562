"""Warn of what will stop plates because of their plate map, their annotation or their controls."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib.chains import get_chain_levels
from lib.errors import InputError, find_nearest_name, join_names, number_of
from lib.experiment import Experiment
from lib.imaged_wells import find_wells_with_images
from lib.layouts import (
    SAMPLE_COLUMNS,
    find_clashes,
    find_heading,
    read_annotation_rows,
    read_plate_map_rows,
)
from lib.levels import get_levels
from lib.plates import KNOWN, MAY_BE_EMPTY, SOURCES, Plate, is_address, read_table, source
from lib.profile_files import find_wells_in_profiles
from lib.suspects import (
    describe_equal_amounts,
    find_contradictions,
    find_suspects,
    report_missing_words,
)
from lib.values import SEVERAL, MissingValues, is_same_name
from lib.wells import get_well_order

Row = Mapping[str, str]
# A plate, and its wells that have images or profiles; None if they are not known.
PlateWithWells = tuple[Plate, set[str] | None]


@dataclass(frozen=True)
class PlateMap:
    """A plate map, with its annotation if there is one.

    Attributes
    ----------
    paths
        The plate map, and the annotation if there is one.
    columns, wells
        The columns of the plate map, and its rows: one per well.
    annotation_columns, reagents
        The columns of the annotation, and its rows: one per `broad_sample`.
    """

    paths: list[Path]
    columns: list[str]
    wells: Sequence[Row]
    annotation_columns: list[str]
    reagents: Sequence[Row]

    @classmethod
    def read(cls, paths: list[Path], plate: Plate, config: Mapping[str, Any]) -> "PlateMap":
        """Read a plate map, and the annotation of the plate's perturbation type."""
        missing = MissingValues.of_config(config)
        annotation_columns, reagents = [], []
        if len(paths) > 1:
            gene = config["annotation"][plate["perturbation"]]["gene"]
            annotation_columns, reagents = read_annotation_rows(paths[1], gene, missing)
        samples = {row["broad_sample"] for row in reagents}
        columns, wells = read_plate_map_rows(paths[0], plate["plate"], missing, samples)
        return cls(paths, columns, wells, annotation_columns, reagents)

    @property
    def name(self) -> str:
        """Return the name of the plate map's file."""
        return self.paths[0].name

    @property
    def names(self) -> str:
        """Return the names of the files, for a message."""
        return join_names(path.name for path in self.paths)

    @property
    def headings(self) -> list[str]:
        """Return the headings of the files as written, for a message."""
        return list(dict.fromkeys(name for path in self.paths for name in read_table(path)[0]))

    @property
    def all_columns(self) -> list[str]:
        """Return the columns of the plate map, then those of the annotation."""
        return list(dict.fromkeys([*self.columns, *self.annotation_columns]))

    def without_hidden_columns(self) -> "PlateMap":
        """Return the plate map without the columns that it leaves empty and that the annotation fills."""
        empty = [name for name in self.columns if not any(row[name] for row in self.wells)]
        hidden = set(empty) & set(self.annotation_columns) - set(SAMPLE_COLUMNS)
        columns = [name for name in self.columns if name not in hidden]
        wells = [{name: row[name] for name in columns} for row in self.wells]
        return replace(self, columns=columns, wells=wells) if hidden else self

    def get_marks(self, column: str) -> list[str]:
        """Return a column's value for each well, from the plate map or the annotation."""
        of_sample = {row["broad_sample"]: row for row in self.reagents}
        return [get_mark(well, column, of_sample) for well in self.wells]


def find_map_problems(
    plates: list[Plate], paths: list[Path], experiment: Experiment, reads_profiles: bool
) -> Iterator[str]:
    """Return the errors of a plate map and its annotation (`paths`), for the plates that use them.

    Parameters
    ----------
    plates
        Plates of one perturbation type that share a plate map.
    paths
        The plate map, and the annotation if there is one.
    experiment
        The experiment.
    reads_profiles
        Whether wells are read from profiles.
    """
    config, folder = experiment.config, experiment.config_file.parent
    try:
        plate_map = PlateMap.read(paths, plates[0], config)
        yield from find_value_problems(plate_map, plates, experiment)
    except InputError as error:
        yield str(error)
        return
    plate_map = plate_map.without_hidden_columns()
    present = [(plate, find_wells_of_plate(plate, config, folder, reads_profiles)) for plate in plates]
    yield from find_wells_without_entry(plate_map, present)
    if not any(row["broad_sample"] or row.get("solvent") for row in plate_map.wells):
        yield (
            f"no well of {plate_map.name} has a perturbation (broad_sample), so nothing can be scored: fill "
            "in what is in the wells."
        )
    if "negcon" in config["normalize"]["to"]:
        yield from find_control_problems(plate_map, present, config)
    yield from find_missing_columns(plate_map, plates[0], config)


def find_value_problems(plate_map: PlateMap, plates: list[Plate], experiment: Experiment) -> Iterator[str]:
    """Return words that are taken as empty, suspicious values, contradictions and clashes of columns."""
    missing = MissingValues.of_config(experiment.config)
    groups = get_grouping_columns(experiment.config)
    for path in plate_map.paths:
        if words := report_missing_words(path, missing):
            found = join_names(words)
            yield f"in {path.name}, taken as empty: {found}. See missing_values in the config."
        yield from (f"{path.name}: {sentence}." for sentence in find_suspects(path, missing, groups))
    names = [plate["plate"] for plate in plates]
    all_names = {plate["plate"] for plate in experiment.plates}
    contradictions = find_contradictions(plate_map.paths[0], names, missing, all_names)
    yield from (f"{plate_map.name}: {text}." for text in contradictions)
    for column in get_replicate_columns(experiment.config):
        amounts = [row[column] for row in plate_map.wells if row.get(column)]
        yield from (f"{plate_map.name}: {text}." for text in describe_equal_amounts(column, amounts))
    own = {name: value for name, value in plates[0].items() if name not in SOURCES}
    counts = ("Count_Cells", "Count_Cells_Flagged", "Count_Sites", "Count_Sites_Excluded")
    own |= dict.fromkeys(("Batch", *counts))
    of_map = {name: {row[name] for row in plate_map.wells} for name in plate_map.columns}
    of_annotation = {name: {row[name] for row in plate_map.reagents} for name in plate_map.annotation_columns}
    yield from find_clashes(of_map, of_annotation, own)[1]


def get_grouping_columns(config: Mapping[str, Any]) -> set[str]:
    """Return the columns by which benchmark.group and dose_response group wells, without `Metadata_`."""
    doses = config.get("dose_response", {})
    named = [doses[key] for key in ("dose", "compound") if key in doses]
    columns = {name for names in named for name in ([names] if isinstance(names, str) else names)}
    return {name.removeprefix("Metadata_") for name in columns} | set(get_replicate_columns(config))


def get_replicate_columns(config: Mapping[str, Any]) -> list[str]:
    """Return the columns whose equal values define replicates (benchmark.group), without `Metadata_`."""
    group = config["benchmark"]["group"]
    return [name.removeprefix("Metadata_") for name in ([group] if isinstance(group, str) else group)]


def find_wells_without_entry(plate_map: PlateMap, present: Sequence[PlateWithWells]) -> Iterator[str]:
    """Return the wells of plates that the plate map lacks; plates that lack the same share a sentence."""
    of_map = {row["well"] for row in plate_map.wells}
    lacking: dict[tuple[str, ...], list[str]] = {}
    for plate, wells in present:
        if unknown := sorted((wells or set()) - of_map, key=get_well_order):
            lacking.setdefault(tuple(unknown), []).append(plate["plate"])
    for unknown_wells, names in lacking.items():
        number, of_plates = number_of(len(unknown_wells), "well"), join_names(names, 3)
        yield (
            f"{plate_map.name} has no entry for {number} of plate {of_plates}, which will not be scored: "
            f"{join_names(unknown_wells, 5)}. Add them to the plate map."
        )


def find_control_problems(
    plate_map: PlateMap, present: Sequence[PlateWithWells], config: Mapping[str, Any]
) -> Iterator[str]:
    """Return whether negative controls are too few, misspelled, or without images.

    Parameters
    ----------
    plate_map
        The plate map with its annotation.
    present
        The plates that share it, each with its wells; None if they are not known.
    config
        The complete config.
    """
    controls, needed = config["controls"], config["normalize"]["minimum_wells"]
    column, columns = controls["column"], plate_map.all_columns
    if column not in columns:
        near = find_heading(column, columns)
        hint = f" Is `{near}` meant to be `{column}`? Use the same name in both." if near else ""
        yield (
            f"no column {column} in {plate_map.names}, by which negative controls are found.{hint} The "
            f"columns are {join_names(plate_map.headings)}. Name theirs in controls.column, or do without: "
            f"{get_remedy(config)}."
        )
        return
    marks = plate_map.get_marks(column)
    names = controls["negcon"].split(SEVERAL)
    negative = [
        well["well"]
        for well, mark in zip(plate_map.wells, marks, strict=True)
        if any(is_same_name(mark, name) for name in names)
    ]
    if len(negative) < needed:
        values = join_names(sorted(set(marks) - {""}), 5) or "no value"
        near = find_misspelled_controls(names, marks, cutoff=0.6)
        hint = f" Did you mean {join_names(near)}?" if near else ""
        yield (
            f"{len(negative)} negative controls ({column} = {controls['negcon']}) in {plate_map.names}; "
            f"normalizing needs {needed}.{hint} The column has {values}; see controls.negcon and "
            f"normalize.minimum_wells, or do without: {get_remedy(config)}."
        )
        return
    if column not in SAMPLE_COLUMNS and (near := find_misspelled_controls(names, marks)):
        yield (
            f"{column} has {join_names(near)} in {plate_map.names}, which is not the name of negative "
            f"controls (controls.negcon: {controls['negcon']}). If it is misspelled, correct it."
        )
    yield from find_controls_without_images(present, negative, config)


def find_missing_columns(plate_map: PlateMap, plate: Plate, config: Mapping[str, Any]) -> Iterator[str]:
    """Return the columns that benchmark.group and dose_response name, but which no table of a plate has."""
    of_sheet = (set(plate) - set(KNOWN)) | {"plate_map", "perturbation", *MAY_BE_EMPTY}
    columns = {*plate_map.all_columns, *of_sheet, "Batch", "Plate", "Well"}

    def find_lacking(names: str | Sequence[str]) -> list[str]:
        names = [names] if isinstance(names, str) else names
        plain = [name.removeprefix("Metadata_") for name in names]
        return [name for name in plain if name not in columns]

    def suggest(lacking: list[str]) -> str:
        near = [(find_heading(name, sorted(columns)), name) for name in lacking]
        hints = "".join(f" Is `{one}` meant to be `{name}`?" for one, name in near if one)
        return f"{hints} Use the same name in both." if hints else ""

    if lacking := find_lacking(config["benchmark"]["group"]):
        yield (
            f"no column {join_names(lacking)} in {plate_map.names}, by which benchmark.group defines "
            f"replicates.{suggest(lacking)} The columns are {join_names(plate_map.headings)}."
        )
    if "dose_response" in config:
        doses = config["dose_response"]
        compound = [doses["compound"]] if isinstance(doses["compound"], str) else doses["compound"]
        if lacking := find_lacking([doses["dose"], *compound]):
            yield (
                f"no column {join_names(lacking)} in {plate_map.names}, which dose_response names."
                f"{suggest(lacking)} The columns are {join_names(plate_map.headings)}."
            )


def find_misspelled_controls(names: list[str], marks: list[str], cutoff: float = 0.8) -> list[str]:
    """Return the values of a column of controls that may be misspellings of a name of negative controls.

    Parameters
    ----------
    names
        The names of negative controls (`controls.negcon`).
    marks
        The column's value for each well.
    cutoff
        The least similarity of a misspelling, from 0 to 1. Names that differ in their digits are not alike.
    """
    others = {mark for mark in marks if mark and not any(is_same_name(mark, name) for name in names)}
    alike_others = []
    for name in names:
        same_digits = [other for other in others if re.findall(r"\d", other) == re.findall(r"\d", name)]
        if near := find_nearest_name(name, sorted(same_digits), cutoff):
            alike_others.append(near)
    return list(dict.fromkeys(alike_others))


def find_wells_of_plate(
    plate: Plate, config: Mapping[str, Any], folder: Path, reads_profiles: bool
) -> set[str] | None:
    """Return the wells of a plate that have images or profiles; None if that is not known quickly.

    Parameters
    ----------
    plate
        The plate's row of the sample sheet.
    config
        The complete config.
    folder
        The folder of the config.
    reads_profiles
        Whether wells are read from profiles.
    """
    if source(plate) != "profiles":
        return find_wells_with_images(plate, folder, config["images"]["pattern"])
    path = folder / plate["profiles"]
    if not reads_profiles or is_address(plate["profiles"]) or not path.is_file():
        return None
    return find_wells_in_profiles(path, plate["plate"])


def find_controls_without_images(
    present: Sequence[PlateWithWells], negative: list[str], config: Mapping[str, Any]
) -> Iterator[str]:
    """Return the plates of which too few negative controls have images.

    Parameters
    ----------
    present
        Plates that share a plate map, each with its wells that have images; None if they are not known.
    negative
        The wells of the map's negative controls.
    config
        The complete config.
    """
    needed = config["normalize"]["minimum_wells"]
    kind = f"{config['controls']['column']} = {config['controls']['negcon']}"
    if config["normalize"]["over"] == "batch":
        # The controls of all plates of a batch serve together.
        return
    for plate, imaged in present:
        if imaged is None or source(plate) != "images":
            continue
        there = [well for well in negative if well in imaged]
        if len(there) < needed:
            without = [well for well in negative if well not in imaged]
            yield (
                f"plate {plate['plate']} has images of {len(imaged)} wells, of which {len(there)} are "
                f"negative controls ({kind}); normalizing needs {needed}. Without images are "
                f"{join_names(without, 5)}. Correct the plate map or images.pattern, lower "
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
    feature_sets, needing = list(filter(None, kept)), []
    for name, chain in config["chains"].items():
        last = get_chain_levels(name, chain)[-1].name
        feature_sets += [name] if last in config["benchmark"]["feature_sets"] else []
        by_controls = [step for step, options in chain["steps"] if options.get("reference") == "negcon"]
        needing += [f"chains.{name}.options.{step}.reference: all" for step in dict.fromkeys(by_controls)]
    keys = ["normalize.to: [all]", "feature_select.reference: all"]
    keys += [f"benchmark.feature_sets: [{', '.join(feature_sets)}]"] if feature_sets else []
    keys += needing
    keys += ["spherize.enabled: false"] if config["spherize"]["enabled"] else []
    return "set " + ", ".join(keys)


def get_mark(well: Row, column: str, of_sample: Mapping[str, Row]) -> str:
    """Return a column's value for a well, from the plate map or its reagent, as `join_annotation` joins them.

    If `broad_sample` is empty, the solvent is the reagent.
    """
    sample = well["broad_sample"] or well.get("solvent", "")
    if column == "broad_sample":
        return sample
    reagent = of_sample.get(well["broad_sample"]) or of_sample.get(sample) or {}
    return well[column] if column in well else reagent.get(column, "")
