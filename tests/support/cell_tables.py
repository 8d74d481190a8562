"""CellProfiler's tables of a site, written by hand, and the step that joins them."""

import csv
import io

import polars as pl

import single_cells
from lib.cellprofiler_output import find_chunk_folders, find_published_folders

ALL = ("Cells", "Cytoplasm", "Nuclei")


def write(path, columns, rows):
    """Write one CSV table the way CellProfiler does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    path.write_text(text.getvalue())


def image(folder, rows, columns=("ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site")):
    write(folder / "Image.csv", columns, rows)


def objects(folder, cells, cytoplasm, nuclei):
    """Write object tables; `cells`, ... are rows of ImageNumber, ObjectNumber, a feature, the parents."""
    keys = ("ImageNumber", "ObjectNumber", "AreaShape_Area")
    write(folder / "Cells.csv", (*keys, "Parent_Nuclei"), cells)
    write(folder / "Cytoplasm.csv", (*keys, "Parent_Cells", "Parent_Nuclei"), cytoplasm)
    write(folder / "Nuclei.csv", (*keys, "Children_Cytoplasm_Count"), nuclei)


def site(folder, number, cells, well="A01", name=1, plate="P"):
    """Write the tables of a site with `cells` cells, whose areas identify image, cell and compartment."""
    image(folder, [(number, plate, well, name)])
    rows = [(number, i, 1000 * number + i) for i in range(1, cells + 1)]
    objects(
        folder,
        [(*row, row[1]) for row in rows],
        [(n, i, area + 100, i, i) for n, i, area in rows],
        [(n, i, area + 200, 1) for n, i, area in rows],
    )


def join(folders, out, *, compartments=ALL, site_pattern=None, bad_sites="error", plate="P"):
    """Run the step; return the cells, the sites, and the path of the cells."""
    outputs = {
        "cells": str(out / "cells.parquet"),
        "image": str(out / "image.parquet"),
        "sites": str(out / "sites.csv"),
    }
    parameters = {
        "batch": "B",
        "plate": plate,
        "compartments": list(compartments),
        "site_pattern": site_pattern,
        "bad_sites": bad_sites,
    }
    find = find_chunk_folders if isinstance(folders, list) else find_published_folders
    single_cells.main(find(folders, compartments), outputs, parameters)
    return pl.read_parquet(outputs["cells"]), pl.read_csv(outputs["sites"])
