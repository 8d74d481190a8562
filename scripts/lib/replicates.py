"""Wells, their perturbations and the correlations between them.

Percent Replicating, Percent Matching and mean average precision share this module: it joins the plates of
a condition, chooses the wells that count, and computes medians of Pearson correlations. For a large
condition only the requested correlations are computed: those of all pairs of 650,000 wells fit in no memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.controls import find_control_kinds
from lib.errors import InputError, join_names, number_of
from lib.gaps import (
    describe_constant,
    describe_filled,
    describe_incomplete,
    fill_gaps,
    find_few_cells,
    find_gappy_features,
    find_incomplete_wells,
)
from lib.perturbation_names import describe_alike
from lib.repeated_wells import describe_repeated, tell_plates_apart
from lib.tables import get_features, is_of_workflow, read_feature_names, read_profiles
from lib.values import MissingValues

NEGATIVE_CONTROL = "negcon"
MISSING = MissingValues()
MOST_CORRELATIONS = 64_000_000  # held at once: 512 MB
MOST_DOUBLES = 134_000_000  # values kept in double precision: 1 GB
GATHERED = 2_000_000  # values gathered at once: 16 MB, so that they stay in the cache
BLOCK_ROWS = 2048  # rows of a matrix product
LARGE_SET = 500  # the pairs of more wells are computed block by block


@dataclass(frozen=True)
class Wells:
    """Wells of several plates on their common features.

    `metadata` has one row per well, `values` (wells, features) holds the profiles, `dropped` counts
    what was left out so far, `notes` holds what a reader of a score should know.
    """

    metadata: pd.DataFrame
    values: np.ndarray
    features: list[str]
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.metadata)

    def where(self, kept: np.ndarray) -> "Wells":
        """Return the wells for which `kept` (one boolean per well) is true; without a copy if all are."""
        if kept.all():
            return self
        return replace(self, metadata=self.metadata[kept].reset_index(drop=True), values=self.values[kept])


def read_wells(paths: Sequence[str | Path], controls: Mapping[str, str] | None = None) -> Wells:
    """Read the profiles of several plates and join them, see `join_plates` and `mark_controls`.

    Of the workflow's own files only the features that all plates have are read, one plate at a time. Values
    are kept in double precision; in single precision when the files are, or when they are over a gigabyte.
    """
    return read_wells_and_sizes(paths, controls)[0]


def read_wells_and_sizes(
    paths: Sequence[str | Path], controls: Mapping[str, str] | None = None
) -> tuple[Wells, list[int]]:
    """Read as `read_wells`; return also the number of wells of each plate."""
    if len(paths) < 2 or not all(is_of_workflow(path) for path in paths):
        plates = {str(path): mark_controls(read_profiles(path), controls) for path in paths}
        return join_plates(plates), [len(plate) for plate in plates.values()]
    every = {str(path): read_feature_names(path) for path in paths}
    features = find_common_features(every)
    number = sum(pq.read_metadata(path).num_rows for path in paths)
    values = np.empty((number, len(features)), dtype=choose_precision(paths, features, number))
    metadata, end = [], 0
    for path in paths:
        plate = read_profiles(path, features=features)
        rows = slice(end, end + len(plate))
        values[rows] = plate[features].to_numpy()
        end = rows.stop
        about = plate[[name for name in plate if name.startswith("Metadata_")]]
        metadata.append(add_plate(mark_controls(about, controls), str(path)))
    return join_wells(metadata, values[:end], features, every), [len(plate) for plate in metadata]


def choose_precision(paths: Sequence[str | Path], features: Sequence[str], number: int) -> type:
    """Return the precision that the values of `number` wells are kept in, see `read_wells`."""
    if number * len(features) > MOST_DOUBLES:
        return np.float32
    schemas = (pq.read_schema(path) for path in paths)
    single = all(schema.field(name).type == pa.float32() for schema in schemas for name in features)
    return np.float32 if single else float


def mark_controls(profiles: pd.DataFrame, controls: Mapping[str, str] | None) -> pd.DataFrame:
    """Return `profiles` with `Metadata_control_type` as the benchmark reads it.

    `controls` is the config's: its `column` (without `Metadata_`) gives the control type of a well, and
    its value `negcon` marks a negative control (see `find_control_kinds`). None leaves the profiles
    as they are.
    """
    column = f"Metadata_{controls['column']}" if controls else None
    if column not in profiles:
        return profiles
    kinds = find_control_kinds(profiles[column], controls["negcon"])
    kinds = kinds.replace({"": pd.NA, controls["negcon"]: NEGATIVE_CONTROL})
    return profiles.assign(Metadata_control_type=kinds)


def join_plates(plates: dict[str, pd.DataFrame]) -> Wells:
    """Concatenate the plates (file name: profiles) on the features that all of them have.

    A profile without `Metadata_Plate` gets its file's name as plate. InputError is raised if the plates have
    no feature in common or if a well is a duplicate.
    """
    if not plates:
        raise InputError("No profiles were given: a condition needs at least one plate.")
    named = {file: add_plate(plate, file) for file, plate in plates.items()}
    every = {file: get_features(plate) for file, plate in named.items()}
    features = find_common_features(every)
    metadata = [plate[[c for c in plate if c.startswith("Metadata_")]] for plate in named.values()]
    values = np.vstack([plate[features].to_numpy(float) for plate in named.values()])
    return join_wells(metadata, values, features, every)


def add_plate(plate: pd.DataFrame, file: str) -> pd.DataFrame:
    """Return the profiles, with their file's name as `Metadata_Plate` if they have no such column."""
    if "Metadata_Plate" in plate:
        return plate
    return plate.assign(Metadata_Plate=Path(file).name.split(".")[0])


def find_common_features(every: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the features that all files have, in the order of the first; InputError if there are none."""
    shared = set.intersection(*(set(features) for features in every.values()))
    features = [feature for feature in next(iter(every.values())) if feature in shared]
    if not features:
        sizes = join_names(f"{Path(file).name} ({len(names)})" for file, names in every.items())
        raise InputError(
            f"These profiles have no feature in common (number of features in parentheses): {sizes}. "
            "Replicates are compared on common features: give profiles of one feature set and level, "
            "or select features over the batch instead of per plate."
        )
    return features


def join_wells(
    metadata: Sequence[pd.DataFrame],
    values: np.ndarray,
    features: list[str],
    every: Mapping[str, Sequence[str]],
) -> Wells:
    """Return the wells of all plates, checked for duplicates; `every` has the features of each file."""
    about = tell_plates_apart(pd.concat(metadata, ignore_index=True))
    twice = about[about.duplicated(["Metadata_Plate", "Metadata_Well"])]
    if len(twice):
        wells = join_names(twice["Metadata_Plate"].str.cat(twice["Metadata_Well"], sep=" "))
        raise InputError(
            f"Duplicate wells: {wells} (in {join_names(Path(file).name for file in every)}). "
            "Name each plate once and keep one profile per well."
        )
    union = set().union(*every.values())
    return Wells(about, values, features, {"features_not_common": len(union) - len(features)})


def label_wells(metadata: pd.DataFrame, group: str | Sequence[str]) -> pd.Series:
    """Return each well's perturbation: the column `group`, or several joined by `|`; missing if empty."""
    columns = [group] if isinstance(group, str) else list(group)
    absent = [column for column in columns if column not in metadata]
    if absent:
        known = join_names(name for name in metadata if name.startswith("Metadata_"))
        plates = join_names(metadata.get("Metadata_Plate", pd.Series(dtype=str)).unique(), 3)
        raise InputError(
            f"The profiles of plate {plates or '?'} have no column {join_names(absent)} to group wells by. "
            f"Name another in the config ({known}), or add it (a plate_map is used for `aggregated` only)."
        )
    # Words for missing values and spellings of numbers are compared over all plates together.
    parts = metadata[columns].astype("str").fillna("")
    parts = parts.apply(lambda part: MISSING.clean(part.tolist(), part.name), result_type="broadcast")
    missing = parts == ""
    joined = parts[columns[0]].str.cat([parts[column] for column in columns[1:]], sep="|")
    return joined.mask(missing.any(axis=1))


def get_control_type(metadata: pd.DataFrame) -> pd.Series:
    """Return `Metadata_control_type` as text, '' where it is missing or if the column is missing."""
    if "Metadata_control_type" not in metadata:
        return pd.Series("", index=metadata.index, dtype="str")
    return metadata["Metadata_control_type"].astype("str").fillna("")


def split_wells(
    wells: Wells, group: str | Sequence[str], positive_controls: bool = True
) -> tuple[Wells, Wells]:
    """Return the wells whose perturbations are scored, and the negative controls, on complete features.

    `dropped` counts what is left out: wells without a perturbation, without any value, or with too few cells,
    incomplete wells and the features that other wells lack (the rule of `lib.gaps`), and wells whose features
    are all equal, which have no correlation. The column `perturbation` is added.
    """
    both, number = get_wells_to_score(wells, group, positive_controls)
    rest = both.metadata.iloc[number:].reset_index(drop=True)
    scored = replace(both, metadata=both.metadata.iloc[:number], values=both.values[:number])
    return scored, replace(both, metadata=rest, values=both.values[number:])


def get_wells_to_score(
    wells: Wells, group: str | Sequence[str], positive_controls: bool = True
) -> tuple[Wells, int]:
    """Return scored wells, then controls, of `split_wells` in one table, and the number of scored wells."""
    control = get_control_type(wells.metadata)
    negative = (control == NEGATIVE_CONTROL).to_numpy()
    perturbation = label_wells(wells.metadata, group)
    blank = apply_by_rows(wells.values, lambda part: ~np.isfinite(part).any(axis=1))
    is_complete = apply_by_rows(wells.values, lambda part: np.isfinite(part).all(axis=1))
    counted = (perturbation.notna().to_numpy() | negative) & ~blank
    few = counted & find_few_cells(wells.metadata)
    counted &= ~few
    incomplete = np.zeros(len(wells), dtype=bool)
    if not is_complete[counted].all():
        incomplete[counted] = find_incomplete_wells(wells.values[counted])
    scored = perturbation.notna().to_numpy() & ~negative & ~blank & ~incomplete & ~few
    if not positive_controls:
        scored &= (control == "").to_numpy()
    controls = negative & ~blank & ~incomplete & ~few
    rows = np.concatenate([np.flatnonzero(scored), np.flatnonzero(controls)])
    # a large condition whose wells are all used, in this order already, is not copied
    values = wells.values
    if not np.array_equal(rows, np.arange(len(wells))):
        values = np.take(values, rows, axis=0)
    gappy = np.zeros(len(wells.features), dtype=bool)
    notes = describe_incomplete(wells.metadata, incomplete)
    notes += [f"{number_of(int(few.sum()), 'well')} left out, with too few cells"] if few.any() else []
    if not is_complete[rows].all():
        gappy = find_gappy_features(values)
        values = values[:, ~gappy]
        notes += describe_filled(values)
        values = fill_gaps(values)
    notes += describe_repeated(wells.metadata.iloc[rows], values)
    notes += describe_alike(perturbation[scored].unique())
    flat = apply_by_rows(values, lambda part: (part == part[:, :1]).all(axis=1))
    notes += describe_constant(int(flat.sum()), values.shape[1])
    dropped = {
        **wells.dropped,
        "features_missing": int(gappy.sum()),
        "wells_without_perturbation": int((perturbation.isna().to_numpy() & ~negative).sum()),
        "wells_without_values": int(blank.sum()),
        "wells_incomplete": int(incomplete.sum()),
        "wells_constant": int(flat[: scored.sum()].sum()),
    }
    number = int(scored.sum()) - dropped["wells_constant"]
    metadata = wells.metadata.assign(perturbation=perturbation).iloc[rows[~flat]].reset_index(drop=True)
    values = values[~flat] if flat.any() else values
    features = [name for name, gone in zip(wells.features, gappy, strict=True) if not gone]
    return Wells(metadata, values, features, dropped, (*wells.notes, *notes)), number


def apply_by_rows(values: np.ndarray, test: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `test`, which returns one boolean per row, block by block to avoid copying a large table."""
    parts = [test(values[start : start + BLOCK_ROWS]) for start in range(0, len(values), BLOCK_ROWS)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=bool)


def standardize(values: np.ndarray) -> np.ndarray:
    """Center each profile (last axis) and scale it to length 1: the product of two is their Pearson r."""
    rows = np.array(values, dtype=float)
    # blocks stay in the cache, and need no copies of a large table
    step = BLOCK_ROWS if rows.ndim == 2 else max(1, len(rows))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        part -= part.mean(axis=-1, keepdims=True)
        part /= np.linalg.norm(part, axis=-1, keepdims=True)
    return rows


def correlate_rows(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Return Pearson r of every row of `a` with every row of `b` (of `a` itself without `b`).

    Computed in blocks of rows: one product of 22,000 rows crashed in a threaded BLAS.
    """
    rows = standardize(a)
    columns = (rows if b is None else standardize(b)).T
    found = np.empty((len(rows), columns.shape[1]))
    for start in range(0, len(rows), BLOCK_ROWS):
        np.matmul(rows[start : start + BLOCK_ROWS], columns, out=found[start : start + BLOCK_ROWS])
    return found


@dataclass(frozen=True)
class Correlations:
    """The correlations of the wells of `a` with those of `b`, computed when they are requested.

    `matrix` holds all of them if that is less work than computing only the requested ones. `standard`:
    whether `a` and `b` are standardized already.
    """

    a: np.ndarray
    b: np.ndarray
    matrix: np.ndarray | None
    standard: bool = False

    def unit(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the standardized profiles of some rows."""
        return values[rows] if self.standard else standardize(values[rows])

    def within(self, sets: np.ndarray) -> np.ndarray:
        """Return the correlations of all pairs within each set of wells (sets, m): (sets, m (m - 1) / 2)."""
        first, second = np.triu_indices(sets.shape[1], 1)
        if self.matrix is not None:
            return self.matrix.ravel().take(sets[:, first] * self.matrix.shape[1] + sets[:, second])
        rows = self.unit(self.a, sets)
        return (rows @ rows.swapaxes(1, 2))[:, first, second]

    def between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return all correlations between two sets of wells (pairs, m), (pairs, n): (pairs, m n)."""
        if self.matrix is not None:
            cells = a[:, :, None] * self.matrix.shape[1] + b[:, None, :]
            return self.matrix.ravel().take(cells.reshape(len(cells), -1))
        rows, columns = self.unit(self.a, a), self.unit(self.b, b)
        return (rows @ columns.swapaxes(1, 2)).reshape(len(a), -1)

    def step(self, wells: int, pairs: int) -> int:
        """Return how many sets with this many wells and pairs are computed at once."""
        features = 1 if self.matrix is not None else self.a.shape[1]
        return max(1, GATHERED // max(pairs, 1 if self.matrix is not None else wells * features))


def correlate(a: np.ndarray, b: np.ndarray | None = None, pairs: float = np.inf) -> Correlations:
    """Prepare the correlations of `a` (wells, features) with `b` (or `a`); `pairs` will be requested."""
    b = None if b is a else b
    other = a if b is None else b
    number = len(a) * len(other)
    if number <= min(pairs, MOST_CORRELATIONS):
        return Correlations(a, other, correlate_rows(a, b))
    if a.size + other.size > MOST_DOUBLES:
        return Correlations(a, other, None)
    rows = standardize(a)
    return Correlations(rows, rows if b is None else standardize(b), None, standard=True)


def group_members(perturbation: pd.Series) -> dict[str, np.ndarray]:
    """Return the wells (row numbers) of each perturbation, with perturbations sorted."""
    codes, names = pd.factorize(perturbation, sort=True)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return dict(zip(names, np.split(order, ends[:-1]), strict=True)) if len(names) else {}


def compute_row_medians(values: np.ndarray) -> np.ndarray:
    """Return the median of each row: `np.median(values, axis=1)` for finite values, several times faster."""
    half = values.shape[1] // 2
    if values.shape[1] % 2:
        return np.partition(values, half, axis=1)[:, half]
    middle = np.partition(values, (half - 1, half), axis=1)
    return (middle[:, half - 1] + middle[:, half]) / 2


def compute_medians_within(correlations: Correlations, sets: np.ndarray) -> np.ndarray:
    """Return the median of all off-diagonal correlations within each set of wells (sets, m)."""
    if sets.shape[1] > LARGE_SET:
        return np.array([compute_median_of_large_set(correlations.a[wells]) for wells in sets])
    medians = np.empty(len(sets))
    step = correlations.step(sets.shape[1], sets.shape[1] ** 2)
    for start in range(0, len(sets), step):
        medians[start : start + step] = compute_row_medians(correlations.within(sets[start : start + step]))
    return medians


def compute_median_of_large_set(values: np.ndarray) -> float:
    """Return the median correlation of all pairs of profiles (wells, features), computed block by block."""
    rows = standardize(values)
    found = np.empty(len(rows) * (len(rows) - 1) // 2)
    end = 0
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS] @ rows[start:].T
        part = block[np.triu_indices(len(block), 1, block.shape[1])]
        found[end : end + len(part)] = part
        end += len(part)
    return float(np.median(found, overwrite_input=True))


def compute_medians_between(correlations: Correlations, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the median of all correlations between two sets of wells (pairs, m), (pairs, n)."""
    medians = np.empty(len(a))
    step = correlations.step(a.shape[1] + b.shape[1], a.shape[1] * b.shape[1])
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        medians[part] = compute_row_medians(correlations.between(a[part], b[part]))
    return medians
