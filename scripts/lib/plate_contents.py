"""What is in each well of a plate: its plate map, and what is known of the reagents on it."""

from collections import Counter
from pathlib import Path

import pandas as pd

from lib.errors import InputError, listed
from lib.experiment import same_number
from lib.plates import read_table
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


def read_plate_map(path: str | Path, plate: str | None = None) -> pd.DataFrame:
    """Read a plate map: one row a well, columns `well_position` and `broad_sample`, and any others.

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
    plate_map = pd.DataFrame(rows, columns=columns, dtype=str)
    plate_map = plate_map.drop(columns=[*WELL_COLUMNS[1:], name, "Plate"], errors="ignore")
    plate_map.insert(0, "well", wells)
    return plate_map


def read_annotation(path: str | Path, gene: str | None) -> pd.DataFrame:
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
    table = pd.DataFrame(rows, columns=columns, dtype=str)
    if gene is not None and gene != "gene":
        if gene not in columns:
            raise InputError(f"{path} has no column `{gene}` for the gene; set annotation.*.gene.")
        table["gene"] = table[gene]
    return table


def known_wells(plate_map: pd.DataFrame, annotation: pd.DataFrame | None) -> pd.DataFrame:
    """What is in each well of the plate map: its columns and those of the reagents, one row a well."""
    known = plate_map
    if annotation is not None:
        columns = [name for name in annotation.columns if name not in plate_map or name == "broad_sample"]
        # The annotation may know a solvent by its name, or (CPJUMP1's) by the empty broad_sample.
        named = set(annotation["broad_sample"])
        if "solvent" in known and "" not in named:
            solvent = known["solvent"].where(known["solvent"].isin(named), "")
            known = known.assign(
                broad_sample=known["broad_sample"].mask(known["broad_sample"] == "", solvent)
            )
        known = known.merge(annotation[columns], on="broad_sample", how="left", validate="m:1")
    if "solvent" in known:
        empty = known["broad_sample"] == ""
        known["broad_sample"] = known["broad_sample"].mask(empty, known["solvent"])
    return known


def read_known_wells(
    plate_map: str | Path, annotation: str | Path | None, gene: str | None, plate: str
) -> pd.DataFrame:
    """`known_wells` of a plate map's file and, where there is one, that of the reagents."""
    known = read_annotation(annotation, gene) if annotation else None
    return known_wells(read_plate_map(plate_map, plate), known)
