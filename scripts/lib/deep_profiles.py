"""Read published features of deep networks: columns of arrays, and DeepProfiler's files.

The Cell Painting Gallery's `workspace_dl/profiles` have one row per well and a column of arrays per channel;
each element becomes a feature `{column}_{number}`. DeepProfiler writes the features of the cells of each site
to `{plate}/{well}/{site}.npz`; the profile of a well is their mean over its cells, as in pycytominer.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names, number_of
from lib.sites import get_site_name
from lib.values import SEVERAL
from lib.wells import find_well_name

NUMBERS = "features"  # the array in DeepProfiler's files; its metadata are pickled, and not read
CELLS = "Metadata_Count_Cells"
LISTS = (np.ndarray, list, tuple)
NAME = "deep"


@dataclass(frozen=True)
class Site:
    """One of DeepProfiler's files: the cells of a site. `plate` is "" if the folder is a plate's."""

    file: Path
    plate: str
    well: str
    name: str


def expand_arrays(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table with one column per element of its columns of arrays, numbered from 0.

    A list of text, such as the targets of a compound, becomes one text, separated by `|`; a text beside such
    lists stays as it is.

    Raises
    ------
    InputError
        Naming a column whose arrays differ in length or are not numbers.
    """
    parts = []
    for name in table.columns:
        column = table[name]
        lists = [value for value in column if isinstance(value, LISTS)] if column.dtype == object else []
        if not lists:
            parts.append(column.to_frame())
            continue
        if is_list_of_text(column):
            parts.append(column.map(join_texts).to_frame())
            continue
        size = len(lists[0])
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


def join_texts(value: object) -> str:
    """Return a list of text as one text, separated by `|`; a text as it is, and "" if it is missing."""
    if isinstance(value, LISTS):
        return SEVERAL.join(value)
    return "" if is_missing(value) else str(value)


def is_list_of_text(column: pd.Series) -> bool:
    """Return whether a column holds lists of text, such as the targets of a compound."""
    lists = [np.atleast_1d(value).tolist() for value in column if not is_missing(value)]
    return any(lists) and all(isinstance(part, str) for values in lists for part in values)


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
    sites = list(find_sites(folder))
    if not sites:
        raise InputError(
            f"{folder} is a folder without .npz files: profiles are a file, or DeepProfiler's folder."
        )
    refuse_repeated_sites(sites)
    wells = list(dict.fromkeys((site.plate, site.well) for site in sites))
    counts = dict.fromkeys(wells, 0)
    sums: dict[tuple[str, str], np.ndarray] = {}
    present: dict[tuple[str, str], np.ndarray] = {}  # the number of values of each feature
    width, gaps = None, []
    for site in sites:
        values = read_site(site.file)
        if not values.shape[1]:
            continue
        if width is not None and values.shape[1] != width:
            raise InputError(
                f"{site.file} has {values.shape[1]} features per cell, and the files before it {width}."
            )
        width, key = values.shape[1], (site.plate, site.well)
        there = np.isfinite(values)
        if not there.all():
            incomplete = number_of((~there.all(axis=1)).sum(), "cell")
            gaps.append(f"well {site.well} site {site.name} ({incomplete})")
        sums[key] = sums.get(key, np.zeros(width)) + np.where(there, values, 0).sum(axis=0)
        present[key] = present.get(key, np.zeros(width)) + there.sum(axis=0)
        counts[key] += len(values)
    if width is None:
        raise InputError(f"{folder}: the files of {number_of(len(sites), 'site')} have no cell.")
    if gaps:
        logging.warning(
            "%s: cells lack features (NaN or infinite), and the means are those of the other cells: %s",
            folder,
            join_names(gaps, 5),
        )
    means = np.full((len(wells), width), np.nan)
    for row, key in enumerate(wells):
        if key in sums:
            np.divide(sums[key], present[key], out=means[row], where=present[key] > 0)
    about = pd.DataFrame(wells, columns=["Metadata_Plate", "Metadata_Well"])
    if (about["Metadata_Plate"] == "").all():
        about = about.drop(columns="Metadata_Plate")
    features = pd.DataFrame(means, columns=[f"{NAME}_{at}" for at in range(width)])
    return pd.concat([about, pd.Series(list(counts.values()), name=CELLS), features], axis=1)


def refuse_repeated_sites(sites: Sequence[Site]) -> None:
    """Reject a folder with a site twice, such as in a copy of the plate: its cells would count twice.

    Raises
    ------
    InputError
        Naming both files.
    """
    first: dict[tuple[str, str, str], Path] = {}
    for site in sites:
        other = first.setdefault((site.plate, site.well, site.name), site.file)
        if other != site.file:
            raise InputError(
                f"{other} and {site.file} are both site {site.name} of well {site.well}"
                + (f" of plate {site.plate}: " if site.plate else ": ")
                + "keep one of them."
            )


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
    if values.ndim == 1 and not values.size:  # without a cell
        return np.empty((0, 0))
    if values.ndim != 2:
        raise InputError(f"{file}: `features` has {values.ndim} dimensions; cells and features are two.")
    return values


def find_sites(folder: Path) -> Iterator[Site]:
    """Return DeepProfiler's files in order; a Macintosh's hidden files are left alone.

    Raises
    ------
    InputError
        If a file does not name one well.
    """
    for file in sorted(folder.rglob("*.npz")):
        if file.name.startswith("."):
            continue
        parts = file.relative_to(folder).with_suffix("").parts
        words = [word for word in re.split(r"[_-]", parts[-1]) if word]
        wells = list(dict.fromkeys(filter(None, map(find_well_name, words[:-1]))))
        if len(wells) > 1:
            number = "two" if len(wells) == 2 else len(wells)
            raise InputError(
                f"{file}: its name has {number} possible wells, {' and '.join(wells)}. Name the files by "
                "well and site, as in A01/1.npz or A01_1.npz."
            )
        of_folder = find_well_name(parts[-2]) if len(parts) > 1 else None
        alone = find_well_name(parts[-1])
        if wells:
            well, name, above = wells[0], words[-1], parts[:-1]
        elif of_folder:
            well, name, above = of_folder, parts[-1], parts[:-2]
        elif alone:
            well, name, above = alone, "1", parts[:-1]
        else:
            raise InputError(
                f"{file}: neither its name nor its folder is a well, as in A01/1.npz or A01_1.npz."
            )
        yield Site(file, above[-1] if above else "", well, get_site_name(name))
