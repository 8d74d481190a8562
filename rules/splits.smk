# Recommended splits of all wells into train, validate and test, one file a split.

SPLITS = {name: checked(plates_of_split, name, PLATES, CONFIG) for name in CONFIG["splits"]}


rule splits:
    input:
        profiles=lambda wildcards: [
            file_of(plate, annotated_level(plate, CONFIG)) for plate in SPLITS[wildcards.split]
        ],
    output:
        split="benchmark/splits/{split}.csv",
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
        plates=lambda wildcards: SPLITS[wildcards.split],
        split=split_rule,
        options=lambda wildcards: {
            "group": BENCHMARK["group"],
            "seed": CONFIG["splits"][wildcards.split]["seed"],
            "controls": CONFIG["controls"],
        },
        code=code_digest("splits.py"),
    message:
        "Recommended split {wildcards.split}"
    script:
        "../scripts/splits.py"
