# Figures of profiles: one job per condition and feature set for each, and the numbers beside each figure.

REPORT = CONFIG["report"]


def get_condition_figure(
    figure,
):
    """Return a figure of a condition, with its caption."""
    return get_figure(place("condition_figure", figure=figure, kind="png"))


def get_title(
    wildcards,
):
    """Return the heading of the figures of a condition."""
    label = EXPERIMENT.get_condition_label(wildcards.condition)
    return label if len(EXPERIMENT.feature_sets) == 1 else f"{label}, {wildcards.feature_set}"


def get_unselected_profiles(
    wildcards,
):
    """Return the normalized profiles that a feature set was selected from, or the feature set itself."""
    feature_set = EXPERIMENT.levels[wildcards.feature_set]
    plates = EXPERIMENT.get_plates_with(feature_set.name, EXPERIMENT.conditions[wildcards.condition])
    made = all(feature_set.all_features in EXPERIMENT.get_levels(plate) for plate in plates)
    level = feature_set.all_features if made else feature_set.name
    return [EXPERIMENT.get_profiles(plate, level) for plate in plates]


rule replicate_figures:
    input:
        profiles=get_condition_profiles,
        score=rules.percent_replicating.output.score,
        perturbations=rules.percent_replicating.output.perturbations,
        null=rules.percent_replicating.output.null,
    output:
        correlations=get_condition_figure("replicate_correlations"),
        matrix=place("condition_figure", figure="replicate_correlations", kind="parquet"),
        null=get_condition_figure("replicate_null"),
        medians=place("condition_figure", figure="replicate_null", kind="csv"),
    log:
        "logs/replicate_figures/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/replicate_figures/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        parameters=lambda wildcards: {
            "title": get_title(wildcards),
            "group": CONFIG["benchmark"]["group"],
            "controls": CONFIG["controls"],
            "positive_controls": CONFIG["benchmark"]["positive_controls"],
        },
        code=code_digest("replicate_figures.py"),
    message:
        "{wildcards.condition}: figures of replicates ({wildcards.feature_set})"
    script:
        "../scripts/replicate_figures.py"


rule profile_maps:
    input:
        profiles=get_condition_profiles,
        perturbations=rules.percent_replicating.output.perturbations,
    output:
        maps=get_condition_figure("profile_maps"),
        coordinates=place("condition_figure", figure="profile_maps", kind="csv"),
    log:
        "logs/profile_maps/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/profile_maps/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
    params:
        options=lambda wildcards: {
            "title": get_title(wildcards),
            "group": CONFIG["benchmark"]["group"],
            "controls": CONFIG["controls"],
            **{name: REPORT[name] for name in ("umap", "neighbors", "minimum_distance", "seed")},
        },
        code=code_digest("profile_maps.py"),
    message:
        "{wildcards.condition}: maps of the wells ({wildcards.feature_set})"
    script:
        "../scripts/profile_maps.py"


rule position_effects:
    input:
        profiles=get_condition_profiles,
        coordinates=rules.profile_maps.output.coordinates,
    output:
        figure=get_condition_figure("position_effects"),
        numbers=place("condition_figure", figure="position_effects", kind="csv"),
    log:
        "logs/position_effects/{feature_set}/{condition}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        options=lambda wildcards: {
            "title": get_title(wildcards),
            "group": CONFIG["benchmark"]["group"],
            "controls": CONFIG["controls"],
        },
        code=code_digest("position_effects.py"),
    message:
        "{wildcards.condition}: effects of the position ({wildcards.feature_set})"
    script:
        "../scripts/position_effects.py"


rule changed_features:
    input:
        profiles=get_unselected_profiles,
    output:
        figure=get_condition_figure("changed_features"),
        numbers=place("condition_figure", figure="changed_features", kind="csv"),
    log:
        "logs/changed_features/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/changed_features/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: (2000 + 200 * len(input.profiles)) * attempt,
        runtime=minutes(20),
    params:
        options=lambda wildcards: {
            "title": get_title(wildcards),
            "group": CONFIG["benchmark"]["group"],
            "controls": CONFIG["controls"],
            "channels": EXPERIMENT.channels,
            "perturbations": REPORT["perturbations"],
            "seed": REPORT["seed"],
        },
        code=code_digest("changed_features.py"),
    message:
        "{wildcards.condition}: groups of features that changed ({wildcards.feature_set})"
    script:
        "../scripts/changed_features.py"


rule dropped_figure:
    input:
        files=get_selection_files(),
    output:
        figure=get_figure(place("figure", figure="dropped_features", kind="png")),
        numbers=place("figure", figure="dropped_features", kind="csv"),
    log:
        "logs/dropped_figure.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        bars=get_selections(EXPERIMENT),
        code=code_digest("dropped_figure.py"),
    message:
        "Figure of dropped features"
    script:
        "../scripts/dropped_figure.py"
