# The simulated images of the default experiment, with a known effect of each perturbation.


if "simulate" in CONFIG:

    rule simulate:
        input:
            plate_map=get_plate_map,
            annotation=get_annotation,
            effects=get_location(CONFIG["simulate"]["effects"]),
        output:
            images=directory(PLACES["images"]),
            truth=PLACES["simulated_truth"],
        log:
            "logs/simulate/{batch}/{plate}.log",
        benchmark:
            "benchmarks/simulate/{batch}/{plate}.tsv"
        group:
            get_job_group(IMAGES)
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(20),
        params:
            plate=lambda wildcards: {
                name: get_plate(wildcards)[name] for name in ("batch", "plate", "perturbation")
            },
            digests=lambda wildcards: [*get_digests(wildcards), get_digest(CONFIG["simulate"]["effects"])],
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
