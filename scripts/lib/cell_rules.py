"""Rules that flag cells: sets of conditions on z-scores, of coSMicQC or of the config.

A cell is flagged by a rule if it meets all of the rule's conditions. The sign of a threshold gives the
direction: z < -1 for -1, z > 2 for 2. The named sets are the defaults of coSMicQC (cytomining/coSMicQC,
`qc_nuclei_thresholds_default.yml`), which computes z over all cells of the table.

Nothing here needs numpy: the config is checked while planning.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.errors import InputError, join_names

PLAIN, ROBUST = "plain", "robust"
PLATE, WELL = "plate", "well"
COSMICQC: Mapping[str, Mapping[str, float]] = {
    "small_and_low_formfactor_nuclei": {"Nuclei_AreaShape_Area": -1, "Nuclei_AreaShape_FormFactor": -1},
    "elongated_nuclei": {"Nuclei_AreaShape_Eccentricity": 2},
    "large_nuclei": {"Nuclei_AreaShape_Area": 2, "Nuclei_AreaShape_FormFactor": -2},
}
NUCLEI = "Nuclei"


@dataclass(frozen=True)
class Rule:
    """A rule that flags cells.

    Attributes
    ----------
    name
        Its name in the config and in the tables.
    conditions
        The threshold of each feature's z-score; the sign gives the direction.
    z
        `plain` (mean and standard deviation) or `robust` (median and 1.4826 MAD).
    over
        Whether z is computed over the cells of the `plate` or of each `well`.
    is_named_set
        Whether it is a set of coSMicQC, whose `Nuclei` may have another name in a table.
    """

    name: str
    conditions: Mapping[str, float]
    z: str = PLAIN
    over: str = PLATE
    is_named_set: bool = False


def get_rules(settings: Mapping[str, Any]) -> list[Rule]:
    """Return the rules of the config's block `cell_quality`: the named sets, then the user's own."""
    named = [Rule(name, COSMICQC[name], is_named_set=True) for name in settings["sets"]]
    own = [
        Rule(name, dict(rule["conditions"]), rule["z"], rule["over"])
        for name, rule in settings["rules"].items()
    ]
    return named + own


def find_rule_problems(settings: Mapping[str, Any]) -> list[str]:
    """Return, as sentences, errors in the block `cell_quality` that a schema cannot detect."""
    found = [
        f"cell_quality.rules: `{name}` is the name of a set of coSMicQC. Add it to cell_quality.sets, or "
        "give the rule another name."
        for name in settings["rules"]
        if name in COSMICQC
    ]
    found += [
        f"cell_quality.rules.{name}.conditions.{feature}: the threshold 0 has no sign to give a direction. "
        "Write a number above 0 (flags z above it) or below 0 (flags z below it)."
        for name, rule in settings["rules"].items()
        for feature, threshold in rule["conditions"].items()
        if threshold == 0
    ]
    if settings["exclude_flagged"] and not (settings["sets"] or settings["rules"]):
        found.append("cell_quality.exclude_flagged: there are neither sets nor rules that flag cells.")
    return found


# The families of CellProfiler's measurements of objects.
FAMILIES = (
    *("AreaShape", "Children", "Correlation", "Granularity", "Intensity", "Location", "Neighbors"),
    *("Number", "ObjectSkeleton", "Parent", "RadialDistribution", "Texture"),
)


def check_rules(settings: Mapping[str, Any], objects: Sequence[str]) -> None:
    """Check that the features of rules are of objects and families that the generated pipeline measures.

    Whether it measures each of them is known when there are cells.

    Parameters
    ----------
    settings
        The config's block `cell_quality`.
    objects
        The objects of the assay.

    Raises
    ------
    InputError
        Naming each rule, its feature, and the nearest word.
    """
    found = []
    for name, rule in settings["rules"].items():
        for feature in rule["conditions"]:
            parts = feature.split("_")
            choices = ((parts[0], objects, "object"), ("".join(parts[1:2]), FAMILIES, "family of features"))
            for word, known, what in choices:
                if word not in known:
                    near = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
                    hint = f"did you mean {near[0]}?" if near else f"it may be {join_names(known)}."
                    found.append(f"cell_quality.rules.{name}: {feature}: there is no {what} `{word}`; {hint}")
                    break
    if found:
        raise InputError("\n".join(found))


def find_nuclei(columns: Iterable[str]) -> str:
    """Return the compartment of a table's nuclei: `Nuclei`, or the only one that is named after nuclei."""
    compartments = {name.partition("_AreaShape_")[0] for name in columns if "_AreaShape_" in name}
    similar = [name for name in compartments if "nucle" in name.lower() and "nucleol" not in name.lower()]
    return similar[0] if NUCLEI not in compartments and len(similar) == 1 else NUCLEI


def find_columns(rule: Rule, columns: Sequence[str], path: object) -> dict[str, float]:
    """Return a rule's conditions by the columns of a table.

    Raises
    ------
    InputError
        If the table lacks a feature, with the nearest names that it has.
    """
    nuclei = find_nuclei(columns) if rule.is_named_set else NUCLEI
    there, found = set(columns), {}
    for feature, threshold in rule.conditions.items():
        column = feature.replace(f"{NUCLEI}_", f"{nuclei}_", 1) if rule.is_named_set else feature
        if column not in there or column.startswith("Metadata_"):
            features = [name for name in columns if not name.startswith("Metadata_")]
            near = difflib.get_close_matches(column, features, n=3, cutoff=0.5)
            where = f"cell_quality.{'sets: ' if rule.is_named_set else 'rules.'}{rule.name}"
            raise InputError(
                f"{where}: {path} has no feature {column}. "
                + (
                    f"Did you mean {join_names(near)}?"
                    if near
                    else f"Its features are {join_names(features, 5)}."
                )
            )
        found[column] = threshold
    return found
