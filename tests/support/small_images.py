"""A small experiment that starts with images: one plate of six wells with one simulated site each.

The plate's barcode is a number that begins with zeros.

CellProfiler takes about ten seconds for it in one chunk. It is for tests of CellProfiler's stages.
"""

from pathlib import Path

import yaml

import simulate
from small_experiment import write_rows

WELLS = {"B02": "NEG", "B03": "NEG", "B04": "NEG", "B05": "NEG", "C02": "TREATED", "C03": "TREATED"}
CHANNELS = {"AGP": "2", "RNA": "3", "DNA": "5"}
PLATE = "0012"
WELL_PROFILES = f"workspace/profiles/B/{PLATE}/{PLATE}.parquet"


def write_experiment(folder: Path) -> Path:
    """Write the experiment and its simulated images into a new folder; return its config file."""
    folder.mkdir(parents=True)
    layout = [[well, sample] for well, sample in WELLS.items()]
    write_rows(folder / "plate_map.txt", [["well_position", "broad_sample"], *layout], "\t")
    known = [["broad_sample", "gene", "pert_type", "control_type"]]
    known += [["NEG", "", "control", "negcon"], ["TREATED", "G", "trt", ""]]
    write_rows(folder / "reagents.tsv", known, "\t")
    names = list(simulate.PARAMETERS)
    effects = [["NEG", "", "none"] + [1.0] * len(names), ["TREATED", "G", "strong"] + [1.5] * len(names)]
    write_rows(folder / "effects.tsv", [["broad_sample", "gene", "effect", *names], *effects], "\t")
    simulate.main(
        plate={"batch": "B", "plate": PLATE, "perturbation": "compound"},
        plate_map=folder / "plate_map.txt",
        annotation=folder / "reagents.tsv",
        effects=folder / "effects.tsv",
        images=folder / "images" / PLATE,
        truth=folder / "truth.csv",
        seed=1,
        size=160,
        fields=1,
    )
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", PLATE, "plate_map.txt", "compound", "SIM", "48", f"images/{PLATE}"]
    write_rows(folder / "plates.tsv", [columns, row], "\t")
    return write_config(folder)


def write_config(folder: Path, results: str = "results", **cellprofiler: object) -> Path:
    """Write a config of the experiment in `folder` with a separate results folder."""
    config = {
        "results": results,
        "plates": "plates.tsv",
        "images": {"pattern": "phenix"},
        "cellprofiler": {"chunks": 1, **cellprofiler},
        "assay": {
            "channels": [{"name": name, "image": image} for name, image in CHANNELS.items()],
            "nuclei": {
                "channel": "DNA",
                "diameter": [8, 40],
                "threshold": {"smoothing": 1},
                "declump": {"smoothing": 4, "minimum_distance": 5},
            },
            "cells": {"channel": "RNA"},
            "measurements": {
                "granularity": {"spectrum": 4},
                "neighbors": {"nuclei": [1], "cells": ["Adjacent"]},
                "texture": {"scales": [3], "images": False},
            },
        },
        "annotation": {"compound": {"table": "reagents.tsv"}},
        "benchmark": {"draws": 100},
        "report": {"umap": False},
    }
    path = folder / f"{results}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
