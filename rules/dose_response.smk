# Dose response: one job per condition and feature set, if the config names the column with the doses.

DOSES = CONFIG.get("dose_response", {})


rule dose_response:
    input:
        profiles=get_condition_profiles,
    output:
        compounds=PLACES["doses_of_condition"],
        curves=PLACES["dose_curves"],
        wells=PLACES["dose_wells"],
        figure=get_condition_figure("dose_response"),
    log:
        "logs/dose_response/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/dose_response/{feature_set}/{condition}.tsv"
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
            "title": get_title(wildcards),
            "channels": EXPERIMENT.channels,
            "positive_controls": BENCHMARK["positive_controls"],
            "seed": BENCHMARK["seed"],
            **{name: DOSES[name] for name in ("dose", "compound", "limit")},
        },
        controls=CONFIG["controls"],
        code=code_digest("dose_response.py"),
    message:
        "{wildcards.condition}: dose response ({wildcards.feature_set})"
    script:
        "../scripts/dose_response.py"


rule dose_response_table:
    input:
        scores=partial(get_parts_of_table, "doses_of_condition"),
    output:
        table=PLACES["doses"],
    log:
        "logs/dose_response_table.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("benchmark_table.py"),
    message:
        "Table of benchmark doses"
    script:
        "../scripts/benchmark_table.py"
