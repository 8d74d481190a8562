"""Chains of profiles: lists of steps that a config composes, from annotated wells on.

Each step makes a level. Its name is the chain's, followed by the steps up to it. A step processes the wells
of a plate, a batch, a condition or the entire experiment together (`over`); from the first step that
processes several plates together, all wells of these plates stay in one file, and a plate's own file is
extracted from it if it is requested.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from lib.chain_options import SCOPES, STEPS, read_options
from lib.errors import InputError, join_names
from lib.levels import CELLPROFILER, LEVELS, Level, get_levels
from lib.plates import Plate
from lib.text_files import read_text_file

# The steps of the JUMP consortium's profiling recipe, by the words in the names of its files.
RECIPE_STEPS: Mapping[str, list[Any]] = {
    "dropna": ["drop_missing_wells"],
    "wellpos": [{"drop_missing_wells": {"share": 0, "most": 99}}, "well_position"],
    "cc": [{"cell_count": {"fewest_values": 100, "keep_uncounted": True}}],
    "var": ["variance"],
    "mad": [
        {
            "normalize": {
                "method": "mad_robustize",
                "reference": "all",
                "scaled": False,
                "epsilon": 0,
                "minimum_wells": 1,
                "recipe_order": True,
            }
        }
    ],
    "int": [{"rank_int": {"keep_flat": True}}],
    "outlier": ["drop_outliers"],
    "featselect": [
        {
            "feature_select": {
                "operations": [
                    "frequency_threshold",
                    "correlation_threshold",
                    "blocklist",
                    "drop_na_columns",
                ],
                "na_cutoff": 0,
            }
        }
    ],
    "sphering": [{"sphere": {"epsilon": {"draws": 25}}}],
    "harmony": ["harmony"],
    "PCA": ["pca"],
    "corrected": ["arm_correction"],
}
RECIPE = "profiles_"  # how the names of the recipe's files begin
ORF = "profiles_wellpos_cc_var_mad_outlier_featselect_sphering_harmony"
# The chains of the recipe's production: the name of the file, and what it sets differently.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "jump_compound": {
        "file": "profiles_var_mad_int_featselect_harmony",
        "options": {"variance": {"reference": "negcon"}, "normalize": {"reference": "negcon"}},
        "image_features": True,
    },
    "jump_orf": {"file": ORF},
    "jump_crispr": {"file": f"{ORF}_PCA_corrected"},
}
# The other keys of a chain, with their defaults, and those of the recipe's chains.
KEYS = {"precision": "float64", "untreated_wells": True, "incomplete_wells": False, "image_features": True}
RECIPE_KEYS = {
    "precision": "float32",
    "untreated_wells": False,
    "incomplete_wells": True,
    "image_features": False,
}
FITTED_ON_CONTROLS = ("sphere", "tvn")
# Steps that need a value of every feature in every well.
COMPLETE = ("sphere", "harmony", "tvn", "combat", "pca")
# Steps whose features are not named after measurements.
COMPONENTS = ("harmony", "tvn", "pca")


def complete_chain(name: str, written: Any) -> dict[str, Any]:
    """Return a chain as the config writes it, with its preset's steps and every option.

    Parameters
    ----------
    name : the chain's name.
    written : the name of a preset, a list of steps, or a mapping with `steps` or `preset`, `options` by step,
        and the other keys of the result.

    Returns
    -------
    `over`, `start`, `plate_order`, those of `KEYS`, and `steps`: pairs of a step's name and its options.

    Raises
    ------
    InputError
        For steps or options that do not exist, and steps that combine conditions and batches in one
        chain.
    """
    given = {"preset": written} if isinstance(written, str) else written
    given = {"steps": given} if isinstance(given, list) else dict(given)
    preset = given.get("preset")
    keys = KEYS if preset is None else {**RECIPE_KEYS, **PRESETS.get(preset, {})}
    listed_steps = given.get("steps", []) if preset is None else get_steps_of_preset(name, preset)
    if not listed_steps:
        raise InputError(f"chains.{name}: it has neither steps nor a preset ({join_names(PRESETS)}).")
    over = given.get("over", "experiment")
    changed = given.get("options", {})
    steps = []
    for item in listed_steps:
        step, options = (item, {}) if isinstance(item, str) else next(iter(item.items()))
        options = {**(options or {}), **changed.get(step, {})}
        if step not in STEPS:
            raise InputError(f"chains.{name}: `{step}` is not one of the steps {join_names(STEPS)}.")
        known = {"over": over, **STEPS[step]}
        if unknown := sorted(set(options) - set(known)):
            raise InputError(
                f"chains.{name}.{step}: `{join_names(unknown)}` is not one of {join_names(known)}."
            )
        completed = read_options(f"chains.{name}.{step}", step, {**deepcopy(known), **options})
        steps.append((step, completed))
    if unknown := sorted(set(changed) - {step for step, _ in steps}):
        raise InputError(f"chains.{name}.options: the chain has no step {join_names(unknown)}.")
    taken = {options["over"] for _, options in steps}
    if {"batch", "condition"} <= taken:
        raise InputError(
            f"chains.{name}: one step processes batches and another conditions, which may share only some of "
            "their plates. Give both steps the same `over`, or set it to experiment."
        )
    return {
        "over": over,
        "start": given.get("start", "augmented"),
        "plate_order": given.get("plate_order", "name" if preset is None else "sample_sheet"),
        **{key: given.get(key, keys[key]) for key in KEYS},
        "steps": steps,
    }


def get_steps_of_preset(name: str, preset: str) -> list[Any]:
    """Return the steps of a preset, or of a chain of JUMP's recipe by the name of its file.

    Raises
    ------
    InputError
        If there is no such preset, or the name has a word that is not a step of the recipe.
    """
    if preset not in PRESETS and not preset.startswith(RECIPE):
        raise InputError(
            f"chains.{name}: `{preset}` is not one of the presets {join_names(PRESETS)}, nor the name of a "
            f"file of JUMP's recipe such as {ORF}."
        )
    known = PRESETS.get(preset, {"file": preset})
    words = known["file"].removeprefix(RECIPE).split("_")
    if unknown := [word for word in words if word not in RECIPE_STEPS]:
        raise InputError(
            f"chains.{name}: `{join_names(unknown)}` in `{preset}` is not one of the recipe's steps "
            f"{join_names(RECIPE_STEPS)}."
        )
    changed = known.get("options", {})
    steps = []
    for item in (item for word in words for item in RECIPE_STEPS[word]):
        step, options = (item, {}) if isinstance(item, str) else next(iter(item.items()))
        steps.append({step: {**options, **changed.get(step, {})}})
    return steps


def get_chain_levels(name: str, chain: Mapping[str, Any]) -> list[Level]:
    """Return the levels of a complete chain, in order."""
    found: list[Level] = []
    scope, is_fitted_on_controls, all_features = "plate", False, ""
    for number, (step, options) in enumerate(chain["steps"], start=1):
        scope = max(scope, options["over"], key=SCOPES.index)
        is_fitted_on_controls |= step in FITTED_ON_CONTROLS and options["reference"] != "all"
        level = "_".join([name, *(each for each, _ in chain["steps"][:number])])
        if step not in COMPONENTS and step != "sphere":
            all_features = level
        if level in LEVELS:
            raise InputError(f"chains: the level {level} exists already; give the chain another name.")
        found.append(
            Level(
                name=level,
                features=LEVELS[chain["start"]].features if chain["start"] in LEVELS else CELLPROFILER,
                step="chain",
                made_from=found[-1].name if found else chain["start"],
                reference=options.get("reference", ""),
                scope=scope,
                suffix=f"_{level}",
                controls_fitted=is_fitted_on_controls,
                all_features=all_features or level,
                action=step,
                options=options,
                chain=name,
                is_last=number == len(chain["steps"]),
            )
        )
    return found


def get_all_levels(config: Mapping[str, Any]) -> dict[str, Level]:
    """Return an experiment's levels by name: those of the paper's chain, then of the config's chains."""
    levels = get_levels(config)
    for name, chain in config["chains"].items():
        levels |= {level.name: level for level in get_chain_levels(name, chain)}
    return levels


def order_plates(
    groups: Mapping[tuple[str, str], list[Plate]], levels: Mapping[str, Level], chains: Mapping[str, Any]
) -> dict[tuple[str, str], list[Plate]]:
    """Return the plates that each step of a chain (level, group) processes together, in the chain's order.

    They are given in the order of the sample sheet. Ranks of ties and clusters depend on their order.
    """
    return {
        (level, group): plates
        if chains[levels[level].chain]["plate_order"] == "sample_sheet"
        else sorted(plates, key=lambda plate: (plate["plate"], plate["batch"]))
        for (level, group), plates in groups.items()
    }


def read_blocklist(file: Path) -> list[str]:
    """Read a blocklist: a table's column `blocklist` (as pycytominer's), or one name or pattern per line.

    Raises
    ------
    InputError
        If the file cannot be read, or has no name.
    """
    try:
        lines = [line.strip() for line in read_text_file(file).split("\n")]
    except InputError as error:
        raise InputError(f"the blocklist {error}") from error
    cells = [[cell.strip().strip('"') for cell in re.split("[,;\t]", line)] for line in lines if line]
    at = cells[0].index("blocklist") if cells and "blocklist" in cells[0] else 0
    names = [row[at] for row in cells if len(row) > at and row[at] not in ("", "blocklist")]
    if not names:
        raise InputError(f"the blocklist {file} names no feature.")
    return names


def complete_chains(config: Mapping[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Return a complete config with complete chains.

    The name of a chain among the feature sets means its last level. The file of a blocklist is relative to
    `folder`.

    Raises
    ------
    InputError
        Naming the chain and its error.
    """
    chains = {name: complete_chain(name, written) for name, written in config["chains"].items()}
    levels = get_levels({**config, "chains": chains})
    for name, chain in chains.items():
        for step, options in chain["steps"]:
            if step == "feature_select" and isinstance(options["blocklist"], str):
                try:
                    options["blocklist"] = read_blocklist(folder / options["blocklist"])
                except InputError as error:
                    raise InputError(f"chains.{name}.feature_select.blocklist: {error}") from error
        if chain["start"] not in levels or not levels[chain["start"]].annotated:
            starts = [level.name for level in levels.values() if level.annotated]
            raise InputError(
                f"chains.{name}.start: `{chain['start']}` is not one of {join_names(starts, 30)}."
            )
    last = {name: get_chain_levels(name, chain)[-1].name for name, chain in chains.items()}
    feature_sets = [last.get(name, name) for name in config["benchmark"]["feature_sets"]]
    return {**config, "chains": chains, "benchmark": {**config["benchmark"], "feature_sets": feature_sets}}
