"""Find and measure the cells of a chunk of a plate's sites with CellProfiler.

CellProfiler numbers the sites of the plate's image table, in the order of its groups, and -f/-l choose a
chunk's numbers, so that the ImageNumbers of two chunks never collide. So does the runner
(run_cellprofiler.py), which does the same without CellProfiler's command line and writes Arrow tables instead
of CSV. A chunk appears complete or not at all: the done-file is `Complete`, the Image table holds each of its
ImageNumbers once, each with a different site of the plate, and each object table holds the objects that the
Image table counted.

The script uses only Python 3.8 and its standard library, since it also runs in CellProfiler's container.
"""

import csv
import json
import math
from collections import Counter
from pathlib import Path

from lib.cellprofiler import CellProfiler, add_folders, define_run_options, write_table_with_functions
from lib.cellprofiler_logs import open_log
from lib.chunk_tables import count_objects, get_table_file, read_image_rows
from lib.errors import InputError, join_names
from lib.files import write_whole_folder
from lib.sites import get_site_name

MANIFEST = "sites.json"


def get_chunk_rows(rows, chunk, chunks):
    """Return first and last row (from 1, both included) of chunk `chunk` (from 0) of `chunks`, or None.

    Chunks are contiguous and differ by one row at most; None if a chunk gets no row because
    there are more chunks than rows.
    """
    if not 0 <= chunk < chunks:
        raise ValueError(f"chunk {chunk} is not one of {chunks}")
    first, end = rows * chunk // chunks, rows * (chunk + 1) // chunks
    return (first + 1, end) if end > first else None


def read_sites(load_data):
    """Return the sites of a plate's image table, in its order, as (well, site)."""
    with Path(load_data).open(newline="") as file:
        table = csv.DictReader(file)
        missing = {"Metadata_Well", "Metadata_Site"} - set(table.fieldnames or [])
        if missing:
            raise InputError(f"{load_data} has no column {join_names(sorted(missing))}.")
        return [(row["Metadata_Well"], get_site_name(row["Metadata_Site"])) for row in table]


def check_images(table, rows, sites, plate):
    """Read a chunk's Image table, and check that it is complete.

    The ImageNumbers must be `rows`, each once. CellProfiler numbers the sites in the order of its groups,
    which is the order of the TEXT of their metadata (site 10 before 2, row AA before B). CellProfiler thus
    determines which sites are in the chunk, and the Image table shows it. Each must be a site of the plate
    and occur once. All chunks of a plate see the same table and the same groups, so that together they hold
    each site once.

    Parameters
    ----------
    table
        The Image table's file.
    rows
        First and last ImageNumber of the chunk.
    sites
        The sites of the plate, as (well, site).
    plate
        The plate's name, for messages.

    Returns
    -------
    dict
        The rows by ImageNumber.

    Raises
    ------
    InputError
        If the table is missing or incomplete.
    """
    if not table.exists():
        raise InputError(f"Plate {plate}: the analysis pipeline wrote no {table.name}.")
    images = read_image_rows(table)
    lacking = [name for name in ("Metadata_Well", "Metadata_Site") if any(name not in row for row in images)]
    if lacking:
        raise InputError(
            f"Plate {plate}: {table.name} has no column {join_names(lacking)}. ExportToSpreadsheet must "
            "export the metadata of the images."
        )
    found = {int(row["ImageNumber"]): row for row in images}
    place = {number: place_of(row) for number, row in found.items()}
    known = set(sites)
    expected = range(rows[0], rows[1] + 1)
    in_order = all(number <= len(sites) and sites[number - 1] == place[number] for number in place)

    def named(number):
        of_table = sites[number - 1] if in_order and 0 < number <= len(sites) else None
        well, site = place.get(number) or of_table or (None, None)
        return f"{well} site {site}" if well else f"ImageNumber {number}"

    numbers = Counter(int(row["ImageNumber"]) for row in images)
    times = Counter(place[number] for number in found)
    problems = [
        f"{what}: {join_names(which)}"
        for what, which in (
            ("missing", [named(number) for number in expected if number not in found]),
            ("more than once", [named(number) for number, count in numbers.items() if count > 1]),
            ("ImageNumber of another chunk", [number for number in found if number not in expected]),
            ("sites that the image table lacks", [named(n) for n in found if place[n] not in known]),
            (
                "sites with several ImageNumbers",
                [f"{well} site {site}" for (well, site), count in times.items() if count > 1],
            ),
        )
        if which
    ]
    if problems:
        raise InputError(f"Plate {plate}: {table.name} is incomplete; {'; '.join(problems)}.")
    return found


def place_of(row):
    """Return well and site of a row of the Image table."""
    return row["Metadata_Well"], get_site_name(row["Metadata_Site"])


def check_objects(table, images, plate):
    """Return the number of objects in an object table, after comparing it with the Image table's count."""
    if not table.exists():
        raise InputError(
            f"Plate {plate}: the analysis pipeline wrote no {table.name}; it must export the objects "
            f"{table.stem} under that name."
        )
    try:
        objects = count_objects(table)
    except InputError as error:
        raise InputError(f"Plate {plate}: {error}") from error
    foreign = sorted(set(objects) - set(images))
    if foreign:
        raise InputError(
            f"Plate {plate}: {table.name} holds ImageNumber {join_names(foreign)}, which is not in the Image "
            "table."
        )
    counted = f"Count_{table.stem}"
    expected = {number: read_count(row[counted]) for number, row in images.items() if counted in row}
    faults = [
        f"{images[number]['Metadata_Well']} site {images[number]['Metadata_Site']} "
        f"({objects[number]} of {count})"
        for number, count in expected.items()
        if count != objects[number]
    ]
    if faults:
        raise InputError(f"Plate {plate}: {table.name} is incomplete: {join_names(faults)}.")
    return sum(objects.values())


def read_count(value):
    """Return a number of objects; 0 for the missing one of a site that FlagImage skips."""
    number = float(value) if value not in (None, "") else math.nan
    return 0 if math.isnan(number) else int(number)


def check_replaceable(output):
    """Check that a chunk's folder can be written: it is missing, empty, or holds an older chunk."""
    if output.exists() and any(output.iterdir()) and not (output / MANIFEST).exists():
        raise InputError(f"{output} is not a chunk of this workflow; move it away.")


def main(arguments, log):
    """Run one chunk in a folder beside the output, check its tables, and move it to the output."""
    output = Path(arguments.output).resolve()
    check_replaceable(output)
    sites = read_sites(arguments.load_data)
    rows = get_chunk_rows(len(sites), arguments.chunk, arguments.chunks)
    objects = dict.fromkeys(arguments.objects, 0)
    measured = []
    with write_whole_folder(output) as part:
        if rows:
            about = (
                f"Plate {arguments.plate}, chunk {arguments.chunk} of {arguments.chunks} (ImageNumber "
                f"{rows[0]} to {rows[1]} of {len(sites)} sites)"
            )
            with write_table_with_functions(
                arguments.load_data, arguments.functions, arguments.labels
            ) as load_data:
                CellProfiler.of(arguments).run(load_data, part, log, about, rows)
            images = check_images(get_table_file(part, "Image"), rows, sites, arguments.plate)
            places = [(number, *place_of(images[number])) for number in sorted(images)]
            measured = [{"image_number": number, "well": well, "site": site} for number, well, site in places]
            for name in arguments.objects:
                objects[name] = check_objects(get_table_file(part, name), images, arguments.plate)
        else:
            log.write(f"Plate {arguments.plate} has {len(sites)} sites: none for this chunk.\n")
        manifest = {
            "plate": arguments.plate,
            "chunk": arguments.chunk,
            "chunks": arguments.chunks,
            "rows": rows,
            "objects": objects,
            "sites": measured,
        }
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def define_options():
    """Define the script's options."""
    parser = define_run_options(__doc__)
    add_folders(parser)
    parser.add_argument("--plate", required=True)
    parser.add_argument("--objects", required=True, nargs="+", help="the tables to expect")
    parser.add_argument("--chunk", required=True, type=int, help="from 0")
    parser.add_argument("--chunks", required=True, type=int)
    return parser


if __name__ == "__main__":
    options = define_options().parse_args()
    with open_log(options.log) as log_file:
        main(options, log_file)
