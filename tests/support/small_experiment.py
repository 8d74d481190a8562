"""A small experiment that starts with CellProfiler's tables: three plates of random cells, without images.

    python tests/support/small_experiment.py FOLDER     writes FOLDER/config.yaml and what it names

It passes every rule after CellProfiler, up to the benchmark, in about a minute, and gives the same bytes each
time. It is for tests that run an experiment several times.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import yaml

PLATES = ("P1", "P2", "P3")
WELLS = [f"{row}{column:02d}" for row in "ABCD" for column in range(1, 5)]
CONTROLS = 6
TREATMENTS = 5
SITES, CELLS, FEATURES = 2, 12, 8


def treatment(position: int) -> str:
    """Return the content of the well at `position` of the plate; the first six are negative controls."""
    return "DMSO" if position < CONTROLS else f"T{(position - CONTROLS) % TREATMENTS}"


def write_rows(path: Path, rows: list[list[object]], delimiter: str = ",") -> None:
    """Write a table whose first row is its header."""
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def write_tables(folder: Path, plate: str, generator: np.random.Generator) -> None:
    """Write CellProfiler's tables of one plate, one folder per site."""
    effects = np.random.default_rng(0).normal(size=(TREATMENTS, 3 * FEATURES))
    names = [f"Intensity_F{number}" for number in range(FEATURES)]
    for position, well in enumerate(WELLS):
        effect = 0 if position < CONTROLS else effects[(position - CONTROLS) % TREATMENTS]
        for site in range(1, SITES + 1):
            values = generator.normal(size=(CELLS, 3 * FEATURES)) + effect
            of_site = folder / plate / f"{well}-{site}"
            of_site.mkdir(parents=True)
            counts = {f"Count_{name}": CELLS for name in ("Cells", "Cytoplasm", "Nuclei")}
            image = {"ImageNumber": 1, "Metadata_Plate": plate, "Metadata_Well": well, "Metadata_Site": site}
            image |= counts
            write_rows(of_site / "Image.csv", [list(image), list(image.values())])
            for number, name in enumerate(counts):
                compartment = name.removeprefix("Count_")
                parents = ["Parent_Cells", "Parent_Nuclei"] if compartment == "Cytoplasm" else []
                header = ["ImageNumber", "ObjectNumber", *parents, *names]
                measured = values[:, number * FEATURES : (number + 1) * FEATURES].round(6).tolist()
                rows = [[1, cell] + [cell] * len(parents) + row for cell, row in enumerate(measured, start=1)]
                write_rows(of_site / f"{compartment}.csv", [header, *rows])


def write_experiment(folder: Path) -> Path:
    """Write the experiment into a new folder; return its config file."""
    generator = np.random.default_rng(1)
    for plate in PLATES:
        write_tables(folder / "tables", plate, generator)
    layout = [[well, treatment(position)] for position, well in enumerate(WELLS)]
    write_rows(folder / "plate_map.txt", [["well_position", "broad_sample"], *layout], "\t")
    known = [["broad_sample", "gene", "control_type"], ["DMSO", "", "negcon"]]
    known += [[f"T{number}", f"G{number}", ""] for number in range(TREATMENTS)]
    write_rows(folder / "reagents.tsv", known, "\t")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "cellprofiler"]
    sheet = [["B", plate, "plate_map.txt", "compound", "U2OS", "48", f"tables/{plate}"] for plate in PLATES]
    write_rows(folder / "plates.tsv", [columns, *sheet], "\t")
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "annotation": {"compound": {"table": "reagents.tsv"}},
        "benchmark": {"draws": 500},
        # Importing umap takes longer than everything else in the figures.
        "report": {"umap": False},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def results(folder: Path) -> dict[str, bytes]:
    """Return the tables of a finished experiment by their path: they must not depend on how it was run."""
    root = folder / "results"
    files = [file for part in ("workspace", "benchmark") for file in (root / part).rglob("*")]
    kept = (".parquet", ".csv")
    return {str(file.relative_to(root)): file.read_bytes() for file in files if file.suffix in kept}


if __name__ == "__main__":
    write_experiment(Path(sys.argv[1]))
