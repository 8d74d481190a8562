# The images of the default experiment, drawn with a known effect of each perturbation.


if "simulate" in CONFIG:

    rule simulate:
        input:
            plate_map=plate_map,
            annotation=annotation,
            effects=located(CONFIG["simulate"]["effects"]),
        output:
            images=directory("images/{batch}/images/{plate}"),
            truth="images/{batch}/truth/{plate}.csv",
        log:
            "logs/simulate/{batch}/{plate}.log",
        benchmark:
            "benchmarks/simulate/{batch}/{plate}.tsv"
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(20),
        params:
            plate=lambda wildcards: {
                name: plate_of(wildcards)[name] for name in ("batch", "plate", "perturbation")
            },
            seed=CONFIG["simulate"]["seed"],
            size=CONFIG["simulate"]["image_size"],
            fields=CONFIG["simulate"]["sites"],
            faults=lambda wildcards: [
                fault for fault in CONFIG["simulate"]["faults"] if fault["plate"] == wildcards.plate
            ],
            code=code_digest("simulate.py"),
        message:
            "{wildcards.plate}: drawing simulated images"
        script:
            "../scripts/simulate.py"
