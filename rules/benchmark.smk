# The two benchmark figures: one job a condition (or pair of conditions) and feature set.

CONDITIONS = checked(conditions, PLATES, CONFIG)
CONDITION_OF = {
    (plate["batch"], plate["plate"]): name for name, plates in CONDITIONS.items() for plate in plates
}
COMPARISONS = comparisons(CONDITIONS, CONFIG)
FEATURE_SETS = checked(
    feature_set_levels, [plate for plates in CONDITIONS.values() for plate in plates], CONFIG
)
BENCHMARK = CONFIG["benchmark"]
NULL = {name: BENCHMARK[name] for name in ("draws", "percentile", "positive_controls", "seed")}
NULL["controls"] = CONFIG["controls"]
SCORED = ["percent_replicating"] + (["percent_matching"] if COMPARISONS else [])
PRECISION = ["mean_average_precision"] + (["mean_average_precision_matching"] if COMPARISONS else [])
PRECISION = PRECISION if BENCHMARK["mean_average_precision"] else []
DRAWN = {name: BENCHMARK[name] for name in ("group", "positive_controls", "draws", "seed")}
DRAWN["controls"] = CONFIG["controls"]

# A figure in two formats, and the numbers that it shows.
FIGURE_FILES = ("png", "svg", "csv")


rule percent_replicating:
    input:
        profiles=lambda wildcards: profiles_of(wildcards.condition, wildcards.feature_set),
    output:
        score="benchmark/percent_replicating/{feature_set}/{condition}_score.csv",
        perturbations="benchmark/percent_replicating/{feature_set}/{condition}_perturbations.parquet",
        null="benchmark/percent_replicating/{feature_set}/{condition}_null.parquet",
    log:
        "logs/percent_replicating/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/percent_replicating/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_condition,
        runtime=minutes(20),
    params:
        condition=lambda wildcards: described(wildcards.condition),
        feature_set="{feature_set}",
        options={
            **NULL,
            "group": BENCHMARK["group"],
            "null_size": BENCHMARK["null_size"],
            "tail": BENCHMARK["tail"],
            "minimum_replicates": BENCHMARK["minimum_replicates"],
        },
        code=code_digest("percent_replicating.py"),
    message:
        "{wildcards.condition}: Percent Replicating ({wildcards.feature_set})"
    script:
        "../scripts/percent_replicating.py"


rule percent_matching:
    input:
        a=lambda wildcards: profiles_of(COMPARISONS[wildcards.comparison][0], wildcards.feature_set),
        b=lambda wildcards: profiles_of(COMPARISONS[wildcards.comparison][1], wildcards.feature_set),
    output:
        score="benchmark/percent_matching/{feature_set}/{comparison}_score.csv",
        pairs="benchmark/percent_matching/{feature_set}/{comparison}_pairs.parquet",
        null="benchmark/percent_matching/{feature_set}/{comparison}_null.parquet",
    log:
        "logs/percent_matching/{feature_set}/{comparison}.log",
    benchmark:
        "benchmarks/percent_matching/{feature_set}/{comparison}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_comparison,
        runtime=minutes(20),
    params:
        condition=sides_described,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            **NULL,
            "group": BENCHMARK["group"],
            "gene": genes_of(wildcards.comparison),
            "different": BENCHMARK["different"],
        },
        code=code_digest("percent_matching.py"),
    message:
        "{wildcards.comparison}: Percent Matching ({wildcards.feature_set})"
    script:
        "../scripts/percent_matching.py"


rule mean_average_precision:
    input:
        profiles=lambda wildcards: profiles_of(wildcards.condition, wildcards.feature_set),
    output:
        score="benchmark/mean_average_precision/{feature_set}/{condition}_score.csv",
        perturbations="benchmark/mean_average_precision/{feature_set}/{condition}_perturbations.parquet",
    log:
        "logs/mean_average_precision/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/mean_average_precision/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_condition,
        runtime=minutes(20),
    params:
        condition=lambda wildcards: described(wildcards.condition),
        feature_set="{feature_set}",
        options={**DRAWN, "minimum_replicates": BENCHMARK["minimum_replicates"]},
        code=code_digest("mean_average_precision.py"),
    message:
        "{wildcards.condition}: mean average precision ({wildcards.feature_set})"
    script:
        "../scripts/mean_average_precision.py"


rule mean_average_precision_matching:
    input:
        a=lambda wildcards: profiles_of(COMPARISONS[wildcards.comparison][0], wildcards.feature_set),
        b=lambda wildcards: profiles_of(COMPARISONS[wildcards.comparison][1], wildcards.feature_set),
    output:
        score="benchmark/mean_average_precision_matching/{feature_set}/{comparison}_score.csv",
        perturbations="benchmark/mean_average_precision_matching/{feature_set}/{comparison}_perturbations.parquet",
    log:
        "logs/mean_average_precision_matching/{feature_set}/{comparison}.log",
    benchmark:
        "benchmarks/mean_average_precision_matching/{feature_set}/{comparison}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_comparison,
        runtime=minutes(20),
    params:
        condition=sides_described,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            **DRAWN,
            "gene": genes_of(wildcards.comparison),
            "different": BENCHMARK["different"],
        },
        code=code_digest("mean_average_precision.py"),
    message:
        "{wildcards.comparison}: mean average precision of matching ({wildcards.feature_set})"
    script:
        "../scripts/mean_average_precision.py"


rule benchmark_table:
    input:
        scores=scores,
    output:
        table="benchmark/{metric}.csv",
    log:
        "logs/benchmark_table/{metric}.log",
    wildcard_constraints:
        metric="|".join(SCORED + PRECISION),
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of {wildcards.metric}"
    script:
        "../scripts/benchmark_table.py"


rule plate_maps:
    input:
        profiles=[file_of(plate, annotated_level(plate, CONFIG)) for plate in PLATES],
    output:
        png=shown("benchmark/figures/plate_maps.png"),
        svg="benchmark/figures/plate_maps.svg",
        csv="benchmark/figures/plate_maps.csv",
        wells="benchmark/figures/plate_maps_wells.csv",
    log:
        "logs/plate_maps.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        plates=[{name: plate[name] for name in ("plate_map", "perturbation")} for plate in PLATES],
        controls=CONFIG["controls"],
        group=BENCHMARK["group"],
        clinical_phase=BENCHMARK["clinical_phase"],
        code=code_digest("plate_maps.py"),
    message:
        "Plate maps by control type"
    script:
        "../scripts/plate_maps.py"


rule benchmark_figures:
    input:
        **{metric: f"benchmark/{metric}.csv" for metric in SCORED + PRECISION},
    output:
        figures=[shown(f"benchmark/figures/{metric}.png") for metric in SCORED + PRECISION],
        others=[
            f"benchmark/figures/{metric}.{kind}" for metric in SCORED + PRECISION for kind in ("svg", "csv")
        ],
    log:
        "logs/benchmark_figures.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        published={
            metric: of_workflow(f"{workflow.basedir}/config/cpjump1/published_{metric}.csv")
            for metric in SCORED
            if BENCHMARK["published"]
        },
        feature_sets=FEATURE_SETS,
        code=code_digest("benchmark_figures.py"),
    message:
        "Benchmark figures"
    script:
        "../scripts/benchmark_figures.py"
