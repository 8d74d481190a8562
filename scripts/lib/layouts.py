"""Plate maps and tables of reagents as rows of text; without pandas, since they are read while planning."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lib.errors import InputError, find_nearest_name, join_names
from lib.plate_columns import PLATE_COLUMNS
from lib.plates import find_name, read_table
from lib.values import MissingValues
from lib.wells import get_well_at, get_well_name

WELL_COLUMNS = ("well_position", "well", "Well")
# What people call that column.
WELL_HEADINGS = ("well_position", "well", "well_id", "well_name")
# Where a table has none of these, row and column of each well.
PLACE_COLUMNS = (("row", "column"), ("Row", "Column"), ("row", "col"), ("Row", "Col"))
# JUMP calls its reagents by another name.
SAMPLE_COLUMNS = ("broad_sample", "JCP2022")
# Columns of names, which are compared as written.
NAMED = (*WELL_COLUMNS, "Plate")
# Numbers, the letters of rows, and wells, which do not say what is in a well.
OF_PLACE = re.compile(r"[\d.,\s]*|[A-Z]{1,2}|[A-Za-z]{1,2}[-_]?\d{1,2}")

# The least similarity of a misspelled heading: `cell_type` is not `control_type`, nor `cell` `well`.
HEADING_CUTOFF = 0.8

Row = dict[str, str]
Rows = list[Row]
DEFAULT = MissingValues()


def read_columns(path: str | Path, samples: tuple[str, ...] = ("", "")) -> tuple[list[str], Rows]:
    """Read a table of wells or reagents as written; `Metadata_` before a name is not part of it.

    Parameters
    ----------
    path
        The table's file.
    samples
        Columns that may name the content of a well, besides `broad_sample` (see `MissingValues`). The column
        `broad_sample` has its values; one that the table has besides is kept as `table_broad_sample`.

    Raises
    ------
    InputError
        Naming a column that occurs with and without `Metadata_`.
    """
    columns, rows = read_table(path)
    names = [column.removeprefix("Metadata_") for column in columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path} has the column {join_names(twice)} twice, with and without Metadata_.")
    rows = [dict(zip(names, row.values(), strict=True)) for row in rows]
    order = (*samples[:-1], *SAMPLE_COLUMNS, samples[-1])
    name = next((column for column in order if column and column in names), None)
    if name in (None, "broad_sample"):
        return names, rows
    if "broad_sample" in names:
        new = {"broad_sample": "table_broad_sample"}
        names = [new.get(column, column) for column in names]
        rows = [{new.get(column, column): value for column, value in row.items()} for row in rows]
    return [*names, "broad_sample"], [{**row, "broad_sample": row[name]} for row in rows]


def clean_rows(
    columns: Iterable[str], rows: Rows, missing: MissingValues, known_samples: Iterable[str] = ()
) -> Rows:
    """Clean the values of all columns (see `MissingValues.clean`), except the names of wells and plates.

    Parameters
    ----------
    columns
        Names of the columns.
    rows
        The rows of the table.
    missing
        What counts as missing.
    known_samples
        `broad_sample`s that are names: an annotation may define `untreated` wells as negative controls.

    Returns
    -------
    list of dict
        The cleaned rows.
    """
    known = set(known_samples)
    cleaned = {}
    for column in columns:
        values = [row[column] for row in rows]
        cleaned[column] = values if column in NAMED else missing.clean(values, column)
        if column in (*SAMPLE_COLUMNS, *missing.samples):
            cleaned[column] = [
                value if value in known else clean
                for value, clean in zip(values, cleaned[column], strict=True)
            ]
    return [{column: values[at] for column, values in cleaned.items()} for at in range(len(rows))]


def read_plate_map_rows(
    path: str | Path,
    plate: str | None = None,
    missing: MissingValues = DEFAULT,
    known_samples: Iterable[str] = (),
) -> tuple[list[str], Rows]:
    """Read a plate map: its columns and rows, one row per well (`well`), with `broad_sample` and any others.

    An empty `broad_sample` beside a `solvent` is that solvent (the negative controls of CPJUMP1's compound
    plates); without one it is an empty well. From a table that lists the wells of many plates, like JUMP's,
    the rows of `plate` are taken: those that name it in one of the `PLATE_COLUMNS`.

    Parameters
    ----------
    path
        The plate map's file.
    plate
        The plate whose rows are taken; None for a table of one plate.
    missing
        What counts as missing.
    known_samples
        The annotation's `broad_sample`s, which are names even if they look like missing values.

    Raises
    ------
    InputError
        Naming the file and the wells that are duplicates or not valid.
    """
    columns, rows = read_columns(path, missing.samples)
    name = next((column for column in WELL_COLUMNS if column in columns), None)
    place = next((names for names in PLACE_COLUMNS if set(names) <= set(columns)), None)
    if (name is None and place is None) or "broad_sample" not in columns:
        raise InputError(
            describe_lacking(path, columns, rows, name is not None or place is not None, missing)
        )
    if not rows:
        raise InputError(f"{path} lists no well.")
    of_well = (name,) if name else place or ()
    numbered = number_rows(rows) if plate is None else take_rows_of_plate(path, rows, plate)
    refuse_empty(path, numbered, of_well, "well")
    rows = list(numbered.values())
    try:
        wells = [
            get_well_name(row[name]) if name else get_well_at(*(row[column] for column in of_well))
            for row in rows
        ]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    twice = [well for well, count in Counter(wells).items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: well {join_names(twice)} is listed more than once. A plate map is one plate's; one of "
            f"many plates has a column that names each row's plate ({join_names(PLATE_COLUMNS)}, also with "
            "Metadata_ before it)."
        )
    left_out = {*WELL_COLUMNS, "Plate"}
    kept = [column for column in columns if column not in left_out]
    rows = clean_rows(kept, rows, missing, known_samples)
    return ["well", *kept], [{"well": well, **row} for well, row in zip(wells, rows, strict=True)]


def number_rows(rows: Rows) -> dict[int, Row]:
    """Return the rows of a table by their numbers in its file, in which the header is row 1."""
    return dict(enumerate(rows, start=2))


def get_plate_names(rows: Rows) -> dict[str, set[str]]:
    """Return the values of each column of a plate map that may name the plate of a row."""
    return {name: {row.get(name, "") for row in rows} for name in PLATE_COLUMNS}


def take_rows_of_plate(path: str | Path, rows: Rows, plate: str) -> dict[int, Row]:
    """Return the rows of a plate in a table that lists the wells of many plates; all rows of any other table.

    Columns other than `Plate` may also name the plates of a library. They count if one of their values is
    exactly the plate's name. The rows have their numbers in the file.

    Raises
    ------
    InputError
        If the table has no row of the plate, or rows without a plate.
    """
    numbered = number_rows(rows)
    named = get_plate_names(rows)
    several = [name for name, values in named.items() if len(values) > 1]
    column = next((name for name in several if name == "Plate" or plate in named[name]), None)
    if column is None:
        return numbered
    refuse_empty(path, numbered, (column,), "plate")
    names = find_name(plate, named[column])
    if not names:
        raise InputError(
            f"{path} lists no well of plate {plate}; it has {join_names(sorted(named[column]), 5)}."
        )
    return {number: row for number, row in numbered.items() if row[column] in names}


def refuse_empty(path: str | Path, rows: Mapping[int, Row], columns: tuple[str, ...], what: str) -> None:
    """Reject a table with rows that do not name their well or plate.

    Parameters
    ----------
    path
        The table, for the message.
    rows
        The rows of the table, by their numbers in the file.
    columns
        The columns of which one must have a value.
    what
        What the columns name: `well` or `plate`.

    Raises
    ------
    InputError
        Naming the rows.
    """
    empty = [number for number, row in rows.items() if not any(row[column] for column in columns)]
    if empty:
        raise InputError(
            f"{path} has rows without a {what}: {join_names(empty, 5)} (the header is row 1). Write the "
            f"{what} into {' and '.join(columns)}, or remove these rows."
        )


def find_heading(wanted: str, columns: Iterable[str]) -> str | None:
    """Return the column that may be `wanted` in other capitals, with other separators, or misspelled."""
    plain = {re.sub(r"[\W_]+", "", column).casefold(): column for column in columns}
    same = plain.get(re.sub(r"[\W_]+", "", wanted).casefold())
    return same or find_nearest_name(wanted, plain.values(), HEADING_CUTOFF)


def describe_lacking(
    path: str | Path, columns: list[str], rows: Rows, has_wells: bool, missing: MissingValues
) -> str:
    """Return the message about a plate map without wells, or without their content.

    Parameters
    ----------
    path
        The plate map.
    columns
        The plate map's columns.
    rows
        The plate map's rows.
    has_wells
        Whether the plate map has wells, so that only their content is missing.
    missing
        What counts as missing, with the columns that the config names for the content of wells.
    """
    problem = (
        f"{path}: a plate map has the columns well_position and broad_sample; this one has "
        f"{join_names(read_table(path)[0], 20)}."
    )
    hint = ""
    if not has_wells:
        near = next(filter(None, (find_heading(name, columns) for name in WELL_HEADINGS)), None)
        hint = f" Is it {near}? Call that column well_position." if near else ""
    has_samples = "broad_sample" in columns
    for name in () if has_samples else (*filter(None, missing.samples[:-1]), *SAMPLE_COLUMNS):
        if near := find_heading(name, columns):
            return f"{problem}{hint} Is it {near}? Call that column {name}."
    if {"Assay_Plate_Barcode", "Plate_Map_Name"} <= set(columns):
        hint = " It lists plates: name the plate map of each plate in the sample sheet."
    if not has_wells:
        return problem + hint
    texts = [
        column
        for column in columns
        if column != "Plate" and not all(OF_PLACE.fullmatch(row[column]) for row in rows)
    ]
    sample = max(texts, key=lambda column: len({row[column] for row in rows}), default=columns[-1])
    return (
        f"{problem} Name the one that says what is in each well in the config, as in plate_maps: "
        f"{{sample: {sample}}}."
    )


def read_annotation_rows(
    path: str | Path, gene: str | None, missing: MissingValues = DEFAULT
) -> tuple[list[str], Rows]:
    """Read the annotation of the reagents, one row per `broad_sample`; the column `gene` becomes `gene`.

    A row whose `broad_sample` is a word for a missing value is used only if another of its columns has a
    value.
    """
    columns, rows = read_columns(path, missing.samples)
    if "broad_sample" not in columns:
        asked = [name for name in missing.samples[:-1] if name]
        named = f"{join_names(asked)} (plate_maps.sample) or " if asked else ""
        wanted = [(name, find_heading(name, columns)) for name in (*filter(None, asked), *SAMPLE_COLUMNS)]
        hint = next((f" Is it {near}? Call that column {name}." for name, near in wanted if near), "")
        raise InputError(
            f"{path} lacks the column {named}broad_sample; it has {join_names(read_table(path)[0])}.{hint}"
        )
    if gene is not None and gene != "gene":
        # The config may list names among the genes under either name of the column.
        gene_words = (*missing.names.get(gene, ()), *missing.names.get("gene", ()))
        missing = replace(missing, names={**missing.names, gene: gene_words})
    cleaned = clean_rows(columns, rows, missing)
    for row, clean in zip(rows, cleaned, strict=True):
        says = any(value for column, value in clean.items() if column not in SAMPLE_COLUMNS)
        if not clean["broad_sample"] and says:
            clean["broad_sample"] = row["broad_sample"]
    if gene is not None and gene != "gene":
        if gene not in columns:
            near = find_nearest_name(gene, columns)
            raise InputError(
                f"{path} has no column `{gene}` for the gene; it has {join_names(columns)}."
                + (f" Is it {near}?" if near else "")
                + " Name it in annotation.*.gene."
            )
        columns = list(dict.fromkeys([*columns, "gene"]))
        cleaned = [{**row, "gene": row[gene]} for row in cleaned]
    empty = [row for row in cleaned if not any(row[name] for name in columns)]
    cleaned = [row for row in cleaned if row not in empty] if empty else cleaned
    # Under its own name, the column would be in both of the tables that are joined.
    same = [name for name in missing.samples if name in columns and name not in SAMPLE_COLUMNS]
    if all(row[name] == row["broad_sample"] for name in same for row in cleaned):
        columns = [name for name in columns if name not in same]
        cleaned = [{name: row[name] for name in columns} for row in cleaned]
    cleaned = [dict(items) for items in dict.fromkeys(tuple(row.items()) for row in cleaned)]
    twice = [name for name, n in Counter(row["broad_sample"] for row in cleaned).items() if n > 1]
    if twice:
        raise InputError(
            f"{path}: broad_sample {join_names(name or '(empty)' for name in twice)} is listed more "
            "than once; keep one row for each."
        )
    return columns, cleaned


def find_clashes(
    plate_map: Mapping[str, Collection[str]],
    annotation: Mapping[str, Collection[str]],
    own: Mapping[str, str | None],
) -> tuple[dict[str, str], list[str]]:
    """Find the columns of a plate map and an annotation with conflicting names, and which one is kept.

    Parameters
    ----------
    plate_map, annotation
        Their columns, without `Metadata_`, and the values in each.
    own
        The names used by the workflow and the sample sheet, and the sheet's value for the plate; None if
        each well has its own (counts of cells).

    Returns
    -------
    New names of the columns that would be lost, by the old ones; and sentences. A column that is empty, or
    equal to the sheet's value, is not lost.
    """
    renamed: dict[str, str] = {}
    notes = []
    for table, columns in (("plate map", plate_map), ("annotation", annotation)):
        for name, values in columns.items():
            if name in SAMPLE_COLUMNS or name not in own or name in renamed:
                continue
            if set(values) - {"", own[name]}:
                renamed[name] = f"{table.replace(' ', '_')}_{name}"
                notes.append(
                    f"the {table} has a column {name}, and so has the workflow or its sample sheet: theirs "
                    f"is Metadata_{name}, and the {table}'s is kept as Metadata_{renamed[name]}"
                )
    both = [name for name in annotation if name in plate_map and name not in SAMPLE_COLUMNS]
    for name in both:
        if set(plate_map[name]) <= {""}:
            notes.append(f"the plate map's column {name} is empty: the annotation's values are used")
        else:
            notes.append(f"plate map and annotation have a column {name}: the plate map's is used")
    every = dict.fromkeys([*plate_map, *annotation])
    for name in every:
        other = next((other for other in every if other != name and other.lower() == name.lower()), None)
        if other is not None and name < other:
            notes.append(f"{name} and {other} are two columns, which differ only in capitalization")
    return renamed, notes


def find_near_samples(unknown: Iterable[str], known: Iterable[str]) -> list[str]:
    """Name each unknown `broad_sample`, and the known one that differs only in capitals, dashes or blanks."""
    plain = {re.sub(r"[\W_]+", "", name).casefold(): name for name in known}
    near = {name: plain.get(re.sub(r"[\W_]+", "", name).casefold()) for name in unknown}
    return [f"{name} (is it {other}?)" if other else name for name, other in sorted(near.items())]
