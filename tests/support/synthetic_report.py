"""An experiment of many plates for the report: finished profiles and pictures, drawn, not computed.

    python tests/support/synthetic_report.py FOLDER PLATES     writes results and report/report.html

Every plate has what a whole run leaves: profiles with their provenance, flags, heat maps and montages. The
pictures are grainy, so that they are no smaller than real ones.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

from lib.config import complete_config  # noqa: E402
from lib.experiment import Experiment  # noqa: E402
from lib.levels import LEVELS  # noqa: E402
from lib.tables import write_profiles  # noqa: E402
from lib.targets import get_manifest  # noqa: E402

CHANNELS = ("Mito", "AGP", "RNA", "ER", "DNA")
PICTURES = ("heatmaps", "illumination", "montage_composite", *(f"montage_{name}" for name in CHANNELS))
FIGURES = (
    "replicate_null",
    "replicate_correlations",
    "profile_maps",
    "changed_features",
    "position_effects",
)
WELLS = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
FLAGS = 40
PERTURBATIONS = 306


def drawn(path: Path, generator: np.random.Generator, size: tuple[int, int]) -> None:
    """A grainy picture of structures of several sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        np.kron(generator.integers(0, 90, (size[1] // s + 1, size[0] // s + 1, 3)), np.ones((s, s, 1)))
        for s in (1, 8, 40)
    ]
    picture = sum(layer[: size[1], : size[0]] for layer in layers)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)


def provenance(level: str) -> dict[str, Any]:
    """What the file of a level says of itself."""
    parameters: dict[str, Any] = {"operation": "mean"}
    if LEVELS[level].step == "normalize":
        parameters = {"method": "mad_robustize", "to": "negcon", "over": "plate", "reference_wells": 64}
    if LEVELS[level].step == "feature_select":
        select = {"correlation": 0.9, "freq_cut": 0.05, "na_cutoff": 0.05, "unique_cut": 0.1}
        over = LEVELS[level].scope
        parameters = {"feature_select": {**select, "blocklist": True, "reference": "negcon"}, "over": over}
    inputs = {f"made_of_{level}.parquet": "0" * 64, "map.txt": "1" * 64}
    libraries = {"numpy": "2", "pandas": "3"}
    return {"workflow": "platewise 0", "parameters": parameters, "libraries": libraries, "inputs": inputs}


def write_results(
    folder: Path, plates: int, conditions: int = 12, pixels: tuple[int, int] = (900, 700)
) -> dict[str, Any]:
    """Write the results of an experiment; gives the options of the report's rule."""
    generator = np.random.default_rng(1)
    config = complete_config(
        {
            "results": str(folder),
            "plates": "plates.tsv",
            "assay": {
                "channels": [{"name": n, "image": str(i)} for i, n in enumerate(CHANNELS)],
                "nuclei": {"channel": "DNA"},
                "cells": {"channel": "RNA"},
            },
        },
        "config.yaml",
    )
    rows = [
        {
            "batch": "B",
            "plate": f"BR{i:05d}",
            "plate_map": "map.txt",
            "perturbation": "compound",
            "cell_line": f"line{i % conditions}",
            "timepoint": "48",
            "images": "images",
        }
        for i in range(plates)
    ]
    experiment = Experiment(config, folder / "config.yaml", tuple(rows), tuple(rows))
    for plate in rows:
        for level in experiment.get_levels(plate):
            profiles = pd.DataFrame(
                {
                    "Metadata_Well": WELLS,
                    "Metadata_Count_Cells": 900,
                    "Metadata_Count_Sites": 9,
                    "Cells_A": 0.5,
                }
            )
            path = folder / experiment.get_profiles(plate, level)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_profiles(profiles, path, provenance(level))
        quality = folder / "workspace" / "quality_control" / "B" / plate["plate"]
        for name in PICTURES:
            drawn(quality / "pictures" / f"{name}.png", generator, pixels)
        drawn(quality / "pictures" / "segmentation" / "montage.png", generator, pixels)
        flags = {
            "Metadata_Plate": plate["plate"],
            "Metadata_Well": generator.choice(WELLS, FLAGS),
            "Metadata_Site": generator.integers(1, 10, FLAGS),
            "flag": generator.choice(["out_of_focus", "debris", "saturated"], FLAGS),
            "value": generator.normal(size=FLAGS),
            "limit": 5,
            "excluded": False,
            "reason": "PowerLogLogSlope lies below the plate's median in 5 of 5 channels",
        }
        pd.DataFrame(flags).to_csv(quality / "flags.csv", index=False)
    feature_set = config["benchmark"]["feature_sets"][0]
    names = {f"compound_line{i}_48": f"line{i}" for i in range(conditions)}
    for name in names:
        for figure in FIGURES:
            drawn(folder / f"benchmark/figures/{feature_set}/{name}/{figure}.png", generator, pixels)
        of_each = folder / f"benchmark/percent_replicating/{feature_set}/{name}_perturbations.parquet"
        of_each.parent.mkdir(parents=True, exist_ok=True)
        table = {
            "perturbation": [f"BRD-{i:08d}" for i in range(PERTURBATIONS)],
            "median_correlation": generator.normal(size=PERTURBATIONS),
            "replicating": True,
        }
        write_profiles(pd.DataFrame(table), of_each, {"parameters": {"draws": 10_000, "seed": 1}})
    scores = pd.DataFrame(
        {
            "perturbation": "compound",
            "cell_line": list(names.values()),
            "timepoint": "48",
            "feature_set": feature_set,
            "percent_replicating": generator.uniform(0, 100, conditions),
        }
    )
    scores.to_csv(folder / "benchmark" / "percent_replicating.csv", index=False)
    return {
        "title": f"{plates} plates",
        "config": config,
        "manifest": get_manifest(experiment),
        "sheet": "plates.tsv",
        "captions": str(PROJECT / "rules" / "captions"),
        "cellprofiler": "CellProfiler 4.2.8.1",
        "accelerated": True,
        "draft": False,
    }


def write_report(folder: Path, options: dict[str, Any]) -> Path:
    """The report of such results."""
    import report

    page, digests = (str(folder / "report" / name) for name in ("report.html", "input_digests.csv"))
    report.main(options, page, digests, str(folder / "report" / "history"))
    return folder / "report" / "report.html"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(write_report(target, write_results(target, int(sys.argv[2]), pixels=(1800, 1200))))
