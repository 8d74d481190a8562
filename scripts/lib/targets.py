"""The final files: those that the target `all` requests."""

from collections.abc import Mapping

from lib.experiment import Experiment
from lib.judging import get_judged_levels
from lib.levels import CELLPROFILER, NETWORK, Level
from lib.places import place
from lib.plates import Plate, source

# The figures of each condition and feature set.
CONDITION_FIGURES = (
    "replicate_correlations",
    "replicate_null",
    "changed_features",
    "profile_maps",
    "position_effects",
)
# An experiment with more plates has a page for each of them beside the report.
MOST_PLATES = 60
# A figure in two formats, and the numbers that it shows.
FIGURE_FILES = ("png", "svg", "csv")


# --- of one plate ------------------------------------------------------------------------------------


def get_segmentation_montages(experiment: Experiment, plates: list[Plate]) -> list[str]:
    """Return the pictures of the segmentation check of the plates that start with images."""
    with_images = [plate for plate in plates if source(plate) == "images"]
    return [experiment.get_place(plate, "segmentation_montage") for plate in with_images]


def get_plate_targets(experiment: Experiment, plate: Plate) -> list[str]:
    """Return the files of a plate that depend on that plate alone; while it waits, its segmentation check."""
    if experiment.waiting and source(plate) == "images":
        return get_segmentation_montages(experiment, [plate])
    cells = [experiment.get_cells(plate, features) for features in (CELLPROFILER, NETWORK)]
    return [
        *get_well_targets(experiment, plate),
        *filter(None, cells),
        *get_cell_targets(experiment, plate, of_one_plate=True),
        *([experiment.get_place(plate, "crops")] if experiment.crops and source(plate) == "images" else []),
    ]


def get_cell_targets(experiment: Experiment, plate: Plate, of_one_plate: bool) -> list[str]:
    """Return the normalized cells of a plate, if their features were selected on that plate alone or not."""
    key = plate["batch"], plate["plate"]
    if key not in experiment.levels_of_cells:
        return []
    level = experiment.levels_of_cells[key]
    if (level is None or level.scope == "plate") != of_one_plate:
        return []
    formats = experiment.config["normalized_cells"]["formats"]
    exported = [experiment.get_place(plate, "exported_cells", kind=kind) for kind in formats]
    return [experiment.get_place(plate, "normalized_cells"), *exported]


def get_well_targets(experiment: Experiment, plate: Plate) -> list[str]:
    """Return a plate's files without its single cells; while it waits, its segmentation check."""
    if experiment.waiting and source(plate) == "images":
        return get_segmentation_montages(experiment, [plate])
    profiles = [
        file
        for level in experiment.get_levels(plate).values()
        if level.scope == "plate" and level.is_last
        for file in get_profile_targets(experiment, plate, level)
    ]
    if experiment.config["aggregate"]["sites"] and experiment.get_cells(plate, CELLPROFILER):
        profiles.append(experiment.get_place(plate, "site_profiles"))
    return [
        *get_plate_pictures(experiment, plate),
        *get_thumbnails(experiment, plate).values(),
        *get_plate_tables(experiment, plate).values(),
        *profiles,
    ]


def get_plate_pictures(experiment: Experiment, plate: Plate) -> list[str]:
    """Return the pictures of a plate from quality control; none if it starts with profiles."""
    if source(plate) == "profiles":
        return []
    pictures = ["heatmaps"]
    if source(plate) == "images":
        montages = [f"montage_{channel}" for channel in ("composite", *experiment.channels)]
        pictures += ["illumination", *montages, *(["flagged_cells"] if experiment.flags_cells else [])]
    sheet = experiment.get_place(plate, "contact_sheet")
    return [
        *([sheet] if experiment.get_cells(plate, NETWORK) else []),
        *(experiment.get_place(plate, "picture", picture=picture) for picture in pictures),
    ]


def get_thumbnails(experiment: Experiment, plate: Plate) -> dict[str, str]:
    """Return the sheets of thumbnails of a plate by channel; none without images, or if they are off."""
    if source(plate) != "images" or not experiment.config["montages"]["thumbnails"]:
        return {}
    names = ("composite", *experiment.channels)
    return {name: experiment.get_place(plate, "thumbnails", picture=name) for name in names}


def get_plate_tables(experiment: Experiment, plate: Plate) -> dict[str, str]:
    """Return the tables of a plate from quality control; none if it starts with profiles."""
    if source(plate) == "profiles":
        return {}
    tables = ["flags", "quality_summary", *(["dropped_sites"] if source(plate) == "images" else [])]
    tables += ["label_relations"] if source(plate) == "images" and experiment.labeled else []
    tables += ["cell_flag_counts"] if experiment.flags_cells else []
    return {
        **{table: experiment.get_place(plate, table) for table in tables},
        "unmatched_wells": experiment.get_place(plate, "unmatched_wells", suffix=""),
    }


def get_profile_targets(experiment: Experiment, plate: Mapping[str, str], level: Level) -> list[str]:
    """Return the profiles of a plate at a level, and the formats that they are exported to."""
    formats = experiment.config["export"] if level.name in experiment.exported_levels else []
    exported = [
        experiment.get_place(plate, "exported", suffix=level.suffix, kind=each_format)
        for each_format in formats
    ]
    return [experiment.get_profiles(plate, level), *exported]


# --- of several plates -------------------------------------------------------------------------------


def get_batch_targets(experiment: Experiment) -> list[str]:
    """Return what depends on several plates: profiles with features of the batch, or sphered; cells."""
    cells = [
        file
        for plate in experiment.plates
        for file in get_cell_targets(experiment, plate, of_one_plate=False)
    ]
    if experiment.levels_of_cells and experiment.config["normalized_cells"]["sample"]:
        cells.append(place("sampled_cells"))
    return cells + [
        file
        for plate in experiment.plates
        for level in experiment.get_levels(plate).values()
        if level.scope != "plate" and level.is_last
        for file in get_profile_targets(experiment, plate, level)
    ]


def get_benchmark_targets(experiment: Experiment) -> list[str]:
    """Return the benchmark's tables and figures, and what else depends on the plates of a condition."""
    tables = [place("score_table", metric=metric) for metric in experiment.metrics]
    figures = [
        place("figure", figure=figure, kind=kind)
        for figure in [*experiment.metrics, "plate_maps"]
        for kind in FIGURE_FILES
    ]
    wells = place("figure", figure="plate_maps_wells", kind="csv")
    hits = [place("hits"), place("clusters")] if experiment.conditions else []
    optional = [name for name in ("known_pairs", "rankings") if experiment.config["benchmark"][name]]
    hits += [place(name) for name in optional if experiment.conditions]
    hits += [place("doses")] if experiment.conditions and "dose_response" in experiment.config else []
    judged = get_judged_targets(experiment)
    consensus = get_consensus_targets(experiment)
    return [*tables, *figures, wells, *consensus, *hits, *judged, place("left_out")]


def get_judged_targets(experiment: Experiment) -> list[str]:
    """Return the table and the figure of all steps of all chains; nothing if none is judged."""
    if not get_judged_levels(experiment):
        return []
    figures = [place("figure", figure="judged_chains", kind=kind) for kind in ("png", "svg")]
    return [place("judged_chains"), *figures]


def get_split_targets(experiment: Experiment) -> list[str]:
    """Return the recommended splits; the report does not need them, so one may fail on its own."""
    return [place("split", split=name) for name in experiment.splits]


def get_left_out_files(experiment: Experiment) -> dict[str, list[str]]:
    """Return the results that record which sites, wells, features and values are left out, by kind.

    `tables` lists what a stage leaves out; `first` is the first level of a plate's profiles, which shows the
    wells without cells and the excluded features; `annotated` marks wells with few cells; `scaled` records
    the values that are taken as missing; `chains` are the tables of the chains' steps.
    """
    found: dict[str, list[str]] = {"tables": [], "first": [], "annotated": [], "scaled": [], "chains": []}
    tables = found["tables"]
    for plate in experiment.plates:
        start = source(plate)
        if start != "profiles":
            names = ["sites", "flags", *(["dropped_sites"] if start == "images" else [])]
            names += ["cell_flag_counts"] if experiment.config["cell_quality"]["exclude_flagged"] else []
            tables += [experiment.get_place(plate, name) for name in names]
        levels = experiment.get_levels(plate)
        found["first"] += [
            experiment.get_profiles(plate, level)
            for level in levels.values()
            # Other summaries are of the same cells.
            if (level.step == "aggregate" and not level.summary) or plate.get("level") == level.name
        ]
        found["annotated"].append(experiment.get_profiles(plate, experiment.get_annotated_level(plate)))
        for level in levels.values():
            if start == "profiles" and plate["level"] == level.name:
                continue
            # The wells of another summary are the same.
            if level.step == "annotate" and not level.summary:
                suffix = experiment.levels[level.made_from].suffix
                tables.append(experiment.get_place(plate, "unmatched_wells", suffix=suffix))
            if level.step in ("normalize", "feature_select", "spherize"):
                of_batch = level.step == "feature_select" and level.scope == "batch"
                table = "dropped_of_batch" if of_batch else "dropped"
                tables.append(experiment.get_place(plate, table, suffix=level.suffix))
            if level.step in ("normalize", "spherize"):
                tables.append(experiment.get_place(plate, "incomplete_wells", suffix=level.suffix))
            # Values are taken as missing by normalization; of profiles that were normalized elsewhere, by the
            # selection of features.
            source_level = experiment.get_source_level(plate, level).name if level.made_from else ""
            is_published = start == "profiles" and plate["level"] == source_level
            if level.step == "normalize" or (level.step == "feature_select" and is_published):
                found["scaled"].append(experiment.get_profiles(plate, level))
            if level.chain:
                found["chains"].append(get_chain_table(experiment, plate, level))
    found["consensus"] = get_consensus_targets(experiment)
    found["scores"] = [place("score_table", metric=metric) for metric in experiment.scores]
    return {kind: list(dict.fromkeys(files)) for kind, files in found.items()}


def get_chain_table(experiment: Experiment, plate: Plate, level: Level) -> str:
    """Return the table of what a step of a chain leaves out, of a plate or of the plates of its group."""
    if level.scope == "plate":
        return experiment.get_place(plate, "dropped", suffix=level.suffix)
    return place("chain_dropped", level=level.name, group=experiment.get_group(plate, level))


def get_consensus_targets(experiment: Experiment) -> list[str]:
    """Return the consensus profiles of each condition, if the config requests any."""
    return [
        place("consensus", feature_set=feature_set, condition=condition, operation=operation)
        for operation in experiment.config["consensus"]
        for feature_set in experiment.feature_sets
        for condition in experiment.conditions
    ]


def get_plates_not_scored(experiment: Experiment) -> list[dict[str, str]]:
    """Return the plates that the benchmark does not score, each with the reason."""
    found = []
    for plate in experiment.plates:
        why = ""
        if (plate["batch"], plate["plate"]) not in experiment.get_condition_of:
            why = "not in benchmark.where"
        elif not any(experiment.get_plates_with(name, [plate]) for name in experiment.feature_sets):
            why = "it has none of benchmark.feature_sets"
        if why:
            found.append({"batch": plate["batch"], "plate": plate["plate"], "why": why})
    return found


def get_condition_figures(experiment: Experiment, feature_set: str, condition: str) -> list[str]:
    """Return the figures of a condition in a feature set."""
    doses = ["dose_response"] if "dose_response" in experiment.config else []
    return [
        place("condition_figure", feature_set=feature_set, condition=condition, figure=figure, kind="png")
        for figure in [*CONDITION_FIGURES, *doses]
    ]


def get_figure_targets(experiment: Experiment) -> list[str]:
    """Return the figures of profiles, and the figure of dropped features if features are selected."""
    figures = [
        file
        for feature_set in experiment.feature_sets
        for condition in experiment.conditions
        for file in get_condition_figures(experiment, feature_set, condition)
    ]
    dropped = place("figure", figure="dropped_features", kind="png")
    return figures + ([dropped] if get_selections(experiment) else [])


def get_selections(experiment: Experiment) -> list[dict[str, str]]:
    """Return each selection of a plate's features that is made: the plate, the scope, and its files."""
    found = []
    for plate in experiment.plates:
        levels = experiment.get_levels(plate)
        for level in levels.values():
            if level.step != "feature_select" or level.summary or plate.get("level") == level.name:
                continue
            start = experiment.levels[level.made_from]
            # Published profiles were already normalized: what was dropped before is not known.
            normalized = start.name in levels and plate.get("level") != start.name
            dropped = "dropped" if level.scope == "plate" else "dropped_of_batch"
            found.append(
                {
                    "plate": plate["plate"],
                    "selection": level.scope,
                    "profiles": experiment.get_profiles(plate, level),
                    "dropped": experiment.get_place(plate, dropped, suffix=level.suffix),
                    "normalized": experiment.get_place(plate, "dropped", suffix=start.suffix)
                    if normalized
                    else "",
                }
            )
    return found


def get_plate_pages(experiment: Experiment) -> list[str]:
    """Return the pages of single plates, which an experiment has whose plates do not fit on one page."""
    if len(experiment.plates) <= MOST_PLATES:
        return []
    return [place("plate_page", number=number) for number in range(1, len(experiment.plates) + 1)]
