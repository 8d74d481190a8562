"""Time and memory of the scores on simulated conditions of many plates, and of copairs on what it can hold.

Each size runs in a process of its own, which reports its CPU seconds and its peak memory. A plate has 384
wells, 64 of them negative controls; every treatment is once on each of four plates, and shares a target with
three others on its plates. Profiles are noise plus an effect for half of the treatments, in single precision.

    python tests/benchmarks/benchmark_scale.py 40 400 1700
    python tests/benchmarks/benchmark_scale.py --copairs 4
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

WELLS, CONTROLS, COPIES = 384, 64, 4
EFFECT = 0.2  # of half of the treatments, in standard deviations of the noise


def simulate(plates: int, features: int, strength: float = EFFECT):
    """The wells of a condition of so many plates."""
    from lib.replicates import Wells

    rng = np.random.default_rng(0)
    treated = WELLS - CONTROLS
    values = np.empty((plates * WELLS, features), dtype=np.float32)
    parts = []
    for plate in range(plates):
        layout = plate // COPIES
        names = [f"T{layout:04d}_{i:03d}" for i in range(treated)] + ["DMSO"] * CONTROLS
        effect = np.random.default_rng([1, layout]).normal(size=(treated // 4, features)).repeat(4, axis=0)
        part = values[plate * WELLS : (plate + 1) * WELLS]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)
        part[: treated // 2] += (strength * effect[: treated // 2]).astype(np.float32)
        parts.append(
            pd.DataFrame(
                {
                    "Metadata_Plate": f"P{plate:04d}",
                    "Metadata_Well": [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(WELLS)],
                    "Metadata_broad_sample": names,
                    "Metadata_gene": [f"G{layout}_{i // 4}" for i in range(treated)] + [""] * CONTROLS,
                    "Metadata_control_type": [""] * treated + ["negcon"] * CONTROLS,
                    "Metadata_Count_Cells": rng.poisson(1000, WELLS),
                }
            )
        )
    return Wells(pd.concat(parts, ignore_index=True), values, [f"Cells_F{i}" for i in range(features)], {})


def measure(plates: int, features: int, draws: int, threads: int) -> None:
    """Score one simulated condition; print each score's CPU seconds and the peak memory so far.

    Parameters
    ----------
    plates, features
        The size of the condition.
    draws
        Of the nulls.
    threads
        The threads that count for average precision.
    """
    from mean_average_precision import rank_matches, rank_replicates, summarize
    from percent_matching import score_comparison
    from percent_replicating import score_condition

    wells = simulate(plates, features)
    everything = np.ones(len(wells), dtype=bool)
    ranked = {"draws": draws, "threads": threads}

    def rank() -> float:
        return summarize(rank_replicates(wells, **ranked)[0], draws)[0]["percent_retrieved"]

    def match() -> float:
        found, _ = rank_matches(wells, everything, within=True, **ranked)
        return summarize(found, draws)[0]["percent_retrieved"]

    scores = {
        "percent_replicating": lambda: score_condition(wells, draws=draws)[0]["percent_replicating"],
        "percent_matching": lambda: score_comparison(wells, everything, within=True, draws=draws)[0][
            "percent_matching_right"
        ],
        "mean_average_precision": rank,
        "mean_average_precision_matching": match,
    }
    print(f"{plates} plates, {len(wells)} wells, {features} features, {draws} draws", flush=True)
    for name, score in scores.items():
        start, wall = time.process_time(), time.time()
        value = score()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        used = time.process_time() - start
        elapsed = time.time() - wall
        print(
            f"  {name:32s} {value:6.1f} % {used:8.1f} CPU s {elapsed:8.1f} s  peak {peak:5.2f} GiB",
            flush=True,
        )
    measure_counting(wells)


def measure_counting(wells) -> None:
    """Count as many wells as are counted at once among all controls, and compute the product alone."""
    from lib.average_precision import (
        CANDIDATES,
        HELD_QUERIES,
        QUERIES,
        Candidates,
        count_above,
        scale_rows_to_unit,
    )

    control = (wells.metadata["Metadata_control_type"] == "negcon").to_numpy()
    candidates = Candidates.of(wells.values[control])
    chosen = np.flatnonzero(~control)[:HELD_QUERIES]
    limits = np.random.default_rng(0).normal(0, wells.values.shape[1] ** -0.5, (len(chosen), COPIES - 1))
    count_above(wells.values[chosen], candidates, limits)  # compiles
    start = time.process_time()
    count_above(wells.values[chosen], candidates, limits)
    counting = time.process_time() - start
    single = scale_rows_to_unit(wells.values[chosen]).astype(np.float32)
    buffer = np.empty((QUERIES, CANDIDATES), dtype=np.float32)
    start = time.process_time()
    for first in range(0, len(single), QUERIES):
        for other in range(0, len(candidates), CANDIDATES):
            columns = candidates.columns[:, other : other + CANDIDATES]
            rows = single[first : first + QUERIES]
            np.matmul(rows, columns, out=buffer[: len(rows), : columns.shape[1]])
    product = time.process_time() - start
    print(
        f"  {len(chosen)} wells among {len(candidates)} controls: counting {counting:.1f} CPU s, "
        f"the product alone {product:.1f}, {counting / product:.2f} times",
        flush=True,
    )


def measure_copairs(plates: int, features: int) -> None:
    """The same replicability by copairs' own functions, and the matrix product behind it."""
    from copairs import map as copairs_map

    from mean_average_precision import rank_replicates

    wells = simulate(plates, features)
    metadata = wells.metadata[["Metadata_broad_sample", "Metadata_control_type"]]
    start = time.process_time()
    found = copairs_map.average_precision(
        metadata,
        wells.values,
        pos_sameby=["Metadata_broad_sample"],
        pos_diffby=[],
        neg_sameby=[],
        neg_diffby=["Metadata_control_type"],
        progress_bar=False,
    )
    theirs = time.process_time() - start
    treated = (wells.metadata["Metadata_control_type"] == "").to_numpy()
    start = time.process_time()
    own, _ = rank_replicates(wells)
    ours = time.process_time() - start
    start = time.process_time()
    values = wells.values.astype(float)
    values[treated] @ values[~treated].T
    product = time.process_time() - start
    expected = found.loc[treated, "average_precision"].to_numpy()
    order = own.sort_values(["plate", "well"])["average_precision"].to_numpy()
    frame = wells.metadata[treated].reset_index(drop=True)
    by_well = frame.assign(ap=expected).sort_values(["Metadata_Plate", "Metadata_Well"])["ap"].to_numpy()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{plates} plates: copairs {theirs:.1f} CPU s, here {ours:.1f} with p-values, the "
        f"product {product:.2f}; "
        f"largest difference {np.abs(order - by_well).max():.1e} of {len(order)}; peak {peak:.2f} GiB"
    )


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plates", nargs="+", type=int)
    parser.add_argument("--features", type=int, default=800)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1, help="threads that count for average precision")
    parser.add_argument("--copairs", action="store_true", help="compare with copairs")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.one:
        if choice.copairs:
            measure_copairs(choice.plates[0], choice.features)
        else:
            measure(choice.plates[0], choice.features, choice.draws, choice.threads)
        return
    for plates in choice.plates:
        options = ["--features", str(choice.features), "--draws", str(choice.draws), "--one"]
        options += ["--threads", str(choice.threads)]
        options += ["--copairs"] if choice.copairs else []
        subprocess.run([sys.executable, __file__, str(plates), *options], check=True)


if __name__ == "__main__":
    main()
