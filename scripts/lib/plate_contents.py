"""What is in each well of a plate: its plate map, and what is known of the reagents on it."""

from pathlib import Path

import pandas as pd

from lib.layouts import annotation_rows, plate_map_rows


def read_plate_map(path: str | Path, plate: str | None = None) -> pd.DataFrame:
    """A plate map, see `plate_map_rows`: one row a well, with `well`, `broad_sample` and any others."""
    columns, rows = plate_map_rows(path, plate)
    return pd.DataFrame(rows, columns=columns, dtype=str)


def read_annotation(path: str | Path, gene: str | None) -> pd.DataFrame:
    """Read what is known of the reagents, one row a `broad_sample`; column `gene` becomes `gene`."""
    columns, rows = annotation_rows(path, gene)
    return pd.DataFrame(rows, columns=columns, dtype=str)


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
