"""What was measured of each site and well: cells, the size of nuclei, and each channel's images."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from lib.wells import well_order

KEYS = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
# Each measure of a channel, and where the Image table may have it: the first that is there counts.
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


def image_measures(columns: Iterable[str]) -> dict[str, str]:
    """The Image table's columns that are measures of a channel: column to `Measure_Channel`.

    Images as they were taken are called `Orig` and the channel; where a table has them, corrected
    images and illumination functions do not count.
    """
    columns = list(columns)
    found: dict[str, tuple[str, str]] = {}
    taken: set[tuple[str, str]] = set()
    for measure, prefixes in MEASURES.items():
        for prefix in prefixes:
            matches = {c: m[1] for c in columns if (m := re.fullmatch(f"{prefix}([A-Za-z0-9]+)", c))}
            matches = {c: image for c, image in matches.items() if not image.startswith("Illum")}
            if any(image.startswith("Orig") for image in matches.values()):
                matches = {c: image for c, image in matches.items() if image.startswith("Orig")}
            for column, image in matches.items():
                key = measure, image.removeprefix("Orig")
                if key not in taken:
                    taken.add(key)
                    found[column] = key
    return {column: f"{measure}_{channel}" for column, (measure, channel) in found.items()}


def cell_measures(cells: str | Path) -> pd.DataFrame:
    """Of each site with cells: their number, the median area of nuclei, and the mean of the cells' mean
    intensity in each channel. Only these columns are read."""
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


def site_measures(image: str | Path, cells: str | Path) -> pd.DataFrame:
    """One row a site in the Image table's order: keys, cells, nuclear area, and each channel's measures."""
    renamed = image_measures(pq.read_schema(image).names)
    columns = [*KEYS, "Metadata_ImageNumber", *renamed]
    sites = pq.read_table(image, columns=columns).to_pandas().rename(columns=renamed)
    sites = sites.merge(cell_measures(cells), on=KEYS[1:], how="left")
    sites["Count_Cells"] = sites["Count_Cells"].fillna(0).astype(int)
    order = {name: at for at, name in enumerate(("Count", "Nuclei", "CellIntensity", *MEASURES))}
    measures = sorted(measures_of(sites), key=lambda name: (order[name.partition("_")[0]], name))
    return sites[[*KEYS, "Metadata_ImageNumber", *measures]]


def well_measures(sites: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """One row a well in plate order: its sites, cells, and the mean of each measure over its sites.

    A well of the plate map (`wells`) without a site is there with 0 sites.
    """
    plate = sites["Metadata_Plate"].iloc[0]
    grouped = sites.groupby("Metadata_Well")
    table = grouped[[name for name in measures_of(sites) if name != "Count_Cells"]].mean()
    table.insert(0, "Count_Sites", grouped.size())
    table.insert(1, "Count_Sites_Flagged", grouped["flags"].agg(lambda flags: (flags != "").sum()))
    table.insert(2, "Count_Cells", grouped["Count_Cells"].sum())
    counts = list(table.columns[:3])
    known = wells.set_index("well")
    table = table.reindex(sorted(set(table.index) | set(known.index), key=well_order))
    table[counts] = table[counts].fillna(0).astype(int)
    about = known.reindex(table.index)
    for name in ("control_type", "broad_sample"):
        table.insert(0, f"Metadata_{name}", about.get(name))
    table.insert(0, "Metadata_Well", table.index)
    table.insert(0, "Metadata_Plate", plate)
    return table.reset_index(drop=True)


def measures_of(table: pd.DataFrame) -> list[str]:
    """The measures among a table's columns."""
    starts = ("Count_Cells", "Nuclei_Area", *(f"{name}_" for name in ("CellIntensity", *MEASURES)))
    return [name for name in table if name.startswith(starts)]


def channels_of(table: pd.DataFrame, measure: str) -> list[str]:
    """The channels that have a measure."""
    return [name.removeprefix(f"{measure}_") for name in table if name.startswith(f"{measure}_")]


def robust_z(values: pd.Series) -> pd.Series:
    """(x - median) / (1.4826 MAD); missing where all but a few values are the same."""
    away = values - values.median()
    mad = 1.4826 * away.abs().median()
    return away / mad if mad > 0 else away.where(away == 0)


def median_of_like(values: pd.DataFrame, samples: pd.Series, apart: pd.Series) -> pd.DataFrame:
    """For each row of `values`, the median of what the others with its sample have; missing without any.

    `apart`: a row does not count among its like when it has the same value here (the same well, say).
    """
    content, of_sample, of_part = values.to_numpy(float), samples.to_numpy(str), apart.to_numpy()
    found = np.full(content.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that none of them has
        for name in np.unique(of_sample[of_sample != ""]):
            rows = np.flatnonzero(of_sample == name)
            parts = of_part[rows]
            for part in pd.unique(parts):
                others = content[rows[parts != part]]
                if len(others):
                    found[rows[parts == part]] = np.nanmedian(others, axis=0)
    return pd.DataFrame(found, index=values.index, columns=values.columns)
