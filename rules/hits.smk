# Answers from the scores: what each perturbation does, and which ones belong together.


def get_replicate_scores(
    wildcards,
):
    """Return the tables of a condition's scores, one row per perturbation."""
    metrics = {"replicating": "percent_replicating"}
    if BENCHMARK["mean_average_precision"]:
        metrics["precision"] = "mean_average_precision"
    return {
        name: place(
            "perturbations", metric=metric, feature_set=wildcards.feature_set, name=wildcards.condition
        )
        for name, metric in metrics.items()
    }


def get_parts_of_table(
    result,
    wildcards,
):
    """Return a table of every condition in every feature set."""
    return [
        place(result, feature_set=feature_set, condition=condition)
        for feature_set in EXPERIMENT.feature_sets
        for condition in EXPERIMENT.conditions
    ]


rule hits:
    input:
        unpack(get_replicate_scores),
        profiles=get_condition_profiles,
    output:
        hits=PLACES["hits_of_condition"],
        clusters=PLACES["clusters_of_condition"],
    log:
        "logs/hits/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/hits/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_condition,
        runtime=minutes(60),
    params:
        condition=get_condition_columns,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            "group": BENCHMARK["group"],
            "gene": EXPERIMENT.get_gene_column(wildcards.condition),
            "channels": EXPERIMENT.channels,
            "positive_controls": BENCHMARK["positive_controls"],
            "toxic_z": BENCHMARK["toxic_z"],
            "seed": BENCHMARK["seed"],
            "different": BENCHMARK["different"],
        },
        controls=CONFIG["controls"],
        code=code_digest("hits.py"),
    message:
        "{wildcards.condition}: hits ({wildcards.feature_set})"
    script:
        "../scripts/hits.py"


rule hits_table:
    input:
        scores=partial(get_parts_of_table, "hits_of_condition"),
    output:
        table=PLACES["hits"],
    log:
        "logs/hits_table.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of hits"
    script:
        "../scripts/benchmark_table.py"


rule clusters_table:
    input:
        scores=partial(get_parts_of_table, "clusters_of_condition"),
    output:
        table=PLACES["clusters"],
    log:
        "logs/clusters_table.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of clusters"
    script:
        "../scripts/benchmark_table.py"


rule known_pairs:
    input:
        profiles=get_condition_profiles,
        pairs=[get_location(path) for path in BENCHMARK["known_pairs"]],
    output:
        table=PLACES["known_pairs_of_condition"],
    log:
        "logs/known_pairs/{feature_set}/{condition}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_condition,
        runtime=minutes(30),
    params:
        condition=get_condition_columns,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            "group": BENCHMARK["group"],
            "gene": EXPERIMENT.get_gene_column(wildcards.condition),
            "positive_controls": BENCHMARK["positive_controls"],
            "seed": BENCHMARK["seed"],
            "missing": CONFIG["missing_values"],
        },
        controls=CONFIG["controls"],
        digests=[get_digest(path) for path in BENCHMARK["known_pairs"]],
        code=code_digest("known_pairs.py"),
    message:
        "{wildcards.condition}: recall of known pairs ({wildcards.feature_set})"
    script:
        "../scripts/known_pairs.py"


rule known_pairs_table:
    input:
        scores=partial(get_parts_of_table, "known_pairs_of_condition"),
    output:
        table=PLACES["known_pairs"],
    log:
        "logs/known_pairs_table.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of known pairs"
    script:
        "../scripts/benchmark_table.py"
