"""The content of each well of a plate: its plate map, and the annotation of its reagents."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib.layouts import DEFAULT, SAMPLE_COLUMNS, read_annotation_rows, read_plate_map_rows
from lib.values import MissingValues


def read_plate_map(
    path: str | Path,
    plate: str | None = None,
    missing: MissingValues = DEFAULT,
    known_samples: Iterable[str] = (),
) -> pd.DataFrame:
    """Read a plate map (see `read_plate_map_rows`).

    Parameters
    ----------
    path
        The plate map's file.
    plate
        The plate whose rows are used; None for a table of one plate.
    missing
        What counts as missing.
    known_samples
        The annotation's `broad_sample`s, which are names even if they look like missing values.

    Returns
    -------
    pandas.DataFrame
        One row per well, with `well`, `broad_sample` and any other columns.
    """
    columns, rows = read_plate_map_rows(path, plate, missing, known_samples)
    return pd.DataFrame(rows, columns=columns, dtype=str)


def read_annotation(path: str | Path, gene: str | None, missing: MissingValues = DEFAULT) -> pd.DataFrame:
    """Read the annotation of the reagents, one row per `broad_sample`; the column `gene` becomes `gene`."""
    columns, rows = read_annotation_rows(path, gene, missing)
    return pd.DataFrame(rows, columns=columns, dtype=str)


def find_shared_columns(wells: pd.DataFrame, annotation: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Find the columns of both tables: those that the wells' table fills, and those that it leaves empty."""
    both = [name for name in annotation if name in wells and name not in (*SAMPLE_COLUMNS, "well")]
    empty = [name for name in both if (wells[name].fillna("") == "").all()]
    return [name for name in both if name not in empty], empty


def join_annotation(plate_map: pd.DataFrame, annotation: pd.DataFrame | None) -> pd.DataFrame:
    """Join the wells of a plate map with the annotation of their reagents, one row per well.

    A column in both tables comes from the plate map, unless that is empty in every well.
    """
    known = plate_map
    if annotation is not None:
        _, empty = find_shared_columns(plate_map, annotation)
        known = plate_map = plate_map.drop(columns=empty)
        columns = [name for name in annotation.columns if name not in plate_map or name == "broad_sample"]
        # The annotation may list a solvent by its name, or (in CPJUMP1) by the empty broad_sample.
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
    plate_map: str | Path,
    annotation: str | Path | None,
    gene: str | None,
    plate: str,
    missing: MissingValues = DEFAULT,
) -> pd.DataFrame:
    """Read a plate map and, if there is one, the annotation of its reagents; join them (`join_annotation`).

    Parameters
    ----------
    plate_map, annotation
        The files; the annotation may be None.
    gene
        The annotation's column with the gene, or None.
    plate
        The plate's name.
    missing
        What counts as missing.

    Returns
    -------
    pandas.DataFrame
        One row per well.
    """
    known = read_annotation(annotation, gene, missing) if annotation else None
    samples = () if known is None else known["broad_sample"]
    return join_annotation(read_plate_map(plate_map, plate, missing, samples), known)
