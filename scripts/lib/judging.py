"""Which levels of profiles are judged side by side: those of the config's chains, and of the paper's."""

from collections.abc import Mapping
from typing import Any

from lib.experiment import Experiment
from lib.levels import Level
from lib.places import place

DEFAULT = "default"  # what the paper's chain is called in the table
# Steps after which features have a common scale.
SCALING = ("normalize", "rank_int", "sphere", "harmony", "tvn", "pca", "combat")


def get_judged_levels(experiment: Experiment) -> list[tuple[str, str]]:
    """Return each level and condition that is judged, in the order of the levels; none without chains.

    A level is judged in a condition if all plates of the condition have it.
    """
    chains = [level for level in experiment.levels.values() if level.chain]
    if not chains or not experiment.config["judge"]["enabled"]:
        return []
    features = {level.features for level in chains}
    found = []
    for level in experiment.levels.values():
        if not level.annotated or level.features not in features:
            continue
        for condition, plates in experiment.conditions.items():
            with_level = experiment.get_plates_with(level.name, plates)
            if with_level and all(level.name in experiment.get_levels(plate) for plate in with_level):
                found.append((level.name, condition))
    return found


def is_raw(level: Level, levels: Mapping[str, Level]) -> bool:
    """Return whether a level's features were never brought to a common scale."""
    if (level.action or level.step) in SCALING or level.step == "spherize":
        return False
    before = levels.get(level.made_from)
    return before is None or is_raw(before, levels)


def get_step_columns(experiment: Experiment, level: Level, condition: str) -> dict[str, Any]:
    """Return the columns that say what a level is: its chain, its step, and what it is compared with."""
    plates = experiment.get_plates_with(level.name, experiment.conditions[condition])
    there = experiment.get_levels(plates[0])
    before = experiment.get_source_level(plates[0], level).name if level.made_from else ""
    start = experiment.config["chains"][level.chain]["start"] if level.chain else ""
    return {
        "chain": level.chain or DEFAULT,
        "step": level.action or level.name,
        "level_before": before if before in there and experiment.levels[before].annotated else "",
        "start": start if start in there and start != before else "",
    }


def get_judged_files(experiment: Experiment, result: str) -> list[str]:
    """Return the files (`judged_score` or `judged_perturbations`) of all levels and conditions."""
    return [
        place(result, feature_set=level, condition=condition)
        for level, condition in get_judged_levels(experiment)
    ]
