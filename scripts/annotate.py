"""Annotate a plate's profiles with its plate map, its reagents and its row of the sample sheet.

Every well of the plate map and every well of the profiles is in the result: a well that only one of the
two has is kept and named in a table. (`pycytominer.annotate` joins by an inner join, which loses such
wells silently.) Words for missing values, and numbers in several spellings, are read as in `lib.values`.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lib.errors import join_names
from lib.gaps import SITES, mark_few_cells
from lib.layouts import find_clashes, find_near_samples
from lib.logs import log_to
from lib.plate_contents import join_annotation, read_annotation, read_plate_map
from lib.plates import KNOWN, NOT_ON_MAP, source
from lib.suspects import find_contradictions, find_suspects, report_missing_words
from lib.tables import get_features, get_provenance, read_profiles, write_profiles, write_whole
from lib.values import MissingValues
from lib.wells import get_well_order

KEYS = ["Metadata_Batch", "Metadata_Plate", "Metadata_Well"]
COUNTS = [
    "Metadata_Count_Cells",
    "Metadata_Count_Cells_Flagged",
    SITES,
    "Metadata_Count_Sites_Excluded",
]
OF_SHEET = ("plate_map", "perturbation", "cell_line", "timepoint")


def find_unmatched_wells(
    profiles: pd.DataFrame, plate_map: pd.DataFrame, unit: str = "site"
) -> list[tuple[str, str]]:
    """Find the wells that are only in the plate map or only in the profiles, and in which.

    `unit` is what a well lacks that is only in the plate map: a site or, if the plate starts with profiles, a
    profile.
    """
    measured, mapped = set(profiles["Metadata_Well"]), set(plate_map["well"])
    return [(well, NOT_ON_MAP) for well in sorted(measured - mapped, key=get_well_order)] + [
        (well, f"on the plate map, but without a {unit}")
        for well in sorted(mapped - measured, key=get_well_order)
    ]


def get_metadata_of_plate(plate: Mapping[str, str], there: set[str]) -> dict[str, object]:
    """Return the metadata that a plate's row of the sample sheet gives each well.

    An empty cell of the sheet is ignored if the wells themselves have that column (`there`).
    """
    constant: dict[str, object] = {"Metadata_Batch": plate["batch"], "Metadata_Plate": plate["plate"]}
    constant |= {
        f"Metadata_{name}": value or pd.NA
        for name, value in plate.items()
        if (name not in KNOWN or name in OF_SHEET) and (value or f"Metadata_{name}" not in there)
    }
    return constant


def annotate(
    profiles: pd.DataFrame,
    plate_map: pd.DataFrame,
    annotation: pd.DataFrame | None,
    plate: Mapping[str, str],
) -> pd.DataFrame:
    """Join profiles, plate map, reagents and the plate's row; one row per well of either.

    Columns with conflicting names are reported in the log, with the one that is kept.

    Parameters
    ----------
    profiles
        Aggregated profiles of the plate.
    plate_map
        From `read_plate_map`.
    annotation
        From `read_annotation`; None if the plate map alone describes the wells.
    plate
        The sample sheet's row; its columns become metadata too.

    Returns
    -------
    The profiles in plate order: metadata (strings; missing where unknown), counts, then the features. A well
    without images has 0 cells and 0 sites; its number of cells is missing if the profiles do not count sites,
    since such profiles may also lack a well because it has no cells.
    """
    known = join_annotation(plate_map, annotation)
    constant = get_metadata_of_plate(plate, {f"Metadata_{name.removeprefix('Metadata_')}" for name in known})
    constant["Metadata_plate_map"] = Path(plate["plate_map"]).name
    own = {name.removeprefix("Metadata_"): str(value) for name, value in constant.items()}
    own |= dict.fromkeys((name.removeprefix("Metadata_") for name in COUNTS), None)
    of_map = {name: set(plate_map[name]) for name in plate_map}
    of_annotation = {} if annotation is None else {name: set(annotation[name]) for name in annotation}
    renamed, clashes = find_clashes(of_map, of_annotation, own)
    for sentence in clashes:
        logging.warning("plate %s: %s", plate["plate"], sentence)
    known = known.rename(columns=renamed)
    known = known.rename(columns=lambda name: f"Metadata_{name.removeprefix('Metadata_')}")
    known = known.rename(columns={"Metadata_well": "Metadata_Well"}).replace("", pd.NA)
    features = get_features(profiles)
    # other metadata of published profiles, such as pycytominer's Metadata_Site_Count
    taken = {"Metadata_Well", *COUNTS, *constant, *known}
    others = [name for name in profiles if name.startswith("Metadata_") and name not in taken]
    there = [name for name in COUNTS if name in profiles]
    measured = profiles[["Metadata_Well", *there, *others, *features]]
    joined = known.merge(measured, on="Metadata_Well", how="outer", validate="1:1")
    if SITES in there:
        absent = ~joined["Metadata_Well"].isin(profiles["Metadata_Well"])
        joined.loc[absent, there] = 0
    for name in there:
        if joined[name].notna().all():
            joined[name] = joined[name].astype(int)
    metadata = [name for name in joined.columns if name not in (*features, *COUNTS, *constant)]
    of_plate = pd.DataFrame(constant, index=joined.index, dtype="str")
    order = [*KEYS, *(name for name in constant if name not in KEYS)]
    order += [name for name in metadata if name not in order]
    order += [name for name in COUNTS if name in joined]
    result = pd.concat([of_plate, joined.drop(columns=of_plate.columns, errors="ignore")], axis=1)
    return result[[*order, *features]].sort_values(
        "Metadata_Well", key=lambda wells: wells.map(get_well_order), ignore_index=True
    )


def main(
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    plate: Mapping[str, str],
    gene: str | None,
    missing_values: Mapping[str, Any],
    minimum_cells: int,
) -> None:
    """Write the annotated profiles and the table of wells that did not match.

    Parameters
    ----------
    inputs
        Paths of `profiles`, `plate_map` and `annotation`, which is "" if the perturbation type has none.
    outputs
        Paths of `profiles` (Parquet) and `unmatched` (csv).
    plate
        The plate's row of the sample sheet.
    gene
        The column of the annotation that holds the gene, or None.
    missing_values
        The config's keys of which `MissingValues` is made.
    minimum_cells
        Wells with fewer cells are marked.
    """
    missing = MissingValues.of_config(missing_values)
    profiles = read_profiles(inputs["profiles"])
    annotation, samples = None, ()
    if inputs["annotation"]:
        annotation = read_annotation(inputs["annotation"], gene, missing)
        samples = annotation["broad_sample"]
    plate_map = read_plate_map(inputs["plate_map"], plate["plate"], missing, samples)
    for path in filter(None, (inputs["plate_map"], inputs["annotation"])):
        if words := report_missing_words(path, missing):
            logging.warning("%s: taken as empty: %s", path, join_names(words))
        for sentence in find_suspects(path, missing):
            logging.warning("%s: %s", path, sentence)
    for sentence in find_contradictions(inputs["plate_map"], [plate["plate"]], missing):
        logging.warning("%s: %s", inputs["plate_map"], sentence)
    if annotation is not None:
        unknown = set(plate_map["broad_sample"]) - set(samples) - {""}
        if unknown:
            logging.warning(
                "%s has no row for %d broad_sample of %s: %s",
                inputs["annotation"],
                len(unknown),
                inputs["plate_map"],
                join_names(find_near_samples(unknown, samples)),
            )
    unit = "profile" if source(plate) == "profiles" else "site"
    unmatched = find_unmatched_wells(profiles, plate_map, unit)
    for reason in dict.fromkeys(why for _, why in unmatched):
        wells = [well for well, why in unmatched if why == reason]
        logging.warning("plate %s, well %s: %s", plate["plate"], join_names(wells, 1536), reason)
    annotated = annotate(profiles, plate_map, annotation, plate)
    annotated = mark_few_cells(annotated, minimum_cells)
    with write_whole(outputs["unmatched"]) as part:
        pd.DataFrame(unmatched, columns=["Metadata_Well", "reason"]).to_csv(part, index=False)
    paths = [inputs[name] for name in ("profiles", "plate_map", "annotation") if inputs[name]]
    made_by = get_provenance({"plate": plate, "gene": gene}, paths)
    write_profiles(annotated, outputs["profiles"], made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            {name: snakemake.input[name] or "" for name in ("profiles", "plate_map", "annotation")},
            {name: snakemake.output[name] for name in ("profiles", "unmatched")},
            snakemake.params.plate,
            snakemake.params.gene,
            snakemake.params.missing,
            snakemake.params.minimum_cells,
        )
