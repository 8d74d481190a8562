"""Annotate a plate's profiles with its plate map, its reagents and its row of the sample sheet.

Every well of the plate map and every well of the profiles is there afterwards: a well that only one
of the two knows is kept and named in a table. (`pycytominer.annotate` joins by an inner join, which
loses such wells without a word.)
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lib.errors import listed
from lib.logs import logged
from lib.plate_contents import known_wells, read_annotation, read_plate_map
from lib.plates import KNOWN
from lib.tables import feature_columns, provenance, read_profiles, whole, write_profiles
from lib.wells import well_order

KEYS = ["Metadata_Batch", "Metadata_Plate", "Metadata_Well"]
COUNTS = ["Metadata_Count_Cells", "Metadata_Count_Sites", "Metadata_Count_Sites_Excluded"]


def unmatched_wells(profiles: pd.DataFrame, plate_map: pd.DataFrame) -> list[tuple[str, str]]:
    """The wells that only the plate map or only the profiles know, with which of the two."""
    measured, mapped = set(profiles["Metadata_Well"]), set(plate_map["well"])
    return [(well, "not in the plate map") for well in sorted(measured - mapped, key=well_order)] + [
        (well, "on the plate map, but without a site") for well in sorted(mapped - measured, key=well_order)
    ]


def annotate(
    profiles: pd.DataFrame,
    plate_map: pd.DataFrame,
    annotation: pd.DataFrame | None,
    plate: Mapping[str, str],
) -> pd.DataFrame:
    """Join profiles, plate map, reagents and the plate's row; one row for each well of either.

    Args:
        profiles: aggregated profiles of the plate.
        plate_map: from `read_plate_map`.
        annotation: from `read_annotation`; None when the plate map alone says what is in the wells.
        plate: the sample sheet's row; its columns become metadata too.

    Returns:
        The profiles in plate order: metadata (strings; missing where nothing is known), counts (0
        cells, 0 sites for a well without images), then the features.
    """
    known = known_wells(plate_map, annotation)
    known = known.rename(columns=lambda name: f"Metadata_{name.removeprefix('Metadata_')}")
    known = known.rename(columns={"Metadata_well": "Metadata_Well"}).replace("", pd.NA)
    features = feature_columns(profiles)
    measured = profiles[["Metadata_Well", *[name for name in COUNTS if name in profiles], *features]]
    joined = known.merge(measured, on="Metadata_Well", how="outer", validate="1:1")
    for name in COUNTS:
        if name in joined:
            joined[name] = joined[name].fillna(0).astype(int)
    constant = {"Metadata_Batch": plate["batch"], "Metadata_Plate": plate["plate"]}
    constant |= {
        f"Metadata_{name}": value or pd.NA
        for name, value in plate.items()
        if (name not in KNOWN or name in ("plate_map", "perturbation", "cell_line", "timepoint"))
        and (value or f"Metadata_{name}" not in known)
    }
    constant["Metadata_plate_map"] = Path(plate["plate_map"]).name
    metadata = [name for name in joined.columns if name not in (*features, *COUNTS, *constant)]
    of_plate = pd.DataFrame(constant, index=joined.index, dtype="str")
    order = [*KEYS, *(name for name in constant if name not in KEYS)]
    order += [name for name in metadata if name not in order]
    order += [name for name in COUNTS if name in joined]
    result = pd.concat([of_plate, joined.drop(columns=of_plate.columns, errors="ignore")], axis=1)
    return result[[*order, *features]].sort_values(
        "Metadata_Well", key=lambda wells: wells.map(well_order), ignore_index=True
    )


def main() -> None:
    """Write the annotated profiles and the table of wells that did not match."""
    plate = snakemake.params.plate
    profiles = read_profiles(snakemake.input.profiles)
    plate_map = read_plate_map(snakemake.input.plate_map, plate["plate"])
    annotation = None
    if snakemake.input.annotation:
        annotation = read_annotation(snakemake.input.annotation, snakemake.params.gene)
        unknown = set(plate_map["broad_sample"]) - set(annotation["broad_sample"]) - {""}
        if unknown:
            logging.warning(
                "%s does not know %d broad_sample of %s: %s",
                snakemake.input.annotation,
                len(unknown),
                snakemake.input.plate_map,
                listed(sorted(unknown)),
            )
    unmatched = unmatched_wells(profiles, plate_map)
    for well, why in unmatched:
        logging.warning("plate %s, well %s: %s", plate["plate"], well, why)
    annotated = annotate(profiles, plate_map, annotation, plate)
    with whole(snakemake.output.unmatched) as part:
        pd.DataFrame(unmatched, columns=["Metadata_Well", "reason"]).to_csv(part, index=False)
    inputs = [snakemake.input.profiles, snakemake.input.plate_map]
    inputs += [snakemake.input.annotation] if snakemake.input.annotation else []
    made_by = provenance({"plate": plate, "gene": snakemake.params.gene}, inputs)
    write_profiles(annotated, snakemake.output.profiles, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
