"""Aggregate the cells of each site: one row per site, beside the profiles of the wells.

The statistic, the features and the cells that are left out are those of the wells (`aggregate`), as with
pycytominer's `aggregate` by the strata plate, well and site. Sites without cells are kept:
Metadata_Count_Cells is 0 and every feature is missing. Sites that quality control excludes are left out.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from lib.aggregation import Summary, check_readable, find_groups, read_excluded_sites, summarize_cells
from lib.cell_quality import find_kept_cells, read_flagged_cells
from lib.cells import find_features, use_threads
from lib.errors import InputError
from lib.feature_names import keep_wanted
from lib.image_features import find_measurements
from lib.logs import log_to
from lib.tables import get_features, get_provenance, write_profiles
from lib.wells import get_well_order

logger = logging.getLogger("platewise")

KEYS = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]


def aggregate_sites(
    cells: str | Path,
    image: str | Path,
    operation: str,
    exclude: Sequence[str],
    excluded: Collection[tuple[str, str]] = (),
    unwanted: Sequence[str] = (),
    flags: str | Path | None = None,
    image_features: bool = False,
) -> pd.DataFrame:
    """Return the profiles of a plate's sites, sorted by well; those of a well as in the table of sites.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it (Parquet).
    operation
        `mean` or `median`.
    exclude
        Regular expressions of columns that are not features, see `find_features`.
    excluded
        Wells and sites that are left out.
    unwanted
        Names or patterns of features that are left out of every level (`exclude_features`).
    flags
        The table of flagged cells (Parquet) if these are left out, else None.
    image_features
        Whether the measurements of the site's images join those of its cells.

    Raises
    ------
    InputError
        For cells on a site that the table of sites does not have, or a site that it has twice.
    """
    check_readable(cells, image)
    measured = find_measurements(pq.read_schema(image)) if image_features else {}
    sites = pq.read_table(image, columns=[*KEYS, *measured.values()]).to_pandas()
    keys = get_sites(sites)
    order = sorted(range(len(keys)), key=lambda at: get_well_order(keys[at][0]))
    left_out = set(excluded)
    sites = sites.iloc[[at for at in order if keys[at] not in left_out]].reset_index(drop=True)
    keys = get_sites(sites)
    if repeated := [key for key, number in Counter(keys).items() if number > 1]:
        well, site = repeated[0]
        raise InputError(f"{image}: well {well} has site {site} twice: run single_cells again.")
    with pq.ParquetFile(cells) as file:
        features = keep_wanted(find_features(file.schema_arrow.names, exclude), unwanted)
        row = find_groups(file, KEYS[1:], keys, image, left_out)
        flagged = None if flags is None else read_flagged_cells(flags, file)
        kept = find_kept_cells(file, excluded, flagged)
        number, values = summarize_cells(file, row, kept, len(sites), features, Summary(operation))
    of_images = sites[list(measured.values())].astype(float).set_axis(list(measured), axis=1)
    of_images = of_images.replace([np.inf, -np.inf], np.nan)[keep_wanted(list(measured), unwanted)]
    of_images[number == 0] = np.nan  # a site without cells has no profile
    return pd.concat(
        [
            sites[KEYS].assign(Metadata_Count_Cells=number),
            pd.DataFrame(values, columns=features),
            of_images,
        ],
        axis=1,
    )


def get_sites(sites: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the well and the name of each site."""
    return list(zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True))


def main(
    cells: str | Path,
    image: str | Path,
    profiles: str | Path,
    parameters: Mapping[str, Any],
    flags: str | Path | None = None,
    cell_flags: str | Path | None = None,
) -> None:
    """Write the profiles of a plate's sites.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it (Parquet).
    profiles
        Where to write the profiles.
    parameters
        `batch`, `plate`, and those of `aggregate_sites` by their names.
    flags
        Quality control's table of flagged sites, if these are left out.
    cell_flags
        The table of flagged cells, if these are left out.
    """
    excluded = read_excluded_sites(flags) if flags else set()
    names = ("operation", "exclude", "unwanted", "image_features")
    given = {name: parameters[name] for name in names}
    table = aggregate_sites(cells, image, excluded=excluded, flags=cell_flags, **given)
    logger.info("plate %s: %d sites, %d features", parameters["plate"], len(table), len(get_features(table)))
    made_by = {**parameters, "excluded_sites": sorted(f"{well} site {site}" for well, site in excluded)}
    inputs = [cells, image, *filter(None, (flags, cell_flags))]
    write_profiles(table, profiles, get_provenance(made_by, inputs))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        main(
            snakemake.input.cells,
            snakemake.input.image,
            snakemake.output.profiles,
            dict(snakemake.params.parameters),
            snakemake.input.flags or None,
            snakemake.input.cell_flags or None,
        )
