"""Annotate the single cells of a plate and normalize them to the cells of its negative controls.

The arithmetic is that of wells (`normalize.py`), with the cells of the reference wells in place of the wells:
(x - median) / (1.4826 MAD), or (x - mean) / standard deviation with a lower bound. A feature without spread
over these cells is dropped and listed. The cells are those of the profiles: flagged cells and sites are left
out if the config leaves them out of the profiles.

The result has one row group per well, in plate order. Neither the cells of a plate nor all features of the
reference cells are ever in memory at once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.aggregation import read_excluded_sites
from lib.cell_positions import POSITION, find_position_columns
from lib.cell_quality import find_kept_cells, read_flagged_cells
from lib.cell_stream import convert_to_matrix, iterate_wells, read_codes
from lib.cells import KEYS, find_features, use_threads
from lib.errors import InputError, join_names
from lib.feature_names import keep_wanted
from lib.image_features import PREFIX
from lib.logs import log_to
from lib.tables import get_provenance, get_provenance_metadata, read_feature_names, read_profiles, write_whole
from normalize import (
    CONSTANT,
    EPSILON,
    MAD_SCALE,
    STANDARDIZE,
    choose_reference_wells,
    find_flat,
    mark_missing,
)

logger = logging.getLogger("platewise")

# Memory for the reference cells of some features, as float64; copies of them take some times as much.
BLOCK_BYTES = 32 * 2**20
# Keys of a cell beside the metadata of its well.
OF_CELL = ("Metadata_Site", "Metadata_ImageNumber", "Metadata_ObjectNumber")
FLAGS = "Metadata_Flags"


@dataclass(frozen=True)
class Scaling:
    """Center and spread of each feature over the reference cells, and the features that cannot be normalized.

    Attributes
    ----------
    features
        The features that are kept.
    center, spread
        (features,) of each of them; a value becomes (value - center) / spread.
    dropped
        The other features, with the reason.
    """

    features: list[str]
    center: np.ndarray
    spread: np.ndarray
    dropped: dict[str, str]


def read_reference(
    file: pq.ParquetFile, features: Sequence[str], chosen: np.ndarray
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield some features at a time with their values in the chosen cells: (cells, features), float64."""
    number = max(1, int(chosen.sum()))
    width = max(1, BLOCK_BYTES // (8 * number))
    for start in range(0, len(features), width):
        names = list(features[start : start + width])
        parts, first = [], 0
        for group in range(file.num_row_groups):
            mask = chosen[first : first + file.metadata.row_group(group).num_rows]
            first += len(mask)
            if mask.any():
                parts.append(file.read_row_group(group, columns=names).filter(pa.array(mask)))
        yield names, convert_to_matrix(pa.concat_tables(parts), names)


def get_scaling(file: pq.ParquetFile, features: Sequence[str], chosen: np.ndarray, method: str) -> Scaling:
    """Compute center and spread of each feature over the reference cells.

    Parameters
    ----------
    file
        The single-cell table.
    features
        The features.
    chosen
        (cells,), which cells are the reference.
    method
        `mad_robustize` or `standardize`, as for wells.
    """
    centers, spreads, dropped = [], [], {}
    for names, values in read_reference(file, features, chosen):
        _, reference, missing = mark_missing(np.empty((0, len(names))), values)
        if method == STANDARDIZE:
            centers.append(np.nanmean(reference, axis=0))
            spreads.append(np.nanstd(reference, axis=0))
            flat = missing | (np.nanmax(reference, axis=0) == np.nanmin(reference, axis=0))
            dropped |= {name: CONSTANT for name, is_flat in zip(names, flat, strict=True) if is_flat}
        else:
            centers.append(np.nanmedian(reference, axis=0))
            mad = np.nanmedian(np.abs(reference - centers[-1]), axis=0)
            spreads.append(MAD_SCALE * mad + EPSILON)
            dropped |= find_flat(names, np.where(missing, np.nan, mad), np.where(missing, np.nan, reference))
    dropped = {name: why.replace("wells", "cells") for name, why in dropped.items()}
    kept = np.array([name not in dropped for name in features], dtype=bool)
    center, spread = np.concatenate(centers)[kept], np.concatenate(spreads)[kept]
    if method == STANDARDIZE and len(spread):
        spread = np.maximum(spread, np.median(spread))
    return Scaling([name for name in features if name not in dropped], center, spread, dropped)


def choose_features(
    names: Sequence[str], exclude: Sequence[str], unwanted: Sequence[str], selected: str | Path | None
) -> list[str]:
    """Return the features of the cells: all of them, or those of a file of profiles.

    Parameters
    ----------
    names
        The columns of the single-cell table.
    exclude
        Features that the config excludes, see `find_features`.
    unwanted
        Names or shell patterns of features that are left out.
    selected
        A file of profiles whose features are chosen; None for all features of the cells.

    Raises
    ------
    InputError
        If the profiles have features that no column of the cells is named after.
    """
    features = keep_wanted(find_features(names, exclude), unwanted)
    if selected is None:
        return features
    # image-level features have no value for a cell
    wanted = [name for name in read_feature_names(selected) if not name.startswith(PREFIX)]
    there = set(features)
    if lacking := [name for name in wanted if name not in there]:
        raise InputError(
            f"{selected} has features that single cells do not have: {join_names(lacking, 5)}. Name another "
            "level in normalized_cells.features, or `all`."
        )
    return wanted


def describe_wells(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the metadata of each well that its cells get: all except numbers of cells and sites."""
    names = [name for name in profiles if name.startswith("Metadata_") and "Metadata_Count_" not in name]
    if clash := [name for name in (*OF_CELL, *POSITION, FLAGS) if name in names]:
        logger.warning("the columns %s of the wells are not joined: cells have their own", join_names(clash))
    return profiles[[name for name in names if name not in (*OF_CELL, *POSITION, FLAGS)]]


def get_schema(wells: pd.DataFrame, more: Sequence[str], features: Sequence[str]) -> pa.Schema:
    """Return the columns of the result: metadata of the well, of the cell, then features as float32."""
    kinds = {name: pa.int64() for name in OF_CELL if name.endswith("Number")}
    kinds |= dict.fromkeys(POSITION, pa.float32())
    text = pa.dictionary(pa.int32(), pa.string())
    fields = [pa.field(name, text) for name in wells]
    fields += [pa.field(name, kinds.get(name, text)) for name in more]
    return pa.schema(fields + [pa.field(name, pa.float32()) for name in features])


def build_table(
    cells: pa.Table, well: pd.Series, flags: np.ndarray | None, scaling: Scaling, schema: pa.Schema
) -> pa.Table:
    """Return the annotated and normalized cells of one well.

    Parameters
    ----------
    cells
        The cells: keys, position under its name in the result, features.
    well
        The metadata of the well.
    flags
        The names of the rules that flag each cell; None if there is no such column.
    scaling
        How features are normalized.
    schema
        The columns of the result.
    """
    normalized = (convert_to_matrix(cells, scaling.features) - scaling.center) / scaling.spread
    normalized = np.where(np.isfinite(normalized), normalized, np.nan).astype(np.float32)
    columns = dict(zip(scaling.features, np.ascontiguousarray(normalized.T), strict=True))
    found = []
    for field in schema:
        if field.name in columns:
            found.append(pa.array(columns[field.name]))
        elif field.name == FLAGS:
            found.append(pa.array(flags, pa.string()).dictionary_encode().cast(field.type))
        elif field.name in cells.column_names:
            column = cells[field.name].combine_chunks()
            column = column.dictionary_encode() if pa.types.is_dictionary(field.type) else column
            found.append(column.cast(field.type))
        else:
            value = None if pd.isna(well[field.name]) else str(well[field.name])
            indices = pa.array([None if value is None else 0] * len(cells), pa.int32())
            values = pa.array([] if value is None else [value], pa.string())
            found.append(pa.DictionaryArray.from_arrays(indices, values))
    return pa.Table.from_arrays(found, schema=schema)


def read_flag_names(path: str | Path) -> np.ndarray:
    """Return the names of the rules that flag each cell, separated by blanks."""
    table = pq.read_table(path)
    rules = table.column_names[table.column_names.index("flagged") + 1 :]
    found = np.full(len(table), "", dtype=object)
    for rule in rules:
        flagged = table[rule].to_numpy()
        found[flagged] = found[flagged] + f" {rule}"
    return np.array([names.strip() for names in found], dtype=object)


def find_reference_wells(profiles: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.Series:
    """Return which wells of a plate are the reference; `parameters` are those of `main`.

    Raises
    ------
    InputError
        If no reference well has cells.
    """
    plate, reference = parameters["plate"], parameters["reference"]
    column, negcon = parameters["column"], parameters["negcon"]
    # One well has enough cells; `minimum_wells` is for profiles.
    chosen = choose_reference_wells(profiles, reference, column, negcon, 0, plate)
    if not chosen.any():
        kind = "well" if reference == "all" else f"well of negative controls ({column} = {negcon})"
        raise InputError(
            f"Plate {plate}: no {kind} has cells, so cells cannot be normalized. Check the plate map, the "
            "annotation table and controls.negcon, or set normalized_cells.reference to all."
        )
    return chosen


def open_writer(path: str | Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a writer of a Parquet file with the cells of many wells."""
    # The file's footer has an entry per well and column: features go without statistics there.
    keys = [name for name in schema.names if name.startswith("Metadata_")]
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=keys, write_statistics=keys)


def main(inputs: Mapping[str, Any], outputs: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
    """Write the annotated and normalized cells of one plate, and the features that were dropped.

    Parameters
    ----------
    inputs
        Paths of `cells` (the single-cell table) and `profiles` (annotated profiles with all features); and,
        or None: `selected` (profiles with the features to keep), `flags` (flagged sites that are left out),
        `cell_flags` (flagged cells).
    outputs
        Paths of `cells` (Parquet) and `dropped` (CSV).
    parameters
        `plate`, `method`, `reference`, `column` and `negcon` (how controls
        are marked), `exclude_features`, `unwanted`, `exclude_flagged_cells`.

    Raises
    ------
    InputError
        If no reference well has cells, or no feature can be normalized.
    """
    plate = parameters["plate"]
    profiles = read_profiles(inputs["profiles"])
    chosen = find_reference_wells(profiles, parameters)
    wells = describe_wells(profiles)
    excluded = read_excluded_sites(inputs["flags"]) if inputs["flags"] else set()
    leaves_out_flagged = inputs["cell_flags"] and parameters["exclude_flagged_cells"]
    with pq.ParquetFile(inputs["cells"]) as file:
        names = file.schema_arrow.names
        features = choose_features(
            names, parameters["exclude_features"], parameters["unwanted"], inputs["selected"]
        )
        codes = read_codes(file, profiles["Metadata_Well"].tolist())
        flagged = read_flagged_cells(inputs["cell_flags"], file) if leaves_out_flagged else None
        kept = find_kept_cells(file, excluded, flagged)
        kept = np.ones(len(codes), dtype=bool) if kept is None else kept
        in_reference = kept & chosen.to_numpy()[codes]
        scaling = get_scaling(file, features, in_reference, parameters["method"])
        if not scaling.features:
            raise InputError(
                f"Plate {plate}: every feature is constant over the {in_reference.sum()} reference cells "
                f"({join_names(set(scaling.dropped.values()), 3)}), so none can be normalized. Give the "
                "plate more reference wells (plate map, controls.negcon), or set normalized_cells.reference "
                "to all."
            )
        position = find_position_columns(names)
        has_flags = inputs["cell_flags"] and not leaves_out_flagged
        flag_names = read_flag_names(inputs["cell_flags"]) if has_flags else None
        more = [*OF_CELL, *position, *([FLAGS] if flag_names is not None else [])]
        schema = get_schema(wells, more, scaling.features)
        settings = ("method", "reference", "exclude_flagged_cells")
        made_by = get_provenance(
            {
                **{name: parameters[name] for name in settings},
                "reference_wells": int(chosen.sum()),
                "reference_cells": int(in_reference.sum()),
            },
            [path for path in inputs.values() if path],
        )
        schema = schema.with_metadata(get_provenance_metadata(made_by))
        columns = list(dict.fromkeys([*KEYS, *position.values(), *scaling.features]))
        with write_whole(outputs["cells"]) as part, open_writer(part, schema) as writer:
            for well, rows, cells in iterate_wells(file, codes, kept, columns):
                for name, column in position.items():
                    cells = cells.append_column(name, cells[column])
                flags = None if flag_names is None else flag_names[rows]
                table = build_table(cells, wells.iloc[well], flags, scaling, schema)
                writer.write_table(table, row_group_size=len(table))
    with write_whole(outputs["dropped"]) as part:
        pd.DataFrame(scaling.dropped.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    logger.info(
        "plate %s: %d cells with %d features, normalized to %d cells of %d wells; %d features dropped",
        plate,
        kept.sum(),
        len(scaling.features),
        in_reference.sum(),
        chosen.sum(),
        len(scaling.dropped),
    )


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        settings = ("plate", "method", "reference", "column", "negcon", "exclude_flagged_cells")
        main(
            {
                name: snakemake.input[name] or None
                for name in ("cells", "profiles", "selected", "flags", "cell_flags")
            },
            {name: snakemake.output[name] for name in ("cells", "dropped")},
            {
                **{name: snakemake.params[name] for name in settings},
                "exclude_features": list(snakemake.params.exclude_features),
                "unwanted": list(snakemake.params.unwanted),
            },
        )
