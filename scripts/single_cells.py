"""Join a plate's CellProfiler tables into one Parquet file of cells, site by site.

CellProfiler writes one table per compartment. Its parent columns say which nucleus, cell and cytoplasm
belong together (`Cytoplasm_Parent_Cells` and `_Parent_Nuclei`, without a cytoplasm
`Cells_Parent_Nuclei`). A cell of the joined table has exactly one object of every compartment. Objects
without a partner (a nucleus at the border whose cell was filtered away) are left out, counted in the
table of sites and named in the log. An object with two partners, or a truncated table, makes its site
a bad one.

At most a few sites and one row group of the plate are in memory. Rows are ordered by ImageNumber
and ObjectNumber and row groups are cut at fixed counts, so that the same objects give the same bytes
however they were divided into chunks.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cell_joining import BATCH, Joiner, SiteRows
from lib.cellprofiler_output import (
    Folder,
    Site,
    find_chunk_folders,
    find_compartments,
    find_published_folders,
    read_sites,
)
from lib.cells import KEYS, use_threads
from lib.errors import InputError, number_of
from lib.logs import log_to
from lib.object_tables import SiteError
from lib.tables import get_provenance, get_provenance_metadata, write_whole

logger = logging.getLogger("platewise")

# Large row groups keep the file's footer small: it holds one entry per column and row group.
ROWS = 8192


def all_cells(joiner: Joiner, sites: Sequence[Site]) -> Iterator[pa.Table]:
    """Yield the plate's cells, some sites at a time. Errors of a site are noted in `site.problem`."""
    left = Counter(site.folder.path for site in sites)
    batch: list[SiteRows] = []
    rows = 0
    for site in sites:
        if batch and (site.folder is not batch[0].site.folder or rows >= BATCH):
            yield from joiner.join(batch)
            batch, rows = [], 0
        left[site.folder.path] -= 1
        try:
            taken = None if site.problem else joiner.take(site)
            if not left[site.folder.path]:
                joiner.close(site.folder)
        except SiteError as error:
            site.problem = str(error)
            continue
        if taken:
            batch.append(taken)
            rows += max(len(block) for block in taken.blocks.values())
    if batch:
        yield from joiner.join(batch)


def regroup_rows(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Regroup tables of any length into tables of `ROWS` rows (the last one may be shorter)."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        while rows >= ROWS:
            whole_group = pa.concat_tables(waiting)
            yield whole_group[:ROWS]
            waiting, rows = [whole_group[ROWS:]], rows - ROWS
    if rows:
        yield pa.concat_tables(waiting)


def write_cells(
    tables: Iterable[pa.Table], schema: pa.Schema, path: Path, made_by: Mapping[str, Any]
) -> None:
    """Write the cells to Parquet, one row group at a time, with a digest of what was read.

    Parameters
    ----------
    tables
        The cells, in tables of any length.
    schema
        The columns of the tables and their types.
    path
        The file to write.
    made_by
        The provenance, to which the digest is added.
    """
    content = hashlib.sha256()
    # float32 measurements hardly compress (zstd 3 %, lz4 2 % on published cells), and lz4 reads faster.
    writer = pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=list(KEYS[:3]),
        write_statistics=list(KEYS),
        # A stored Arrow schema would hide the metadata that is added below.
        store_schema=False,
    )
    with writer:
        for table in regroup_rows(tables):
            for column in table.columns[len(KEYS) - 2 :]:
                content.update(column.to_numpy().tobytes())
            writer.write_table(table, row_group_size=ROWS)
        inputs = {**made_by["inputs"], "objects": content.hexdigest()}
        writer.add_key_value_metadata(get_provenance_metadata({**made_by, "inputs": inputs}))


def make_image_table(plate: str, sites: Sequence[Site]) -> pl.DataFrame:
    """Return the Image table of the sites: keys, then texts, then numbers (NaN as missing)."""
    keys = {
        "Metadata_Plate": [plate] * len(sites),
        "Metadata_Well": [site.well for site in sites],
        "Metadata_Site": [site.site for site in sites],
        "Metadata_ImageNumber": [site.number for site in sites],
    }
    texts = list(dict.fromkeys(name for site in sites for name in site.texts if name not in keys))
    measures = [
        name
        for name in dict.fromkeys(name for names in {s.measures: 0 for s in sites} for name in names)
        if name not in texts
    ]
    position = {name: at for at, name in enumerate(measures)}
    values = np.full((len(sites), len(measures)), np.nan)
    for row, site in enumerate(sites):
        for name, value in zip(site.measures, site.values, strict=True):
            if name in position:
                values[row, position[name]] = value
            else:
                site.texts[name] = str(value)
    columns = {name: [site.texts.get(name) or None for site in sites] for name in texts}
    types = dict.fromkeys((*list(keys)[:3], *texts), pl.String)
    return pl.DataFrame({**keys, **columns}, schema={**dict.fromkeys(keys, pl.Int64), **types}).hstack(
        pl.DataFrame(values, schema=measures, orient="row").fill_nan(None)
    )


def make_site_table(sites: Iterable[Site]) -> pl.DataFrame:
    """Return one row per site: its place, number of cells, unpaired objects and outcome."""
    return pl.DataFrame(
        [
            {
                "Metadata_Well": site.well,
                "Metadata_Site": site.site,
                "Metadata_ImageNumber": site.number,
                "cells": site.cells,
                "unpaired_objects": site.unpaired,
                "status": f"dropped: {site.problem}"
                if site.problem
                else ("ok" if site.cells else "no cells"),
            }
            for site in sites
        ]
    )


def refuse(plate: str, bad: Sequence[Site]) -> None:
    """Raise an `InputError` that lists the bad sites."""
    rows = "\n".join(f"  {site}: {site.folder.path}: {site.problem}." for site in bad[:20])
    more = f"\n  and {len(bad) - 20} more, in the log" if len(bad) > 20 else ""
    have = "has" if len(bad) == 1 else "have"
    raise InputError(
        f"{number_of(len(bad), 'site')} of plate {plate} {have} tables that cannot be used:\n{rows}{more}\n"
        "Run CellProfiler again for them (or fetch the tables again), or set `bad_sites: drop` to go on "
        "without these sites; they are then listed in the table of sites."
    )


def main(
    folders: Sequence[Folder],
    outputs: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> None:
    """Join the compartment tables of one plate.

    Args:
        folders: where the tables are, from `find_chunk_folders` or `find_published_folders`.
        outputs: paths of `cells` and `image` (Parquet) and `sites` (csv).
        parameters: `plate`, `batch`, `compartments`, `site_pattern` (or None), `bad_sites` (`error`
            or `drop`), and, if there are any, `labeled` (the objects that come from label images).

    Raises:
        InputError: if a site's tables cannot be used and `bad_sites` is `error`, or if the plate has no
            Image table.
    """
    plate = parameters["plate"]
    sites = read_sites(folders, plate, parameters["site_pattern"])
    joiner = Joiner(plate, parameters["compartments"], sites, bool(parameters.get("labeled")))
    made_by = get_provenance(parameters, [])
    with write_whole(outputs["cells"]) as cells, write_whole(outputs["image"]) as image:
        write_cells(all_cells(joiner, sites), joiner.schema, cells, made_by)
        bad = [site for site in sites if site.problem]
        for site in bad:
            logger.warning("%s: %s: %s", site, site.folder.path, site.problem)
        if bad and parameters["bad_sites"] == "error":
            refuse(plate, bad)
        kept = [site for site in sites if not site.problem]
        table = make_image_table(plate, kept).to_arrow()
        metadata = get_provenance_metadata(made_by)
        pq.write_table(table.replace_schema_metadata(metadata), image, compression="zstd")
        with write_whole(outputs["sites"]) as path:
            make_site_table(sites).write_csv(path)
    logger.info(
        "plate %s: %d cells in %d sites, %d sites dropped, %d objects in no cell",
        plate,
        sum(site.cells for site in sites),
        len(kept),
        len(bad),
        sum(site.unpaired for site in sites),
    )


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        names = snakemake.params.compartments
        tables = snakemake.input.tables
        if snakemake.params.published:
            folders = find_published_folders(tables, names)
            names = find_compartments(folders, names) if snakemake.params.usual else names
        else:
            folders = find_chunk_folders([tables] if isinstance(tables, str) else tables, names)
        main(
            folders,
            {name: snakemake.output[name] for name in ("cells", "image", "sites")},
            {
                "batch": snakemake.params.batch,
                "plate": snakemake.params.plate,
                "compartments": list(names),
                "site_pattern": snakemake.params.image_pattern,
                "bad_sites": snakemake.params.bad_sites,
                **({"labeled": list(snakemake.params.labeled)} if snakemake.params.labeled else {}),
            },
        )
