"""Report what each stage of a plate used, what the experiment will use, and what that costs.

The numbers are Snakemake's measurements of the jobs that have finished (`benchmarks/{stage}/...tsv`): CPU
seconds, peak memory, bytes read and written, and wall-clock seconds. A stage that works on one plate, or on
one condition and feature set, is scaled to all of them; that of the experiment is taken as measured.
"""

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib.errors import InputError
from lib.files import write_whole
from lib.logs import log_to

# Snakemake's columns, and what the table calls them. The peak of memory is not added up.
ADDED = {"cpu_time": "cpu_s", "io_in": "read_mb", "io_out": "written_mb", "s": "wall_s"}
PEAK = {"max_rss": "peak_memory_mb"}


def read_measurement(file: Path) -> dict[str, float]:
    """Return the measurements of a job; what Snakemake could not measure (NA, -) is missing."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    values = {
        name: pd.to_numeric(pd.Series([row[name] for row in rows]), errors="coerce") for name in ADDED | PEAK
    }
    return {new: values[old].max() for old, new in (ADDED | PEAK).items()}


def find_unit(job: Sequence[str], units: Mapping[str, Iterable[Sequence[str]]]) -> tuple[str, str]:
    """Return what a job works on: the kind of unit (`plate`, `condition`) and its name.

    Parameters
    ----------
    job : the parts of the path of its measurement below the stage, without the ending.
    units : by kind, the two parts by which the path of each unit begins: batch and plate, or feature set and
        condition. A level's suffix may follow the second one.
    """
    for kind, names in units.items():
        for first, second in sorted(names, key=lambda name: -len(name[1])):
            begins = len(job) > 1 and (job[1] == second or job[1].startswith(f"{second}_"))
            if begins and job[0] == first:
                return kind, f"{first}/{second}"
    return "experiment", ""


def get_costs(
    files: Iterable[Path], units: Mapping[str, Sequence[Sequence[str]]], price: float | None
) -> pd.DataFrame:
    """Return one row per stage, the costliest first, and their sum.

    Parameters
    ----------
    files : the measurements `benchmarks/{stage}/...tsv`.
    units : the plates and the conditions of the experiment; see `find_unit`.
    price : of a CPU hour; None leaves the price out.

    Returns
    -------
    Columns stage; unit, what the stage works on; units_measured; jobs_measured; then for one unit cpu_s,
    read_mb, written_mb, wall_s (the sums over its jobs) and peak_memory_mb; then for all units
    experiment_units, experiment_cpu_hours and experiment_price. A unit of which only some jobs have finished
    counts as if it had as many jobs as the unit with the most.
    """
    jobs = []
    for file in files:
        parts = file.with_suffix("").parts
        stage, *job = parts[parts.index("benchmarks") + 1 :]
        kind, unit = find_unit(job, units)
        jobs.append({"stage": stage, "kind": kind, "unit": unit, **read_measurement(file)})
    rows = []
    for stage, of_stage in pd.DataFrame(jobs).groupby("stage"):
        kind = of_stage["kind"].mode().iloc[0]
        per_unit = of_stage["unit"].value_counts().max()
        number = len(units[kind]) if kind in units else 1
        taken = {name: of_stage[name].mean() * per_unit for name in ADDED.values()}
        rows.append(
            {
                "stage": stage,
                "unit": kind,
                "units_measured": of_stage["unit"].nunique(),
                "jobs_measured": len(of_stage),
                **taken,
                "peak_memory_mb": of_stage["peak_memory_mb"].max(),
                "experiment_units": number,
                "experiment_cpu_hours": number * taken["cpu_s"] / 3600,
            }
        )
    table = pd.DataFrame(rows).sort_values("experiment_cpu_hours", ascending=False, ignore_index=True)
    hours = table["experiment_cpu_hours"].sum()
    total = {
        "stage": "all stages",
        "jobs_measured": table["jobs_measured"].sum(),
        "peak_memory_mb": table["peak_memory_mb"].max(),
        "experiment_cpu_hours": hours,
    }
    table = pd.concat([table, pd.DataFrame([total])], ignore_index=True)
    if price is not None:
        table["experiment_price"] = table["experiment_cpu_hours"] * price
    return table


def main(
    measured: Sequence[str],
    output: str,
    units: Mapping[str, Sequence[Sequence[str]]],
    price: float | None,
    currency: str,
) -> None:
    """Write the table of costs and print it.

    Parameters
    ----------
    measured
        Snakemake's benchmark files.
    output
        The table (csv).
    units
        The plates and the conditions of the experiment; see `find_unit`.
    price
        What an hour of one CPU costs, or None.
    currency
        In which currency.
    """
    if not measured:
        raise InputError(
            "No job has been measured yet: run one plate, for example with `--config only=PLATE`."
        )
    table = get_costs([Path(file) for file in measured], units, price)
    with write_whole(output) as part:
        table.to_csv(part, index=False, float_format="%.4g")
    text = table.to_string(index=False, na_rep="", float_format="{:.4g}".format)
    heading = "" if price is None else f" (experiment_price in {currency})"
    print(f"The resources that each stage used, and those that the experiment needs{heading}:\n{text}")
    logging.info("%d jobs measured", len(measured))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.params.measured),
            snakemake.output.table,
            snakemake.params.units,
            snakemake.params.price,
            snakemake.params.currency,
        )
