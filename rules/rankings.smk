# Rankings that the config defines by columns: mean average precision as copairs and JUMP score it.

RANKINGS = BENCHMARK["rankings"]


def get_rankings(
    wildcards,
):
    """Return the scores of every ranking in every condition and feature set."""
    return [
        place("ranking_score", feature_set=feature_set, condition=condition, ranking=ranking)
        for feature_set in EXPERIMENT.feature_sets
        for condition in EXPERIMENT.conditions
        for ranking in RANKINGS
    ]


rule rankings:
    input:
        profiles=get_condition_profiles,
    output:
        score=PLACES["ranking_score"],
        groups=PLACES["ranking_groups"],
    log:
        "logs/rankings/{feature_set}/{condition}/{ranking}.log",
    wildcard_constraints:
        ranking="|".join(map(re.escape, RANKINGS)) or "(?!)",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_condition,
        runtime=minutes(120),
    params:
        condition=get_condition_columns,
        feature_set="{feature_set}",
        options=lambda wildcards: {
            **RANKINGS[wildcards.ranking],
            **{name: BENCHMARK[name] for name in ("group", "positive_controls", "draws", "seed")},
        },
        controls=CONFIG["controls"],
        code=code_digest("rankings.py"),
    message:
        "{wildcards.condition}: ranking {wildcards.ranking} ({wildcards.feature_set})"
    script:
        "../scripts/rankings.py"


rule rankings_table:
    input:
        scores=get_rankings,
    output:
        table=PLACES["rankings"],
    log:
        "logs/rankings_table.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of rankings"
    script:
        "../scripts/benchmark_table.py"
