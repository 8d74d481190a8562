"""An experiment of many plates for the report: finished profiles and pictures, which are simulated.

    python tests/support/synthetic_report.py FOLDER PLATES     writes results and report/report.html

Every plate has the results of a complete run: profiles with their provenance, flags, heat maps and montages.
The pictures are grainy, so that they are as large as real ones.
"""

import sys
from collections.abc import Sequence
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
from lib.manifest import get_manifest  # noqa: E402
from lib.places import place  # noqa: E402
from lib.tables import write_profiles  # noqa: E402
from lib.wells import get_plate_format, get_well_place  # noqa: E402

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


def drawn(path: Path, generator: np.random.Generator, size: tuple[int, int]) -> None:
    """Return a grainy picture with structures of several sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        np.kron(generator.integers(0, 90, (size[1] // s + 1, size[0] // s + 1, 3)), np.ones((s, s, 1)))
        for s in (1, 8, 40)
    ]
    picture = sum(layer[: size[1], : size[0]] for layer in layers)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)


def drawn_sheets(
    folder: Path, generator: np.random.Generator, side: int, wells: list[str], channels: tuple[str, ...]
) -> None:
    """Return the sheets of thumbnails of a plate, and the place of each well."""
    rows, columns = get_plate_format(wells)
    folder.mkdir(parents=True, exist_ok=True)
    example = min(72, 2 * side)
    for name in ("composite", *channels, "example_cells"):
        size = (example, 3 * example) if name == "example_cells" else (side, side)
        height, width = rows * size[0], columns * size[1]
        blobs = np.kron(generator.integers(0, 120, (height // 6 + 1, width // 6 + 1, 3)), np.ones((6, 6, 1)))
        grain = generator.integers(0, 60, (height, width, 1))
        pixels = blobs[:height, :width] + grain
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.webp", quality=82)
    at = [get_well_place(well) for well in wells]
    table = {
        "Metadata_Well": wells,
        "Metadata_Site": "1",
        "left": [(column - 1) * side for _, column in at],
        "top": [(row - 1) * side for row, _ in at],
        "width": side,
        "height": side,
        "side": side,
        "example_cells": 3,
        "example_side": example,
    }
    pd.DataFrame(table).to_csv(folder / "wells.csv", index=False)


def contents(wells: list[str]) -> pd.DataFrame:
    """Return the contents of the wells of a plate: every sixth is a negative control."""
    control = np.arange(len(wells)) % 6 == 0
    names = [f"BRD-{i:08d}" for i in range(len(wells))]
    return pd.DataFrame(
        {
            "Metadata_Well": wells,
            "Metadata_broad_sample": np.where(control, "DMSO", names),
            "Metadata_pert_iname": np.where(control, "DMSO", [f"compound {i}" for i in range(len(wells))]),
            "Metadata_gene": np.where(control, None, [f"GENE{i % 90}" for i in range(len(wells))]),
            "Metadata_control_type": np.where(control, "negcon", None),
            "Metadata_Count_Cells": np.arange(len(wells)) % 97 + 800,
            "Metadata_Count_Sites": 9,
        }
    )


def write_condition_tables(
    folder: Path,
    feature_set: str,
    name: str,
    plates: list[str],
    generator: np.random.Generator,
    wells: list[str],
) -> None:
    """Write the tables of a condition: its perturbations, null, maps, changed features and precision."""
    about = contents(wells)
    treated = about.loc[about["Metadata_control_type"].isna(), "Metadata_broad_sample"].tolist()
    correlation = np.sort(generator.normal(0.2, 0.2, len(treated)))[::-1]
    table = pd.DataFrame(
        {
            "perturbation": treated,
            "replicates": len(plates),
            "median_correlation": correlation,
            "threshold": 0.15,
            "replicating": correlation > 0.15,
            "p_value": 0.01,
            "q_value": 0.02,
        }
    )
    base = folder / "benchmark"
    scored = base / f"percent_replicating/{feature_set}"
    scored.mkdir(parents=True, exist_ok=True)
    write_profiles(
        table, scored / f"{name}_perturbations.parquet", {"parameters": {"draws": 10_000, "seed": 1}}
    )
    null = {
        "null": "standard",
        "wells": str(len(plates)),
        "median_correlation": generator.normal(0, 0.1, 2000),
    }
    write_profiles(pd.DataFrame(null), scored / f"{name}_null.parquet", {})
    figures = base / f"figures/{feature_set}/{name}"
    figures.mkdir(parents=True, exist_ok=True)
    every = [(plate, well) for plate in plates for well in wells]
    maps = pd.DataFrame(every, columns=["Metadata_Plate", "Metadata_Well"])
    for axis in ("PC1", "PC2", "PC3", "PC4", "UMAP1", "UMAP2"):
        maps[axis] = generator.normal(size=len(maps))
    maps.assign(PC1_share_of_variance=0.3, PC2_share_of_variance=0.1).to_csv(
        figures / "profile_maps.csv", index=False
    )
    groups = [(c, f, n) for c in ("Cells", "Nuclei") for f in ("Intensity", "Texture") for n in CHANNELS]
    changes = [
        (p, *group, 20, value)
        for p in treated
        for group, value in zip(groups, generator.gamma(2, 1, 20), strict=True)
    ]
    names = ["perturbation", "compartment", "family", "channel", "features", "median_absolute_z"]
    pd.DataFrame(changes, columns=names).to_csv(figures / "changed_features.csv", index=False)


def write_answers(
    folder: Path,
    feature_set: str,
    name: str,
    plates: list[str],
    generator: np.random.Generator,
    wells: list[str],
) -> None:
    """Write the tables of a condition's hits, clusters and dose-response curves."""
    about = contents(wells)
    treated = about.loc[about["Metadata_control_type"].isna()]
    names = treated["Metadata_broad_sample"].tolist()
    hits = pd.DataFrame({"feature_set": feature_set, "name": names, "wells": len(plates)})
    hits["plates"] = len(plates)
    hits["active"] = [number % 2 == 0 for number in range(len(names))]
    hits["active_rule"] = "q < 0.05 of the median replicate correlation"
    hits["toxic"] = False
    hits["cells"] = 900
    hits["cell_count_z"] = generator.normal(size=len(names)).round(3)
    for rank in (1, 2, 3):
        hits[f"strongest_{rank}"] = "Cells Texture ER down" if rank == 1 else "Nuclei AreaShape up"
        hits[f"strongest_{rank}_score"] = 30.0 / rank
        hits[f"neighbor_{rank}"] = [*names[rank:], *names[:rank]]
        hits[f"neighbor_{rank}_cosine"] = 0.9 / rank
        hits[f"neighbor_{rank}_annotation"] = "GENE1"
    hits["cluster"] = [1 + number % 2 for number in range(len(names))]
    clusters = pd.DataFrame({"feature_set": feature_set, "cluster": [1, 2], "class": ["GENE1", "GENE2"]})
    clusters = clusters.assign(q_value=[0.01, 0.5], members=["", ""])
    doses = pd.DataFrame(
        [(plate, well) for plate in plates for well in treated["Metadata_Well"]],
        columns=["Metadata_Plate", "Metadata_Well"],
    )
    doses.insert(0, "feature_set", feature_set)
    order = np.arange(len(doses)) % len(names)
    doses["compound"] = [f"compound series {number // 6}" for number in order]
    doses["dose"] = 0.1 * 3.0 ** (order % 6)
    doses["all_features"] = doses["dose"] + generator.normal(size=len(doses))
    doses["cell_count"] = 100 - doses["dose"]
    series = doses["compound"].drop_duplicates().to_list()
    curves = pd.DataFrame(
        [
            (feature_set, one, response, 1.0, 20.0, 3.0, 2.0, True, 2.5, 1.5, 4.0, None)
            for one in series
            for response in ("all features", "cell count")
        ],
        columns=[
            *("feature_set", "compound", "response", "bottom", "top", "ec50", "slope", "counts"),
            *("benchmark_dose", "benchmark_dose_low", "benchmark_dose_high", "message"),
        ],
    )
    compounds = pd.DataFrame({"feature_set": feature_set, "compound": series, "doses": 6, "unit": "uM"})
    compounds = compounds.assign(point_of_departure=2.5, most_sensitive="all features")
    known = {"feature_set": feature_set, "condition": name}
    tables = {"hits_of_condition": hits, "clusters_of_condition": clusters, "doses_of_condition": compounds}
    tables |= {"dose_curves": curves, "dose_wells": doses}
    for result, table in tables.items():
        path = folder / place(result, **known)
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)


def provenance(level: str) -> dict[str, Any]:
    """Return the provenance in the file of a level."""
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
    folder: Path,
    plates: int,
    conditions: int = 12,
    pixels: tuple[int, int] = (900, 700),
    features: int = 4,
    side: int = 12,
    wells: list[str] = WELLS,
    one_barcode: bool = False,
    feature_sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the results of an experiment; return the options of the report's rule.

    Parameters
    ----------
    folder
        The results folder.
    plates, conditions
        Their numbers.
    pixels
        Width and height of a picture.
    features
        Their number at each level.
    side
        Side length of a thumbnail, in pixels.
    wells
        The wells of each plate.
    one_barcode
        Whether all plates have one name, each in a batch of its own.
    feature_sets
        The feature sets of the benchmark; those of the default config if there are none.
    """
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
            **({"benchmark": {"feature_sets": list(feature_sets)}} if feature_sets else {}),
        },
        "config.yaml",
    )
    rows = [
        {
            "batch": f"B{i}" if one_barcode else "B",
            "plate": "BR00000" if one_barcode else f"BR{i:05d}",
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
            values = generator.normal(size=(len(wells), features)).astype(np.float32)
            names = [f"Cells_Intensity_Feature{i}_DNA" for i in range(features)]
            profiles = pd.concat([contents(wells), pd.DataFrame(values, columns=names)], axis=1)
            profiles.insert(0, "Metadata_Plate", plate["plate"])
            path = folder / experiment.get_profiles(plate, level)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_profiles(profiles, path, provenance(level))
        quality = folder / "workspace" / "quality_control" / plate["batch"] / plate["plate"]
        for name in PICTURES:
            drawn(quality / "pictures" / f"{name}.png", generator, pixels)
        drawn(quality / "pictures" / "segmentation" / "montage.png", generator, pixels)
        drawn_sheets(quality / "thumbnails", generator, side, wells, CHANNELS)
        measured = {"Metadata_Plate": plate["plate"], "Metadata_Well": wells, "Count_Sites": 9}
        measured |= {"Count_Cells": generator.poisson(900, len(wells))}
        for channel in CHANNELS:
            measured |= {
                f"{measure}_{channel}": generator.normal(size=len(wells))
                for measure in ("PowerLogLogSlope", "MeanIntensity", "Background", "PercentMaximal")
            }
        pd.DataFrame(measured).to_csv(quality / "well_quality.csv", index=False)
        flags = {
            "Metadata_Plate": plate["plate"],
            "Metadata_Well": generator.choice(wells, FLAGS),
            "Metadata_Site": generator.integers(1, 10, FLAGS),
            "flag": generator.choice(["out_of_focus", "debris", "saturated"], FLAGS),
            "value": generator.normal(size=FLAGS),
            "limit": 5,
            "excluded": False,
            "reason": "PowerLogLogSlope lies below the plate's median in 5 of 5 channels",
        }
        pd.DataFrame(flags).to_csv(quality / "flags.csv", index=False)
    names = {f"compound_line{i}_48": f"line{i}" for i in range(conditions)}
    scores = []
    for feature_set in config["benchmark"]["feature_sets"]:
        for name, line in names.items():
            for figure in FIGURES:
                drawn(folder / f"benchmark/figures/{feature_set}/{name}/{figure}.png", generator, pixels)
            of_condition = [plate["plate"] for plate in rows if plate["cell_line"] == line]
            write_condition_tables(folder, feature_set, name, of_condition, generator, wells)
            write_answers(folder, feature_set, name, of_condition, generator, wells)
            condition = {"perturbation": "compound", "cell_line": line, "timepoint": "48"}
            score = generator.uniform(0, 100)
            scores.append({**condition, "feature_set": feature_set, "percent_replicating": score})
    pd.DataFrame(scores).to_csv(folder / "benchmark" / "percent_replicating.csv", index=False)
    return {
        "title": f"{plates} plates",
        "config": config,
        "manifest": get_manifest(experiment),
        "sheet": "plates.tsv",
        "captions": str(PROJECT / "rules" / "captions"),
        "relation": "gene",
        "cellprofiler": "CellProfiler 4.2.8.1",
        "accelerated": True,
        "draft": False,
    }


def write_report(folder: Path, options: dict[str, Any]) -> Path:
    """Write the report of such results."""
    import report

    page, digests = (str(folder / "report" / name) for name in ("report.html", "input_digests.csv"))
    report.main(options, page, digests, str(folder / "report" / "history.json"))
    return folder / "report" / "report.html"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    size = {"pixels": (1800, 1200), "features": 600, "side": 240}
    print(write_report(target, write_results(target, int(sys.argv[2]), **size)))
