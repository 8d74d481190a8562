"""Join the compartments of a plate's sites into cells: one object of every compartment per cell.

`single_cells.py` says what belongs together; here a batch of sites is read, paired and put side by side.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from lib.cell_pairs import Objects, find_linking_compartment, pair_objects, refuse_lost_children
from lib.cellprofiler_output import Folder, Site
from lib.cells import KEYS
from lib.errors import join_names
from lib.object_tables import Block, SiteError, Table, is_identifier, is_measurement

logger = logging.getLogger("platewise")

# Number of rows that are joined at once: enough for speed, few enough to be held as lines of text.
BATCH = 1024


@dataclass
class SiteRows:
    """A site with its rows from each table."""

    site: Site
    tables: dict[str, Table]
    blocks: dict[str, Block]


class Joiner:
    """Joins the compartments of a plate's sites into tables with the same columns."""

    def __init__(
        self, plate: str, compartments: Sequence[str], sites: Sequence[Site], same_number: bool = False
    ):
        self.plate, self.compartments = plate, compartments
        # Whether the objects of a cell have one number (see `pair_objects`).
        self.same_number = same_number
        # Sites whose tables differ from those of most sites are bad sites.
        self.columns: dict[str, list[str]] = {}
        for name in compartments:
            headers = [site.folder.headers.get(name, []) for site in sites]
            usual = Counter(frozenset(columns) for columns in headers if columns).most_common(1)
            if usual:
                self.columns[name] = next(c for c in headers if frozenset(c) == usual[0][0])
        self.linker = find_linking_compartment(self.columns) if self.columns else compartments[0]
        self.main = (
            "Cells"
            if "Cells" in compartments
            else ("Nuclei" if "Nuclei" in compartments else compartments[0])
        )
        self.measured = {
            name: [
                column
                for column in columns
                if column not in ("ImageNumber", "ObjectNumber") and is_measurement(column)
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
            count_note = f", and the Image table counts {join_names(counted)}" if counted else ""
            raise SiteError(f"there is no table {join_names(lacking)}{count_note}")
        faults = []
        for name, columns in site.folder.headers.items():
            file = site.folder.tables[name]
            if not columns:
                empty = file.stat().st_size == 0
                faults.append(f"{file.name} {'is empty (0 bytes)' if empty else 'cannot be read'}")
                continue
            fewer = sorted(set(self.columns[name]) - set(columns))
            more = sorted(set(columns) - set(self.columns[name]))
            if fewer:
                faults.append(f"{file.name} lacks the columns {join_names(fewer, 5)}")
            if more:
                faults.append(f"{file.name} has columns that other sites lack: {join_names(more, 5)}")
            if not {"ImageNumber", "ObjectNumber"} <= set(columns):
                faults.append(f"{file.name} has no ImageNumber and ObjectNumber")
        if faults:
            raise SiteError("; ".join(faults))
        if site.folder.path not in self.open:
            self.open[site.folder.path] = {
                name: Table(site.folder.tables[name], site.folder.headers[name]) for name in self.compartments
            }
        return self.open[site.folder.path]

    def take(self, site: Site) -> SiteRows | None:
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
        return SiteRows(site, tables, blocks)

    def objects(self, tables: Mapping[str, pa.Table]) -> Objects:
        """Return the object numbers, parents and children of all rows of some sites."""
        others = [name for name in tables if name != self.linker]
        count = f"Children_{self.linker}_Count"
        return Objects(
            {name: convert_to_integers(table["ObjectNumber"]) for name, table in tables.items()},
            {name: convert_to_integers(tables[self.linker][f"Parent_{name}"]) for name in others},
            {
                name: convert_to_integers(tables[name][count])
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
        positions, alone = pair_objects(objects.numbers, self.linker, objects.parents, self.same_number)
        order = np.argsort(objects.numbers[self.main][positions[self.main]])
        site.cells, site.unpaired = len(order), sum(len(numbers) for numbers in alone.values())
        for name, numbers in alone.items():
            if numbers:
                logger.warning("%s: %s without a partner: %s", site, name, join_names(numbers, 1000))
        return {name: at[order] for name, at in positions.items()}

    def join(self, batch: Sequence[SiteRows]) -> Iterator[pa.Table]:
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


def convert_to_integers(numbers: pa.ChunkedArray) -> np.ndarray:
    """Return object numbers as integers, with 0 for a missing one, as in CellProfiler."""
    return np.nan_to_num(numbers.to_numpy(), nan=0).astype(np.int64)


# --- the plate ----------------------------------------------------------------------------------
