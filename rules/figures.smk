# Figures of profiles: one job a condition and feature set for each, and the numbers beside each figure.

REPORT = CONFIG["report"]
FIGURES = "benchmark/figures/{feature_set}/{condition}"


rule replicate_figures:
    input:
        profiles=lambda wildcards: profiles_of(wildcards.condition, wildcards.feature_set),
        score=rules.percent_replicating.output.score,
        perturbations=rules.percent_replicating.output.perturbations,
        null=rules.percent_replicating.output.null,
    output:
        correlations=shown(f"{FIGURES}/replicate_correlations.png"),
        matrix=f"{FIGURES}/replicate_correlations.parquet",
        null=shown(f"{FIGURES}/replicate_null.png"),
        medians=f"{FIGURES}/replicate_null.csv",
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
            "title": title_of(wildcards),
            "group": BENCHMARK["group"],
            "controls": CONFIG["controls"],
            "positive_controls": BENCHMARK["positive_controls"],
        },
        code=code_digest("replicate_figures.py"),
    message:
        "{wildcards.condition}: figures of replicates ({wildcards.feature_set})"
    script:
        "../scripts/replicate_figures.py"


rule profile_maps:
    input:
        profiles=lambda wildcards: profiles_of(wildcards.condition, wildcards.feature_set),
        perturbations=rules.percent_replicating.output.perturbations,
    output:
        maps=shown(f"{FIGURES}/profile_maps.png"),
        coordinates=f"{FIGURES}/profile_maps.csv",
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
            "title": title_of(wildcards),
            "group": BENCHMARK["group"],
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
        profiles=lambda wildcards: profiles_of(wildcards.condition, wildcards.feature_set),
        coordinates=rules.profile_maps.output.coordinates,
    output:
        figure=shown(f"{FIGURES}/position_effects.png"),
        numbers=f"{FIGURES}/position_effects.csv",
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
            "title": title_of(wildcards),
            "group": BENCHMARK["group"],
            "controls": CONFIG["controls"],
        },
        code=code_digest("position_effects.py"),
    message:
        "{wildcards.condition}: effects of the position ({wildcards.feature_set})"
    script:
        "../scripts/position_effects.py"


rule changed_features:
    input:
        profiles=unselected_profiles,
    output:
        figure=shown(f"{FIGURES}/changed_features.png"),
        numbers=f"{FIGURES}/changed_features.csv",
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
            "title": title_of(wildcards),
            "group": BENCHMARK["group"],
            "controls": CONFIG["controls"],
            "channels": CHANNELS,
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
        files=[
            bar[name] for bar in selections() for name in ("profiles", "dropped", "normalized") if bar[name]
        ],
    output:
        figure=shown("benchmark/figures/dropped_features.png"),
        numbers="benchmark/figures/dropped_features.csv",
    log:
        "logs/dropped_figure.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        bars=selections(),
        code=code_digest("dropped_figure.py"),
    message:
        "Figure of dropped features"
    script:
        "../scripts/dropped_figure.py"
