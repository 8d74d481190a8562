"""Wells, their perturbations and the correlations between them.

What Percent Replicating, Percent Matching and mean average precision share: joining the plates of a
condition, choosing the wells that count, and medians of Pearson correlations. Rows are standardised
once, so that one matrix product holds every correlation and a median is a gather from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.controls import control_kinds
from lib.errors import InputError, listed, number_of
from lib.gaps import (
    describe_filled,
    describe_incomplete,
    fill_gaps,
    find_few_cells,
    find_gappy_features,
    find_incomplete_wells,
)
from lib.tables import feature_columns, read_profiles
from lib.values import MissingValues

NEGATIVE_CONTROL = "negcon"
MISSING = MissingValues()
MOST_WELLS = 80_000  # correlated with each other: 51 GB
GATHERED = 2_000_000  # correlations gathered at once: 16 MB, so that they stay in the cache


@dataclass(frozen=True)
class Wells:
    """Wells of several plates on their common features.

    `metadata` has one row per well, `values` (wells, features) holds the profiles, `dropped` counts
    what was left out on the way here, `notes` says what a reader of a score should know of it.
    """

    metadata: pd.DataFrame
    values: np.ndarray
    features: list[str]
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.metadata)

    def where(self, kept: np.ndarray) -> "Wells":
        """The wells that `kept` (one boolean a well) names."""
        return replace(self, metadata=self.metadata[kept].reset_index(drop=True), values=self.values[kept])


def read_wells(paths: Sequence[str | Path], controls: Mapping[str, str] | None = None) -> Wells:
    """Read the profiles of several plates and join them, see `join_plates` and `marked`."""
    return join_plates({str(path): marked(read_profiles(path), controls) for path in paths})


def marked(profiles: pd.DataFrame, controls: Mapping[str, str] | None) -> pd.DataFrame:
    """`profiles` with `Metadata_control_type` as the benchmark reads it.

    `controls` is the config's: its `column` (without `Metadata_`) says what a well is a control of, where
    its value `negcon` marks a negative control (see `control_kinds`). None leaves the profiles as they are.
    """
    column = f"Metadata_{controls['column']}" if controls else None
    if column not in profiles:
        return profiles
    kinds = control_kinds(profiles[column], controls["negcon"])
    kinds = kinds.replace({"": pd.NA, controls["negcon"]: NEGATIVE_CONTROL})
    return profiles.assign(Metadata_control_type=kinds)


def join_plates(plates: dict[str, pd.DataFrame]) -> Wells:
    """Put the plates (file name: profiles) under one another on the features that all of them have.

    A profile without `Metadata_Plate` takes its file's name for it. Plates with no feature in
    common, or a well that is there twice, raise InputError.
    """
    if not plates:
        raise InputError("No profiles were given: a condition needs at least one plate.")
    named = {
        file: plate
        if "Metadata_Plate" in plate
        else plate.assign(Metadata_Plate=Path(file).name.split(".")[0])
        for file, plate in plates.items()
    }
    every = {file: feature_columns(plate) for file, plate in named.items()}
    shared = set.intersection(*(set(features) for features in every.values()))
    features = [feature for feature in next(iter(every.values())) if feature in shared]
    if not features:
        sizes = listed(f"{Path(file).name} ({len(names)})" for file, names in every.items())
        raise InputError(
            f"These profiles have no feature in common (number of features in brackets): {sizes}. "
            "Replicates are compared on common features: give profiles of one feature set and level, "
            "or select features over the batch instead of per plate."
        )
    metadata = pd.concat(
        [plate[[c for c in plate if c.startswith("Metadata_")]] for plate in named.values()],
        ignore_index=True,
    )
    twice = metadata[metadata.duplicated(["Metadata_Plate", "Metadata_Well"])]
    if len(twice):
        wells = listed(twice["Metadata_Plate"].str.cat(twice["Metadata_Well"], sep=" "))
        raise InputError(
            f"Wells that are there twice: {wells} (in {listed(Path(file).name for file in named)}). "
            "Name each plate once and keep one profile a well."
        )
    values = np.vstack([plate[features].to_numpy(float) for plate in named.values()])
    union = set().union(*every.values())
    return Wells(metadata, values, features, {"features_not_common": len(union) - len(features)})


def labels(metadata: pd.DataFrame, group: str | Sequence[str]) -> pd.Series:
    """The perturbation of each well: the column `group`, or several joined by `|`; missing if empty."""
    columns = [group] if isinstance(group, str) else list(group)
    absent = [column for column in columns if column not in metadata]
    if absent:
        known = listed(column for column in metadata if column.startswith("Metadata_"))
        raise InputError(
            f"The profiles have no column {listed(absent)} to group replicates by. Name one of "
            f"theirs ({known}), or annotate the plates."
        )
    # Words for nothing and spellings of numbers, over all plates together.
    parts = metadata[columns].astype("str").fillna("")
    parts = parts.apply(lambda part: MISSING.clean(part.tolist(), part.name), result_type="broadcast")
    missing = parts == ""
    joined = parts[columns[0]].str.cat([parts[column] for column in columns[1:]], sep="|")
    return joined.mask(missing.any(axis=1))


def control_type(metadata: pd.DataFrame) -> pd.Series:
    """`Metadata_control_type` as text, '' where missing or where there is no such column."""
    if "Metadata_control_type" not in metadata:
        return pd.Series("", index=metadata.index, dtype="str")
    return metadata["Metadata_control_type"].astype("str").fillna("")


def split_wells(
    wells: Wells, group: str | Sequence[str], positive_controls: bool = True
) -> tuple[Wells, Wells]:
    """The wells whose perturbations are scored, and the negative controls, on complete features.

    Left out and counted in `dropped`: wells without a perturbation (empty, not annotated), wells without any
    value, wells with too few cells, incomplete wells and the features that other wells lack (the rule of
    `lib.gaps`), wells whose features are all equal (they have no correlation). The scored wells carry their
    perturbation in a column `perturbation`.
    """
    control = control_type(wells.metadata)
    negative = (control == NEGATIVE_CONTROL).to_numpy()
    perturbation = labels(wells.metadata, group)
    blank = ~np.isfinite(wells.values).any(axis=1)
    counted = (perturbation.notna().to_numpy() | negative) & ~blank
    few = counted & find_few_cells(wells.metadata)
    counted &= ~few
    incomplete = counted.copy()
    incomplete[counted] = find_incomplete_wells(wells.values[counted])
    scored = perturbation.notna().to_numpy() & ~negative & ~blank & ~incomplete & ~few
    if not positive_controls:
        scored &= (control == "").to_numpy()
    controls = negative & ~blank & ~incomplete & ~few
    used = scored | controls
    gappy = find_gappy_features(wells.values[used])
    features = [name for name, gone in zip(wells.features, gappy, strict=True) if not gone]
    values = wells.values[:, ~gappy]
    notes = [*describe_incomplete(wells.metadata, incomplete), *describe_filled(values[used])]
    notes += [f"{number_of(int(few.sum()), 'well')} left out, with too few cells"] if few.any() else []
    values[used] = fill_gaps(values[used])
    with np.errstate(invalid="ignore"):
        flat = (values == values[:, :1]).all(axis=1) & ~blank
    dropped = {
        **wells.dropped,
        "features_missing": int(gappy.sum()),
        "wells_without_perturbation": int((perturbation.isna().to_numpy() & ~negative).sum()),
        "wells_without_values": int(blank.sum()),
        "wells_incomplete": int(incomplete.sum()),
        "wells_constant": int((flat & scored).sum()),
    }
    metadata = wells.metadata.assign(perturbation=perturbation)
    kept = Wells(metadata, values, features, dropped, (*wells.notes, *notes))
    return kept.where(scored & ~flat), kept.where(controls & ~flat)


def standardise(values: np.ndarray) -> np.ndarray:
    """Centre each row and scale it to length 1: the product of two rows is their Pearson r."""
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def correlate(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Pearson r of every row of `a` with every row of `b` (of `a` itself without `b`).

    Raises:
        InputError: for more wells than any machine has the memory for.
    """
    pairs = len(a) * len(a if b is None else b)
    if pairs > MOST_WELLS**2:
        raise InputError(
            f"A condition of {len(a)} wells: their correlations take {8 * pairs / 1e9:.0f} GB of memory. "
            "Score fewer plates together: name more columns in benchmark.condition (batch, for instance), or "
            "choose plates with benchmark.where."
        )
    rows = standardise(a)
    return rows @ (rows if b is None else standardise(b)).T


def members(perturbation: pd.Series) -> dict[str, np.ndarray]:
    """The wells (row numbers) of each perturbation, perturbations in sorted order."""
    codes, names = pd.factorize(perturbation, sort=True)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return dict(zip(names, np.split(order, ends[:-1]), strict=True)) if len(names) else {}


def row_medians(values: np.ndarray) -> np.ndarray:
    """The median of each row: `np.median(values, axis=1)` for finite values, several times faster."""
    half = values.shape[1] // 2
    if values.shape[1] % 2:
        return np.partition(values, half, axis=1)[:, half]
    middle = np.partition(values, (half - 1, half), axis=1)
    return (middle[:, half - 1] + middle[:, half]) / 2


def medians_within(correlations: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The median correlation within each set of wells.

    `correlations` is (wells, wells), `sets` (sets, m) holds row numbers; the median is over the
    m(m-1)/2 pairs, which is the median of all off-diagonal values.
    """
    first, second = np.triu_indices(sets.shape[1], 1)
    flat = correlations.ravel()
    medians = np.empty(len(sets))
    step = max(1, GATHERED // len(first))
    for start in range(0, len(sets), step):
        part = sets[start : start + step]
        cells = part[:, first] * len(correlations) + part[:, second]
        medians[start : start + step] = row_medians(flat.take(cells))
    return medians


def medians_between(correlations: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The median of each whole block of correlations between two sets of wells.

    `correlations` is (wells of a, wells of b); `a` (pairs, m) and `b` (pairs, n) hold row numbers.
    """
    flat = correlations.ravel()
    medians = np.empty(len(a))
    step = max(1, GATHERED // (a.shape[1] * b.shape[1]))
    for start in range(0, len(a), step):
        rows, columns = a[start : start + step, :, None], b[start : start + step, None, :]
        cells = rows * correlations.shape[1] + columns
        medians[start : start + step] = row_medians(flat.take(cells.reshape(len(cells), -1)))
    return medians
