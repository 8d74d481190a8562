"""Describe the processing of single cells: flagged cells, and the summaries of the cells of a well."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lib.cell_rules import COSMICQC
from lib.errors import number_of
from report_page.sentences import NOTHING, Provenances, format_value, get_nested, get_value, write_sentence

SUMMARIES = {
    "mean": "mean",
    "median": "median",
    "mad": "median absolute deviation",
    "emd": "signed earth mover's distance to the cells of the plate's negative controls (with the sign of "
    "the difference between the medians)",
}
QUANTILE = "quantile_"


def describe_flagged_cells(levels: Mapping[str, Provenances]) -> Markup:
    """Report how many cells quality control flagged, by which rules, and whether they were excluded."""
    made = [each for each in levels.get("aggregated", []) if get_nested(each, "parameters.cell_quality")]
    if not made:
        return NOTHING
    number = sum(int(get_nested(each, "parameters.flagged_cells")) for each in made)
    settings = get_nested(made[0], "parameters.cell_quality")
    rules = [f"coSMicQC's rule {name.replace('_', ' ')}" for name in settings["sets"]]
    rules += [describe_rule(name, rule) for name, rule in settings["rules"].items() if name not in COSMICQC]
    outcome = "excluded" if get_value(made, "exclude_flagged_cells") is True else "kept"
    return write_sentence(
        "Quality control flagged {cells} ({rules}), which {were} {outcome}."
        if number
        else "Quality control flagged none of the single cells ({rules}).",
        cells=number_of(number, "single cell"),
        were="was" if number == 1 else "were",
        outcome=outcome,
        rules="; ".join(rules),
    )


def describe_rule(name: str, rule: Mapping[str, Any]) -> str:
    """Describe a rule of the config: `dim: robust z of Nuclei_Intensity_MeanIntensity_DNA below -3 ...`."""
    conditions = " and ".join(
        f"{feature} {'above' if threshold > 0 else 'below'} {threshold:g}"
        for feature, threshold in rule["conditions"].items()
    )
    kind = "robust z-scores" if rule["z"] == "robust" else "z-scores"
    return f"{name}: {kind} within each {rule['over']}, {conditions}"


def describe_summaries(levels: Mapping[str, Provenances]) -> Markup:
    """Describe the additional statistics by which the cells of a well were summarized."""
    words = []
    for name, made in levels.items():
        operation = get_value(made, "operation")
        if operation != name:
            continue
        if name == "trimmed_mean":
            trimmed = format_value(get_value(made, "trim"))
            words.append(f"mean after a fraction of {trimmed} of the values was trimmed from each end")
        elif name.startswith(QUANTILE):
            words.append(f"{int(name.removeprefix(QUANTILE)) / 100:g} quantile")
        else:
            words.append(SUMMARIES[name])
    if not words:
        return NOTHING
    return write_sentence(
        "In addition, separate profiles were computed in which the cells of a well were summarized by their "
        "{summaries}.",
        summaries=format_value(words),
    )
