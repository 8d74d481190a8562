"""The levels of profiles: one row of a table per level.

A level is the result of one step of a chain on a plate's profiles. Everything that the workflow needs to know
about a level is an attribute of its row; its name is never parsed. The table holds the chain of the
CPJUMP1 paper, and the same steps for the features of a deep network; `get_levels` adds the levels of a
config.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lib.errors import InputError, join_names

CELLPROFILER, NETWORK = "cellprofiler", "network"


@dataclass(frozen=True)
class Level:
    """One level of profiles.

    Attributes
    ----------
    name : str
        Its name in the config and in the sample sheet.
    features : str
        Whose features it holds: `cellprofiler` or `network` (a deep network's).
    step : str
        The step that makes it: aggregate, annotate, normalize, feature_select, spherize.
    made_from : str
        The level that the step starts from; empty if it starts from single cells.
    reference : str
        The wells that it is normalized to: `negcon` or `all`; empty before normalization.
    scope : str
        The plates that the step works over: `plate`, `batch` or `condition`.
    suffix : str
        Its suffix in the file's name: `_normalized_negcon`.
    annotated : bool
        Whether it has the content of each well.
    controls_fitted : bool
        Whether the step was fitted on the negative controls, so that they cannot serve in a null.
    all_features : str
        The level whose features are shown if a figure is to show all of them, not only selected ones.
    made_from_published : str
        A level that a plate may enter with from which this one is made instead of from `made_from`.
    requested : bool
        Whether the config requests it for each plate that has the level that it is made from.
    summary : str
        The summary of a well's cells that it starts from, if that is not the config's `aggregate.operation`.
    action, options, chain, is_last
        Of a level of a chain that the config composes: the step and its options, the chain's name, and
        whether it is the chain's last level.
    """

    name: str
    features: str
    step: str
    made_from: str
    reference: str
    scope: str
    suffix: str
    annotated: bool = True
    controls_fitted: bool = False
    all_features: str = ""
    made_from_published: str = ""
    requested: bool = True
    summary: str = ""
    action: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    chain: str = ""
    is_last: bool = True

    @property
    def has_measurements(self) -> bool:
        """Return whether its features are CellProfiler's measurements, not yet normalized."""
        return self.features == CELLPROFILER and self.step in ("aggregate", "annotate")


# In the order in which they are made: a level is below the one that it is made from.
# name, features, step, made from, normalized to, made over
ROWS = (
    ("aggregated", CELLPROFILER, "aggregate", "", "", "plate"),
    ("augmented", CELLPROFILER, "annotate", "aggregated", "", "plate"),
    ("normalized_negcon", CELLPROFILER, "normalize", "augmented", "negcon", "plate"),
    ("normalized", CELLPROFILER, "normalize", "augmented", "all", "plate"),
    (
        "normalized_feature_select_negcon_plate",
        CELLPROFILER,
        "feature_select",
        "normalized_negcon",
        "negcon",
        "plate",
    ),
    ("normalized_feature_select_plate", CELLPROFILER, "feature_select", "normalized", "all", "plate"),
    (
        "normalized_feature_select_negcon_batch",
        CELLPROFILER,
        "feature_select",
        "normalized_negcon",
        "negcon",
        "batch",
    ),
    ("normalized_feature_select_batch", CELLPROFILER, "feature_select", "normalized", "all", "batch"),
    ("embeddings", NETWORK, "aggregate", "", "", "plate"),
    ("embeddings_augmented", NETWORK, "annotate", "embeddings", "", "plate"),
    ("embeddings_normalized_negcon", NETWORK, "normalize", "embeddings_augmented", "negcon", "plate"),
    ("embeddings_normalized", NETWORK, "normalize", "embeddings_augmented", "all", "plate"),
    ("spherized", CELLPROFILER, "spherize", "normalized_negcon", "negcon", "condition"),
    ("embeddings_spherized", NETWORK, "spherize", "embeddings_augmented", "negcon", "condition"),
)
# Published profiles whose features were selected over the batch can be selected further on the plate.
SELECTED_FURTHER = {
    "normalized_feature_select_negcon_plate": "normalized_feature_select_negcon_batch",
    "normalized_feature_select_plate": "normalized_feature_select_batch",
}


def build_level(
    name: str, features: str, step: str, made_from: str, reference: str, scope: str, **more: Any
) -> Level:
    """Return a row of the table, with the attributes that follow from the step.

    Parameters
    ----------
    name, features, step, made_from, reference, scope
        The attributes of the level that have the same names.
    **more
        Further attributes of the level.
    """
    return Level(
        name,
        features,
        step,
        made_from,
        reference,
        scope,
        suffix="" if name == "aggregated" else f"_{name}",
        annotated=step != "aggregate",
        controls_fitted=step == "spherize",
        all_features=made_from if step in ("feature_select", "spherize") else name,
        made_from_published=SELECTED_FURTHER.get(name, ""),
        **more,
    )


LEVELS = {row[0]: build_level(*row) for row in ROWS}


def get_levels(config: Mapping[str, Any]) -> dict[str, Level]:
    """Return the levels of an experiment by name, in the order in which they are made.

    Levels that a config composes are added here; rules find the levels of their step in this table.
    """
    rows = {level.name: set_up(level, config) for level in LEVELS.values()}
    for summary in config["aggregate"]["summaries"]:
        rows |= {level.name: level for level in get_summary_levels(rows, summary, config)}
    return rows


def get_summary_levels(rows: Mapping[str, Level], summary: str, config: Mapping[str, Any]) -> list[Level]:
    """Return the levels that start from another summary of a well's cells, named after it."""

    def rename(name: str) -> str:
        return f"{summary}_{name}".removesuffix("_aggregated") if name else ""

    found = []
    for level in rows.values():
        if level.features != CELLPROFILER or level.step == "spherize" or level.summary:
            continue
        row = replace(
            level,
            name=rename(level.name),
            suffix=f"_{rename(level.name)}",
            made_from=rename(level.made_from),
            all_features=rename(level.all_features),
            made_from_published=rename(level.made_from_published),
            summary=summary,
        )
        if level.step == "feature_select":
            is_reference = level.reference == config["feature_select"]["reference"]
            row = replace(row, requested=is_reference and is_selection_requested(row, config))
        found.append(row)
    return found


def set_up(level: Level, config: Mapping[str, Any]) -> Level:
    """Return a level of the paper's chain as configured: whether it is made, and from what."""
    reference = config["feature_select"]["reference"]
    normalized = {"negcon": "normalized_negcon", "all": "normalized"}[reference]
    if level.features == NETWORK:
        level = replace(level, all_features=f"embeddings_{normalized}")
    if level.step == "normalize":
        return replace(level, requested=level.reference in config["normalize"]["to"])
    if level.step == "feature_select":
        return replace(
            level, requested=level.reference == reference and is_selection_requested(level, config)
        )
    if level.step == "spherize":
        settings = config["spherize"]
        requested = settings["enabled"] or level.name in config["benchmark"]["feature_sets"]
        if level.features == NETWORK:
            made_from = settings["embeddings_level"] or f"embeddings_{normalized}"
            return replace(level, requested=requested, made_from=made_from)
        made_from = settings["level"] or normalized
        return replace(level, requested=requested, made_from=made_from, all_features=made_from)
    return level


def is_selection_requested(level: Level, config: Mapping[str, Any]) -> bool:
    """Return whether the config requests features to be selected over the plates of a level.

    Without `feature_select.over`, it requests the levels that it names: those that are scored, sphered or
    exported, those that chains start from, and the one whose features normalized cells have.
    """
    if (over := config["feature_select"]["over"]) is not None:
        return level.scope in over
    named = [
        *config["benchmark"]["feature_sets"],
        *(config["export_levels"] or ()),
        *(chain["start"] for chain in config["chains"].values()),
        config["spherize"]["level"],
        config.get("normalized_cells", {}).get("features"),
    ]
    return level.name in named


def get_exported_levels(config: Mapping[str, Any], levels: Mapping[str, Level]) -> list[str]:
    """Return the levels of profiles that are exported: all of them, unless the config names some.

    Raises
    ------
    InputError
        If the config names one that does not exist.
    """
    names = config["export_levels"]
    if unknown := [name for name in names or () if name not in levels]:
        raise InputError(
            f"export_levels: there is no level {join_names(unknown)}; the levels are "
            f"{join_names(levels, 40)}."
        )
    return list(levels) if names is None else names


def get_level_of_cells(wanted: str, levels: Mapping[str, Level], plate: str) -> Level | None:
    """Return the level of profiles that determines the features of normalized cells; None for all features.

    Parameters
    ----------
    wanted
        The config's `normalized_cells.features`: `all`, `selection`, or a level.
    levels
        The levels of the plate.
    plate
        The name of the plate, for messages.

    Raises
    ------
    InputError
        If the plate does not have that level.
    """
    if wanted == "all":
        return None
    selections = [level for level in levels.values() if level.step == "feature_select" and not level.summary]
    named = [level for level in levels.values() if level.name == wanted and level.features == CELLPROFILER]
    found = sorted(selections, key=lambda level: level.scope != "plate") if wanted == "selection" else named
    if not found:
        raise InputError(
            f"normalized_cells.features: `{wanted}` is not a level of CellProfiler's features that is made "
            f"for plate {plate}; write `all`, or one of {join_names(levels, 40)}."
        )
    return found[0]


def explain_missing_level(level: Level, config: Mapping[str, Any]) -> str:
    """Return, as a sentence, the key of the config on which a level depends; empty if there is none."""
    reference, to = config["feature_select"]["reference"], config["normalize"]["to"]
    if level.features == NETWORK:
        return " Embeddings need a block `embeddings` in the config, and plates that start with images."
    if level.step == "feature_select" and level.reference != reference:
        return f" Features are selected from profiles normalized to {reference} (feature_select.reference)."
    if level.step == "normalize" and level.reference not in to:
        return f" Profiles are normalized to {join_names(to)} (normalize.to)."
    return ""
