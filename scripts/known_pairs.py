"""Count how many known pairs of genes, targets or mechanisms are among the most and the least similar pairs.

The profile of a name (a value of `benchmark.gene`, or a perturbation if it has none) is the mean of the
consensus profiles of its perturbations, relative to the negative controls. Of all pairs of names, those in
the top and in the bottom 5 % of the cosines are retrieved: 10 % by chance. The p-value is that of as many
retrieved pairs if the names are shuffled among the profiles.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.plates import read_table
from lib.replicates import Wells, group_members, read_wells, split_wells
from lib.scores import BOUNDARY
from lib.sides import get_genes
from lib.tables import write_whole
from lib.text_files import read_text_file
from lib.values import MissingValues, separate

WEIGHT = re.compile(r",[0-9.]+$")  # weight of a gene in the sets of Enrichr: TP53,1.0
TAIL = 5  # percent of all pairs, on either side
SHUFFLES = 1000
# Names whose pairs are all compared; if there are more, this many of those in known pairs are drawn.
MOST_NAMES = 6000
COLUMNS = (
    *("source", "names", "known_pairs", "pairs_in_condition", "in_top", "in_bottom"),
    *("recall", "recall_top", "recall_bottom", "expected", "p_value", "message"),
)


def read_pairs(
    path: str | Path, known_names: Sequence[str] = (), missing: MissingValues | None = None
) -> set[tuple[str, str]]:
    """Read known pairs: the first two columns of a table, or all pairs in each set.

    Sets are the lines of a GMT file, or the rows of a table with one column (`TP53;MDM2;MDM4`). In a table of
    pairs, a value with several names stands for each of them. Numbers (identifiers of genes) and words for
    missing values are read as in annotation tables.

    Parameters
    ----------
    path
        The file.
    known_names
        The names of the condition. If they are in the first line of a table, it has no header.
    missing
        What counts as missing, and which words are names (in the column "").

    Raises
    ------
    InputError
        If the file cannot be read, has no pair, or no header.
    """
    missing = missing or MissingValues()
    if Path(path).name.lower().removesuffix(".gz").endswith(".gmt"):
        found = {
            pair for names in read_gmt(Path(path), known_names, missing) for pair in get_pairs_of_set(names)
        }
    else:
        columns, rows = read_table(path)
        values = missing.clean([value for row in rows for value in list(row.values())[:2]])
        names = [separate(value) for value in values]
        if set(columns[:2]) & {*known_names, *chain.from_iterable(names)}:
            raise InputError(
                f"{path}: the first line must name the columns; here it is the pair "
                f"{join_names(columns[:2])}."
            )
        if len(columns) == 1:
            found = {pair for of_row in names for pair in get_pairs_of_set(of_row)}
        else:
            pairs = (product(*of_row) for of_row in zip(names[::2], names[1::2], strict=True))
            found = {(min(pair), max(pair)) for pair in chain.from_iterable(pairs) if pair[0] != pair[1]}
    if not found:
        raise InputError(
            f"{path} has no pair: give a CSV or TSV file with a header and two columns (or with one "
            "column of lists, separated by ;), or a GMT file."
        )
    logging.info("%s: %d pairs", path, len(found))
    return found


def read_gmt(path: Path, known_names: Sequence[str], missing: MissingValues) -> list[list[str]]:
    """Read the gene sets of a GMT file: a line has the name of a set, a description and the genes.

    Parameters
    ----------
    path
        The file.
    known_names
        The names of the condition.
    missing
        What counts as missing.

    Raises
    ------
    InputError
        If a line is not separated by tabs, or the descriptions are genes: each set would lose one.
    """
    lines = [line.split("\t") for line in read_text_file(path).split("\n")]
    sets = [
        (at, fields)
        for at, fields in enumerate(lines, start=1)
        if any(map(str.strip, fields)) and not fields[0].startswith("#")
    ]
    if untabbed := [at for at, fields in sets if len(fields) == 1]:
        raise InputError(
            f"{path}, line {join_names(untabbed, 5)}: no tab. In a GMT file, tabs separate the name of "
            "a set, a description (which may be empty) and each gene."
        )
    # The name of a set may be repeated as its description.
    texts = ["" if fields[1] == fields[0] else WEIGHT.sub("", fields[1]) for _, fields in sets]
    descriptions = missing.clean(texts)
    genes = [missing.clean([WEIGHT.sub("", name) for name in fields[2:]]) for _, fields in sets]
    names = {*known_names, *chain.from_iterable(genes)} - {""}
    genes_as_descriptions = [text for text in descriptions if text in names]
    if 2 * len(genes_as_descriptions) > len(sets):
        raise InputError(
            f"{path}: {len(genes_as_descriptions)} of {len(sets)} sets have a gene in the place of their "
            f"description ({join_names(dict.fromkeys(genes_as_descriptions), 3)}), which is not read. "
            "Write a description, or an empty value, between the name of each set and its first gene."
        )
    if genes_as_descriptions:
        logging.warning(
            "%s: taken as descriptions, although they are also genes: %s",
            *(path, join_names(dict.fromkeys(genes_as_descriptions), 5)),
        )
    return genes


def get_pairs_of_set(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return every two of the names in a set, each pair in alphabetical order."""
    return combinations(sorted(set(filter(None, names))), 2)


def get_profiles_of_names(
    wells: Wells, gene: str, group: str | Sequence[str], positive_controls: bool
) -> tuple[list[str], np.ndarray]:
    """Return the names of a condition, sorted, and the unit profile of each: (names, features).

    Parameters
    ----------
    wells
        The wells of the condition.
    gene
        The metadata column of the genes; a perturbation without a gene keeps its own name.
    group
        The column, or columns, whose equal values define replicates.
    positive_controls
        Whether positive controls are included.
    """
    scored, controls = split_wells(wells, group, positive_controls)
    sets = group_members(scored.metadata["perturbation"])
    if not sets:
        return [], np.empty((0, len(scored.features)))
    consensus = np.array([np.median(scored.values[rows], axis=0) for rows in sets.values()], dtype=float)
    reference = controls.values if len(controls) else scored.values
    consensus -= np.median(reference, axis=0)
    genes = get_genes(scored.metadata, gene, list(sets.values()))
    rows_of: dict[str, list[int]] = {}
    for row, (name, of_name) in enumerate(zip(sets, genes, strict=True)):
        for each in of_name or {name}:
            rows_of.setdefault(each, []).append(row)
    names = sorted(rows_of)
    profiles = np.array([consensus[rows_of[name]].mean(axis=0) for name in names])
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    return names, profiles / np.where(lengths > 0, lengths, 1)


def measure_recall(
    names: Sequence[str], profiles: np.ndarray, known: set[tuple[str, str]], seed: int
) -> dict[str, Any]:
    """Return how many known pairs are retrieved: a row without its source.

    Parameters
    ----------
    names
        The names of the condition.
    profiles
        Their profiles of length 1, (names, features).
    known
        The known pairs.
    seed
        Seed of the shuffled names.
    """
    rng = np.random.default_rng([seed, 18])
    row: dict[str, Any] = {"names": len(names), "known_pairs": len(known), "expected": 2.0 * TAIL}
    at = {name: number for number, name in enumerate(names)}
    if len(names) > MOST_NAMES:
        used = np.array(sorted({at[name] for pair in known for name in pair if name in at}))
        kept = np.sort(rng.permutation(used)[:MOST_NAMES])
        profiles, names = profiles[kept], [names[number] for number in kept]
        at = {name: number for number, name in enumerate(names)}
    pairs = np.array([(at[a], at[b]) for a, b in sorted(known) if a in at and b in at]).reshape(-1, 2)
    row["pairs_in_condition"] = len(pairs)
    if not len(pairs) or len(names) < 3:
        of_pairs = sorted({name for pair in known for name in pair})
        return row | {
            "message": f"no known pair is in the condition: the pairs are of {join_names(of_pairs, 3)}, and "
            f"the condition has {join_names(names, 3)}"
        }
    cosines = profiles @ profiles.T
    low, high = np.percentile(cosines[np.triu_indices(len(names), 1)], [TAIL, 100 - TAIL])
    row["in_top"] = int((cosines[pairs[:, 0], pairs[:, 1]] >= high).sum())
    row["in_bottom"] = int((cosines[pairs[:, 0], pairs[:, 1]] <= low).sum())
    found = row["in_top"] + row["in_bottom"]
    as_many = 0
    for _ in range(SHUFFLES):
        first, second = rng.permutation(len(names))[pairs.T]
        values = cosines[first, second]
        as_many += int(((values >= high) | (values <= low)).sum()) >= found
    return row | {
        "recall": 100 * found / len(pairs),
        "recall_top": 100 * row["in_top"] / len(pairs),
        "recall_bottom": 100 * row["in_bottom"] / len(pairs),
        "p_value": (1 + as_many) / (1 + SHUFFLES),
        "message": "",
    }


def main(
    profiles: Sequence[str],
    pairs: Sequence[str],
    output: str,
    head: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the recall of each file of known pairs in a condition.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    pairs
        The files of known pairs.
    output
        The table to write.
    head
        Columns that name the condition and feature set, with their values; they come first in the table.
    options
        `gene`, `group` and `positive_controls` of `get_profiles_of_names`, the `seed`, and `missing`, the
        config's key `missing_values`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    wells = read_wells(profiles, controls)
    about = {name: options[name] for name in ("gene", "group", "positive_controls")}
    names, of_names = get_profiles_of_names(wells, **about)
    words, called_so = options["missing"]["words"], options["missing"]["names"].values()
    missing = MissingValues(tuple(words), {"": list(chain.from_iterable(called_so))})
    rows = [
        {
            "source": Path(path).name,
            **measure_recall(names, of_names, read_pairs(path, names, missing), options["seed"]),
        }
        for path in pairs
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for position, (column, value) in enumerate(head.items()):
        table.insert(position, f"condition_{column}" if column in table else column, value)
    with write_whole(output) as part:
        table.to_csv(part, index=False, float_format="%.6g")


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            list(snakemake.input.pairs),
            snakemake.output.table,
            {**snakemake.params.condition, BOUNDARY: snakemake.params.feature_set},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
