"""Join a plate's CellProfiler tables into one Parquet file of cells, site by site.

CellProfiler writes one table per compartment. Its parent columns say which nucleus, cell and cytoplasm
belong together (`Cytoplasm_Parent_Cells` and `_Parent_Nuclei`, without a cytoplasm
`Cells_Parent_Nuclei`). A cell of the joined table has exactly one object of every compartment. Objects
without a partner (a nucleus at the border whose cell was filtered away) are left out, counted in the
table of sites and named in the log; an object with two partners, or a table that breaks off, makes its
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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cell_pairs import Objects, linking_compartment, pair_objects, refuse_lost_children
from lib.cellprofiler_output import (
    Folder,
    Site,
    chunk_folders,
    compartments_at_hand,
    published_folders,
    read_sites,
)
from lib.cells import KEYS, use_threads
from lib.errors import InputError, listed, number_of
from lib.logs import logged
from lib.object_tables import REPEATED, Block, SiteError, Table, is_identifier
from lib.tables import provenance, provenance_metadata, whole

logger = logging.getLogger("platewise")

# Large row groups keep the file's footer small: it holds one entry per column and row group.
ROWS = 8192
# Number of rows that are joined at once: enough for speed, few enough to be held as lines of text.
BATCH = 1024


# --- joining ------------------------------------------------------------------------------------


@dataclass
class Taken:
    """A site with its rows from each table."""

    site: Site
    tables: dict[str, Table]
    blocks: dict[str, Block]


class Joiner:
    """Joins the compartments of a plate's sites into tables with the same columns."""

    def __init__(self, plate: str, compartments: Sequence[str], sites: Sequence[Site]):
        self.plate, self.compartments = plate, compartments
        # Sites whose tables differ from those of most sites are bad sites.
        self.columns: dict[str, list[str]] = {}
        for name in compartments:
            headers = [site.folder.headers.get(name, []) for site in sites]
            usual = Counter(frozenset(columns) for columns in headers if columns).most_common(1)
            if usual:
                self.columns[name] = next(c for c in headers if frozenset(c) == usual[0][0])
        self.linker = linking_compartment(self.columns) if self.columns else compartments[0]
        self.main = (
            "Cells"
            if "Cells" in compartments
            else ("Nuclei" if "Nuclei" in compartments else compartments[0])
        )
        self.measured = {
            name: [
                column
                for column in columns
                if column not in ("ImageNumber", "ObjectNumber") and not column.startswith(REPEATED)
            ]
            for name, columns in self.columns.items()
        }
        self.open: dict[Path, dict[str, Table]] = {}

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the joined table's columns: strings, object numbers as integers, features as float32."""
        keys = [pa.field(name, pa.int64() if name.endswith("Number") else pa.string()) for name in KEYS]
        return pa.schema(
            keys
            + [
                pa.field(f"{name}_{column}", pa.int32() if is_identifier(column) else pa.float32())
                for name in self.measured
                for column in self.measured[name]
            ]
        )

    def tables(self, site: Site) -> dict[str, Table] | None:
        """Return the open tables of a site's folder, or None if the site has no cells to read.

        Raises:
            SiteError: if tables are missing or empty, or if their columns differ from those of most sites.
        """
        counts = [site.counts.get(name) for name in self.compartments]
        if not any(counts) and (0 in counts or not site.folder.tables):
            return None
        lacking = [name for name in self.compartments if name not in site.folder.tables]
        if lacking:
            counted = [f"{site.counts[name]} {name}" for name in lacking if name in site.counts]
            told = f", and the Image table counts {listed(counted)}" if counted else ""
            raise SiteError(f"there is no table {listed(lacking)}{told}")
        wrong = []
        for name, columns in site.folder.headers.items():
            file = site.folder.tables[name]
            if not columns:
                empty = file.stat().st_size == 0
                wrong.append(f"{file.name} {'is empty (0 bytes)' if empty else 'cannot be read'}")
                continue
            fewer = sorted(set(self.columns[name]) - set(columns))
            more = sorted(set(columns) - set(self.columns[name]))
            if fewer:
                wrong.append(f"{file.name} lacks the columns {listed(fewer, 5)}")
            if more:
                wrong.append(f"{file.name} has columns that other sites lack: {listed(more, 5)}")
            if not {"ImageNumber", "ObjectNumber"} <= set(columns):
                wrong.append(f"{file.name} has no ImageNumber and ObjectNumber")
        if wrong:
            raise SiteError("; ".join(wrong))
        if site.folder.path not in self.open:
            self.open[site.folder.path] = {
                name: Table(site.folder.tables[name], site.folder.headers[name]) for name in self.compartments
            }
        return self.open[site.folder.path]

    def take(self, site: Site) -> Taken | None:
        """Take one site's rows from its tables. Return None if it has no cells.

        Raises:
            SiteError: if the tables are incomplete.
        """
        tables = self.tables(site)
        if tables is None:
            return None
        blocks = {name: table.take(site.own_number) for name, table in tables.items()}
        for name, block in blocks.items():
            if site.counts.get(name, len(block)) != len(block):
                raise SiteError(
                    f"{tables[name].file.name} has {len(block)} rows, and the Image table counts "
                    f"{site.counts[name]}"
                )
        return Taken(site, tables, blocks)

    def objects(self, tables: Mapping[str, pa.Table]) -> Objects:
        """Return the object numbers, parents and children of all rows of some sites."""
        others = [name for name in tables if name != self.linker]
        count = f"Children_{self.linker}_Count"
        return Objects(
            {name: whole_numbers(table["ObjectNumber"]) for name, table in tables.items()},
            {name: whole_numbers(tables[self.linker][f"Parent_{name}"]) for name in others},
            {
                name: whole_numbers(tables[name][count])
                for name in others
                if count in tables[name].column_names
            },
        )

    def pair(self, site: Site, objects: Objects) -> dict[str, np.ndarray]:
        """Return the positions of one site's cells in each compartment, ordered by object number.

        Raises:
            SiteError: if its tables do not match.
        """
        refuse_lost_children(objects, self.linker)
        positions, alone = pair_objects(objects.numbers, self.linker, objects.parents)
        order = np.argsort(objects.numbers[self.main][positions[self.main]])
        site.cells, site.unpaired = len(order), sum(len(numbers) for numbers in alone.values())
        for name, numbers in alone.items():
            if numbers:
                logger.warning("%s: %s without a partner: %s", site, name, listed(numbers, 1000))
        return {name: at[order] for name, at in positions.items()}

    def join(self, batch: Sequence[Taken]) -> Iterator[pa.Table]:
        """Yield the cells of some sites of one folder as one table, site by site in order.

        A site whose tables do not match contributes no cells, and `site.problem` gives the reason.
        """
        try:
            tables = {
                name: table.objects([taken.blocks[name] for taken in batch])
                for name, table in batch[0].tables.items()
            }
        except SiteError as error:
            if len(batch) == 1:
                batch[0].site.problem = str(error)
            else:
                for taken in batch:
                    yield from self.join([taken])
            return
        everything = self.objects(tables)
        start = dict.fromkeys(tables, 0)
        rows: dict[str, list[np.ndarray]] = {name: [] for name in tables}
        for taken in batch:
            own = {name: slice(start[name], start[name] + len(block)) for name, block in taken.blocks.items()}
            try:
                found = self.pair(
                    taken.site,
                    Objects(
                        {name: numbers[own[name]] for name, numbers in everything.numbers.items()},
                        {name: parents[own[self.linker]] for name, parents in everything.parents.items()},
                        {name: children[own[name]] for name, children in everything.children.items()},
                    ),
                )
                for name, positions in found.items():
                    rows[name].append(start[name] + positions)
            except SiteError as error:
                taken.site.problem = str(error)
            start = {name: part.stop for name, part in own.items()}
        at = {name: np.concatenate([*parts, np.array([], dtype=int)]) for name, parts in rows.items()}
        if len(at[self.main]):
            sites = [taken.site for taken in batch if not taken.site.problem]
            columns = self.keys(sites, everything.numbers[self.main][at[self.main]])
            for name, table in tables.items():
                columns += self.measurements(name, table, at[name])
            columns = [
                column if column.type == field.type else column.cast(field.type)
                for column, field in zip(columns, self.schema, strict=True)
            ]
            yield pa.Table.from_arrays(columns, schema=self.schema)

    def measurements(self, name: str, table: pa.Table, rows: np.ndarray) -> list[pa.ChunkedArray]:
        """Return the measurements in some rows of a compartment's table."""
        table = table.select(self.measured[name])
        return (table if np.array_equal(rows, np.arange(len(table))) else table.take(rows)).columns

    def keys(self, sites: Sequence[Site], numbers: np.ndarray) -> list[pa.Array]:
        """Return the key columns of the cells of some sites; `numbers` are their object numbers."""
        of_cell = np.repeat(np.arange(len(sites)), [site.cells for site in sites])
        values = [
            [self.plate] * len(sites),
            [site.well for site in sites],
            [site.site for site in sites],
            [site.number for site in sites],
        ]
        return [*(pa.array(value).take(pa.array(of_cell)) for value in values), pa.array(numbers)]

    def close(self, folder: Folder) -> None:
        """Close a folder's tables after its last site. Raise a `SiteError` if objects are left over."""
        for table in self.open.pop(folder.path, {}).values():
            if not table.broken:
                table.refuse_stray()


def whole_numbers(numbers: pa.ChunkedArray) -> np.ndarray:
    """Return object numbers as integers, with 0 for a missing one, as in CellProfiler."""
    return np.nan_to_num(numbers.to_numpy(), nan=0).astype(np.int64)


# --- the plate ----------------------------------------------------------------------------------


def all_cells(joiner: Joiner, sites: Sequence[Site]) -> Iterator[pa.Table]:
    """Yield the plate's cells, some sites at a time. Errors of a site are noted in `site.problem`."""
    left = Counter(site.folder.path for site in sites)
    batch: list[Taken] = []
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


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
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
    """Write the cells to Parquet, one row group at a time, with a digest of what was read."""
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
        for table in row_groups(tables):
            for column in table.columns[len(KEYS) - 2 :]:
                content.update(column.to_numpy().tobytes())
            writer.write_table(table, row_group_size=ROWS)
        inputs = {**made_by["inputs"], "objects": content.hexdigest()}
        writer.add_key_value_metadata(provenance_metadata({**made_by, "inputs": inputs}))


def image_table(plate: str, sites: Sequence[Site]) -> pl.DataFrame:
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


def site_table(sites: Iterable[Site]) -> pl.DataFrame:
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
    shown = "\n".join(f"  {site}: {site.folder.path}: {site.problem}." for site in bad[:20])
    more = f"\n  and {len(bad) - 20} more, in the log" if len(bad) > 20 else ""
    have = "has" if len(bad) == 1 else "have"
    raise InputError(
        f"{number_of(len(bad), 'site')} of plate {plate} {have} tables that cannot be used:\n{shown}{more}\n"
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
        folders: where the tables are, from `chunk_folders` or `published_folders`.
        outputs: paths of `cells` and `image` (Parquet) and `sites` (csv).
        parameters: `plate`, `batch`, `compartments`, `site_pattern` (or None), `bad_sites` (`error`
            or `drop`).

    Raises:
        InputError: if a site's tables cannot be used and `bad_sites` is `error`, or if the plate has no
            Image table.
    """
    plate = parameters["plate"]
    sites = read_sites(folders, plate, parameters["site_pattern"])
    joiner = Joiner(plate, parameters["compartments"], sites)
    made_by = provenance(parameters, [])
    with whole(outputs["cells"]) as cells, whole(outputs["image"]) as image:
        write_cells(all_cells(joiner, sites), joiner.schema, cells, made_by)
        bad = [site for site in sites if site.problem]
        for site in bad:
            logger.warning("%s: %s: %s", site, site.folder.path, site.problem)
        if bad and parameters["bad_sites"] == "error":
            refuse(plate, bad)
        kept = [site for site in sites if not site.problem]
        table = image_table(plate, kept).to_arrow()
        metadata = provenance_metadata(made_by)
        pq.write_table(table.replace_schema_metadata(metadata), image, compression="zstd")
        with whole(outputs["sites"]) as path:
            site_table(sites).write_csv(path)
    logger.info(
        "plate %s: %d cells in %d sites, %d sites dropped, %d objects in no cell",
        plate,
        sum(site.cells for site in sites),
        len(kept),
        len(bad),
        sum(site.unpaired for site in sites),
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        use_threads(snakemake.threads)
        names = snakemake.params.compartments
        tables = snakemake.input.tables
        if snakemake.params.published:
            folders = published_folders(tables, names)
            names = compartments_at_hand(folders, names) if snakemake.params.usual else names
        else:
            folders = chunk_folders([tables] if isinstance(tables, str) else tables, names)
        main(
            folders,
            {name: snakemake.output[name] for name in ("cells", "image", "sites")},
            {
                "batch": snakemake.params.batch,
                "plate": snakemake.params.plate,
                "compartments": list(names),
                "site_pattern": snakemake.params.image_pattern,
                "bad_sites": snakemake.params.bad_sites,
            },
        )
