"""Read well-level profiles in the formats that other people write.

A file of profiles may be text (commas, tabs or semicolons, with decimal points or commas, plain or
gzipped), Parquet, Feather or AnnData; its name does not matter. A folder holds DeepProfiler's files. One
table gives the same profiles from each of these formats. Columns are `Metadata_*` or features, as in the
profiling recipe's files; wells may be named differently, as in plate maps. Values that are read differently
than written are reported in the log.
"""

import logging
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from lib.deep_profiles import expand_arrays, read_deepprofiler
from lib.errors import InputError, join_names
from lib.logs import AS_DOCUMENTED
from lib.plate_columns import find_plate_column
from lib.plates import NUMBERED
from lib.profile_columns import (
    convert_to_text,
    read_counts,
    read_feature,
    rename_cell_count,
    rename_named_columns,
    rename_what_is_no_feature,
)
from lib.profile_files import (
    METADATA,
    PLATE_NAMES,
    READ,
    ROW_NAMES,
    SAVE_AS_CSV,
    WELL_NAMES,
    check_rows,
    explain_encoding,
    get_usual_name,
    read_start,
    refuse_twice,
    suggest_name,
)
from lib.text_files import FEATHER, GZIP, HDF5, PARQUET, explain_format, name_format
from lib.values import WORDS_FOR_NOTHING, MissingValues, is_nothing, plain_text, unify_spelling
from lib.wells import find_well_name, get_well_at, get_well_name

# The errors of reading a file that is not a table, or is truncated.
UNREADABLE = (OSError, ValueError, EOFError, pa.ArrowException)
COUNT = "Metadata_Count_"
NUMBERED_COPY = re.compile(r"(.+)\.\d+")
ONE_DECIMAL_COMMA = re.compile(r"-?\d+,\d+([eE][+-]?\d+)?")
ONE_DECIMAL_POINT = re.compile(r"-?\d+\.\d+([eE][+-]?\d+)?")


def is_text(name: str) -> bool:
    """Return whether a profile's column is read as text: metadata, except for counts."""
    name = get_usual_name(name)
    is_place = name in PLATE_NAMES or name in WELL_NAMES
    return is_place or (name.startswith("Metadata_") and not name.startswith(COUNT))


def read_published(
    path: str | Path, missing: MissingValues | None = None, metadata: Collection[str] = ()
) -> pd.DataFrame:
    """Read profiles, one row per well: `Metadata_*` are text, `Metadata_Count_*` and features are numbers.

    Parameters
    ----------
    path
        The file.
    missing
        What counts as missing.
    metadata
        Columns that the config names, without `Metadata_`: they are not features, whatever their names are.

    Returns
    -------
    The table: `Metadata_Well` as A01; text without blanks around it, missing if empty; features in float64,
    missing if infinite.

    Raises
    ------
    InputError
        Naming the file, and the column or row that cannot be read.
    """
    path, missing = Path(path), missing or MissingValues()
    metadata_names = set(metadata) - {
        *PLATE_NAMES,
        *WELL_NAMES,
        *(name for names in ROW_NAMES for name in names),
    }
    table = (
        read_deepprofiler(path)
        if path.is_dir()
        else expand_arrays(read_any_format(path, metadata_names), path)
    )
    table.columns = [get_usual_name(str(name)) for name in table.columns]
    table = table.drop(columns=[name for name in table if NUMBERED.fullmatch(name)])
    refuse_twice(list(table.columns), path)
    table = drop_empty_rows(table)
    table = rename_named_columns(table, metadata_names, path)
    table = add_wells(rename_cell_count(table), path)
    words = []
    for name in list(table.columns):
        if is_text(name):
            values = convert_to_text(table[name])
            cleaned = missing.clean(values, name)
            if name in PLATE_NAMES:  # a plate may be called NA
                cleaned = unify_spelling([plain_text(value) for value in values])
            found = {} if name in PLATE_NAMES else missing.words_found(values, name)
            words += [f"{word} in {count} rows of {name}" for word, count in found.items()]
            table[name] = pd.Series(cleaned, index=table.index, dtype="str").mask(lambda column: column == "")
    if words:
        logging.warning("%s: taken as empty: %s", path, join_names(words))
    table = rename_what_is_no_feature(table, path)
    for name in list(table.columns):
        if name.startswith(COUNT):
            table[name] = read_counts(table[name], table["Metadata_Well"], path)
        elif not name.startswith("Metadata_"):
            table[name] = read_feature(table[name], table["Metadata_Well"], path)
    return drop_numbered_copies(table, path)


def drop_empty_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the rows in which no column has a value."""
    empty = np.ones(len(table), dtype=bool)
    for name in table.columns:
        rows = np.flatnonzero(empty)
        if not len(rows):
            return table
        empty[rows] = [not text.strip() for text in convert_to_text(table[name].iloc[rows])]
    return table[~empty].reset_index(drop=True)


def drop_numbered_copies(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table without copies of metadata that pandas or R has numbered (`Metadata_gene.1`).

    Features that do not vary are often equal, and stay.

    Raises
    ------
    InputError
        Naming a feature with such a copy, which would count twice.
    """
    named = [(match[1], name) for name in table if (match := NUMBERED_COPY.fullmatch(name))]
    same = [(one, two) for one, two in named if one in table and table[one].equals(table[two])]
    features = [pair for pair in same if not pair[0].startswith("Metadata_") and table[pair[0]].nunique() > 1]
    if features:
        copies = join_names((f"{one} and {two}" for one, two in features), 5)
        raise InputError(f"{path}: the columns {copies} are the same. Keep one of them.")
    metadata = [(one, two) for one, two in same if one.startswith("Metadata_")]
    for one, two in metadata:
        logging.warning("%s: %s is the same as %s, and is left out", path, two, one)
    return table.drop(columns=[two for _, two in metadata])


def read_any_format(path: Path, metadata_names: Collection[str] = ()) -> pd.DataFrame:
    """Read a table in any known format: metadata as written, numbers as numbers.

    The columns `metadata_names` are metadata, too.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
        if other := name_format(start):
            raise explain_format(path, other, SAVE_AS_CSV)
        if start.startswith(HDF5):
            return read_anndata(path)
        if not start.startswith((PARQUET, FEATHER)):
            return read_text(path, start.startswith(GZIP), metadata_names)
        if start.startswith(PARQUET):
            refuse_twice(pq.read_schema(path).names, path)
            arrow = pq.read_table(path)
        else:
            arrow = pyarrow.feather.read_table(path)
        refuse_twice(arrow.column_names, path)
        # As decimal numbers, integers beside a missing one would lose their digits beyond the 15th.
        return keep_index(arrow.to_pandas(integer_object_nulls=True))
    except UnicodeDecodeError as error:
        raise explain_encoding(path, error) from error
    except UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read as a table of profiles ({error}). {READ} are read. If it was cut off, "
            "replace it; if the workflow made it, delete it so that it is made again."
        ) from error


def keep_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which an index with a name is a column, and so is one that holds the wells."""
    columns = {get_usual_name(str(name)) for name in table.columns}
    named = [name for name in table.index.names if name is not None]
    kept = [name for name in named if get_usual_name(str(name)) not in columns]
    if named:
        # An index that has the name of a column holds its values.
        drop = [name for name in named if name not in kept]
        return table.reset_index(drop, drop=True).reset_index(kept) if kept else table.reset_index(drop=True)
    texts = list(map(str, table.index))
    if not columns & set(WELL_NAMES) and texts and all(map(find_well_name, texts)):
        return table.reset_index(names="Metadata_Well")
    return table.reset_index(drop=True)


def read_anndata(path: Path) -> pd.DataFrame:
    """Read an AnnData file: the columns of `obs` are metadata, those of X (dense or sparse) features.

    Raises
    ------
    InputError
        If the file has no X, or a name stands for two columns.
    """
    import anndata

    try:
        data = anndata.read_h5ad(path)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is HDF5, but cannot be read as AnnData ({error}). {READ} are read."
        ) from error
    if data.X is None or not data.n_vars:
        layers = f" (it has the layers {join_names(data.layers)})" if len(data.layers) else ""
        raise InputError(f"{path} has no X{layers}: the features of the wells are read from X.")
    others = [*data.layers, *(["raw"] if data.raw is not None else [])]
    if others:
        logging.warning("%s: X is read, and not %s", path, join_names(others))
    values = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    obs = keep_index(data.obs).rename(
        columns=lambda name: name if METADATA.match(str(name)) else f"Metadata_{name}"
    )
    refuse_twice([*obs.columns, *data.var_names], path)
    return pd.concat([obs, pd.DataFrame(values, columns=list(data.var_names))], axis=1)


def read_text(path: Path, gzipped: bool, metadata_names: Collection[str] = ()) -> pd.DataFrame:
    """Read separated text; metadata, and the columns `metadata_names`, stay as written."""
    start = read_start(path)
    header, separator = start.header, start.separator
    refuse_twice([plain_text(name) for name in header], path)
    check_rows(path, start)
    metadata = {
        name
        for name in header
        if is_text(name) or plain_text(name).startswith(COUNT) or plain_text(name) in metadata_names
    }
    measured = [at for at, name in enumerate(header) if name not in metadata]
    seen = [row[at].strip() for row in start.rows for at in measured if at < len(row)]
    commas = separator != "," and any(map(ONE_DECIMAL_COMMA.fullmatch, seen))
    points = [text for text in seen if ONE_DECIMAL_POINT.fullmatch(text)]
    if commas and points:
        comma = next(filter(ONE_DECIMAL_COMMA.fullmatch, seen))
        raise InputError(
            f"{path} has numbers with commas ({comma}) and numbers with decimal points ({points[0]}). Write "
            "all numbers with decimal points, and without separators of thousands."
        )
    return pd.read_csv(
        path,
        skiprows=start.skipped,
        sep=separator,
        decimal="," if commas else ".",
        dtype=dict.fromkeys(metadata, str),
        keep_default_na=False,
        na_values={name: ["", *NOTHING_IN_NUMBERS] for name in header if name not in metadata},
        compression="gzip" if gzipped else None,
        encoding=start.encoding,
        skipinitialspace=True,
        index_col=False,
        # Separators at the end of a row stand for nothing.
        usecols=range(len(header)),
    )


# How Windows writes values that are not numbers.
NOT_A_NUMBER = ("1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "nan(ind)", "-nan(ind)")
NOTHING_IN_NUMBERS = sorted(
    {case for word in (*WORDS_FOR_NOTHING, *NOT_A_NUMBER) for case in (word, word.lower(), word.upper())}
)


def add_wells(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Find the wells of a table under any known name: `Metadata_Well`, as A01.

    Raises
    ------
    InputError
        Naming the rows without a valid well, or the columns if none of them has wells.
    """
    name = next((name for name in WELL_NAMES if name in table), None)
    column = name
    if name is not None:
        wells = convert_to_text(table[name])
    else:
        places = next((names for names in ROW_NAMES if set(names) <= set(table)), None)
        if places is None:
            raise InputError(
                f"{path} has no column Metadata_Well (or Metadata_Row and Metadata_Column): a profile has "
                f"one row per well. Its columns are {join_names(table.columns, 8)}."
                + suggest_name(table.columns, "Metadata_Well")
            )
        rows, columns = (convert_to_text(table[place]) for place in places)
        wells = [f"{row}\t{column}" for row, column in zip(rows, columns, strict=True)]
        name = " and ".join(places)
    if name != "Metadata_Well":
        logging.warning("%s: the wells are read from %s", path, name, extra=AS_DOCUMENTED)
    without = [at for at, well in enumerate(wells, start=2) if is_nothing(well.replace("\t", ""))]
    if without:
        raise InputError(
            f"{path} has rows without a well: {join_names(without, 5)} (the header is row 1). Write the well "
            f"into {name}, or remove these rows."
        )
    try:
        names = [get_well_at(*well.split("\t")) if "\t" in well else get_well_name(well) for well in wells]
    except (InputError, ValueError) as error:
        raise InputError(f"{path}, column {name}: {error}") from error
    found = pd.Series(names, index=table.index, dtype="str", name="Metadata_Well")
    for other in [other for other in WELL_NAMES if other in table and other != column]:
        pairs = zip(names, map(find_well_name, convert_to_text(table[other])), strict=True)
        if differing := sum(two not in (None, one) for one, two in pairs):
            logging.warning(
                "%s: the wells are read from %s; rows with another well in %s: %d of %d",
                *(path, name, other, differing, len(table)),
            )
    if column is None:
        return pd.concat([found, table], axis=1)
    table[column] = found
    return table.rename(columns={column: "Metadata_Well"})


def choose_plate_column(table: pd.DataFrame, plate: str) -> str | None:
    """Return the column that names the plate of each well; None if the profiles have no such column.

    Unlike in an image table, a single value that is not the plate's name counts: the profiles are refused.
    """
    named = {name: set(table[name].dropna().unique()) for name in PLATE_NAMES if name in table}
    return find_plate_column(named, plate) or next(iter(named), None)
