"""What is in each well of a plate: its plate map, and what is known of the reagents on it."""

from collections import Counter
from pathlib import Path

import pandas as pd

from lib.errors import InputError, listed
from lib.plates import read_table
from lib.wells import well_name

WELL_COLUMNS = ("well_position", "well", "Metadata_Well")


def read_plate_map(path: str | Path) -> pd.DataFrame:
    """Read a plate map: one row a well, columns `well_position` and `broad_sample`, and any others.

    An empty `broad_sample` beside a `solvent` is that solvent (the negative controls of CPJUMP1's
    compound plates); without one it is an empty well.

    Raises:
        InputError: naming the file and the wells that stand there twice or are no wells.
    """
    columns, rows = read_table(path)
    name = next((column for column in WELL_COLUMNS if column in columns), None)
    if name is None or "broad_sample" not in columns:
        raise InputError(
            f"{path}: a plate map has the columns well_position and broad_sample; this one has "
            f"{listed(columns)}."
        )
    try:
        wells = [well_name(row[name]) for row in rows]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    twice = [well for well, count in Counter(wells).items() if count > 1]
    if twice:
        raise InputError(f"{path}: well {listed(twice)} stands there more than once.")
    plate_map = pd.DataFrame(rows, dtype=str).drop(columns=name)
    plate_map.insert(0, "well", wells)
    if not rows:
        raise InputError(f"{path} lists no well.")
    return plate_map


def read_annotation(path: str | Path, gene: str | None) -> pd.DataFrame:
    """Read what is known of the reagents, one row a `broad_sample`; column `gene` becomes `gene`."""
    columns, rows = read_table(path)
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
        known = plate_map.merge(annotation[columns], on="broad_sample", how="left", validate="m:1")
    if "solvent" in known:
        empty = known["broad_sample"] == ""
        known["broad_sample"] = known["broad_sample"].mask(empty, known["solvent"])
    return known


def read_known_wells(plate_map: str | Path, annotation: str | Path | None, gene: str | None) -> pd.DataFrame:
    """`known_wells` of a plate map's file and, where there is one, that of the reagents."""
    known = read_annotation(annotation, gene) if annotation else None
    return known_wells(read_plate_map(plate_map), known)
