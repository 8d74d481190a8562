# The two benchmark figures: one job a condition (or pair of conditions) and feature set.

CONDITIONS = checked(conditions, PLATES, CONFIG)
COMPARISONS = comparisons(CONDITIONS, CONFIG)
FEATURE_SETS = checked(
    feature_set_levels, [plate for plates in CONDITIONS.values() for plate in plates], CONFIG
)
BENCHMARK = CONFIG["benchmark"]
NULL = {name: BENCHMARK[name] for name in ("draws", "percentile", "minimum_replicates", "positive_controls", "seed")}
SCORED = ["percent_replicating"] + (["percent_matching"] if COMPARISONS else [])


def profiles_of(condition, feature_set):
    """The profiles of a condition's plates."""
    return [file_of(plate, feature_set) for plate in CONDITIONS[condition]]


def described(condition, suffix=""):
    """A condition's columns, for its row of a table."""
    return {f"{column}{suffix}": CONDITIONS[condition][0][column] for column in BENCHMARK["condition"]}


def scores(wildcards):
    """The scores of every condition (or comparison) in every feature set."""
    names = CONDITIONS if wildcards.metric == "percent_replicating" else COMPARISONS
    return [
        f"benchmark/{wildcards.metric}/{feature_set}/{name}_score.csv"
        for feature_set in FEATURE_SETS
        for name in names
    ]


def benchmark_results():
    """The benchmark's tables and figures."""
    return [f"benchmark/{metric}.csv" for metric in SCORED] + [
        f"benchmark/figures/{metric}.{kind}" for metric in SCORED for kind in ("png", "svg")
    ]


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
    params:
        condition=lambda wildcards: described(wildcards.condition),
        feature_set="{feature_set}",
        options={
            **NULL,
            "group": BENCHMARK["group"],
            "null_size": BENCHMARK["null_size"],
            "tail": BENCHMARK["tail"],
        },
        code=code_digest("percent_replicating.py"),
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
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
    params:
        condition=lambda wildcards: {
            **described(COMPARISONS[wildcards.comparison][0], "_a"),
            **described(COMPARISONS[wildcards.comparison][1], "_b"),
        },
        feature_set="{feature_set}",
        options={**NULL, "group": BENCHMARK["group"], "gene": BENCHMARK["gene"]},
        code=code_digest("percent_matching.py"),
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    message:
        "{wildcards.comparison}: Percent Matching ({wildcards.feature_set})"
    script:
        "../scripts/percent_matching.py"


rule benchmark_table:
    input:
        scores=scores,
    output:
        table="benchmark/{metric}.csv",
    log:
        "logs/benchmark_table/{metric}.log",
    params:
        code=code_digest("benchmark_table.py"),
    wildcard_constraints:
        metric="percent_replicating|percent_matching",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Table of {wildcards.metric}"
    script:
        "../scripts/benchmark_table.py"


rule benchmark_figures:
    input:
        **{metric: f"benchmark/{metric}.csv" for metric in SCORED},
    output:
        figures=[f"benchmark/figures/{metric}.{kind}" for metric in SCORED for kind in ("png", "svg")],
    log:
        "logs/benchmark_figures.log",
    params:
        code=code_digest("benchmark_figures.py"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Benchmark figures"
    script:
        "../scripts/benchmark_figures.py"
