# Recommended splits of all wells into train, validate and test, one file per split.


def get_profiles_to_split(
    wildcards,
):
    """Return the profiles that give the contents of the wells of a split's plates."""
    return [
        EXPERIMENT.get_profiles(plate, EXPERIMENT.get_annotated_level(plate))
        for plate in EXPERIMENT.splits[wildcards.split]
    ]


def get_split_rule(
    wildcards,
):
    """Return how a recommended split is made: by a column's values, or by random units and fractions."""
    split = CONFIG["splits"][wildcards.split]
    keys = ("column", "train", "validate", "test") if "column" in split else ("fractions", "together")
    return {key: split[key] for key in keys if key in split}


rule splits:
    input:
        profiles=get_profiles_to_split,
    output:
        split=PLACES["split"],
    log:
        "logs/splits/{split}.log",
    benchmark:
        "benchmarks/splits/{split}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        plates=lambda wildcards: EXPERIMENT.splits[wildcards.split],
        split=get_split_rule,
        options=lambda wildcards: {
            "group": CONFIG["benchmark"]["group"],
            "seed": CONFIG["splits"][wildcards.split]["seed"],
        },
        controls=CONFIG["controls"],
        code=code_digest("splits.py"),
    message:
        "Recommended split {wildcards.split}"
    script:
        "../scripts/splits.py"
