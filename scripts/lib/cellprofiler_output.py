"""Find what CellProfiler wrote for a plate: its tables, and which sites they hold.

The tables are in the chunks of the features stage, or anywhere below a folder of published CellProfiler
output: `Image` and one table per compartment, as Arrow, Parquet, CSV or compressed CSV.
`lib.object_tables` reads the objects.
"""

import csv
import logging
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError, join_names
from lib.image_table_columns import get_well_of_row, use_usual_names
from lib.object_tables import COLUMNAR, UNREADABLE, SiteError, open_text, read_header
from lib.sites import get_site_name, get_site_order
from lib.wells import get_well_name, get_well_order

logger = logging.getLogger("platewise")

ENDINGS = (".arrow", ".parquet", ".csv", ".csv.gz")
PREFIXED = r"(?P<prefix>.+[_-])(?i:image)\.(arrow|parquet|csv|csv\.gz)"
FOLDER_NAME = re.compile(r"^(?:(?P<plate>.+)-)?(?P<well>[A-Za-z]{1,2}\d{1,3})-(?P<site>\d+)$")
# Columns of the Image table that describe the run (when, where), not the images.
OF_THE_RUN = ("ExecutionTime_", "PathName_", "URL_", "ModuleError_", "ProcessingStatus")
TEXT = ("Metadata_", "FileName_", "MD5Digest_")
NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}
REMEDY = "Run CellProfiler again for it, or remove it."


@dataclass
class Folder:
    """A folder that CellProfiler wrote: its Image table, and one table per compartment, if present."""

    path: Path
    image: Path | None
    tables: dict[str, Path]
    headers: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Site:
    """One image set. `own_number` is its ImageNumber in its folder, `number` the one in the plate.

    Its row of the Image table is kept as `texts` and, in little memory, as `values` of the columns
    `measures`. `problem` is the reason why its tables cannot be used.
    """

    folder: Folder
    well: str
    site: str
    own_number: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    values: Sequence[float] = ()
    counts: dict[str, int] = field(default_factory=dict)
    number: int | None = None
    cells: int = 0
    unpaired: int = 0
    problem: str = ""

    def __str__(self) -> str:
        return f"well {self.well}, site {self.site}"


# --- finding the tables -------------------------------------------------------------------------


def find_table_file(folder: Path, name: str) -> Path | None:
    """Return the file of table `name` (with its prefix) in `folder`, in upper or lower case.

    Raises an InputError if the table is present in two formats.
    """
    found = [folder / f"{name}{ending}" for ending in ENDINGS if (folder / f"{name}{ending}").is_file()]
    if not found:
        wanted = {f"{name}{ending}".lower() for ending in ENDINGS}
        found = [path for path in find_table_files(folder) if path.name.lower() in wanted]
    if len(found) > 1:
        raise InputError(f"{join_names(found)} are the same table twice: keep one of them.")
    return found[0] if found else None


@lru_cache(maxsize=4)
def find_table_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder that may be tables, ordered by name; without a Macintosh's hidden ones."""
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.name.lower().endswith(ENDINGS) and not path.name.startswith(".")
    )


def read_folder(path: Path, compartments: Sequence[str], prefix: str = "") -> Folder | None:
    """Return what CellProfiler wrote into a folder, if anything; `My_Image.csv` has the prefix `My_`."""
    image = find_table_file(path, f"{prefix}Image")
    tables = {name: file for name in compartments if (file := find_table_file(path, f"{prefix}{name}"))}
    if not image and not tables:
        return None
    folder = Folder(path / prefix.rstrip("_-") if prefix else path, image, tables)
    for name, file in tables.items():
        folder.headers[name] = read_header(file)
        separators = {"semicolons": ";", "tabs": "\t"}
        others = [
            what for what, separator in separators.items() if separator in "".join(folder.headers[name])
        ]
        if len(folder.headers[name]) == 1 and others:
            raise InputError(
                f"{file} is separated by {others[0]}. CellProfiler's tables are separated by commas, with "
                "decimal points: save it in that format."
            )
        twice = [column for column, times in Counter(folder.headers[name]).items() if times > 1]
        if twice:
            raise InputError(f"{file} has the columns {join_names(twice)} twice.")
    return folder


def find_chunk_folders(chunks: Iterable[str | Path], compartments: Sequence[str]) -> list[Folder]:
    """Return the tables of the features stage; a chunk without a measurable site has none."""
    return [folder for path in chunks if (folder := read_folder(Path(path), compartments))]


def find_published_folders(root: str | Path, compartments: Sequence[str]) -> list[Folder]:
    """Return the tables of published CellProfiler output, in `root` itself or in any folder below it."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: the column `cellprofiler` names a folder of tables.")
    paths = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    folders = find_chunk_folders(paths, compartments)
    for path in paths:
        named = (re.fullmatch(PREFIXED, file.name) for file in find_table_files(path))
        prefixes = dict.fromkeys(match["prefix"] for match in named if match)
        folders += [read_folder(path, compartments, prefix) for prefix in prefixes]
    if not folders:
        names = join_names(f"{name}.csv" for name in ("Image", *compartments))
        databases = [path.name for path in sorted(root.rglob("*")) if path.suffix in (".sqlite", ".db")]
        raise InputError(
            f"{root} holds no CellProfiler table ({names}, with or without a prefix, or .csv.gz, .parquet)."
            + (f" Databases are not read: {join_names(databases, 3)}." if databases else "")
        )
    return folders


def find_compartments(folders: Sequence[Folder], compartments: Sequence[str]) -> list[str]:
    """Return the usual compartments that published tables hold: an assay need not have all of them.

    A compartment that only one site lacks is not left out.
    """
    found = [name for name in compartments if any(name in folder.tables for folder in folders)]
    refuse_other_names([name for name in compartments if name not in found], folders)
    if lacking := [name for name in compartments if name not in found]:
        logger.warning(
            "there are no tables of %s: only %s are joined", join_names(lacking), join_names(found)
        )
    return found or list(compartments)


def refuse_other_names(lacking: Sequence[str], folders: Sequence[Folder]) -> None:
    """Raise an InputError if tables of missing objects are present under another name.

    Examples are `Cells_Cellpose3.csv` and `FilteredNuclei.csv`: without the check, other objects would be
    taken for the cells.
    """
    places = {folder.path if folder.path.is_dir() else folder.path.parent for folder in folders[:20]}
    others: dict[str, str] = {}
    for path in (path for place in sorted(places) for path in find_table_files(place)):
        stem = re.sub(r"\.(arrow|parquet|csv|csv\.gz)$", "", path.name, flags=re.IGNORECASE)
        words = {word.lower().rstrip("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", stem)}
        meant = next((name for name in lacking if name.lower().rstrip("s") in words), None)
        if meant and {"ImageNumber", "ObjectNumber"} <= set(read_header(path)):
            others.setdefault(stem, meant)
    if others:
        there = [
            name
            for name in ("Cells", "Cytoplasm", "Nuclei")
            if name not in lacking and any(name in folder.tables for folder in folders)
        ]
        raise InputError(
            f"{sorted(places)[0]} has no table of {join_names(dict.fromkeys(others.values()))}, but one of "
            f"{join_names(others)}. Name the objects that make up a cell in the config, as "
            f"`single_cells: {{compartments: [{', '.join([*there, *others])}]}}`, or rename the tables."
        )


# --- sites --------------------------------------------------------------------------------------


def read_image_rows(folder: Folder) -> list[dict[str, str | float]]:
    """Return the rows of a folder's Image table: text, and numbers where the table holds numbers.

    Raises
    ------
    SiteError
        If the table is missing, truncated or without rows.
    """
    file = folder.image
    if file is None:
        raise SiteError("there is no Image table")
    try:
        if file.suffix in COLUMNAR:
            rows = read_columnar_image_rows(file)
        else:
            with open_text(file) as lines:
                names, *values = [row for row in csv.reader(lines) if any(row)] or [[]]
            if any(len(value) != len(names) for value in values):
                raise SiteError(f"{file.name} is cut off: a row lacks some of its {len(names)} values")
            rows = [dict(zip(use_usual_names(names), value, strict=True)) for value in values]
    except (*UNREADABLE, UnicodeDecodeError, csv.Error, pl.exceptions.PolarsError) as error:
        raise SiteError(f"{file.name} cannot be read ({error})") from error
    if not rows:
        raise SiteError(f"{file.name} has no row")
    if any(not float(number(row.get("ImageNumber", "")) or 0.5).is_integer() for row in rows):
        raise SiteError(f"{file.name} (separated by commas?) has no whole ImageNumber in each row")
    return rows


def read_columnar_image_rows(file: Path) -> list[dict[str, str | float]]:
    """Return the rows of an Arrow or Parquet Image table, with metadata and non-numbers as text."""
    with pa.OSFile(str(file)) as source:
        read = pa.ipc.open_file(source).read_all() if file.suffix == ".arrow" else pq.read_table(source)
    table = pl.DataFrame(pl.from_arrow(read))
    table.columns = use_usual_names(table.columns)
    columns = [
        column.cast(pl.Float64).fill_null(float("nan"))
        if column.dtype.is_numeric() and not column.name.startswith(TEXT)
        else column.cast(pl.String).fill_null("")
        for column in table
    ]
    return pl.DataFrame(columns).to_dicts()


def number(text: str | float) -> float | None:
    """Return `text` as a number, NaN if it is missing, or None if it is not a number."""
    if isinstance(text, float):
        return text
    try:
        return float(text or "nan")
    except ValueError:
        return None


def is_same_plate(written: str, plate: str) -> bool:
    """Return whether a table names this plate: CellProfiler's LoadData writes the barcode 007 as 7."""
    return written == plate or (number(written) is not None and number(written) == number(plate))


def place(
    folder: Folder, row: Mapping[str, str | float], plate: str, site_pattern: str | None
) -> tuple[str, str]:
    """Return well and site of an image set.

    The pattern, if given, is searched in the file names and the folder's name. Otherwise, Metadata_Well (or
    _Row and _Column) and Metadata_Site (or _Field) are used, then a folder name such as `BR00121431-A01-1` or
    `A01-1`, then a well alone.

    Parameters
    ----------
    folder
        The folder of the tables.
    row
        The image set's row of the Image table.
    plate
        The plate's name.
    site_pattern
        A regular expression with the groups `well` and `site`, or None.

    Returns
    -------
    tuple[str, str]
        Well (`A01`) and site (without leading zeros).

    Raises
    ------
    InputError
        If well and site cannot be determined, or if the plate is a different one.
    """
    where = folder.image or folder.path
    number = row.get("ImageNumber", "?")
    found: Mapping[str, str | None] = {}
    if site_pattern:
        names = [value for name, value in sorted(row.items()) if name.startswith("FileName_")]
        matches = (re.search(site_pattern, name) for name in (*names, folder.path.name))
        match = next((match for match in matches if match), None)
        if match is None:
            raise InputError(
                f"{where}, ImageNumber {number}: site_pattern `{site_pattern}` finds neither a file "
                f"name ({join_names(names, 4) or 'none given'}) nor the folder {folder.path.name}."
            )
        found = match.groupdict()
    elif (well := get_well_of_row(row)) and (site := row.get("Metadata_Site") or row.get("Metadata_Field")):
        found = {"plate": row.get("Metadata_Plate"), "well": well, "site": site}
    elif match := FOLDER_NAME.match(folder.path.name):
        found = match.groupdict()
    elif well:
        # One site per well; two would be a duplicate.
        found = {"well": well, "site": "1"}
    if not found.get("well") or not found.get("site"):
        raise InputError(
            f"{where}, ImageNumber {number}, of plate {plate}: nothing says which well and site it is. "
            "Metadata_Well and Metadata_Site are missing, and the folder is not named "
            "{plate}-{well}-{site}. Give `site_pattern`, a regular expression with the groups well "
            r"and site for the image file names, such as `_(?P<well>[A-P]\d\d)f(?P<site>\d\d)`."
        )
    named = found.get("plate") or row.get("Metadata_Plate") or plate
    if not is_same_plate(named, plate):
        raise InputError(
            f"{where}, ImageNumber {number}, belongs to plate {named}, and the sample sheet names this "
            f"plate {plate}: correct the row's `plate` or its folder."
        )
    try:
        return get_well_name(found["well"]), get_site_name(found["site"])
    except InputError as error:
        raise InputError(f"{where}, ImageNumber {number}: {error}") from error


def read_site(folder: Folder, row: Mapping[str, str | float], plate: str, site_pattern: str | None) -> Site:
    """Create a site from its row of the Image table.

    Parameters
    ----------
    folder : the folder of tables that lists the site.
    row : the site's row of the Image table.
    plate : the plate's name, for messages.
    site_pattern : the expression that finds well and site in a file name, where no column holds them.
    """
    well, site = place(folder, row, plate, site_pattern)
    kept = {name: text for name, text in row.items() if not name.startswith(OF_THE_RUN)}
    numbers = {name: number(text) for name, text in kept.items() if not name.startswith(TEXT)}
    numbers = {name: value for name, value in numbers.items() if value is not None}
    names = tuple(numbers)
    return Site(
        folder,
        well,
        site,
        own_number=int(numbers.pop("ImageNumber")),
        texts={name: text for name, text in kept.items() if name not in names},
        # The sites of a plate share one copy of their column names.
        measures=NAMES.setdefault(tuple(numbers), tuple(numbers)),
        values=array("d", numbers.values()),
        counts={
            name.removeprefix("Count_"): int(value)
            for name, value in numbers.items()
            if name.startswith("Count_") and value == value
        },
    )


def read_sites(folders: Sequence[Folder], plate: str, site_pattern: str | None) -> list[Site]:
    """Return every site of the plate, ordered by ImageNumber.

    ImageNumber stays as CellProfiler assigned it if it is unique in the plate. Published output that counts
    from 1 in each folder is renumbered by well and site. A site whose Image table cannot be read is
    identified by its folder's name and comes last.
    """
    sites, others = [], set()
    for folder in folders:
        try:
            rows = read_image_rows(folder)
        except SiteError as error:
            match = FOLDER_NAME.match(folder.path.name)
            if match is None or match["plate"] not in (None, plate):
                raise InputError(f"{folder.path}, of plate {plate}: {error}. {REMEDY}") from error
            well, site = get_well_name(match["well"]), get_site_name(match["site"])
            sites.append(Site(folder, well, site, problem=str(error)))
        else:
            sites += [read_site(folder, row, plate, site_pattern) for row in rows]
            others.update(str(row["Metadata_Plate"]) for row in rows if row.get("Metadata_Plate"))
    if others := others - {plate}:
        logger.info("plate %s is called %s in CellProfiler's tables", plate, join_names(sorted(others)))
    twice = [pair for pair, times in Counter((s.well, s.site) for s in sites).items() if times > 1]
    if twice:
        where = [str(site.folder.path) for site in sites if (site.well, site.site) == twice[0]]
        raise InputError(
            f"Plate {plate} has these sites twice: {join_names(f'{w} site {s}' for w, s in twice)}; "
            f"the first in {join_names(where)}. Keep one of them."
        )
    sites.sort(key=lambda site: (get_well_order(site.well), get_site_order(site.site)))
    numbers = [site.own_number for site in sites if site.own_number is not None]
    unique = len(set(numbers)) == len(numbers)
    if not unique:
        logger.info("ImageNumber is not unique in plate %s: renumbered by well and site", plate)
    for order, site in enumerate(sites, start=1):
        site.number = site.own_number if unique else order
    return sorted(sites, key=lambda site: (site.number is None, site.number or 0))
