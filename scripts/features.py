"""Find and measure the cells of a chunk of a plate's sites with CellProfiler.

The plate's image table is cut into chunks of rows; CellProfiler's -f/-l keep the row as ImageNumber,
so that chunks of a plate never collide. So does the runner (run_cellprofiler.py), which does the same
without CellProfiler's command line and writes Arrow tables instead of CSV. A chunk appears whole or not
at all: the done-file says `Complete`, the Image table holds each of its sites once, and each object table
holds the objects that the Image table counted.

Standard library only, Python 3.8, with the command line: it also runs in CellProfiler's container.
"""

import csv
import json
from collections import Counter
from pathlib import Path

from lib.cellprofiler import CellProfiler, logged_to, options_of_a_run, with_functions
from lib.chunk_tables import image_rows, object_counts, table_of
from lib.errors import InputError, listed
from lib.files import whole_folder

MANIFEST = "sites.json"


def chunk_rows(rows, chunk, chunks):
    """First and last row (from 1, both included) of chunk `chunk` (from 0) of `chunks`, or None.

    Chunks are contiguous and differ by one row at most; None where a chunk gets no row because
    there are more chunks than rows.
    """
    if not 0 <= chunk < chunks:
        raise ValueError(f"chunk {chunk} is not one of {chunks}")
    first, end = rows * chunk // chunks, rows * (chunk + 1) // chunks
    return (first + 1, end) if end > first else None


def read_sites(load_data):
    """The sites of a plate's image table in its order, as {image_number, well, site}."""
    with Path(load_data).open(newline="") as file:
        table = csv.DictReader(file)
        missing = {"Metadata_Well", "Metadata_Site"} - set(table.fieldnames or [])
        if missing:
            raise InputError(f"{load_data} has no column {listed(sorted(missing))}.")
        return [
            {"image_number": number, "well": row["Metadata_Well"], "site": row["Metadata_Site"]}
            for number, row in enumerate(table, start=1)
        ]


def same_site(left, right):
    """Whether two site names are one: CellProfiler writes `01` as `1`."""
    return left == right or (left.isdigit() and right.isdigit() and int(left) == int(right))


def check_images(table, sites, plate):
    """The rows of the Image table by ImageNumber, after making sure that it holds each site once."""
    if not table.exists():
        raise InputError(f"Plate {plate}: the analysis pipeline wrote no {table.name}.")
    rows = image_rows(table)
    numbers = Counter(row["ImageNumber"] for row in rows)
    found = {int(row["ImageNumber"]): row for row in rows}
    expected = {site["image_number"]: site for site in sites}
    named = {number: f"{site['well']} site {site['site']}" for number, site in expected.items()}
    missing = [named[number] for number in expected if number not in found]
    twice = [named.get(int(number), number) for number, times in numbers.items() if times > 1]
    foreign = [number for number in found if number not in expected]
    wrong = [
        named[number]
        for number, row in found.items()
        if number in expected
        and not (
            row["Metadata_Well"] == expected[number]["well"]
            and same_site(row["Metadata_Site"], expected[number]["site"])
        )
    ]
    problems = [
        f"{what}: {listed(which)}"
        for what, which in (
            ("missing", missing),
            ("more than once", twice),
            ("ImageNumber of no site of this chunk", foreign),
            ("another well or site under its ImageNumber", wrong),
        )
        if which
    ]
    if problems:
        raise InputError(f"Plate {plate}: {table.name} is not whole; {'; '.join(problems)}.")
    return found


def check_objects(table, images, plate):
    """The number of objects in an object table, after comparing it with what the Image table counted."""
    if not table.exists():
        raise InputError(
            f"Plate {plate}: the analysis pipeline wrote no {table.name}; it must export the objects "
            f"{table.stem} under that name."
        )
    try:
        objects = object_counts(table)
    except InputError as error:
        raise InputError(f"Plate {plate}: {error}") from error
    foreign = sorted(set(objects) - set(images))
    if foreign:
        raise InputError(
            f"Plate {plate}: {table.name} holds ImageNumber {listed(foreign)}, which is not in the Image "
            "table."
        )
    counted = f"Count_{table.stem}"
    expected = {number: int(float(row[counted])) for number, row in images.items() if counted in row}
    wrong = [
        f"{images[number]['Metadata_Well']} site {images[number]['Metadata_Site']} "
        f"({objects[number]} of {count})"
        for number, count in expected.items()
        if count != objects[number]
    ]
    if wrong:
        raise InputError(f"Plate {plate}: {table.name} is not whole: {listed(wrong)}.")
    return sum(objects.values())


def replaceable(output):
    """Make sure that a chunk's folder can be written: there is none, an empty one, or an older chunk."""
    if output.exists() and any(output.iterdir()) and not (output / MANIFEST).exists():
        raise InputError(f"{output} is not a chunk of this workflow; move it away.")


def main(arguments, log):
    """Run one chunk in a folder beside the output, check its tables, put it in place."""
    output = Path(arguments.output).resolve()
    replaceable(output)
    sites = read_sites(arguments.load_data)
    rows = chunk_rows(len(sites), arguments.chunk, arguments.chunks)
    mine = sites[rows[0] - 1 : rows[1]] if rows else []
    objects = dict.fromkeys(arguments.objects, 0)
    with whole_folder(output) as part:
        if rows:
            about = (
                f"Plate {arguments.plate}, chunk {arguments.chunk} of {arguments.chunks} (rows "
                f"{rows[0]}-{rows[1]}, {mine[0]['well']} site {mine[0]['site']} to "
                f"{mine[-1]['well']} site {mine[-1]['site']})"
            )
            with with_functions(arguments.load_data, arguments.functions) as load_data:
                CellProfiler.of(arguments).run(load_data, part, log, about, rows)
            images = check_images(table_of(part, "Image"), mine, arguments.plate)
            for name in arguments.objects:
                objects[name] = check_objects(table_of(part, name), images, arguments.plate)
        else:
            log.write(f"Plate {arguments.plate} has {len(sites)} sites: none for this chunk.\n")
        manifest = {
            "plate": arguments.plate,
            "chunk": arguments.chunk,
            "chunks": arguments.chunks,
            "rows": rows,
            "objects": objects,
            "sites": mine,
        }
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def command_line():
    """The script's options."""
    parser = options_of_a_run(__doc__)
    parser.add_argument("--functions", help="where the illumination functions lie, if not where that says")
    parser.add_argument("--plate", required=True)
    parser.add_argument("--objects", required=True, nargs="+", help="the tables to expect")
    parser.add_argument("--chunk", required=True, type=int, help="from 0")
    parser.add_argument("--chunks", required=True, type=int)
    return parser


if __name__ == "__main__":
    options = command_line().parse_args()
    with logged_to(options.log) as log_file:
        main(options, log_file)
