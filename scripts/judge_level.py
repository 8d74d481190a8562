"""Judge a level of profiles in one condition: how well replicates are found, and how well batches mix.

A correction for batch effects can be judged only by both. Replicates: Percent Replicating, the same against a
position-aware null, and mean average precision among the negative controls and among the other treatments of
the plate (as in the JUMP recipe). Mixing: the measures of scib-metrics (`lib.mixing`). Raw features, which
differ by orders of magnitude, are standardized over the wells first.

Each measure has an interval over perturbations as a sample of more of their kind. The values of each
perturbation are kept, so that two levels can be compared on the same perturbations (`judge_chains.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lib.average_precision import (
    compute_precision_from_counts,
    compute_replicate_precision,
    scale_rows_to_unit,
)
from lib.errors import number_of
from lib.intervals import get_interval_columns
from lib.logs import log_to
from lib.mixing import (
    OF_CONNECTIVITY,
    OF_KBET,
    find_mixed,
    find_neighbors,
    get_batch_silhouettes,
    get_connectivity,
    get_lisi,
    get_silhouettes,
    scale_lisi,
)
from lib.replicates import (
    Wells,
    get_control_type,
    get_wells_to_score,
    group_members,
    join_plates,
    mark_controls,
)
from lib.scores import BOUNDARY, add_notes, write_score
from lib.tables import read_profiles
from percent_replicating import score_condition

CONTROLS = "negative controls"  # their name as one more label, which batches should not separate
# The measures, in the order of the table.
REPLICATES = ("mean_average_precision_negcon", "mean_average_precision_others", "silhouette_perturbation")
MIXING = ("silhouette_batch", "graph_connectivity", "ilisi", "kbet")
PERCENT = ("percent_replicating", "position_aware_percent_replicating")
RESAMPLES = 500
FITTED = (
    "mean average precision among the negative controls not computed: a step before was fitted on them and "
    "made them uncorrelated"
)


@dataclass(frozen=True)
class JudgedWells:
    """The wells that are judged: scored ones first, then negative controls.

    `groups` has the rows of each perturbation, `plates` and `batches` are integers per well.
    """

    values: np.ndarray
    number: int
    groups: Mapping[str, np.ndarray]
    plates: np.ndarray
    batches: np.ndarray

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Return the rows of each perturbation, and of the negative controls as one more label."""
        controls = np.arange(self.number, len(self.values))
        return {**self.groups, **({CONTROLS: controls} if len(controls) else {})}

    @property
    def replicated(self) -> dict[str, np.ndarray]:
        """Return the rows of each perturbation with at least two wells."""
        return {name: rows for name, rows in self.groups.items() if len(rows) > 1}


def choose_wells(wells: Wells, group: str | Sequence[str], most: int, seed: int) -> Wells:
    """Return all wells, or those of randomly chosen perturbations and controls if there are too many.

    Parameters
    ----------
    wells : of the condition.
    group : the column, or columns, whose equal values define replicates.
    most : the largest number of wells.
    seed : of the choice.
    """
    both, number = get_wells_to_score(wells, group)
    if len(both) <= most:
        return wells
    rng = np.random.default_rng(seed)
    share = most / len(both)
    groups = list(group_members(both.metadata["perturbation"].iloc[:number]).values())
    chosen: list[int] = []
    for at in rng.permutation(len(groups)):
        if len(chosen) + len(groups[at]) <= share * number:
            chosen += groups[at].tolist()
    controls = np.arange(number, len(both))
    chosen += rng.choice(controls, int(share * len(controls)), replace=False).tolist()
    kept = np.zeros(len(both), dtype=bool)
    kept[chosen] = True
    note = f"{number_of(int(kept.sum()), 'well')} of {len(both)} judged (of perturbations drawn at random)"
    return replace(both.where(kept), notes=(*both.notes, note))


def standardize(values: np.ndarray) -> np.ndarray:
    """Return features with mean 0 and standard deviation 1 over the wells; constant ones are 0."""
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)


def get_judged_wells(
    wells: Wells, group: str | Sequence[str], batch: str, raw: bool
) -> tuple[JudgedWells, Wells]:
    """Return the wells that are judged, as numbers and as `Wells`; raw features are standardized.

    Parameters
    ----------
    wells
        The wells of the condition.
    group
        The column, or columns, whose equal values define replicates.
    batch
        The metadata column of the batches; without it, all wells are of one batch.
    raw
        Whether the features are raw, so that they must be standardized.
    """
    both, number = get_wells_to_score(wells, group)
    values = np.asarray(both.values, dtype=float)
    both = replace(both, values=standardize(values) if raw else values)
    plates = both.metadata["Metadata_Plate"].astype(str)
    batches = both.metadata[batch].astype(str) if batch in both.metadata else pd.Series("", plates.index)
    judged = JudgedWells(
        both.values,
        number,
        group_members(both.metadata["perturbation"].iloc[:number]),
        pd.factorize(plates)[0],
        pd.factorize(batches)[0],
    )
    return judged, both


def get_precision_among_others(judged: JudgedWells) -> tuple[np.ndarray, np.ndarray]:
    """Rank the replicates of each well among the wells of other perturbations on its plate.

    Returns
    -------
    Average precision and the random baseline of each scored well, NaN for a perturbation with one well and on
    a plate with no other perturbation.
    """
    unit = scale_rows_to_unit(judged.values[: judged.number])
    code = np.empty(judged.number, dtype=int)
    for at, rows in enumerate(judged.groups.values()):
        code[rows] = at
    found, baseline = np.full((2, judged.number), np.nan)
    groups = list(judged.groups.values())
    for plate in np.unique(judged.plates[: judged.number]):
        there = np.flatnonzero(judged.plates[: judged.number] == plate)
        similarity = unit[there] @ unit[there].T
        for at, well in enumerate(there):
            others = np.sort(similarity[at, code[there] != code[well]])
            replicates = groups[code[well]][groups[code[well]] != well]
            if not len(others) or not len(replicates):
                continue
            limits = unit[replicates] @ unit[well]
            above = len(others) - np.searchsorted(others, limits + 1e-12, side="right")
            found[well] = compute_precision_from_counts(above[None, :])[0]
            baseline[well] = len(replicates) / (len(replicates) + len(others))
    return found, baseline


def get_precision_among_controls(judged: JudgedWells) -> tuple[np.ndarray, np.ndarray]:
    """Rank the replicates of each well among all negative controls; as `get_precision_among_others`."""
    found, baseline = np.full((2, judged.number), np.nan)
    groups = list(judged.replicated.values())
    controls = judged.values[judged.number :]
    if not len(controls):
        return found, baseline
    precisions = compute_replicate_precision(judged.values, controls, groups)
    for rows, precision in zip(groups, precisions, strict=True):
        found[rows] = precision
        baseline[rows] = (len(rows) - 1) / (len(rows) - 1 + len(controls))
    return found, baseline


def get_values_of_wells(judged: JudgedWells, controls_fitted: bool) -> pd.DataFrame:
    """Return the measures that each well has: average precision above random, silhouette, LISI, kBET."""
    wells = pd.DataFrame(index=np.arange(len(judged.values)), dtype=float)
    scored = slice(0, judged.number)
    found, baseline = get_precision_among_controls(judged)
    wells.loc[: judged.number - 1, REPLICATES[0]] = np.nan if controls_fitted else found - baseline
    found, baseline = get_precision_among_others(judged)
    wells.loc[: judged.number - 1, REPLICATES[1]] = found - baseline
    rows = np.concatenate([*judged.replicated.values(), np.empty(0, dtype=int)])
    code = np.repeat(np.arange(len(judged.replicated)), [len(r) for r in judged.replicated.values()])
    wells[REPLICATES[2]] = np.nan
    wells.loc[rows, REPLICATES[2]] = get_silhouettes(judged.values[scored][rows], code)
    number = judged.batches.max() + 1
    wells["ilisi"], wells["kbet"] = np.nan, np.nan
    if number > 1 and len(wells) > OF_CONNECTIVITY:
        neighbors = find_neighbors(judged.values)
        wells["ilisi"] = scale_lisi(get_lisi(neighbors, judged.batches), number)
        wells["kbet"] = find_mixed(neighbors.nearest(OF_KBET), judged.batches).astype(float)
    return wells


def get_values_of_labels(judged: JudgedWells, wells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each measure over the wells of each perturbation, and the measures of labels."""
    labels = judged.labels
    table = pd.DataFrame({name: wells.iloc[rows].mean() for name, rows in labels.items()}).T
    table["wells"] = [len(rows) for rows in labels.values()]
    several = judged.batches.max() > 0
    batches = get_batch_silhouettes(judged.values, judged.batches, labels) if several else {}
    connected: Mapping[str, float] = {}
    if len(wells) > OF_CONNECTIVITY:
        connected = get_connectivity(find_neighbors(judged.values, OF_CONNECTIVITY), judged.replicated)
    table["silhouette_batch"] = pd.Series(batches, dtype=float).reindex(table.index)
    table["graph_connectivity"] = pd.Series(connected, dtype=float).reindex(table.index)
    table.insert(0, "perturbation", table.index)
    return table.reset_index(drop=True)


def get_interval(
    parts: Sequence[np.ndarray], statistic: Callable[[np.ndarray], float], seed: int
) -> tuple[float, float]:
    """Return the central 95 % of a statistic of the values of perturbations drawn with replacement.

    Parameters
    ----------
    parts : the values of each perturbation.
    statistic : of all values together.
    seed : of the draws.
    """
    parts = [part[np.isfinite(part)] for part in parts]
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng([seed, 5])
    drawn = [
        statistic(np.concatenate([parts[at] for at in rng.integers(len(parts), size=len(parts))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def summarize(judged: JudgedWells, wells: pd.DataFrame, labels: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return each measure with its interval over perturbations.

    Average precision is the mean over perturbations, graph connectivity and the silhouette by batch the mean
    over labels, LISI the median over wells, and the others the mean over wells.

    Parameters
    ----------
    judged
        The wells that are judged.
    wells
        The measures of each well, one row per well in the order of `judged`.
    labels
        The measures of each label, one row per label.
    seed
        The seed of the intervals' draws.
    """
    row: dict[str, float] = {}
    for name in (*REPLICATES, *MIXING):
        if name in ("ilisi", "kbet", "silhouette_perturbation"):
            parts = [wells[name].to_numpy(float)[rows] for rows in judged.labels.values()]
            statistic = np.median if name == "ilisi" else np.mean
        else:
            parts = list(labels[name].to_numpy(float)[:, None])
            statistic = np.mean
        known = np.concatenate(parts)
        known = known[np.isfinite(known)]
        row[name] = float(statistic(known)) if len(known) else np.nan
        row |= get_interval_columns(name, get_interval(parts, statistic, seed))
    return row


def judge(
    wells: Wells, options: Mapping[str, Any], raw: bool = False, controls_fitted: bool = False
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Judge the wells of one condition.

    Parameters
    ----------
    wells
        The wells of the condition.
    options
        `group`, `batch` (the column whose equal values define a batch), `draws`, `percentile`,
        `minimum_replicates`, `most_wells` and `seed`.
    raw
        Whether the features were never brought to a common scale.
    controls_fitted
        Whether a step was fitted on the negative controls.

    Returns
    -------
    tuple
        The level's row, and a table with one row per perturbation and one for the negative controls.
    """
    group, seed = options["group"], options["seed"]
    chosen = choose_wells(wells, group, options["most_wells"], seed)
    judged, both = get_judged_wells(chosen, group, options["batch"], raw)
    number = int(judged.batches.max(initial=-1)) + 1
    notes = list(both.notes)
    if options["batch"] not in both.metadata:
        notes.append(f"mixing not judged: the profiles have no column {options['batch']} (judge.batch)")
    elif number < 2:
        notes.append(f"mixing not judged: all wells have the same {options['batch']}")
    if controls_fitted:
        notes.append(FITTED)
    elif not (get_control_type(both.metadata) == "negcon").any():
        notes.append("mean average precision among the negative controls not computed: there are none")
    score, table, _ = score_condition(
        both,
        group,
        draws=options["draws"],
        percentile=options["percentile"],
        minimum_replicates=options["minimum_replicates"],
        controls_in_null=not controls_fitted,
        seed=seed,
    )
    of_wells = get_values_of_wells(judged, controls_fitted)
    of_labels = get_values_of_labels(judged, of_wells)
    replicating = table.set_index("perturbation")
    for name in ("replicating", "position_aware_replicating"):
        of_labels[name] = of_labels["perturbation"].map(replicating[name].astype(float))
    ends = ("", "_low", "_high", "_sampling_low", "_sampling_high")
    percent = {f"{n}{end}": score[f"{n}{end}"] for n in PERCENT for end in ends if f"{n}{end}" in score}
    row = {
        "plates": both.metadata["Metadata_Plate"].nunique(),
        "wells": len(judged.values),
        "features": len(both.features),
        "perturbations": len(judged.groups),
        "batches": number,
        "standardized": raw,
        **percent,
        **summarize(judged, of_wells, of_labels, seed),
        "message": add_notes(score["message"], [note for note in notes if note not in score["message"]]),
    }
    return row, of_labels


def read_judged_wells(
    paths: Sequence[str], plates: Sequence[Mapping[str, str]], controls: Mapping[str, str]
) -> Wells:
    """Read the wells of some plates: a step over several conditions has those of others in the same file."""
    wanted = {(plate["batch"], plate["plate"]) for plate in plates}
    tables = {}
    for path in paths:
        profiles = read_profiles(path)
        names = zip(profiles["Metadata_Batch"], profiles["Metadata_Plate"], strict=True)
        kept = np.array([name in wanted for name in names], dtype=bool)
        kept_profiles = profiles if kept.all() else profiles[kept].reset_index(drop=True)
        tables[path] = mark_controls(kept_profiles, controls)
    return join_plates(tables)


def main(
    paths: Sequence[str],
    plates: Sequence[Mapping[str, str]],
    outputs: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> None:
    """Write the level's row and its table of perturbations.

    Parameters
    ----------
    paths, plates : the files of profiles; batch and name of the condition's plates.
    outputs : paths of `score` (csv) and `perturbations` (Parquet).
    parameters
        The columns that name the `condition`, the `level` and its `step`; `controls`; see `judge` for
        `options`, `raw` and `controls_fitted`.
    """
    wells = read_judged_wells(paths, plates, parameters["controls"])
    options = parameters["options"]
    row, table = judge(wells, options, parameters["raw"], parameters["controls_fitted"])
    head = {**parameters["condition"], BOUNDARY: parameters["level"]}
    row = {**parameters["step"], **row}
    write_score(row, {"perturbations": table}, outputs, head, options, paths)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        names = ("condition", "level", "step", "controls", "options", "raw", "controls_fitted")
        main(
            list(snakemake.input.profiles),
            snakemake.params.plates,
            {name: snakemake.output[name] for name in ("score", "perturbations")},
            {name: snakemake.params[name] for name in names},
        )
