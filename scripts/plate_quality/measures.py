"""Collect the measures of each site and well: cells, the size of nuclei, and each channel's images."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from lib.spread import get_robust_spread
from lib.wells import get_well_order

KEYS = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
# The measures of a channel, and the columns of the Image table that may contain each; the first one is used.
MEASURES = {
    "MeanIntensity": (r"ImageQuality_MeanIntensity_", r"Intensity_MeanIntensity_"),
    "MedianIntensity": (r"ImageQuality_MedianIntensity_", r"Intensity_MedianIntensity_"),
    "StdIntensity": (r"ImageQuality_StdIntensity_", r"Intensity_StdIntensity_"),
    "MaxIntensity": (r"ImageQuality_MaxIntensity_", r"Intensity_MaxIntensity_"),
    "Background": (
        r"Intensity_Percentile_\d+_",
        r"Intensity_LowerQuartileIntensity_",
        r"ImageQuality_MinIntensity_",
    ),
    "PercentMaximal": (r"ImageQuality_PercentMaximal_", r"Intensity_PercentMaximal_"),
    "PowerLogLogSlope": (r"ImageQuality_PowerLogLogSlope_",),
}
AREA = "Nuclei_AreaShape_Area"


def name_image_measures(columns: Iterable[str]) -> dict[str, str]:
    """Map the Image table's columns that are measures of a channel to names `Measure_Channel`.

    Uncorrected images are called `Orig` and the channel's name; if a table has them, columns of corrected
    images and illumination functions are ignored.
    """
    columns = list(columns)
    measures: dict[str, tuple[str, str]] = {}
    used: set[tuple[str, str]] = set()
    for measure, prefixes in MEASURES.items():
        for prefix in prefixes:
            matches = {c: m[1] for c in columns if (m := re.fullmatch(f"{prefix}([A-Za-z0-9]+)", c))}
            matches = {c: image for c, image in matches.items() if not image.startswith("Illum")}
            if any(image.startswith("Orig") for image in matches.values()):
                matches = {c: image for c, image in matches.items() if image.startswith("Orig")}
            for column, image in matches.items():
                key = measure, image.removeprefix("Orig")
                if key not in used:
                    used.add(key)
                    measures[column] = key
    return {column: f"{measure}_{channel}" for column, (measure, channel) in measures.items()}


def measure_cells(cells: str | Path) -> pd.DataFrame:
    """Summarize the cells of each site: number, median nuclear area, and mean intensity in each channel.

    Sites without cells are missing. Only the necessary columns are read.
    """
    names = pq.read_schema(cells).names
    main = "Cells" if any(name.startswith("Cells_") for name in names) else "Nuclei"
    prefix = f"{main}_Intensity_MeanIntensity_"
    wanted = [pl.len().alias("Count_Cells")]
    if AREA in names:
        wanted.append(pl.col(AREA).cast(pl.Float64).median().alias("Nuclei_Area"))
    wanted += [
        pl.col(name).cast(pl.Float64).mean().alias(f"CellIntensity_{name.removeprefix(prefix)}")
        for name in names
        if name.startswith(prefix)
    ]
    return pl.scan_parquet(cells).group_by(KEYS[1:]).agg(wanted).collect(engine="streaming").to_pandas()


def measure_sites(image: str | Path, cells: str | Path) -> pd.DataFrame:
    """Return one row per site, in the Image table's order: keys, cells, nuclear area, channels' measures."""
    renamed = name_image_measures(pq.read_schema(image).names)
    columns = [*KEYS, "Metadata_ImageNumber", *renamed]
    sites = pq.read_table(image, columns=columns).to_pandas().rename(columns=renamed)
    sites = sites.merge(measure_cells(cells), on=KEYS[1:], how="left")
    sites["Count_Cells"] = sites["Count_Cells"].fillna(0).astype(int)
    order = {name: at for at, name in enumerate(("Count", "Nuclei", "CellIntensity", *MEASURES))}
    measures = sorted(list_measures(sites), key=lambda name: (order[name.partition("_")[0]], name))
    return sites[[*KEYS, "Metadata_ImageNumber", *measures]]


def measure_wells(sites: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per well, in plate order: sites, cells, and the mean of each measure over its sites.

    A well of the plate map (`wells`) without any site has 0 sites.
    """
    plate = sites["Metadata_Plate"].iloc[0]
    grouped = sites.groupby("Metadata_Well")
    table = grouped[[name for name in list_measures(sites) if name != "Count_Cells"]].mean()
    table.insert(0, "Count_Sites", grouped.size())
    table.insert(1, "Count_Sites_Flagged", grouped["flags"].agg(lambda flags: (flags != "").sum()))
    table.insert(2, "Count_Cells", grouped["Count_Cells"].sum())
    counts = list(table.columns[:3])
    known = wells.set_index("well")
    table = table.reindex(sorted(set(table.index) | set(known.index), key=get_well_order))
    table[counts] = table[counts].fillna(0).astype(int)
    about = known.reindex(table.index)
    for name in ("control_type", "broad_sample"):
        table.insert(0, f"Metadata_{name}", about.get(name))
    table.insert(0, "Metadata_Well", table.index)
    table.insert(0, "Metadata_Plate", plate)
    return table.reset_index(drop=True)


def list_measures(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table that are measures."""
    starts = ("Count_Cells", "Nuclei_Area", *(f"{name}_" for name in ("CellIntensity", *MEASURES)))
    return [name for name in table if name.startswith(starts)]


def list_channels(table: pd.DataFrame, measure: str) -> list[str]:
    """Return the channels for which a table has a measure."""
    return [name.removeprefix(f"{measure}_") for name in table if name.startswith(f"{measure}_")]


def compute_robust_z(values: pd.Series) -> pd.Series:
    """Return (x - median) / (1.4826 MAD); if the MAD is 0, values other than the median are missing."""
    difference = values - values.median()
    spread = get_robust_spread(values)
    return difference / spread if spread > 0 else difference.where(difference == 0)


def compute_median_of_replicates(values: pd.DataFrame, samples: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """Return for each row the median of the other rows with its sample; missing if there are none.

    Rows in the same one of the `groups` (for example, sites of the same well) are not compared.
    """
    content, sample_of_row, group_of_row = values.to_numpy(float), samples.to_numpy(str), groups.to_numpy()
    medians = np.full(content.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that is missing in all of them
        for name in np.unique(sample_of_row[sample_of_row != ""]):
            rows = np.flatnonzero(sample_of_row == name)
            own = group_of_row[rows]
            for group in pd.unique(own):
                others = content[rows[own != group]]
                if len(others):
                    medians[rows[own == group]] = np.nanmedian(others, axis=0)
    return pd.DataFrame(medians, index=values.index, columns=values.columns)
