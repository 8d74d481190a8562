"""The steps of chains of profiles: their options, the defaults, and the values that an option may have.

The config's schema cannot check them, since they differ between the steps.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from lib.errors import InputError, join_names

# From the narrowest to the widest.
SCOPES = ("plate", "batch", "condition", "experiment")
# The options of each step, with their defaults; `over` is the chain's if it is not given.
STEPS: Mapping[str, Mapping[str, Any]] = {
    "drop_missing_wells": {"share": 0.1, "most": 100},
    "variance": {"reference": "all", "variation": 1e-3},
    "normalize": {
        "over": "plate",
        "method": "mad_robustize",
        "reference": "negcon",
        "scaled": True,
        "epsilon": 1e-18,
        "floor": None,
        "keep_flat": False,
        "minimum_wells": 3,
        "recipe_order": False,
    },
    "well_position": {"fewest_perturbations": 3},
    "cell_count": {"fewest_values": 10, "keep_count": False, "keep_uncounted": False},
    "drop_outliers": {"cutoff": 100, "quantile": 0.99},
    "rank_int": {"seed": 0, "keep_flat": False},
    "feature_select": {
        "reference": "all",
        "operations": ["frequency_threshold", "correlation_threshold", "drop_na_columns", "blocklist"],
        "together": False,
        "freq_cut": 0.05,
        "unique_cut": 0.01,
        "corr_threshold": 0.9,
        "corr_method": "pearson",
        "na_cutoff": 0.05,
        "min_variance": 1e-6,
        "outlier_cutoff": 500,
        "blocklist": None,
        "noise_removal_stdev_cutoff": 0.8,
    },
    "sphere": {"reference": "negcon", "method": "ZCA-cor", "epsilon": 1e-6},
    "harmony": {"batch": "Metadata_Plate", "clusters": 300, "iterations": 20},
    "tvn": {"reference": "negcon", "batch": "Metadata_Plate", "ridge": 1.0},
    "combat": {"batch": "Metadata_Plate"},
    "pca": {"variance": 0.98},
    "arm_correction": {
        "arm": "Metadata_arm",
        "expression": "Metadata_zfpkm",
        "fewest_genes": 20,
        "threshold": -3,
    },
}
# The words that are allowed for an option.
CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "normalize": {"method": ("mad_robustize", "robustize", "standardize", "inverse_normal")},
    "feature_select": {"corr_method": ("pearson", "spearman", "kendall")},
    "sphere": {"method": ("ZCA-cor", "ZCA", "PCA-cor", "PCA")},
}
OPERATIONS = (
    "variance_threshold",
    "frequency_threshold",
    "correlation_threshold",
    "drop_na_columns",
    "blocklist",
    "drop_outliers",
    "noise_removal",
    "image_features",
)
SEVERAL_PLATES = ("harmony", "combat")


@dataclass(frozen=True)
class Number:
    """The numbers that an option may be: from `low` to `high`, or between them."""

    low: float = 0
    high: float = inf
    whole: bool = False
    between: bool = False  # whether the ends are excluded
    optional: bool = False  # whether it may be null

    def read(self, value: Any) -> Any:
        """Return the value as a number; None if it is not one of these numbers.

        YAML reads 1e-6 as text.
        """
        if isinstance(value, str):
            for kind in (int, float):
                try:
                    value = kind(value)
                    break
                except ValueError:
                    continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        inside = self.low < value < self.high if self.between else self.low <= value <= self.high
        is_kind = abs(value) < inf and (not self.whole or value == int(value))
        return (int(value) if self.whole else value) if inside and is_kind else None

    def __str__(self) -> str:
        name = "a whole number" if self.whole else "a number"
        if self.high < inf and self.between:
            name += f" between {self.low:g} and {self.high:g}"
        elif self.high < inf:
            name += f" from {self.low:g} to {self.high:g}"
        elif self.low > -inf:
            name += f" of at least {self.low:g}"
        return name + (" or null" if self.optional else "")


FRACTION, AT_LEAST_0 = Number(high=1), Number()
NUMBERS: Mapping[str, Mapping[str, Number]] = {
    "drop_missing_wells": {"share": FRACTION, "most": Number(whole=True)},
    "variance": {"variation": AT_LEAST_0},
    "normalize": {
        "epsilon": AT_LEAST_0,
        "floor": Number(optional=True),
        "minimum_wells": Number(1, whole=True),
    },
    "well_position": {"fewest_perturbations": Number(1, whole=True)},
    "cell_count": {"fewest_values": Number(whole=True)},
    "drop_outliers": {"cutoff": AT_LEAST_0, "quantile": FRACTION},
    "rank_int": {"seed": Number(whole=True)},
    "feature_select": {
        "freq_cut": FRACTION,
        "unique_cut": FRACTION,
        "corr_threshold": FRACTION,
        "na_cutoff": FRACTION,
        "min_variance": AT_LEAST_0,
        "outlier_cutoff": AT_LEAST_0,
        "noise_removal_stdev_cutoff": AT_LEAST_0,
    },
    "harmony": {"clusters": Number(1, whole=True), "iterations": Number(1, whole=True)},
    "tvn": {"ridge": AT_LEAST_0},
    "pca": {"variance": Number(0, 1, between=True)},
    "arm_correction": {"fewest_genes": Number(whole=True), "threshold": Number(-inf)},
}
# Options that name a column of the wells.
COLUMNS = ("batch", "arm", "expression")


def read_options(where: str, step: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a step with their types, after checking that the values are valid.

    Parameters
    ----------
    where : the chain and its step, for messages.
    step : the step's name.
    options : every option of the step.

    Raises
    ------
    InputError
        Naming the option and its valid values.
    """
    read = dict(options)
    for key, value in options.items():
        if (number := NUMBERS.get(step, {}).get(key)) and not (value is None and number.optional):
            read[key] = number.read(value)
            if read[key] is None:
                raise InputError(f"{where}.{key}: `{value}` is not {number}.")
        elif isinstance(STEPS[step].get(key), bool):
            read[key] = {"true": True, "false": False}.get(str(value).lower())
            if read[key] is None:
                raise InputError(f"{where}.{key}: `{value}` is not true or false.")
        elif key in COLUMNS:
            if not isinstance(value, str) or not value.removeprefix("Metadata_"):
                raise InputError(f"{where}.{key}: `{value}` is not the name of a column of the wells.")
            read[key] = f"Metadata_{value.removeprefix('Metadata_')}"
    if step == "sphere" and isinstance(options["epsilon"], str) and options["epsilon"] != "shrink":
        read["epsilon"] = Number(between=True).read(options["epsilon"]) or options["epsilon"]
    check_choices(where, step, read)
    return read


def check_choices(where: str, step: str, options: Mapping[str, Any]) -> None:
    """Check that the options of a step have valid values.

    Raises
    ------
    InputError
        Naming the option and its valid values.
    """
    if step == "normalize" and options["method"] == "spherize":
        raise InputError(
            f"{where}.method: spherize is a step of its own, `sphere`, with the options "
            f"{join_names(STEPS['sphere'])}."
        )
    for key, choices in {"over": SCOPES, **CHOICES.get(step, {})}.items():
        if options[key] not in choices:
            raise InputError(f"{where}.{key}: `{options[key]}` is not one of {join_names(choices)}.")
    if "reference" in options and not is_reference(options["reference"]):
        raise InputError(
            f"{where}.reference: `{options['reference']}` is not negcon, all or a query on columns of the "
            "wells such as Metadata_pert_type == 'control'."
        )
    if step == "feature_select":
        operations, blocklist = options["operations"], options["blocklist"]
        listed = operations if isinstance(operations, list) else [operations]
        if unknown := [name for name in listed if name not in OPERATIONS]:
            raise InputError(
                f"{where}.operations: `{join_names(unknown)}` is not one of {join_names(OPERATIONS)}."
            )
        if not isinstance(operations, list):
            raise InputError(f"{where}.operations: write a list, as in [{operations}].")
        names = blocklist if isinstance(blocklist, list) else [blocklist or ""]
        if not all(isinstance(name, str) for name in names):
            raise InputError(
                f"{where}.blocklist: `{blocklist}` is not a list of names or patterns, nor a file."
            )
    if step == "sphere" and not is_epsilon(options["epsilon"]):
        raise InputError(
            f"{where}.epsilon: `{options['epsilon']}` is not a number above 0, `shrink` or {{draws: 25}}."
        )
    if step in SEVERAL_PLATES and options["over"] == "plate":
        raise InputError(
            f"{where}.over: this step aligns several plates; name batch, condition or experiment."
        )


def is_reference(value: Any) -> bool:
    """Return whether a value names wells: `negcon`, `all`, or a query on their metadata."""
    if not isinstance(value, str):
        return False
    if value in ("negcon", "all"):
        return True
    try:
        tree = ast.parse(value, mode="eval")
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Name) and node.id.startswith("Metadata_") for node in ast.walk(tree))


def is_epsilon(value: Any) -> bool:
    """Return whether a value is a valid epsilon of the step `sphere`."""
    if isinstance(value, Mapping):
        return set(value) == {"draws"} and type(value["draws"]) is int and value["draws"] > 0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value == "shrink" or (is_number and value > 0)
