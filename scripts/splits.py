"""Recommended splits of a data set into train, validate and test, one file per split, without leakage.

The rules are those of the CPJUMP1 paper. A random split (60-20-20) keeps together everything that a model
could recognize: all replicates of a perturbation, both guides of a gene and everything else that shares the
gene, and the identifiers of one compound by its name (BVT-948, dexamethasone and thiostrepton have
two each). A split by a column of the sample sheet trains on some of its values (a cell line, a time
point) and tests on others. Wells are never divided, so all cells of a well are on one side. Negative
controls are `control` in a random split: they belong to no perturbation and may be used on each side.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.replicates import NEGATIVE_CONTROL, get_control_type, label_wells, mark_controls
from lib.tables import read_profiles, write_whole
from lib.values import separate, unify_spelling

FRACTIONS = {"train": 0.6, "validate": 0.2, "test": 0.2}
TOGETHER = ("Metadata_gene", "Metadata_target", "Metadata_pert_iname", "Metadata_InChIKey")
CONTROL = "control"


def find_units(metadata: pd.DataFrame, perturbation: pd.Series, together: Sequence[str]) -> pd.Series:
    """Number the units that must not be divided: one number per well, missing without a perturbation.

    Two perturbations are in one unit when they share a value of a column of `together` (several values
    separated by `|` or `;`), directly or through others.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    columns = [name for name in together if name in metadata]
    cleaned = {name: label_wells(metadata, name) for name in columns}
    known = pd.DataFrame(cleaned, index=metadata.index).assign(perturbation=perturbation)
    known = known.dropna(subset="perturbation")
    for row in known.drop_duplicates().to_dict("records"):
        own = ("perturbation", row.pop("perturbation"))
        root(own)
        for name, values in row.items():
            if pd.notna(values):
                for value in separate(str(values)):
                    parent[root((name, value))] = root(own)
    # a unit is numbered by its first perturbation in sorted order, regardless of the order of the wells
    first: dict[tuple[str, str], int] = {}
    number = {
        name: first.setdefault(root(("perturbation", name)), len(first))
        for name in sorted(perturbation.dropna().unique())
    }
    return perturbation.map(number)


def assign_splits(
    unit: pd.Series, perturbation: pd.Series, fractions: Mapping[str, float], seed: int
) -> pd.Series:
    """Assign complete units to splits so that each has nearly its fraction of the perturbations.

    Units come in random order, the large ones first, each to the split that is furthest below its fraction.

    Parameters
    ----------
    unit
        The unit of each well.
    perturbation
        The perturbation of each well.
    fractions
        The fraction of each split, from 0 to 1; their sum is 1.
    seed
        Seed of the random order.

    Returns
    -------
    pandas.Series
        The split of each well.

    Raises
    ------
    InputError
        If the fractions do not add up to 1, or if the units are too large or too few for the splits.
    """
    sizes = perturbation.groupby(unit).nunique()
    total = sizes.sum()
    if not np.isclose(sum(fractions.values()), 1):
        raise InputError(f"The fractions of a split must add up to 1: {dict(fractions)}.")
    if sizes.max() > max(fractions.values()) * total:
        raise InputError(
            f"{sizes.max()} of {total} perturbations are linked by shared genes or names, "
            f"more than the largest split holds ({max(fractions.values()):.0%}): shorten the list of "
            "columns that keep perturbations together (splits.*.together)."
        )
    if len(sizes) < len(fractions):
        raise InputError(
            f"{len(sizes)} independent groups of perturbations cannot make {len(fractions)} splits "
            f"({join_names(fractions)})."
        )
    rng = np.random.default_rng(seed)
    shuffled = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    names = list(fractions)
    wanted = np.array([fractions[name] * total for name in names])
    chosen = {}
    for number, size in shuffled.items():
        split = int(np.argmax(wanted))
        wanted[split] -= size
        chosen[number] = names[split]
    return unit.map(chosen)


def split_wells(
    metadata: pd.DataFrame,
    split: Mapping[str, Any],
    group: str | Sequence[str] = "Metadata_broad_sample",
    seed: int = 0,
) -> pd.DataFrame:
    """Assign each well with a perturbation, and each negative control, to a split.

    Parameters
    ----------
    metadata
        One row per well.
    split
        `{"fractions": {...}, "together": [...]}` (both may be absent) for a random split, or
        `{"column": name, "train": [values], "test": [values]}`; the column is one of `metadata`, with or
        without its prefix `Metadata_`, and wells with other values are left out.
    group
        The column, or columns, that name the perturbation.
    seed
        Seed of a random split.

    Returns
    -------
    pandas.DataFrame
        Plate, well, unit and split of each well; also the batch, if plates of two batches have one name.
    """
    negative = get_control_type(metadata) == NEGATIVE_CONTROL
    perturbation = label_wells(metadata, group).mask(negative)
    unit = find_units(metadata, perturbation, split.get("together", TOGETHER))
    if "column" in split:
        name = split["column"]
        name = name if name in metadata else f"Metadata_{name}"
        if name not in metadata:
            raise InputError(f"There is no column {split['column']} to split by: {join_names(metadata)}.")
        sides = {side: values for side, values in split.items() if side != "column"}
        written = [(side, str(value)) for side, values in sides.items() for value in values]
        # Numbers are compared as numbers, however they are written: 48 is 48.0.
        there = label_wells(metadata, name)
        spelled = unify_spelling([*there.dropna().unique(), *(value for _, value in written)])
        of_there = dict(zip(there.dropna().unique(), spelled, strict=False))
        asked = dict(zip(spelled[len(of_there) :], written, strict=True))
        absent = [value for key, (_, value) in asked.items() if key not in of_there.values()]
        if absent:
            raise InputError(
                f"No well has {join_names(absent)} in {name}, which has "
                f"{join_names(sorted(of_there), 5) or 'no value'}: a split by it would be empty."
            )
        assigned = there.map(of_there).map({key: side for key, (side, _) in asked.items()})
    else:
        fractions = split.get("fractions", FRACTIONS)
        assigned = assign_splits(unit, perturbation, fractions, seed).mask(negative, CONTROL)
    keys = ["Metadata_Plate", "Metadata_Well"]
    if "Metadata_Batch" in metadata and metadata.duplicated(keys).any():
        keys = ["Metadata_Batch", *keys]
    table = metadata[keys].assign(
        Metadata_perturbation=perturbation.mask(negative, NEGATIVE_CONTROL),
        Metadata_unit=unit.astype("Int64"),
        Metadata_split=assigned,
    )
    table = table[table["Metadata_perturbation"].notna() & table["Metadata_split"].notna()]
    return table.sort_values(keys, ignore_index=True)


def main(
    profiles: Sequence[str],
    plates: Sequence[Mapping[str, str]],
    output: str,
    split: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Write one split of all plates; `plates` holds each plate's row of the sample sheet, in order.

    Parameters
    ----------
    profiles : the files of all plates.
    plates : each plate's row of the sample sheet, in the same order.
    output : the file to write.
    split : the split's block of the config.
    options : the other parameters of `split_wells`.
    controls : the column that marks controls and its value, or None.
    """
    parts = []
    for path, plate in zip(profiles, plates, strict=True):
        part = mark_controls(read_profiles(path, features=[]), controls)
        metadata = part[[name for name in part if name.startswith("Metadata_")]]
        # Values that are empty in the sheet may come from the profiles.
        sheet = {
            f"Metadata_{name}": value
            for name, value in plate.items()
            if name != "plate" and (value or f"Metadata_{name}" not in metadata)
        }
        parts.append(metadata.assign(Metadata_Plate=plate["plate"], **sheet))
    table = split_wells(pd.concat(parts, ignore_index=True), split, **options)
    with write_whole(output) as part:
        table.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            list(snakemake.params.plates),
            snakemake.output.split,
            dict(snakemake.params.split),
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
