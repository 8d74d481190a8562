"""One condition of many plates, from its profiles to the index of the report: disk, CPU seconds and memory.

    python tests/benchmarks/benchmark_index.py FOLDER 400       writes the experiment, prints how it is run
    python tests/benchmarks/benchmark_index.py --measure PAGE   size of an index, and how it opens in Chromium

A plate has 384 wells, 64 of them negative controls, in the layout of `benchmark_scale.py`: every treatment is
once on each of four plates. Its profiles are selected features, which enter the workflow as published ones.
They are imported here, in one process; the command then makes everything else that the index needs, without
the pages of the single plates.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import pandas as pd
import yaml

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent / "scripts"), str(TESTS / "support"), str(TESTS / "benchmarks")]

from benchmark_scale import WELLS, simulate  # noqa: E402

from browser import Browser  # noqa: E402

LEVEL = "normalized_feature_select_negcon_batch"
STRENGTH = 0.7  # of the effect of half of the treatments: with fewer features, each must say more
FAMILIES = ("AreaShape", "Intensity", "Texture", "Granularity", "RadialDistribution")
CHANNELS = ("Mito", "AGP", "RNA", "ER", "DNA")
CONFIG = """\
results: results
plates: plates.tsv
benchmark:
  feature_sets: [{level}]
  matching: [[compound, compound]]
  known_pairs: [known_pairs.csv]
splits:
  random: {{}}
consensus: [median]
"""


def name_features(number: int) -> list[str]:
    """Return names of features as CellProfiler gives them, with compartment, family and channel."""
    names = []
    for i in range(number):
        compartment = ("Cells", "Nuclei", "Cytoplasm")[i % 3]
        family = FAMILIES[i // 3 % len(FAMILIES)]
        channel = "" if family == "AreaShape" else f"_{CHANNELS[i // 15 % len(CHANNELS)]}"
        names.append(f"{compartment}_{family}_Measure{i}{channel}")
    return names


def write_experiment(folder: Path, plates: int, features: int) -> None:
    """Write config, sample sheet, known pairs and profiles, and import the profiles."""
    from import_profiles import main as import_plate
    from lib.config import complete_config

    (folder / "profiles").mkdir(parents=True)
    wells = simulate(plates, features, STRENGTH)
    values = pd.DataFrame(wells.values, columns=name_features(features), copy=False)
    rows = []
    for start in range(0, len(values), WELLS):
        about = wells.metadata.iloc[start : start + WELLS].reset_index(drop=True)
        about["Metadata_pert_iname"] = (
            about["Metadata_broad_sample"].str.lower().str.replace("t", "compound ")
        )
        name = about["Metadata_Plate"].iloc[0]
        file = folder / "profiles" / f"{name}.parquet"
        part = values.iloc[start : start + WELLS].reset_index(drop=True)
        pd.concat([about, part], axis=1).to_parquet(file, index=False)
        row = {"batch": f"B{start // WELLS // 40}", "plate": name, "plate_map": ""}
        row |= {"perturbation": "compound", "cell_line": "U2OS", "timepoint": "48"}
        rows.append(row | {"profiles": f"profiles/{name}.parquet", "level": LEVEL})
    pd.DataFrame(rows).to_csv(folder / "plates.tsv", sep="\t", index=False)
    genes = wells.metadata["Metadata_gene"].drop_duplicates().iloc[1:4001].to_list()
    pairs = pd.DataFrame({"a": genes[::2], "b": genes[1::2]})
    pairs.to_csv(folder / "known_pairs.csv", index=False)
    (folder / "config.yaml").write_text(CONFIG.format(level=LEVEL))
    config = complete_config(yaml.safe_load(CONFIG.format(level=LEVEL)), folder / "config.yaml")
    options = {"missing": config, "gene": None, "metadata": (), "unwanted": [], "identifiers": []}
    options |= {
        "minimum_cells": config["minimum_cells"],
        "outlier_cutoff": config["normalize"]["outlier_cutoff"],
    }
    for row in rows:
        target = folder / "results/workspace/profiles" / row["batch"] / row["plate"]
        target.mkdir(parents=True)
        output = str(target / f"{row['plate']}_{LEVEL}.parquet")
        import_plate(str(folder / row["profiles"]), "", output, row, {**options, "sharing": [row["plate"]]})
    print(
        f"snakemake --cores 1 --configfile {folder}/config.yaml --rerun-triggers mtime -- report/report.html",
        "benchmark/splits/random.csv",
    )


def measure_page(page: Path) -> None:
    """Print the size of a page and of its blocks, and how a browser opens it."""
    text = page.read_text()
    print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
    blocks = re.findall(r'<script type="application/json" id="data-([^"]*)">(.*?)</script>', text, re.DOTALL)
    sizes: dict[str, int] = {}
    for name, data in blocks:
        kind = name.split("-")[0]
        sizes[kind] = sizes.get(kind, 0) + len(data.encode())
        if kind == "condition":
            for part, content in json.loads(data).items():
                size = len(json.dumps(content, separators=(",", ":")))
                sizes[f"  {part}"] = sizes.get(f"  {part}", 0) + size
    for name, size in sizes.items():
        if size > 20_000:
            print(f"{name:24s} {size / 1e6:6.2f} MB")
    with Browser() as browser:
        browser.open(page)
        drawn = browser.run("performance.now()") / 1000
        loaded = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
        print(f"loaded in {loaded:.2f} s, first plots drawn after {drawn:.2f} s; console: {browser.logged}")


def main() -> None:
    """Write an experiment, or measure a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("plates", nargs="?", type=int)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--measure", action="store_true", help="the path is a page")
    choice = parser.parse_args()
    if choice.measure:
        measure_page(choice.path)
    else:
        write_experiment(choice.path.resolve(), choice.plates, choice.features)


if __name__ == "__main__":
    main()
