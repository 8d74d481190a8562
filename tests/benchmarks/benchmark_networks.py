"""Compare CellProfiler's features with a network's, with ImageNet weights and with random ones.

    python tests/benchmarks/benchmark_networks.py FIGURE.png EXPERIMENT=RESULTS ... --python PYTHON

Each RESULTS is the results folder of an experiment that was run with images. The network is EfficientNet-
Lite0, with the packaged weights and with a seeded random initialization, on a seeded sample of each well's
cells; PYTHON is that of the embeddings' environment (.environments/embeddings-*/bin/python). The embeddings
are computed by the workflow's scripts, and aggregated, normalized to the negative controls, sphered and
scored by its functions, all in one process. The plates of a perturbation type (the plate's name without its
number) are one condition.

The figure has a row per score, a column per experiment, and a group of bars per condition; the lines are
the scores that other perturbations of the same kind might give. A table with its numbers is written beside
it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

from lib.replicates import NEGATIVE_CONTROL, Wells, get_control_type, read_wells  # noqa: E402
from lib.sphering import fit_on_controls  # noqa: E402
from lib.tables import read_profiles, write_profiles  # noqa: E402
from mean_average_precision import rank_replicates, summarize  # noqa: E402
from normalize import STANDARDIZE, normalize  # noqa: E402
from percent_replicating import score_condition  # noqa: E402

MODEL = "tf_efficientnet_lite0"
CELLPROFILER = "CellProfiler"
SCORES = {
    "percent_replicating": ("Percent Replicating", 100),
    "mean_average_precision": ("mean average precision", 1),
}
COLORS = {
    CELLPROFILER: "#4d4d4d",
    "ImageNet, normalized": "#0072b2",
    "ImageNet, sphered": "#56b4e9",
    "random, normalized": "#d55e00",
    "random, sphered": "#f0b27a",
}
WEIGHTS = {"ImageNet": "packaged", "random": "random"}


def run(python: Path, folder: Path, script: str, *arguments: object) -> None:
    """Run a script of the workflow in the networks' environment, with `folder` as working directory."""
    subprocess.run([python, PROJECT / "scripts" / script, *map(str, arguments)], check=True, cwd=folder)


def sample_cells(cells: Path, number: int, output: Path) -> Path:
    """Write a seeded sample of the cells of each well, in their order; all, if a well has fewer."""
    table = pl.read_parquet(cells).with_row_index("order")
    parts = table.partition_by("Metadata_Well", maintain_order=True)
    chosen = pl.concat([part.sample(min(number, len(part)), seed=1) for part in parts])
    chosen.sort("order").drop("order").write_parquet(output)
    return output


def embed(
    python: Path,
    network: Path,
    profiles: Path,
    channels: list[str],
    crops: tuple[int, int, int],
    folder: Path,
) -> Path:
    """Compute the embeddings of a plate's cells.

    Parameters
    ----------
    python
        The Python of the networks' environment.
    network
        The folder that network.py wrote.
    profiles
        The plate's annotated profiles, beside which the other results lie.
    channels
        The channels that are embedded.
    crops
        Side length of a crop in pixels, the size that it is resized to, and the number of cells per well.
    folder
        Where the embeddings are written.
    """
    batch, plate = profiles.parts[-3:-1]
    results = profiles.parents[4]
    output = folder / f"{plate}.parquet"
    box, size, number = crops
    cells = results / f"workspace/backend/{batch}/{plate}/{plate}.parquet"
    cells = sample_cells(cells, number, folder / f"cells_{plate}.parquet")
    functions = [results / f"images/{batch}/illum/{plate}/{plate}_Illum{channel}.npy" for channel in channels]
    run(
        python,
        results,
        "embeddings.py",
        *("--network", network, "--plate", plate, "--threads", 2),
        *("--box", box, "--size", size, "--cells", cells),
        *("--load-data", results / f"workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv"),
        *("--channels", *channels, "--functions", *functions),
        *("--log", folder / f"{plate}.log", "--output", output),
    )
    return output


def normalize_embeddings(cells: Path, annotated: Path, output: Path) -> Path:
    """Write the mean of each well's embeddings, normalized to the negative controls of the plate."""
    table = pd.read_parquet(cells)
    features = [name for name in table if name.startswith("Embedding_")]
    means = table.groupby("Metadata_Well")[features].mean()
    about = read_profiles(annotated, features=[])
    profiles = about.merge(means, left_on="Metadata_Well", right_index=True)
    reference = profiles[(get_control_type(profiles) == NEGATIVE_CONTROL).to_numpy()]
    write_profiles(normalize(profiles, reference, method=STANDARDIZE)[0], output, {})
    return output


def score(wells: Wells, sphered: bool) -> dict[str, dict[str, Any]]:
    """Score the wells of a condition; sphered controls cannot stand for wells without effect."""
    replicating, _, _ = score_condition(
        wells, draws=10_000, controls_in_null=not sphered, with_baselines=False
    )
    if sphered:
        return {"percent_replicating": replicating}
    precision, _ = rank_replicates(wells)
    return {"percent_replicating": replicating, "mean_average_precision": summarize(precision)[0]}


def score_experiment(
    name: str,
    results: Path,
    networks: dict[str, Path],
    python: Path,
    crops: tuple[int, int, int],
    folder: Path,
) -> list[dict[str, Any]]:
    """Score the conditions of an experiment with all features.

    Parameters
    ----------
    name
        What the experiment is called on the figure.
    results
        Its results folder.
    networks
        The folder of each network, by the name of its weights.
    python
        The Python of the networks' environment.
    crops
        Side length of a crop in pixels, the size that it is resized to, and the number of cells per well.
    folder
        A temporary folder.
    """
    conditions = defaultdict(list)
    for path in sorted(results.glob("workspace/profiles/*/*/*_augmented.parquet")):
        if path.name == f"{path.parent.name}_augmented.parquet":
            conditions[re.sub(r"\d+$", "", path.parent.name).lower() or "compound"].append(path)
    rows = []

    def add(condition: str, features: str, wells: Wells, sphered: bool = False) -> None:
        for kind, found in score(wells, sphered).items():
            ends = [found.get(f"{kind}_sampling_{end}") for end in ("low", "high")]
            rows.append([name, condition, features, kind, found[kind], *ends])

    for condition, plates in conditions.items():
        ending = "_normalized_feature_select_negcon_plate.parquet"
        own = [path.with_name(path.name.replace("_augmented.parquet", ending)) for path in plates]
        add(condition, CELLPROFILER, read_wells(own))
        illuminated = plates[0].parents[4] / "images" / plates[0].parts[-3] / "illum" / plates[0].parts[-2]
        channels = sorted(path.stem.partition("_Illum")[2] for path in illuminated.glob("*.npy"))
        for weights, network in networks.items():
            normalized = []
            for path in plates:
                cells = embed(python, network, path, channels, crops, folder)
                normalized.append(
                    normalize_embeddings(cells, path, folder / f"{weights}_{path.parent.name}.parquet")
                )
            wells = read_wells(normalized)
            add(condition, f"{weights}, normalized", wells)
            sphered = [folder / f"sphered_{path.name}" for path in normalized]
            sphering = fit_on_controls(wells, shrink=True)
            for path, output in zip(normalized, sphered, strict=True):
                write_profiles(sphering.of(read_wells([path])), output, {})
            add(condition, f"{weights}, sphered", read_wells(sphered), sphered=True)
    return rows


def draw(scores: pd.DataFrame, path: Path) -> None:
    """Draw the figure."""
    experiments = list(dict.fromkeys(scores["experiment"]))
    sizes = [scores.loc[scores["experiment"] == name, "condition"].nunique() for name in experiments]
    figure, axes = plt.subplots(
        len(SCORES),
        len(experiments),
        figsize=(3 + 2.2 * sum(sizes), 6.5),
        sharey="row",
        squeeze=False,
        width_ratios=sizes,
        layout="constrained",
    )
    width = 0.8 / len(COLORS)
    for down, (kind, (title, top)) in enumerate(SCORES.items()):
        for across, experiment in enumerate(experiments):
            axis = axes[down, across]
            of_axis = scores[(scores["experiment"] == experiment) & (scores["score"] == kind)]
            conditions = list(dict.fromkeys(scores.loc[scores["experiment"] == experiment, "condition"]))
            for number, (features, color) in enumerate(COLORS.items()):
                found = of_axis[of_axis["features"] == features].set_index("condition").reindex(conditions)
                at = np.arange(len(conditions)) + (number - (len(COLORS) - 1) / 2) * width
                axis.bar(at, found["value"], 0.9 * width, color=color, label=features)
                ends = np.clip([found["value"] - found["low"], found["high"] - found["value"]], 0, None)
                axis.errorbar(at, found["value"], ends, fmt="none", ecolor="black", elinewidth=0.8)
            axis.set_xticks(range(len(conditions)), conditions)
            axis.set_ylim(0, top)
            axis.spines[["top", "right"]].set_visible(False)
            if not across:
                axis.set_ylabel(title)
            if not down:
                axis.set_title(experiment)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def main(options: argparse.Namespace) -> None:
    """Compute all scores, and write the figure and its table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        networks = {weights: folder / weights for weights in WEIGHTS}
        for weights, network in networks.items():
            run(
                options.python.absolute(),
                folder,
                "network.py",
                # Each channel is seen by itself, so that their number does not matter.
                *("--model", MODEL, "--weights", WEIGHTS[weights], "--channels", 1, "--size", options.size),
                *("--log", folder / "network.log", "--output", network),
            )
        for argument in options.results:
            experiment, _, results = argument.partition("=")
            rows += score_experiment(
                experiment,
                Path(results).absolute(),
                networks,
                options.python.absolute(),
                (options.box, options.size, options.cells),
                folder,
            )
    scores = pd.DataFrame(
        rows, columns=["experiment", "condition", "features", "score", "value", "low", "high"]
    )
    scores.to_csv(options.figure.with_suffix(".csv"), index=False)
    draw(scores, options.figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", type=Path, help="the figure (.png or .svg)")
    parser.add_argument("results", nargs="+", help="EXPERIMENT=RESULTS")
    parser.add_argument("--python", type=Path, required=True, help="of the networks' environment")
    parser.add_argument("--size", type=int, default=224, help="size that it is resized to, in pixels")
    parser.add_argument("--cells", type=int, default=50, help="cells per well, at most")
    parser.add_argument("--box", type=int, default=48, help="side length of a crop, in pixels")
    main(parser.parse_args())
