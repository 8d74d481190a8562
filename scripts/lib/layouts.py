"""Plate maps and tables of reagents as rows of text; without pandas, since whoever plans a run reads them."""

from collections import Counter
from pathlib import Path

from lib.errors import InputError, listed
from lib.plates import read_table, same_number
from lib.wells import well_name

WELL_COLUMNS = ("well_position", "well", "Well")
# JUMP calls its reagents by another name.
SAMPLE_COLUMNS = ("broad_sample", "JCP2022")


def read_described(path: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a table of wells or reagents; `Metadata_` before a name is not part of it."""
    columns, rows = read_table(path)
    names = [column.removeprefix("Metadata_") for column in columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: column {listed(twice)} stands there twice, with and without Metadata_.")
    rows = [dict(zip(names, row.values(), strict=True)) for row in rows]
    name = next((column for column in SAMPLE_COLUMNS if column in names), None)
    if name in (None, "broad_sample"):
        return names, rows
    return [*names, "broad_sample"], [{**row, "broad_sample": row[name]} for row in rows]


def plate_map_rows(path: str | Path, plate: str | None = None) -> tuple[list[str], list[dict[str, str]]]:
    """A plate map's columns and rows, one a well (`well`), with `broad_sample` and any others.

    An empty `broad_sample` beside a `solvent` is that solvent (the negative controls of CPJUMP1's
    compound plates); without one it is an empty well. Of a table that lists the wells of many plates, as
    JUMP's, the rows are taken whose `Metadata_Plate` is `plate`.

    Raises:
        InputError: naming the file and the wells that stand there twice or are no wells.
    """
    columns, rows = read_described(path)
    name = next((column for column in WELL_COLUMNS if column in columns), None)
    if name is None or "broad_sample" not in columns:
        raise InputError(
            f"{path}: a plate map has the columns well_position and broad_sample; this one has "
            f"{listed(columns)}."
        )
    if not rows:
        raise InputError(f"{path} lists no well.")
    plates = {row.get("Plate", "") for row in rows}
    if plate is not None and len(plates) > 1:
        rows = [row for row in rows if row["Plate"] in (plate, *same_number(plate, plates))]
        if not rows:
            raise InputError(f"{path} lists no well of plate {plate}; it has {listed(sorted(plates), 5)}.")
    try:
        wells = [well_name(row[name]) for row in rows]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    twice = [well for well, count in Counter(wells).items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: well {listed(twice)} stands there more than once. A plate map is one plate's; one of "
            "many plates has a column Metadata_Plate."
        )
    left_out = {*WELL_COLUMNS[1:], name, "Plate"}
    columns = ["well", *(column for column in columns if column not in left_out)]
    rows = [{**row, "well": well} for row, well in zip(rows, wells, strict=True)]
    return columns, [{column: row[column] for column in columns} for row in rows]


def annotation_rows(path: str | Path, gene: str | None) -> tuple[list[str], list[dict[str, str]]]:
    """Read what is known of the reagents, one row a `broad_sample`; column `gene` becomes `gene`."""
    columns, rows = read_described(path)
    if "broad_sample" not in columns:
        raise InputError(f"{path} lacks the column broad_sample; it has {listed(columns)}.")
    twice = [name for name, n in Counter(row["broad_sample"] for row in rows).items() if n > 1]
    if twice:
        raise InputError(
            f"{path}: broad_sample {listed(name or '(empty)' for name in twice)} stands there more "
            "than once; keep one row for each."
        )
    if gene is None or gene == "gene":
        return columns, rows
    if gene not in columns:
        raise InputError(f"{path} has no column `{gene}` for the gene; set annotation.*.gene.")
    return list(dict.fromkeys([*columns, "gene"])), [{**row, "gene": row[gene]} for row in rows]
