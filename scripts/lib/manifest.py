"""The report's manifest: the files that the report, and the page of a single plate, show.

Snakemake passes a manifest to the job that writes the page, so that the page is made from files that the rule
declares and never from what happens to be in a folder.
"""

from pathlib import Path
from typing import Any

from lib.experiment import Experiment
from lib.judging import get_judged_files
from lib.levels import CELLPROFILER, NETWORK
from lib.places import place
from lib.plates import Plate, source
from lib.targets import (
    get_condition_figures,
    get_consensus_targets,
    get_plate_pages,
    get_plate_pictures,
    get_plate_tables,
    get_segmentation_montages,
    get_thumbnails,
)


def get_manifest(experiment: Experiment) -> dict[str, Any]:
    """Return what the report shows: its files by plate and by condition, relative to the results folder."""
    return {
        "plate_pages": [Path(page).name for page in get_plate_pages(experiment)],
        "index": "",
        "plates": [get_plate_manifest(experiment, plate) for plate in experiment.plates],
        "conditions": [
            get_condition_manifest(experiment, feature_set, condition)
            for feature_set in experiment.feature_sets
            for condition in experiment.conditions
        ],
        "matches": [
            {
                "pairs": place("pairs", metric="percent_matching", feature_set=feature_set, name=name),
                "label": " and ".join(map(experiment.get_condition_label, sides))
                + (f" ({feature_set})" if len(experiment.feature_sets) > 1 else ""),
            }
            for feature_set in experiment.feature_sets
            for name, sides in experiment.comparisons.items()
        ],
        "figures": [
            place("figure", figure=figure, kind="png")
            for figure in ["plate_maps", *experiment.metrics, "judged_chains", "dropped_features"]
        ],
        "left_out": place("left_out"),
        "judged": place("judged_chains"),
        "scores": {metric: place("score_table", metric=metric) for metric in experiment.metrics},
        "scored": {
            **{metric: get_scored_tables(experiment, metric) for metric in experiment.metrics},
            "judged": get_judged_files(experiment, "judged_perturbations"),
            "consensus": get_consensus_targets(experiment),
        },
    }


def get_single_manifest(experiment: Experiment, plate: Plate) -> dict[str, Any]:
    """Return what the page of a single plate shows: the plate, and the scores of its perturbations."""
    name = experiment.get_condition_of.get((plate["batch"], plate["plate"]), "")
    # Of its condition, only the table of perturbations is read, for the scores of the plate's wells. What is
    # listed here must not grow with the number of plates, since each plate has its page.
    known = {"metric": "percent_replicating", "feature_set": experiment.feature_sets[0], "name": name}
    scored = {"name": name, "perturbations": place("perturbations", **known)}
    nothing: dict[str, Any] = {"figures": [], "matches": [], "left_out": "", "judged": "", "scores": {}}
    return {
        **nothing,
        "plate_pages": [],
        "index": Path(place("report")).name,
        "plates": [get_plate_manifest(experiment, plate)],
        "conditions": [],
        "scored_conditions": [scored] if name else [],
        "scored": {},
    }


def get_condition_manifest(experiment: Experiment, feature_set: str, condition: str) -> dict[str, Any]:
    """Return the files of one condition in one feature set that the report shows."""
    plates = experiment.conditions[condition]
    scored = experiment.get_plates_with(feature_set, plates)

    def get_result(result: str, metric: str) -> str:
        return place(result, metric=metric, feature_set=feature_set, name=condition)

    def get_numbers(figure: str) -> str:
        known = {"feature_set": feature_set, "condition": condition}
        return place("condition_figure", figure=figure, kind="csv", **known)

    return {
        "name": condition,
        "label": experiment.get_condition_label(condition),
        "columns": experiment.get_condition_columns(condition),
        "plates": [plate["plate"] for plate in plates],
        "feature_set": feature_set,
        "keys": [(plate["batch"], plate["plate"]) for plate in scored],
        "pictures": get_condition_figures(experiment, feature_set, condition),
        "perturbations": get_result("perturbations", "percent_replicating"),
        "null_sets": get_result("null", "percent_replicating"),
        "precision": get_result("perturbations", "mean_average_precision"),
        "hits": place("hits_of_condition", feature_set=feature_set, condition=condition),
        "clusters": place("clusters_of_condition", feature_set=feature_set, condition=condition),
        "known_pairs": place("known_pairs_of_condition", feature_set=feature_set, condition=condition),
        "doses": place("doses_of_condition", feature_set=feature_set, condition=condition),
        "dose_curves": place("dose_curves", feature_set=feature_set, condition=condition),
        "dose_wells": place("dose_wells", feature_set=feature_set, condition=condition),
        "null": get_numbers("replicate_null"),
        "coordinates": get_numbers("profile_maps"),
        "changes": get_numbers("changed_features"),
    }


def get_plate_manifest(experiment: Experiment, plate: Plate) -> dict[str, Any]:
    """Return the files of one plate that the report shows."""
    return {
        "plate": plate,
        "stages": experiment.get_stages(plate),
        "tables": get_plate_tables(experiment, plate),
        "pictures": [
            *get_plate_pictures(experiment, plate),
            *get_segmentation_montages(experiment, [plate]),
        ],
        "load_data": experiment.get_place(plate, "load_data") if source(plate) == "images" else "",
        "condition": experiment.get_condition_of.get((plate["batch"], plate["plate"]), ""),
        "thumbnails": get_thumbnails(experiment, plate),
        "thumbnail_wells": experiment.get_place(plate, "thumbnail_wells"),
        "example_cells": experiment.get_place(plate, "thumbnails", picture="example_cells"),
        "well_quality": experiment.get_place(plate, "well_quality"),
        "outlines": experiment.get_place(plate, "segmentation_pictures"),
        **get_explored_profiles(experiment, plate),
        "cells": {
            features: file
            for features in (CELLPROFILER, NETWORK)
            if (file := experiment.get_cells(plate, features))
        },
        "profiles": {
            name: experiment.get_profiles(plate, level)
            for name, level in experiment.get_levels(plate).items()
            if level.is_last
        },
    }


def get_explored_profiles(experiment: Experiment, plate: Plate) -> dict[str, Any]:
    """Return the profiles whose features the report shows: all normalized ones, and the selected ones.

    They are those of the first feature set of the benchmark that the plate has, or else its last profiles.
    """
    levels = experiment.get_levels(plate)
    name = next((name for name in experiment.feature_sets if name in levels), next(reversed(levels)))
    all_features = experiment.levels[name].all_features
    return {
        "normalized": experiment.get_profiles(plate, all_features if all_features in levels else name),
        "selected": experiment.get_profiles(plate, name),
        # Values of other levels have no common scale, so that no feature is stronger than another one.
        "z_scores": experiment.levels[name].step not in ("aggregate", "annotate"),
    }


def get_scored_tables(experiment: Experiment, metric: str) -> list[str]:
    """Return the tables of a metric that carry its provenance, one per condition or comparison."""
    matching = metric.endswith("_matching")
    result = "pairs" if metric == "percent_matching" else "perturbations"
    return [
        place(result, metric=metric, feature_set=feature_set, name=name)
        for feature_set in experiment.feature_sets
        for name in (experiment.comparisons if matching else experiment.conditions)
    ]
