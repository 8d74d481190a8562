# Consensus profiles: one row per perturbation, from all plates of a condition.


rule consensus:
    input:
        profiles=get_condition_profiles,
    output:
        profiles=PLACES["consensus"],
    log:
        "logs/consensus/{feature_set}/{condition}_{operation}.log",
    benchmark:
        "benchmarks/consensus/{feature_set}/{condition}_{operation}.tsv"
    wildcard_constraints:
        operation="median|mean|modz",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        condition=get_condition_columns,
        options=lambda wildcards: {
            "group": CONFIG["benchmark"]["group"],
            "operation": wildcards.operation,
            **({"modz": CONFIG["modz"]} if wildcards.operation == "modz" else {}),
        },
        controls=CONFIG["controls"],
        code=code_digest("consensus.py"),
    message:
        "{wildcards.condition}: consensus profiles ({wildcards.operation}, {wildcards.feature_set})"
    script:
        "../scripts/consensus.py"
