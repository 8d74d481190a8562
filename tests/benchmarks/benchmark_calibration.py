"""How often a score calls a perturbation without any effect: its table and its figure.

Each run simulates 20 perturbations of noise, one well of each on each of 2 to 8 plates, with 3 to 64 negative
controls spread over the plates, and computes every score. A run counts if any perturbation (or pair) has a
q-value below 0.05, which should happen in at most 5 % of the runs.

    python tests/benchmarks/benchmark_calibration.py 200 metadata/pictures/calibration.png
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from lib.drawing import COLORS, GRAY, use_style
from lib.intervals import compute_proportion_interval
from lib.replicates import Wells
from mean_average_precision import rank_matches, rank_replicates, summarize
from percent_matching import score_comparison
from percent_replicating import score_condition
from rankings import rank_wells

PERTURBATIONS, FEATURES, DRAWS = 20, 40, 1000
REPLICATES, CONTROLS = (2, 3, 4, 8), (3, 6, 16, 64)
LEVEL = 0.05
FIRST_SEED = 20_000  # not among the seeds on which a rule was chosen


def simulate(replicates: int, controls: int, seed: int) -> Wells:
    """Return wells of noise at random positions; two perturbations share a gene."""
    rng = np.random.default_rng([seed, replicates, controls])
    names = [f"C{i:02d}" for i in range(PERTURBATIONS)]
    rows = []
    for plate in range(replicates):
        positions = rng.permutation(PERTURBATIONS)
        rows += [
            (f"P{plate}", f"W{positions[i]:02d}", name, f"G{i // 2}", "") for i, name in enumerate(names)
        ]
    rows += [(f"P{i % replicates}", f"X{i:02d}", "", "", "negcon") for i in range(controls)]
    columns = ("Plate", "Well", "broad_sample", "gene", "control_type")
    metadata = pd.DataFrame(rows, columns=[f"Metadata_{name}" for name in columns])
    values = rng.normal(size=(len(rows), FEATURES))
    return Wells(metadata, values, [f"Cells_F{i}" for i in range(FEATURES)], {})


def get_q_values(wells: Wells, seed: int) -> dict[str, pd.Series]:
    """Return the q-values of every score; all missing where a score cannot be computed."""
    every = np.ones(len(wells), dtype=bool)
    options = {"draws": DRAWS, "repeats": 2, "seed": seed}
    replicating = score_condition(wells, **options, with_baselines=False)[1]
    pairs = score_comparison(wells, every, within=True, **options)[1]
    precision = summarize(rank_replicates(wells, draws=DRAWS, seed=seed)[0], DRAWS, seed)[1]
    of_genes = summarize(rank_matches(wells, every, within=True, draws=DRAWS, seed=seed)[0], DRAWS, seed)[1]
    same = {"same": ["Metadata_broad_sample"], "different": []}
    controls = {"same": [], "different": ["Metadata_control_type"]}
    ranking = rank_wells(wells, same, controls, draws=DRAWS, seed=seed)[1]
    return {
        "Percent Replicating": replicating["q_value"],
        "Percent Replicating, position-aware": replicating["position_aware_q_value"],
        "Percent Matching, both tails": pd.concat([pairs["q_value_right"], pairs["q_value_left"]]),
        "mean average precision": precision["q_value"],
        "mean average precision, matching": of_genes["q_value"],
        "a ranking by columns": ranking["q_value"],
    }


def measure(runs: int) -> pd.DataFrame:
    """Return the share of runs with any q-value below 0.05, for each score and size."""
    rows = []
    for replicates in REPLICATES:
        for controls in CONTROLS:
            seeds = range(FIRST_SEED, FIRST_SEED + runs)
            found = [get_q_values(simulate(replicates, controls, seed), seed) for seed in seeds]
            for score in found[0]:
                known = [of_run[score] for of_run in found if of_run[score].notna().any()]
                called = np.array([(q < LEVEL).any() for q in known])
                low, high = compute_proportion_interval(called)
                rows.append(
                    {
                        "score": score,
                        "replicates": replicates,
                        "controls": controls,
                        "runs": len(known),
                        "percent": 100 * called.mean() if len(known) else np.nan,
                        "low": low,
                        "high": high,
                    }
                )
            print(pd.DataFrame(rows[-len(found[0]) :]).round(1).to_string(index=False), flush=True)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, runs: int, path: str) -> None:
    """Draw one panel per score: the share of runs over the number of controls, a line per replicates."""
    import matplotlib.pyplot as plt

    use_style()
    scores = table["score"].unique()
    figure, grid = plt.subplots(2, 4, figsize=(11, 5), sharex=True, sharey=True, layout="constrained")
    for axes, score in zip(grid.flat, scores, strict=False):
        for number, (replicates, part) in enumerate(table[table["score"] == score].groupby("replicates")):
            at = part["controls"] * 1.06 ** (number - 1.5)
            middle = part["percent"]
            axes.errorbar(
                at, middle, yerr=[middle - part["low"], part["high"] - middle], fmt="o-", markersize=3,
                linewidth=1, color=COLORS[number], label=f"{replicates} replicates",
            )  # fmt: skip
        axes.axhline(100 * LEVEL, color=GRAY, linewidth=1, linestyle="--")
        axes.set_title(score, fontsize=9)
        axes.set_xscale("log")
        axes.set_xticks(CONTROLS, labels=[str(number) for number in CONTROLS])
        axes.minorticks_off()
        axes.set_ylim(0, 15)
    lowest = [*list(grid.flat)[: len(scores)]][-grid.shape[1] :]
    for axes in lowest:
        axes.set_xlabel("negative controls")
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("% of runs with q < 0.05")
    for axes in list(grid.flat)[len(scores) :]:
        axes.axis("off")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    list(grid.flat)[-1].legend(handles, labels, loc="center", frameon=False)
    figure.suptitle(f"Perturbations without any effect: {runs} runs of {PERTURBATIONS} each", fontsize=11)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print the table, and draw the figure."""
    matplotlib.use("Agg")
    runs = int(sys.argv[1])
    table = measure(runs)
    by_score = table.groupby("score", sort=False)["percent"]
    print(by_score.agg(["mean", "max"]).round(1).to_string())
    if len(sys.argv) > 2:
        draw(table, runs, sys.argv[2])
        table.round(2).to_csv(Path(sys.argv[2]).with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main()
