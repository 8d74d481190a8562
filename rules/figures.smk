# Figures of the benchmark, and of profiles (one job per condition and feature set for each), with their numbers.

from lib.conditions import get_relation
from lib.targets import get_selections

REPORT = CONFIG["report"]
RELATION = get_relation(
    EXPERIMENT.get_gene_column(side) for sides in EXPERIMENT.comparisons.values() for side in sides
)


def get_figure(
    figure,
):
    """Return a figure with its caption, for `snakemake --report`."""
    name = Path(figure).stem
    of_condition = {"condition": "{condition}", "feature set": "{feature_set}"} if "{" in figure else {}
    return report(
        figure,
        caption=f"captions/{name}.rst",
        category="Conditions" if of_condition else "Experiment",
        labels={**of_condition, "figure": name.replace("_", " ")},
    )


rule plot_plate_maps:
    input:
        profiles=[
            EXPERIMENT.get_profiles(plate, EXPERIMENT.get_annotated_level(plate))
            for plate in EXPERIMENT.plates
        ],
    output:
        png=get_figure(place("figure", figure="plate_maps", kind="png")),
        svg=place("figure", figure="plate_maps", kind="svg"),
        csv=place("figure", figure="plate_maps", kind="csv"),
        wells=place("figure", figure="plate_maps_wells", kind="csv"),
    log:
        "logs/plot_plate_maps.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        plates=[{name: plate[name] for name in ("plate_map", "perturbation")} for plate in EXPERIMENT.plates],
        controls=CONFIG["controls"],
        group=BENCHMARK["group"],
        clinical_phase=BENCHMARK["clinical_phase"],
        code=code_digest("plot_plate_maps.py"),
    message:
        "Plate maps by control type"
    script:
        "../scripts/plot_plate_maps.py"


rule plot_benchmark:
    input:
        **{metric: place("score_table", metric=metric) for metric in EXPERIMENT.metrics},
    output:
        figures=[get_figure(place("figure", figure=metric, kind="png")) for metric in EXPERIMENT.metrics],
        others=[
            place("figure", figure=metric, kind=kind)
            for metric in EXPERIMENT.metrics
            for kind in ("svg", "csv")
        ],
    log:
        "logs/plot_benchmark.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        published={
            metric: get_relative_path(PLATEWISE / f"config/cpjump1/published_{metric}.csv")
            for metric in EXPERIMENT.scores
            if BENCHMARK["published"]
        },
        feature_sets=EXPERIMENT.feature_sets,
        networks=[name for name in EXPERIMENT.feature_sets if EXPERIMENT.levels[name].features == NETWORK],
        relation=RELATION,
        code=code_digest("plot_benchmark.py"),
    message:
        "Benchmark figures"
    script:
        "../scripts/plot_benchmark.py"


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


rule plot_replicates:
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
        "logs/plot_replicates/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/plot_replicates/{feature_set}/{condition}.tsv"
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
        code=code_digest("plot_replicates.py"),
    message:
        "{wildcards.condition}: figures of replicates ({wildcards.feature_set})"
    script:
        "../scripts/plot_replicates.py"


rule plot_profile_maps:
    input:
        profiles=get_condition_profiles,
        perturbations=rules.percent_replicating.output.perturbations,
    output:
        maps=get_condition_figure("profile_maps"),
        coordinates=place("condition_figure", figure="profile_maps", kind="csv"),
    log:
        "logs/plot_profile_maps/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/plot_profile_maps/{feature_set}/{condition}.tsv"
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
        code=code_digest("plot_profile_maps.py"),
    message:
        "{wildcards.condition}: maps of the wells ({wildcards.feature_set})"
    script:
        "../scripts/plot_profile_maps.py"


rule plot_position_effects:
    input:
        profiles=get_condition_profiles,
        coordinates=rules.plot_profile_maps.output.coordinates,
    output:
        figure=get_condition_figure("position_effects"),
        numbers=place("condition_figure", figure="position_effects", kind="csv"),
    log:
        "logs/plot_position_effects/{feature_set}/{condition}.log",
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
        code=code_digest("plot_position_effects.py"),
    message:
        "{wildcards.condition}: position effects ({wildcards.feature_set})"
    script:
        "../scripts/plot_position_effects.py"


rule plot_changed_features:
    input:
        profiles=get_unselected_profiles,
    output:
        figure=get_condition_figure("changed_features"),
        numbers=place("condition_figure", figure="changed_features", kind="csv"),
    log:
        "logs/plot_changed_features/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/plot_changed_features/{feature_set}/{condition}.tsv"
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
        code=code_digest("plot_changed_features.py"),
    message:
        "{wildcards.condition}: groups of features that changed ({wildcards.feature_set})"
    script:
        "../scripts/plot_changed_features.py"


rule plot_dropped_features:
    input:
        files=[
            selection[name]
            for selection in get_selections(EXPERIMENT)
            for name in ("profiles", "dropped", "normalized")
            if selection[name]
        ],
    output:
        figure=get_figure(place("figure", figure="dropped_features", kind="png")),
        numbers=place("figure", figure="dropped_features", kind="csv"),
    log:
        "logs/plot_dropped_features.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        bars=get_selections(EXPERIMENT),
        code=code_digest("plot_dropped_features.py"),
    message:
        "Figure of dropped features"
    script:
        "../scripts/plot_dropped_features.py"
