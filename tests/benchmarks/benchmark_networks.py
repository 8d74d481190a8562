"""Compare CellProfiler's features with a network's, with ImageNet weights and with random ones.

    python tests/benchmarks/benchmark_networks.py FIGURE.png "NAME=CONFIG.yaml DEEP.yaml" ...

The workflow runs each experiment twice, with `embeddings.weights` packaged and random (EfficientNet-Lite0
both times; only the embeddings and later steps are computed again), into the experiment's results folder. The
scores are those in the results' `benchmark/`. The figure has a row per score, a column per experiment, and a
group of bars per condition, with their sampling intervals. A table of the numbers is written beside it.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import yaml

PROJECT = Path(__file__).resolve().parents[2]
MODEL = "tf_efficientnet_lite0"
WEIGHTS = {"ImageNet": "packaged", "random": "random"}
LEVELS = {
    "normalized_feature_select_negcon_plate": "CellProfiler",
    "embeddings_normalized_negcon": "{weights}, normalized",
    "embeddings_spherized": "{weights}, sphered",
}
SCORES = {
    "percent_replicating": ("Percent Replicating", 100),
    "mean_average_precision": ("mean average precision", 1),
}
COLORS = {
    "CellProfiler": "#4d4d4d",
    "ImageNet, normalized": "#0072b2",
    "ImageNet, sphered": "#56b4e9",
    "random, normalized": "#d55e00",
    "random, sphered": "#f0b27a",
}


def find_results(config: Path) -> Path:
    """Return the results folder that a config file names."""
    return (config.parent / yaml.safe_load(config.read_text())["results"]).resolve()


def run_workflow(configs: list[Path], weights: str, cores: int) -> None:
    """Run the workflow with the network's weights, as far as the scores."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"embeddings": {"model": MODEL, "weights": weights}}, file)
        file.flush()
        targets = [f"benchmark/{score}.csv" for score in SCORES]
        command = ["-m", "snakemake", *targets, "--cores", cores, "--configfile", *configs, file.name]
        subprocess.run([sys.executable, *map(str, command)], check=True, cwd=PROJECT)


def read_scores(results: Path, weights: str) -> pd.DataFrame:
    """Read the scores of a run: one row per condition, feature set and score."""
    parts = []
    for score in SCORES:
        table = pd.read_csv(results / f"benchmark/{score}.csv")
        table = table[table["feature_set"].isin(LEVELS)]
        parts.append(
            pd.DataFrame(
                {
                    "condition": table["perturbation"],
                    "features": [LEVELS[name].format(weights=weights) for name in table["feature_set"]],
                    "score": score,
                    "value": table[score],
                    "low": table[f"{score}_sampling_low"],
                    "high": table[f"{score}_sampling_high"],
                }
            )
        )
    return pd.concat(parts)


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
    for down, (score, (title, top)) in enumerate(SCORES.items()):
        for across, experiment in enumerate(experiments):
            axis = axes[down, across]
            of_axis = scores[(scores["experiment"] == experiment) & (scores["score"] == score)]
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
    """Run the experiments, and write the figure and its table."""
    parts = []
    for argument in options.experiments:
        name, _, files = argument.partition("=")
        configs = [Path(file).resolve() for file in files.split()]
        for label, weights in WEIGHTS.items():
            run_workflow(configs, weights, options.cores)
            parts.append(read_scores(find_results(configs[0]), label).assign(experiment=name))
    # CellProfiler's features have the same scores with either network.
    scores = pd.concat(parts).drop_duplicates(["experiment", "condition", "features", "score"])
    scores.to_csv(options.figure.with_suffix(".csv"), index=False)
    draw(scores, options.figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", type=Path, help="the figure (.png or .svg)")
    parser.add_argument("experiments", nargs="+", help='"NAME=CONFIG.yaml DEEP.yaml"')
    parser.add_argument("--cores", type=int, default=2, help="cores of the workflow")
    main(parser.parse_args())
