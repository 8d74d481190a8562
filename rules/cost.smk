# Cost: the resources that plates used, those that the experiment will use, and their price.


localrules:
    cost,


def get_units(
    wildcards,
):
    """Return what stages work on: each plate by its batch and name, each condition in each feature set."""
    return {
        "plate": [[plate["batch"], plate["plate"]] for plate in EXPERIMENT.plates],
        "condition": [
            [feature_set, condition]
            for feature_set in EXPERIMENT.feature_sets
            for condition in EXPERIMENT.conditions
        ],
    }


rule cost:
    output:
        table="benchmarks/cost.csv",
    log:
        "logs/cost/cost.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        # As an input, a benchmark file would require the job that writes it.
        measured=lambda wildcards: {path: os.path.getmtime(path) for path in benchmark_files()},
        units=get_units,
        price=CONFIG["cost"]["price_per_cpu_hour"],
        currency=CONFIG["cost"]["currency"],
        code=code_digest("cost.py"),
    message:
        "Resources of each stage, and cost of the experiment"
    script:
        "../scripts/cost.py"
