"""Image-level features of wells: measurements of entire images, summarized over the sites of each well.

CellProfiler measures the intensity, granularity, texture and quality of each image, for example. As in
pycytominer (`add_image_features`), the features are named `Image_...` and summarized over the sites like the
features of the cells; counts and bookkeeping (file names, sizes, run times) are not features.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError
from lib.feature_names import NOT_MEASURED

PREFIX = "Image_"


def find_measurements(table: pa.Schema) -> dict[str, str]:
    """Return the columns of an Image table that are features, by the feature's name."""
    found = {}
    for field in table:
        plain = field.name.removeprefix(PREFIX)
        is_number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        if is_number and plain.split("_")[0] not in NOT_MEASURED:
            found[f"{PREFIX}{plain}"] = field.name
    return found


def summarize_images(
    image: str | Path, wells: Sequence[str], operation: str, kept: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the image-level features of wells: the mean or median over the sites of each.

    Parameters
    ----------
    image
        The table of sites (Parquet).
    wells
        The wells, in the order of the result.
    operation
        `mean` or `median`; missing values are ignored.
    kept
        One boolean per site: whether it counts. None for all.

    Raises
    ------
    InputError
        If the table has no measurement of images.
    """
    columns = find_measurements(pq.read_schema(image))
    if not columns:
        raise InputError(
            f"{image} has no measurement of entire images (such as Intensity_MeanIntensity_DNA), which "
            "image_features requires: set it to false, or measure images."
        )
    table = pq.read_table(image, columns=["Metadata_Well", *columns.values()]).to_pandas()
    table = table if kept is None else table[kept]
    values = table[list(columns.values())].astype(float).set_axis(list(columns), axis=1)
    values = values.replace([np.inf, -np.inf], np.nan)
    return (
        values.groupby(table["Metadata_Well"].to_numpy()).agg(operation).reindex(wells).reset_index(drop=True)
    )
