"""Flag the cells of a plate that quality control rules find, and count them per well and site.

`lib.cell_rules` says what a rule is. Only the features of the rules are read, one at a time, and the flags
are written one row group at a time.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cell_quality import get_z, is_beyond
from lib.cell_rules import WELL, Rule, find_columns, get_rules
from lib.cells import KEYS, use_threads
from lib.logs import log_to
from lib.sites import get_site_order
from lib.tables import get_provenance, get_provenance_metadata, write_whole
from lib.wells import get_well_order

logger = logging.getLogger("platewise")

ROWS = 8192
SITE = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
FLAGGED = "flagged"


def flag_cells(file: pq.ParquetFile, rules: Sequence[Rule], path: str | Path) -> pd.DataFrame:
    """Return which cells of a single-cell table each rule flags.

    Parameters
    ----------
    file
        The open table.
    rules
        The rules.
    path
        Its path, for messages.

    Returns
    -------
    One row per cell in the order of the table, one boolean column per rule.

    Raises
    ------
    InputError
        If the table lacks a feature of a rule.
    """
    names = file.schema_arrow.names
    conditions = {rule.name: find_columns(rule, names, path) for rule in rules}
    wells = None
    if any(rule.over == WELL for rule in rules):
        wells = file.read(columns=["Metadata_Well"])["Metadata_Well"].combine_chunks()
        wells = wells.dictionary_encode().indices.to_numpy()
    found = {}
    for rule in rules:
        flagged = np.ones(file.metadata.num_rows, dtype=bool)
        for column, threshold in conditions[rule.name].items():
            values = file.read(columns=[column])[column].to_numpy().astype(float)
            z = get_z(values, rule.z, wells if rule.over == WELL else None)
            if len(z) and np.isnan(z).all():
                logger.warning(
                    "rule %s: %s has no value or no spread, so that no cell is flagged", rule.name, column
                )
            flagged &= is_beyond(z, threshold)
        found[rule.name] = flagged
    return pd.DataFrame(found, index=range(file.metadata.num_rows))


def count_flags(cells: pd.DataFrame, sites: pd.DataFrame, rules: Sequence[str]) -> pd.DataFrame:
    """Count the cells, those that are flagged, and those that each rule flags, per well and site.

    `sites` has the keys of every site, so that sites without cells are counted, too.
    """
    counts = cells.groupby(SITE).agg(
        cells=(FLAGGED, "size"), flagged=(FLAGGED, "sum"), **{name: (name, "sum") for name in rules}
    )
    counts = counts.reindex(pd.MultiIndex.from_frame(sites[SITE]), fill_value=0).reset_index()
    keys = zip(
        counts["Metadata_Well"].map(get_well_order), counts["Metadata_Site"].map(get_site_order), strict=True
    )
    order = [at for at, _ in sorted(enumerate(keys), key=lambda row: row[1])]
    return counts.iloc[order].astype(dict.fromkeys(("cells", FLAGGED, *rules), int))


def main(
    cells: str | Path,
    image: str | Path,
    outputs: Mapping[str, str],
    settings: Mapping[str, Any],
    plate: str,
) -> None:
    """Write the flags of one plate's cells, and their counts per well and site.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it (Parquet).
    outputs
        Paths of `flags` (Parquet, one row per cell) and `counts` (CSV).
    settings
        The config's block `cell_quality`.
    plate
        For messages.
    """
    rules = get_rules(settings)
    names = [rule.name for rule in rules]
    made_by = get_provenance({"cell_quality": dict(settings)}, [cells])
    with pq.ParquetFile(cells) as file:
        flags = flag_cells(file, rules, cells)
        flags.insert(0, FLAGGED, flags.any(axis=1))
        keys = file.read(columns=list(KEYS))
    table = keys
    for name in flags:
        table = table.append_column(name, pa.array(flags[name].to_numpy(bool)))
    with write_whole(outputs["flags"]) as part:
        pq.write_table(
            table.replace_schema_metadata(get_provenance_metadata(made_by)), part, row_group_size=ROWS
        )
    sites = pq.read_table(image, columns=SITE).to_pandas()
    of_sites = pd.concat([keys.select(SITE).to_pandas(), flags], axis=1)
    with write_whole(outputs["counts"]) as part:
        count_flags(of_sites, sites, names).to_csv(part, index=False)
    logger.info(
        "plate %s: %d of %d cells are flagged (%s)",
        plate,
        int(flags[FLAGGED].sum()),
        len(flags),
        ", ".join(f"{name}: {int(flags[name].sum())}" for name in names),
    )


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        main(
            snakemake.input.cells,
            snakemake.input.image,
            {name: snakemake.output[name] for name in ("flags", "counts")},
            dict(snakemake.params.settings),
            snakemake.wildcards.plate,
        )
