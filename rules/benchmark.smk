# The two benchmark figures: one job per condition (or pair of conditions) and feature set.

BENCHMARK = CONFIG["benchmark"]
NULL = {name: BENCHMARK[name] for name in ("draws", "percentile", "positive_controls", "seed")}
DRAWN = {name: BENCHMARK[name] for name in ("group", "positive_controls", "draws", "seed")}


def get_condition_profiles(
    wildcards,
):
    """Return the profiles of a condition's plates in a feature set."""
    return EXPERIMENT.get_condition_profiles(wildcards.condition, wildcards.feature_set)


def get_side_profiles(
    side,
    wildcards,
):
    """Return the profiles of the first (0) or second (1) condition of a comparison."""
    condition = EXPERIMENT.comparisons[wildcards.comparison][side]
    return EXPERIMENT.get_condition_profiles(condition, wildcards.feature_set)


def get_condition_columns(
    wildcards,
):
    """Return a condition's columns for its row of a table."""
    return EXPERIMENT.get_condition_columns(wildcards.condition)


def get_comparison_columns(
    wildcards,
):
    """Return the columns of both conditions of a comparison for its row of a table."""
    a, b = EXPERIMENT.comparisons[wildcards.comparison]
    return {**EXPERIMENT.get_condition_columns(a, "_a"), **EXPERIMENT.get_condition_columns(b, "_b")}


def is_fitted_on_controls(
    wildcards,
):
    """Return whether a feature set was fitted on the negative controls, which are then in no null."""
    return EXPERIMENT.levels[wildcards.feature_set].controls_fitted


def get_scores(
    wildcards,
):
    """Return the scores of every condition (or comparison) in every feature set."""
    is_matching = wildcards.metric.endswith("_matching")
    return [
        place("score", metric=wildcards.metric, feature_set=feature_set, name=name)
        for feature_set in EXPERIMENT.feature_sets
        for name in (EXPERIMENT.comparisons if is_matching else EXPERIMENT.conditions)
    ]


def of_metric(
    result,
    metric,
    name,
):
    """Return where the tables of a metric are; `name` is the wildcard of its conditions or comparisons."""
    return place(result, metric=metric, name=f"{{{name}}}")


rule percent_replicating:
    input:
        profiles=get_condition_profiles,
    output:
        score=of_metric("score", "percent_replicating", "condition"),
        perturbations=of_metric("perturbations", "percent_replicating", "condition"),
        null=of_metric("null", "percent_replicating", "condition"),
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
        condition=get_condition_columns,
        feature_set="{feature_set}",
        options={
            **NULL,
            "group": BENCHMARK["group"],
            "null_size": BENCHMARK["null_size"],
            "tail": BENCHMARK["tail"],
            "minimum_replicates": BENCHMARK["minimum_replicates"],
        },
        controls=CONFIG["controls"],
        controls_fitted=is_fitted_on_controls,
        code=code_digest("percent_replicating.py"),
    message:
        "{wildcards.condition}: Percent Replicating ({wildcards.feature_set})"
    script:
        "../scripts/percent_replicating.py"


rule percent_matching:
    input:
        a=partial(get_side_profiles, 0),
        b=partial(get_side_profiles, 1),
    output:
        score=of_metric("score", "percent_matching", "comparison"),
        pairs=of_metric("pairs", "percent_matching", "comparison"),
        null=of_metric("null", "percent_matching", "comparison"),
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
        condition=get_comparison_columns,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            **NULL,
            "group": BENCHMARK["group"],
            "gene": EXPERIMENT.get_gene_columns(wildcards.comparison),
            "different": BENCHMARK["different"],
        },
        controls=CONFIG["controls"],
        code=code_digest("percent_matching.py"),
    message:
        "{wildcards.comparison}: Percent Matching ({wildcards.feature_set})"
    script:
        "../scripts/percent_matching.py"


rule mean_average_precision:
    input:
        profiles=get_condition_profiles,
    output:
        score=of_metric("score", "mean_average_precision", "condition"),
        perturbations=of_metric("perturbations", "mean_average_precision", "condition"),
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
        condition=get_condition_columns,
        feature_set="{feature_set}",
        options={**DRAWN, "minimum_replicates": BENCHMARK["minimum_replicates"]},
        controls=CONFIG["controls"],
        controls_fitted=is_fitted_on_controls,
        code=code_digest("mean_average_precision.py"),
    message:
        "{wildcards.condition}: mean average precision ({wildcards.feature_set})"
    script:
        "../scripts/mean_average_precision.py"


rule mean_average_precision_matching:
    input:
        a=partial(get_side_profiles, 0),
        b=partial(get_side_profiles, 1),
    output:
        score=of_metric("score", "mean_average_precision_matching", "comparison"),
        perturbations=of_metric("perturbations", "mean_average_precision_matching", "comparison"),
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
        condition=get_comparison_columns,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            **DRAWN,
            "gene": EXPERIMENT.get_gene_columns(wildcards.comparison),
            "different": BENCHMARK["different"],
        },
        controls=CONFIG["controls"],
        controls_fitted=is_fitted_on_controls,
        code=code_digest("mean_average_precision.py"),
    message:
        "{wildcards.comparison}: mean average precision of matching ({wildcards.feature_set})"
    script:
        "../scripts/mean_average_precision.py"


rule benchmark_table:
    input:
        scores=get_scores,
    output:
        table=PLACES["score_table"],
    log:
        "logs/benchmark_table/{metric}.log",
    wildcard_constraints:
        metric="|".join(EXPERIMENT.metrics),
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
