"""The conditions of the benchmark, the comparisons between them, and the plates that a split divides."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import yaml

from lib.errors import InputError, join_names
from lib.plates import SAFE, Plate
from lib.values import is_same_value

SIDES = ("train", "validate", "test")


def is_judged(plate: Mapping[str, str], config: Mapping[str, Any]) -> bool:
    """Return whether a plate belongs to a condition of the benchmark."""
    where = config["benchmark"]["where"]
    return all(is_same_value(plate.get(column, ""), value) for column, value in where.items())


def get_conditions(plates: Sequence[Plate], config: Mapping[str, Any]) -> dict[str, list[Plate]]:
    """Return the conditions of the benchmark by name, each with its plates.

    Raises
    ------
    InputError
        If the config names a column that the sample sheet does not have, or whose values
        cannot be part of a file's name.
    """
    benchmark = config["benchmark"]
    columns = benchmark["condition"]
    needed = {*columns, *benchmark["where"], *benchmark["matching_same"]}
    if unknown := sorted(needed - set(plates[0])):
        raise InputError(f"benchmark: the sample sheet has no column {join_names(unknown)}.")
    if benchmark["where"] and not any(is_judged(plate, config) for plate in plates):
        raise InputError(describe_no_plate("benchmark.where", benchmark["where"], plates))
    unsafe = [
        f"{column} `{plate[column]}` of plate {plate['plate']}"
        for column in columns
        for plate in plates
        if is_judged(plate, config) and plate[column] and not SAFE.fullmatch(plate[column])
    ]
    if unsafe:
        raise InputError(
            "benchmark.condition: the values that name a condition become part of file names, so they may "
            "contain only letters, digits, dots, dashes and underscores; correct "
            f"{join_names(unsafe, 5)} in the sample sheet."
        )
    grouped: dict[tuple[str, ...], list[Plate]] = {}
    for plate in plates:
        if is_judged(plate, config):
            grouped.setdefault(tuple(plate[column] for column in columns), []).append(plate)
    named = {"_".join(filter(None, values)) or "all": found for values, found in grouped.items()}
    if len(named) < len(grouped):
        raise InputError(
            f"benchmark.condition: the values of {join_names(columns)} give two conditions the same name "
            f"({join_names(' '.join(value or '(empty)' for value in values) for values in grouped)}): fill "
            "in the empty values."
        )
    return dict(sorted(named.items()))


def get_comparisons(
    conditions: Mapping[str, Sequence[Plate]], config: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
    """Return the pairs of conditions that Percent Matching compares, by the comparison's name."""
    benchmark = config["benchmark"]
    found: dict[str, tuple[str, str]] = {}
    for (a, plates_a), (b, plates_b) in product(conditions.items(), repeat=2):
        first, second = plates_a[0], plates_b[0]
        types = [first["perturbation"], second["perturbation"]]
        shared = all(first[column] == second[column] for column in benchmark["matching_same"])
        within_one = types[0] == types[1]
        if types in benchmark["matching"] and shared and (a == b or not within_one):
            found[f"{a}__{b}"] = (a, b)
    return found


def get_relation(columns: Iterable[str]) -> str:
    """Return what matching perturbations share, in words, from the columns that hold it: gene or target."""
    names = dict.fromkeys(column.removeprefix("Metadata_").replace("_", " ") for column in columns)
    return " or ".join(names) or "gene"


def get_plates_of_split(name: str, plates: Sequence[Plate], config: Mapping[str, Any]) -> list[Plate]:
    """Return the plates that a recommended split divides.

    Raises
    ------
    InputError
        If its `where` names a column that the sample sheet does not have, or selects no plate,
        or if one of its sides names a value that no plate has, or that another side has, too.
    """
    split = config["splits"][name]
    where = split["where"]
    if unknown := sorted(set(where) - set(plates[0])):
        raise InputError(f"splits.{name}.where: the sample sheet has no column {join_names(unknown)}.")
    of_sides = [(side, str(value)) for side in SIDES for value in split.get(side, ())]
    for (one, value), (other, same) in combinations(of_sides, 2):
        if one != other and is_same_value(value, same):
            raise InputError(
                f"splits.{name}: {value} is in {one} and in {other}. A well belongs to one part of a split: "
                "take the value out of the other."
            )
    found = [
        plate
        for plate in plates
        if all(is_same_value(plate[column], value) for column, value in where.items())
    ]
    if not found:
        raise InputError(describe_no_plate(f"splits.{name}.where", where, plates))
    column = str(split.get("column", "")).removeprefix("Metadata_")
    # Where the sheet has the column, and says something of each plate, its values are those of the wells.
    if column and all(plate.get(column) for plate in found):
        for side in SIDES:
            for value in map(str, split.get(side, ())):
                if not any(is_same_value(plate[column], value) for plate in found):
                    raise InputError(describe_no_plate(f"splits.{name}.{side}", {column: value}, found))
    return found


def describe_no_plate(key: str, where: Mapping[str, str], plates: Sequence[Plate]) -> str:
    """Return the message for a `where` of the config that matches no plate."""
    condition = ", ".join(f"{column} `{value}`" for column, value in where.items())
    lines = [f"{key}: no plate of the sample sheet has {condition}."]
    for column, value in where.items():
        there = list(dict.fromkeys(plate[column] for plate in plates))
        if value in there:
            continue
        meant = [written for written in there if is_read_as(written, value)]
        lines.append(
            f'YAML reads {meant[0]} without quotes as {value}: quote it, as in {column}: "{meant[0]}".'
            if meant
            else f"The sheet's values of {column} are {join_names(there, 10)}."
        )
    return " ".join(lines)


def is_read_as(written: str, value: str) -> bool:
    """Return whether YAML reads a value of the sample sheet as another value if it has no quotes."""
    try:
        read = yaml.safe_load(written)
        return str(read) == value or float(read) == float(value)
    except (yaml.YAMLError, TypeError, ValueError):
        return False
