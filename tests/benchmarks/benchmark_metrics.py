"""Time and memory of both metrics on an experiment of CPJUMP1's size, beside the published loops.

40 plates x 384 wells x 900 features, 12 conditions, 16 comparisons, 10,000 draws: the workflow's
functions on all of them, each null repeated 100 times for the interval, both kinds of null; and the
direct loops of the published definition (`np.corrcoef` per group, draws in Python) on one condition
and one comparison of each kind, a part of their draws, scaled up to the whole. The loops draw one
null, once, and no position-aware one. Both are held to give the same medians. Times are those of the
clock and, since other programs may be running, of the processor (all threads together).

    OMP_NUM_THREADS=2 python tests/benchmarks/benchmark_metrics.py [table.csv]
"""

import random
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts")]

from lib.replicates import join_plates  # noqa: E402
from percent_matching import score_comparison  # noqa: E402
from percent_replicating import score_condition  # noqa: E402

FEATURES = 900
DRAWS = 10_000
PART = 300  # draws of the loops that are timed, of the 10,000
KINDS = {"compound": (4, 64, 306), "crispr": (4, 60, 305), "orf": (2, 60, 160)}


class Watch:
    """Seconds of the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self.started = np.array([time.perf_counter(), time.process_time()])

    def seconds(self) -> np.ndarray:
        """(clock, processor) seconds so far."""
        return np.array([time.perf_counter(), time.process_time()]) - self.started


def condition(kind: str, seed: int) -> dict[str, pd.DataFrame]:
    """The plates of one condition in CPJUMP1's layout: most perturbations once per plate, ORFs twice."""
    plates, controls, perturbations = KINDS[kind]
    rng = np.random.default_rng(seed)
    wells = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
    order = np.resize(np.arange(perturbations), 384 - controls)
    names = [f"{kind}{i:03d}" for i in order] + [np.nan] * controls
    genes = [f"G{i % 160:03d}" for i in order] + [np.nan] * controls
    effects = rng.normal(size=(perturbations, FEATURES)) * 0.3
    found = {}
    for plate in range(plates):
        values = rng.normal(size=(384, FEATURES))
        values[: len(order)] += effects[order]
        metadata = pd.DataFrame(
            {
                "Metadata_Plate": f"{kind}{seed}-{plate}",
                "Metadata_Well": wells,
                "Metadata_broad_sample": names,
                "Metadata_gene": genes,
                "Metadata_control_type": [np.nan] * len(order) + ["negcon"] * controls,
            }
        )
        features = pd.DataFrame(values, columns=[f"Cells_F{i}" for i in range(FEATURES)])
        found[f"{kind}{seed}-{plate}"] = pd.concat([metadata, features], axis=1)
    return found


def treated(plates: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, list[str]]:
    """The published starting point: one data frame without negative controls, and its features."""
    table = pd.concat(plates.values(), ignore_index=True)
    table = table[table["Metadata_control_type"] != "negcon"].reset_index(drop=True)
    return table, [name for name in table if not name.startswith("Metadata_")]


def loops_replicating(plates: dict[str, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds for one condition, and the signals."""
    table, features = treated(plates)
    watch, signals = Watch(), []
    for _, group in table.groupby("Metadata_broad_sample"):
        correlations = np.corrcoef(group[features])
        np.fill_diagonal(correlations, np.nan)
        signals.append(np.nanmedian(correlations))
    seconds = watch.seconds()
    watch, null = Watch(), []
    while len(null) < PART:
        sample = table.loc[random.choices(range(len(table)), k=4)]
        if sample["Metadata_broad_sample"].nunique() == 4:
            correlations = np.corrcoef(sample[features])
            np.fill_diagonal(correlations, np.nan)
            null.append(np.nanmedian(correlations))
    return seconds + watch.seconds() * DRAWS / PART, np.array(signals)


def loops_matching(a: dict[str, pd.DataFrame], b: dict[str, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds for one comparison, and the signals in the order of both names."""
    (left, features), (right, _) = treated(a), treated(b)
    watch = Watch()
    profiles_a = dict(list(left.groupby("Metadata_broad_sample")))
    profiles_b = dict(list(right.groupby("Metadata_broad_sample")))

    def block(x: pd.DataFrame, y: pd.DataFrame) -> float:
        correlations = np.corrcoef(x[features], y[features])[: len(x), len(x) :]
        return float(np.median(correlations))

    signals = []
    for part_a in profiles_a.values():
        for part_b in profiles_b.values():
            if part_a["Metadata_gene"].iloc[0] == part_b["Metadata_gene"].iloc[0]:
                signals.append(block(part_a, part_b))
    seconds = watch.seconds()
    watch, null = Watch(), 0
    names_a, names_b = list(profiles_a), list(profiles_b)
    while null < PART:
        x, y = profiles_a[random.choice(names_a)], profiles_b[random.choice(names_b)]
        if x["Metadata_gene"].iloc[0] != y["Metadata_gene"].iloc[0]:
            block(x, y)
            null += 1
    return seconds + watch.seconds() * DRAWS / PART, np.array(signals)


def main() -> None:
    """Measure and print; write the table to the file that is named."""
    random.seed(1)
    conditions = {(kind, seed): condition(kind, seed) for kind in KINDS for seed in range(4)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    watch, ours = Watch(), {}
    for key, plates in conditions.items():
        _, ours[key], _ = score_condition(join_plates(plates), draws=DRAWS)
    replicating = watch.seconds()

    watch, pairs = Watch(), {}
    for line in (0, 2):  # two cell lines with two time points each
        for first in (line, line + 1):
            for kind in ("orf", "crispr"):
                for second in (line, line + 1):
                    a, b = conditions["compound", first], conditions[kind, second]
                    wells = join_plates({**a, **b})
                    of_a = np.arange(len(wells)) < 384 * len(a)
                    _, table, _ = score_comparison(wells, of_a, draws=DRAWS)
                    pairs["compound", first, kind, second] = table
    matching = watch.seconds()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    loop_replicating, loop_matching = np.zeros(2), np.zeros(2)
    for kind in KINDS:
        seconds, signals = loops_replicating(conditions[kind, 0])
        loop_replicating += 4 * seconds
        np.testing.assert_allclose(ours[kind, 0]["median_correlation"], signals, atol=1e-12)
    for kind in ("orf", "crispr"):
        seconds, signals = loops_matching(conditions["compound", 0], conditions[kind, 0])
        loop_matching += 8 * seconds
        found = pairs["compound", 0, kind, 0]["median_correlation"]
        np.testing.assert_allclose(found, signals, atol=1e-12)

    ours_all = np.array([replicating, matching, replicating + matching])
    loops = np.array([loop_replicating, loop_matching, loop_replicating + loop_matching])
    result = pd.DataFrame(
        {
            "metric": ["percent replicating, 12 conditions", "percent matching, 16 comparisons", "both"],
            "clock_s": ours_all[:, 0],
            "loops_clock_s": loops[:, 0],
            "processor_s": ours_all[:, 1],
            "loops_processor_s": loops[:, 1],
            "times_less_processor": loops[:, 1] / ours_all[:, 1],
        }
    )
    print(result.round(1).to_string(index=False))
    print(f"peak memory {peak:.2f} GiB, of which the simulated plates {before:.2f} GiB")
    if len(sys.argv) > 1:
        result.assign(peak_gib=peak, plates_gib=before).to_csv(sys.argv[1], index=False)


if __name__ == "__main__":
    main()
