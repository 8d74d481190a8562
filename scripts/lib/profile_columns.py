"""The columns of published profiles: which are features, and how features and counts are written."""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names, number_of
from lib.logs import AS_DOCUMENTED
from lib.plate_columns import find_count_column
from lib.values import MissingValues, is_nothing, plain_text

# Names of CellProfiler's features: compartment, family, and what is measured.
FAMILIES = "AreaShape|Correlation|Granularity|Intensity|Neighbors|RadialDistribution|Texture"
FEATURE = re.compile(rf"([A-Za-z0-9]+)_({FAMILIES})_")
# Features of Harmony and Columbus: `Nuclei - Nucleus Area [µm²] - Mean per Well`.
OF_HARMONY = re.compile(r".+ - (.+ per Well.*|Number of Objects)")
WORD = re.compile("[a-z]+")
LETTERS = re.compile(r"[^\W\d_]*")
# In a table with CellProfiler's features, fewer columns with one first word are not another set of features.
FEW_ALIKE = 10
# Plain columns that describe a well, in tables whose features have no recognizable names.
NOT_FEATURES = {
    "index",
    "row",
    "column",
    "col",
    "site",
    "batch",
    "source",
    "id",
    "plate",
    "well",
    "barcode",
    "replicate",
    "concentration",
    "conc",
    "dose",
    "timepoint",
    "time",
    "compound",
    "perturbation",
}
# Columns of the Gallery's deep-network profiles.
OF_GALLERY = {"source", "batch", "plate", "well"}
CELLS = "Metadata_Count_Cells"
MOST_CELLS = 1e9  # cells in a well
THOUSANDS = re.compile(r"\d{1,3}([,' \u00a0\u202f]\d{3})+")
SWITCHES = {"True": "1", "TRUE": "1", "true": "1", "False": "0", "FALSE": "0", "false": "0"}
WITH_COMMAS = re.compile(r"[-+]?[\d.' ]*(,\d+)+(\.\d*)?([eE][-+]?\d+)?")
DOTS = re.compile(r"\d{1,3}(\.\d{3})+")


def rename_cell_count(table: pd.DataFrame) -> pd.DataFrame:
    """Name the column with the numbers of cells `Metadata_Count_Cells`, whatever it is called."""
    name = find_count_column(table)
    if name is None or CELLS in table or FEATURE.match(name):
        return table
    logging.info("the numbers of cells are read from %s", name)
    return table.rename(columns={name: CELLS})


def rename_named_columns(table: pd.DataFrame, names: Collection[str], path: Path) -> pd.DataFrame:
    """Turn the columns that the config names as descriptions of wells (`names`) into metadata.

    A table that also has such a column as `Metadata_...` keeps that one.
    """
    named = [name for name in table if name in names]
    twice = [name for name in named if f"Metadata_{name}" in table]
    for name in twice:
        logging.warning("%s: %s also exists as Metadata_%s, which is used instead", path, name, name)
    renamed = {name: f"Metadata_{name}" for name in named if name not in twice}
    if renamed:
        logging.info("%s: metadata, since the config names them: %s", path, join_names(renamed))
    return table.drop(columns=twice).rename(columns=renamed)


def convert_to_text(column: pd.Series) -> list[str]:
    """Return a column of any type as text, "" if missing; numbers in their shortest spelling."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        # A day is written without its hour, and without a time zone.
        column = column.dt.tz_localize(None) if column.dt.tz is not None else column
        texts = column.astype("str").str.removesuffix(" 00:00:00").str.removesuffix("T00:00:00")
        return ["" if missing else text for missing, text in zip(column.isna(), texts, strict=True)]
    if pd.api.types.is_float_dtype(column.dtype) and column.dtype.itemsize < 8:
        # 0.1 in single precision is 0.10000000149 in double precision
        return ["" if np.isnan(value) else str(value) for value in column.to_numpy()]
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else "" if pd.isna(value) else str(value)
        for value in column
    ]


def rename_what_is_no_feature(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Turn plain columns that are not features into metadata: row numbers, positions, doses, identifiers.

    A column belongs to a set of features if it is named as CellProfiler, Harmony or Columbus name them, or if
    many columns have its first word. Any other column is not a feature if the table has features of these
    programs, if its name is that of a place, a dose, a time or an identifier, or if it numbers the rows.
    """
    plain = [name for name in table if not name.startswith("Metadata_")]
    compartments = {match[1] for match in map(FEATURE.match, plain) if match}
    alike = Counter(name.partition("_")[0] for name in plain if "_" in name)
    named = compartments or any(map(OF_HARMONY.match, plain))
    renamed = {}
    for name in plain:
        word = name.partition("_")[0] if "_" in name else ""
        if word == "Image" or word in compartments or alike[word] >= FEW_ALIKE or OF_HARMONY.match(name):
            continue
        if named or NOT_FEATURES & set(WORD.findall(name.casefold())) or counts_rows(table[name]):
            renamed[name] = f"Metadata_{name}"
    if not renamed:
        return table
    logging.warning(
        "%s: not features, and kept as metadata: %s",
        *(path, join_names(renamed)),
        extra=AS_DOCUMENTED if set(renamed) <= OF_GALLERY else None,
    )
    taken = [name for name, new in renamed.items() if new in table]
    table = table.drop(columns=taken).rename(columns=renamed)
    for name in set(renamed.values()) & set(table):
        cleaned = MissingValues().clean(convert_to_text(table[name]), name)
        table[name] = pd.Series(cleaned, index=table.index, dtype="str").mask(lambda column: column == "")
    return table


def describe_single_features(features: Iterable[str]) -> str:
    """Return the sentence about features that may be a laboratory's own columns; "" if there are none.

    Beside a set of features whose names start with the same letters (`feat00`, `feat01`; `dna_emb_0`), the
    first letters of such columns (`viability`, `passage`) are those of no other. In tables with
    CellProfiler's features, they are not features.
    """
    names = list(features)
    stems = {name: match[0].casefold() for name in names if (match := LETTERS.match(name))}
    alike = Counter(stems.values())
    single = [name for name in names if alike[stems[name]] == 1]
    in_sets = sum(count for count in alike.values() if count >= FEW_ALIKE)
    if not single or len(single) >= in_sets or any(map(FEATURE.match, names)):
        return ""
    verb = "is" if len(single) == 1 else "are"
    return (
        f"{join_names(single)} {verb} among the {number_of(len(names), 'feature')}, and no other feature's "
        "name begins with the same word. A column that does not measure the cells is left out with "
        "`exclude_features` in the config, or is kept as metadata if it is renamed to Metadata_..."
    )


def counts_rows(column: pd.Series) -> bool:
    """Return whether a column numbers the rows of its table, from 0 or from 1."""
    if len(column) < 3 or not pd.api.types.is_integer_dtype(column):
        return False
    first = column.iloc[0]
    return first in (0, 1) and bool((column.to_numpy() == np.arange(first, first + len(column))).all())


def read_counts(column: pd.Series, wells: pd.Series, path: Path) -> pd.Series:
    """Read the numbers of cells or sites: `1,234` is 1234; what is not a number is missing, and reported.

    `1.234` is 1234, too, if the column has dots before three digits only, and whole numbers below 1000.
    """
    texts = pd.Series(convert_to_text(column), index=column.index, dtype="str").str.strip()
    dotted = texts.str.contains(".", regex=False)
    if dotted.any() and texts[dotted].map(lambda text: bool(DOTS.fullmatch(text))).all():
        small = texts[~dotted & (texts != "")]
        if len(small) and small.map(lambda text: bool(re.fullmatch(r"\d{1,3}", text))).all():
            logging.warning("%s: the dots in %s are read as separators of thousands", path, column.name)
            texts = texts.str.replace(".", "", regex=False)
    texts = texts.map(lambda text: re.sub(r"\D", "", text) if THOUSANDS.fullmatch(text) else text)
    numbers = pd.to_numeric(texts, errors="coerce")
    unreadable = numbers.isna() & ~texts.map(is_nothing).astype(bool)
    if unreadable.any():
        logging.warning(
            "%s: %s is not a number in well %s (%s): taken as missing",
            path, column.name, join_names(wells[unreadable], 5), join_names(column[unreadable].unique(), 5),
        )  # fmt: skip
    impossible = ~numbers[numbers.notna()].between(0, MOST_CELLS)
    if impossible.any():
        at = impossible.index[impossible]
        logging.warning(
            "%s: %s is not a possible number in well %s (%s): taken as missing",
            path, column.name, join_names(wells[at], 5), join_names(texts[at].unique(), 5),
        )  # fmt: skip
        numbers = numbers.mask(~numbers.between(0, MOST_CELLS))
    is_integer = numbers.notna().all() and (numbers % 1 == 0).all()
    return numbers.astype(int if is_integer else float)


def read_feature(column: pd.Series, wells: pd.Series, path: Path) -> pd.Series:
    """Read a feature as float64; infinite values are missing, and reported.

    Raises
    ------
    InputError
        Naming the column, and the wells in which it holds text.
    """
    if not pd.api.types.is_numeric_dtype(column):
        texts = pd.Series(map(plain_text, convert_to_text(column)), index=column.index, dtype="str")
        numbers = pd.to_numeric(texts.map(lambda text: SWITCHES.get(text, text)), errors="coerce")
        unreadable = numbers.isna() & ~texts.map(is_nothing).astype(bool)
        if unreadable.any():
            is_number = texts[unreadable].map(lambda text: bool(WITH_COMMAS.fullmatch(text))).all()
            remedy = (
                "Write numbers with decimal points, and without separators of thousands."
                if is_number
                else "Every column is a feature, unless its name starts with Metadata_ or the config names "
                "it (controls.column, benchmark.group): rename it, or remove it."
            )
            raise InputError(
                f"{path}: column {column.name} holds {'numbers with commas' if is_number else 'text'}: "
                f"`{texts[unreadable].iloc[0]}` in well {join_names(wells[unreadable], 5)}. {remedy}"
            )
        column = numbers
    values = column.astype(float)
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        where = join_names(wells[infinite], 5)
        logging.warning("%s: %s is infinite in well %s: taken as missing", path, column.name, where)
        values = values.mask(infinite)
    return values
