"""Aggregate the cells of each well: their mean (or another summary), and the numbers of cells and sites.

Missing values are ignored, feature by feature, as in pycytominer's `aggregate` (`lib.aggregation`). Wells
without cells are kept: Metadata_Count_Cells is 0 and every feature is missing.

Sites that quality control flagged can be left out; Metadata_Count_Sites_Excluded then counts them. Where
cells are flagged, Metadata_Count_Cells_Flagged counts them, and they can be left out, too.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from lib.aggregation import Summary, check_readable, find_groups, read_excluded_sites, summarize_cells
from lib.cell_quality import find_kept_cells, read_flagged_cells
from lib.cells import find_features, use_threads
from lib.controls import find_control_kinds
from lib.errors import InputError, join_names
from lib.feature_names import is_unwanted, keep_wanted
from lib.image_features import find_measurements, summarize_images
from lib.logs import log_to
from lib.schema import read_schema
from lib.tables import get_features, get_provenance, read_metadata, read_provenance, write_profiles
from lib.well_summaries import EARTH_MOVER, TRIMMED_MEAN, is_summary
from lib.wells import get_well_order

logger = logging.getLogger("platewise")


def aggregate(
    cells: str | Path,
    image: str | Path,
    operation: str,
    exclude: Sequence[str],
    excluded: Collection[tuple[str, str]] | None = None,
    unwanted: Sequence[str] = (),
    flags: str | Path | None = None,
    exclude_flagged: bool = False,
    trim: float = 0.1,
    controls: Collection[str] = (),
    image_features: bool = False,
) -> pd.DataFrame:
    """Aggregate the profiles of one plate: one row per well, in plate order.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it, which also has the sites without cells (Parquet).
    operation
        `mean`, `median`, or another summary of `lib.well_summaries`.
    exclude
        Regular expressions of columns that are not features, see `find_features`.
    excluded
        Wells and sites that are left out; None if quality control is not used.
    unwanted
        Names or patterns of features that are left out of every level (`exclude_features`).
    flags
        The table of flagged cells (Parquet); None if cells are not flagged.
    exclude_flagged
        Whether flagged cells are left out.
    trim
        The share of the cells that a trimmed mean leaves out at each end.
    controls
        The wells of negative controls, for `emd`.
    image_features
        Whether image-level features join those of the cells (`lib.image_features`).

    Raises
    ------
    InputError
        For another operation, cells in wells that have no site, or a distance to controls that have no cells.
    """
    if not is_summary(operation):
        raise InputError(
            f"aggregate: operation `{operation}` is neither mean nor median, trimmed_mean, mad, emd or a "
            "quantile such as quantile_90."
        )
    check_readable(cells, image)
    sites = read_sites(image, excluded or ())
    plate = sites["Metadata_Plate"].unique()
    wells = sorted(sites["Metadata_Well"].unique(), key=get_well_order)
    reference = [at for at, well in enumerate(wells) if well in set(controls)]
    with pq.ParquetFile(cells) as file:
        features = keep_wanted(find_features(file.schema_arrow.names, exclude), unwanted)
        row = find_groups(file, ["Metadata_Well"], [(well,) for well in wells], image)
        flagged = None if flags is None else read_flagged_cells(flags, file)
        on_site = find_kept_cells(file, excluded or (), None)
        kept = find_kept_cells(file, excluded or (), flagged if exclude_flagged else None)
        if operation == EARTH_MOVER and not np.isin(row if kept is None else row[kept], reference).any():
            raise InputError(
                f"Plate {join_names(plate)}: none of the {len(reference)} wells of negative controls has a "
                "cell, so the distance of other wells to them cannot be computed. Check the plate map, the "
                "annotation table and controls.negcon, or take emd out of aggregate.summaries."
            )
        summary = Summary(operation, trim, reference)
        number, values = summarize_cells(file, row, kept, len(wells), features, summary)
    keys = pd.DataFrame(
        {
            "Metadata_Plate": plate.repeat(len(wells)),
            "Metadata_Well": wells,
            "Metadata_Count_Cells": number,
            "Metadata_Count_Sites": count_by_well(sites[~sites["is_excluded"]], wells),
        }
    )
    if flagged is not None:
        chosen = flagged if on_site is None else flagged & on_site
        keys["Metadata_Count_Cells_Flagged"] = np.bincount(row[chosen], minlength=len(wells))
    if excluded is not None:
        keys["Metadata_Count_Sites_Excluded"] = count_by_well(sites[sites["is_excluded"]], wells)
    parts = [keys, pd.DataFrame(values, columns=features)]
    if image_features:
        of_images = summarize_images(image, wells, operation, ~sites["is_excluded"].to_numpy())
        # exclude_features may leave none of them.
        of_images = of_images[[name for name in of_images if not is_unwanted(name, unwanted)]]
        of_images[number == 0] = np.nan  # a well without cells has no profile
        parts.append(of_images)
    return pd.concat(parts, axis=1)


def read_sites(image: str | Path, excluded: Collection[tuple[str, str]]) -> pd.DataFrame:
    """Read the plate, the well, and whether the site is excluded (`is_excluded`), of each site of a plate."""
    columns = ["Metadata_Plate", "Metadata_Well", *(["Metadata_Site"] if excluded else [])]
    sites = pq.read_table(image, columns=columns).to_pandas()
    if not excluded:
        return sites.assign(is_excluded=False)
    keys = zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True)
    return sites.assign(is_excluded=[key in excluded for key in keys])


def count_by_well(sites: pd.DataFrame, wells: Sequence[str]) -> np.ndarray:
    """Return the number of sites of each well, (wells,)."""
    return sites.groupby("Metadata_Well").size().reindex(wells, fill_value=0).to_numpy()


def read_control_wells(annotated: str | Path, column: str, negcon: str, plate: str) -> list[str]:
    """Return the wells of a plate's negative controls, from its annotated profiles.

    Parameters
    ----------
    annotated
        The annotated profiles.
    column
        The column that marks controls.
    negcon
        Its value for negative controls.
    plate
        The plate, for the message.

    Raises
    ------
    InputError
        If no column marks controls.
    """
    wells = read_metadata(annotated)
    name = f"Metadata_{column}"
    if name not in wells:
        raise InputError(
            f"Plate {plate}: its profiles have no column {name} to find negative controls by. Name the "
            "column in controls.column, add it to the plate map or the annotation table, or take emd out of "
            "aggregate.summaries."
        )
    return wells.loc[find_control_kinds(wells[name], negcon) == negcon, "Metadata_Well"].tolist()


def get_excluded_features(
    columns: Sequence[str], exclude: Sequence[str], unwanted: Sequence[str]
) -> dict[str, list[str]]:
    """Return the features that the config removes, by key.

    Parameters
    ----------
    columns
        Columns of the single-cell table.
    exclude
        The config's `aggregate.exclude_features`; columns that match the default ones are not features.
    unwanted
        The config's `exclude_features`.
    """
    settings = read_schema()["properties"]["aggregate"]["properties"]
    usual = find_features(columns, set(exclude) & set(settings["exclude_features"]["default"]))
    features = find_features(columns, exclude)
    wanted = set(keep_wanted(features, unwanted))
    excluded = {
        "aggregate.exclude_features": sorted(set(usual) - set(features)),
        "exclude_features": [name for name in features if name not in wanted],
    }
    return {key: names for key, names in excluded.items() if names}


def get_used_parameters(
    parameters: Mapping[str, Any], flags_cells: bool, has_controls: bool
) -> dict[str, Any]:
    """Return the parameters that the profiles depend on, which their provenance records."""
    is_unused = {
        "trim": parameters["operation"] != TRIMMED_MEAN,
        "column": not has_controls,
        "negcon": not has_controls,
        "exclude_flagged_cells": not flags_cells,
        "image_features": not parameters.get("image_features"),
    }
    return {name: value for name, value in parameters.items() if not is_unused.get(name)}


def main(
    cells: str | Path,
    image: str | Path,
    profiles: str | Path,
    parameters: Mapping[str, Any],
    flags: str | Path | None = None,
    cell_flags: str | Path | None = None,
    annotated: str | Path | None = None,
) -> None:
    """Write the profiles of one plate.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it (Parquet).
    profiles
        Where to write the profiles.
    parameters
        `batch`, `plate`, `operation`, `exclude_features`, `unwanted`; and, where they matter,
        `exclude_flagged_cells`, `trim`, and how controls are marked (`column`, `negcon`).
    flags
        Quality control's table of flagged sites, if these are left out.
    cell_flags
        The table of flagged cells, if cells are flagged.
    annotated
        The plate's annotated profiles, if the operation needs its negative controls.
    """
    plate, operation = parameters["plate"], parameters["operation"]
    excluded = read_excluded_sites(flags) if flags else None
    controls: Sequence[str] = ()
    if annotated:
        controls = read_control_wells(annotated, parameters["column"], parameters["negcon"], plate)
    table = aggregate(
        cells,
        image,
        operation,
        parameters["exclude_features"],
        excluded,
        parameters["unwanted"],
        cell_flags,
        parameters.get("exclude_flagged_cells", False),
        parameters.get("trim", 0.1),
        controls,
        parameters.get("image_features", False),
    )
    empty = table.loc[table["Metadata_Count_Cells"] == 0, "Metadata_Well"]
    logger.info(
        "plate %s: %d wells, %d cells, %d features; wells without a cell: %s",
        plate,
        len(table),
        table["Metadata_Count_Cells"].sum(),
        len(get_features(table)),
        join_names(empty, 1536) or "none",
    )
    inputs = [cells, image, *filter(None, (cell_flags, annotated))]
    parameters = get_used_parameters(parameters, bool(cell_flags), bool(annotated))
    if cell_flags:
        parameters["cell_quality"] = read_provenance(cell_flags)["parameters"]["cell_quality"]
        parameters["flagged_cells"] = int(table["Metadata_Count_Cells_Flagged"].sum())
    excluded_features = get_excluded_features(
        pq.read_schema(cells).names, parameters["exclude_features"], parameters["unwanted"]
    )
    measured = find_measurements(pq.read_schema(image)) if parameters.get("image_features") else {}
    if of_images := [name for name in measured if name not in table]:
        excluded_features.setdefault("exclude_features", []).extend(of_images)
    if excluded is not None:
        parameters["excluded_sites"] = sorted(f"{well} site {site}" for well, site in excluded)
        inputs.append(flags)
        logger.warning(
            "plate %s: excluded because of flags: %s",
            plate,
            join_names(parameters["excluded_sites"], 4000) or "none",
        )
    made_by = get_provenance(parameters, inputs)
    if excluded_features:
        made_by["excluded_features"] = excluded_features
    write_profiles(table, profiles, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        names = ("batch", "plate", "operation", "exclude_flagged_cells", "trim", "column", "negcon")
        main(
            snakemake.input.cells,
            snakemake.input.image,
            snakemake.output.profiles,
            {
                **{name: snakemake.params[name] for name in names},
                "image_features": snakemake.params.image_features,
                "exclude_features": list(snakemake.params.exclude_features),
                "unwanted": list(snakemake.params.unwanted),
            },
            snakemake.input.flags or None,
            snakemake.input.cell_flags or None,
            snakemake.input.annotated or None,
        )
