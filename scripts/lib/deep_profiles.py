"""Read published features of deep networks: columns of arrays, and DeepProfiler's files.

The Cell Painting Gallery's `workspace_dl/profiles` have one row per well and a column of arrays per channel;
each element becomes a feature `{column}_{number}`. DeepProfiler writes the features of the cells of each site
to `{plate}/{well}/{site}.npz`; the profile of a well is their mean over its cells, as in pycytominer.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.wells import get_well_name

NUMBERS = "features"  # the array in DeepProfiler's files; its metadata are pickled, and not read
CELLS = "Metadata_Count_Cells"
NAME = "deep"


def expand_arrays(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table with one column per element of its columns of arrays, numbered from 0.

    Raises
    ------
    InputError
        Naming a column whose arrays differ in length or are not numbers.
    """
    parts = []
    for name in table.columns:
        column = table[name]
        first = next((value for value in column if not is_missing(value)), None)
        if not isinstance(first, np.ndarray | list | tuple):
            parts.append(column.to_frame())
            continue
        size = len(first)
        empty = np.full(size, np.nan)
        rows = [empty if is_missing(value) else np.asarray(value) for value in column]
        if any(row.shape != (size,) for row in rows):
            sizes = sorted({row.size for row in rows})
            raise InputError(
                f"{path}: the arrays of column {name} differ in length ({join_names(sizes, 5)})."
            )
        try:
            values = np.stack(rows).astype(float)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: the arrays of column {name} do not hold numbers ({error}).") from error
        names = [f"{name}_{number}" for number in range(size)]
        parts.append(pd.DataFrame(values, columns=names, index=table.index))
    return pd.concat(parts, axis=1) if len(parts) else table


def is_missing(value: object) -> bool:
    """Return whether a cell of a table is empty: None or NaN."""
    return value is None or (isinstance(value, float) and np.isnan(value))


def read_deepprofiler(folder: Path) -> pd.DataFrame:
    """Read DeepProfiler's files in a folder: the mean over the cells of each well, and their number.

    Parameters
    ----------
    folder : of a plate, with `{well}/{site}.npz` or `{well}_{site}.npz`, or of several plates, whose folders
        have the plates' names.

    Raises
    ------
    InputError
        If there is no such file, or one cannot be read, names no well, or has another number of features.
    """
    sums: dict[tuple[str, str], np.ndarray] = {}
    counts: dict[tuple[str, str], int] = {}
    width = None
    for file, plate, well in find_sites(folder):
        values = read_site(file)
        if width is not None and values.shape[1] != width:
            raise InputError(
                f"{file} has {values.shape[1]} features per cell, and the files before it {width}."
            )
        width = values.shape[1]
        key = plate, well
        sums[key] = sums.get(key, np.zeros(width)) + values.sum(axis=0)
        counts[key] = counts.get(key, 0) + len(values)
    if width is None:
        raise InputError(
            f"{folder} is a folder without .npz files: profiles are a file, or DeepProfiler's folder."
        )
    number = np.array([counts[key] for key in sums], dtype=float)
    with np.errstate(invalid="ignore"):
        means = np.stack(list(sums.values())) / np.where(number > 0, number, np.nan)[:, None]
    about = pd.DataFrame(list(sums), columns=["Metadata_Plate", "Metadata_Well"])
    if (about["Metadata_Plate"] == "").all():
        about = about.drop(columns="Metadata_Plate")
    features = pd.DataFrame(means, columns=[f"{NAME}_{at}" for at in range(width)])
    return pd.concat([about, pd.Series(number.astype(int), name=CELLS), features], axis=1)


def read_site(file: Path) -> np.ndarray:
    """Read the features of a site's cells, (cells, features); no pickled object is loaded.

    Raises
    ------
    InputError
        If the file has no such array.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            values = np.asarray(arrays[NUMBERS], dtype=float)
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(
            f"{file} is not one of DeepProfiler's: it has no array `features` ({error})."
        ) from error
    except Exception as error:  # of zipfile, for a file that was cut off
        raise InputError(f"{file} cannot be read ({error}). Copy it again.") from error
    if values.ndim != 2:
        raise InputError(f"{file}: `features` has {values.ndim} dimensions; cells and features are two.")
    return values[np.isfinite(values).all(axis=1)]


def find_sites(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Return DeepProfiler's files in order, with plate ("" if the folder is a plate's) and well."""
    for file in sorted(folder.rglob("*.npz")):
        parts = file.relative_to(folder).with_suffix("").parts
        well, depth = find_well(parts)
        if well is None:
            raise InputError(
                f"{file}: neither its name nor its folder is a well, as in A01/1.npz or A01_1.npz."
            )
        yield file, parts[depth - 1] if depth else "", well


def find_well(parts: tuple[str, ...]) -> tuple[str | None, int]:
    """Return the well in the parts of a path below the plates' folder, and which part has it."""
    last = len(parts) - 1
    name, *site = re.split(r"[_-]", parts[last])
    tried = [(name, last)] if site else []
    tried += [(parts[last - 1], last - 1)] if last else []
    for text, depth in [*tried, (name, last)]:
        try:
            return get_well_name(text), depth
        except (InputError, ValueError):
            continue
    return None, 0
