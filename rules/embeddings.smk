# Deep-network features beside CellProfiler's: the network once, then the cells of each plate.

from lib.config import PROVIDED_WEIGHTS

EMBEDDINGS = EXPERIMENT.embeddings


if EMBEDDINGS:
    # A network in an ONNX file needs no torch.
    NETWORK_KIND = "onnx" if EMBEDDINGS["weights"].lower().endswith(".onnx") else "embeddings"
    NETWORK_LOCK = PLATEWISE / "envs" / f"{NETWORK_KIND}.txt"
    NETWORK_ENVIRONMENT = get_relative_path(
        PLATEWISE / f".environments/{NETWORK_KIND}-{digest_of([NETWORK_LOCK])}"
    )
    NETWORK_BUILT = EMBEDDINGS["environment"] == "built"
    NETWORK_PYTHON = quote_for_shell(
        {"built": f"{NETWORK_ENVIRONMENT}/bin/python", "conda": "python"}.get(
            EMBEDDINGS["environment"], locate(EMBEDDINGS["environment"])
        )
    )
    WEIGHTS_FILE = [] if EMBEDDINGS["weights"] in PROVIDED_WEIGHTS else locate(EMBEDDINGS["weights"])
    CROPS = {name: EMBEDDINGS[name] for name in ("size", "box", "center", "percentiles", "fixed")}
    EMBEDDED_FUNCTIONS = [place("illumination", channel=name) for name in EXPERIMENT.embedded_channels]

    localrules:
        embeddings_environment,
        network,

    rule embeddings_environment:
        output:
            ready=f"{NETWORK_ENVIRONMENT}/complete.json",
        log:
            f"{NETWORK_ENVIRONMENT}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            folder=lambda wildcards, output: str(Path(output.ready).parent),
        message:
            f"Building the environment of the deep networks (once{'' if NETWORK_KIND == 'onnx' else '; about 6 GB'})"
        shell:
            f"{OWN_PYTHON} {RUN}/{NETWORK_KIND}_environment.py --output {{params.folder:q}} --log {{log:q}}"

    rule network:
        input:
            environment=ancient(rules.embeddings_environment.output.ready) if NETWORK_BUILT else [],
            weights=WEIGHTS_FILE,
        output:
            network=directory(PLACES["network"]),
        log:
            "logs/network.log",
        conda:
            f"../envs/{NETWORK_KIND}.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(30),
        params:
            model=EMBEDDINGS["model"],
            weights=WEIGHTS_FILE or EMBEDDINGS["weights"],
            options=[
                *(
                    "--seed",
                    EMBEDDINGS["seed"],
                    "--channels",
                    len(EXPERIMENT.embedded_channels),
                    "--size",
                    EMBEDDINGS["size"],
                ),
                *(["--stacked"] if EMBEDDINGS["stacked"] else []),
                *(["--mean", *EMBEDDINGS["mean"]] if EMBEDDINGS["mean"] else []),
                *(["--std", *EMBEDDINGS["std"]] if EMBEDDINGS["std"] else []),
            ],
            code=code_digest("network.py"),
        message:
            "Preparing the network {params.model}, weights {params.weights}"
        shell:
            f"{NETWORK_PYTHON} {RUN}/network.py --model {{params.model:q}} --weights {{params.weights:q}}"
            " {params.options:q} --log {log:q} --output {output.network:q}"

    rule embeddings:
        input:
            environment=ancient(rules.embeddings_environment.output.ready) if NETWORK_BUILT else [],
            network=rules.network.output.network,
            cells=PLACES["single_cells"],
            load_data=PLACES["load_data_with_illum"],
            functions=EMBEDDED_FUNCTIONS,
            labels=get_tables if EMBEDDINGS["mask"] else [],
        output:
            cells=PLACES["embedded_cells"],
        log:
            "logs/embeddings/{batch}/{plate}.log",
        benchmark:
            "benchmarks/embeddings/{batch}/{plate}.tsv"
        conda:
            f"../envs/{NETWORK_KIND}.yaml"
        threads: 4
        resources:
            mem_mb=memory(4000),
            runtime=minutes(720),
            # This depends on the machine: `--set-resources embeddings:gpu=1`, or a profile.
            gpu=0,
        params:
            channels=EXPERIMENT.embedded_channels,
            options=[
                *(
                    "--size",
                    EMBEDDINGS["size"],
                    "--box",
                    EMBEDDINGS["box"],
                    "--center",
                    EMBEDDINGS["center"],
                ),
                *("--percentiles", *EMBEDDINGS["percentiles"]),
                *(["--fixed", *EMBEDDINGS["fixed"]] if EMBEDDINGS["fixed"] else []),
                *("--dtype", EMBEDDINGS["dtype"]),
                *(["--batch", EMBEDDINGS["batch"]] if EMBEDDINGS["batch"] else []),
            ],
            mask=lambda wildcards, input: ["--mask", *input.labels] if input.labels else [],
            code=code_digest("embeddings.py"),
        message:
            "{wildcards.plate}: deep-network features of its cells"
        shell:
            f"{NETWORK_PYTHON} {RUN}/embeddings.py --network {{input.network:q}} --plate {{wildcards.plate}}"
            " --cells {input.cells:q} --load-data {input.load_data:q} --channels {params.channels:q}"
            " --functions {input.functions:q} {params.mask:q} {params.options:q}"
            " --threads {threads} --log {log:q} --output {output.cells:q}"

    rule plot_contact_sheet:
        input:
            profiles=place("profiles", suffix=EXPERIMENT.levels["embeddings_augmented"].suffix),
            cells=PLACES["single_cells"],
            load_data=PLACES["load_data_with_illum"],
            functions=EMBEDDED_FUNCTIONS,
            labels=get_tables if EMBEDDINGS["mask"] else [],
        output:
            sheet=PLACES["contact_sheet"],
        log:
            "logs/plot_contact_sheet/{batch}/{plate}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(20),
        params:
            channels=EXPERIMENT.embedded_channels,
            crops={**CROPS, "mask": EMBEDDINGS["mask"]},
            column=keep_braces(CONFIG["controls"]["column"]),
            negcon=keep_braces(CONFIG["controls"]["negcon"]),
            code=code_digest("plot_contact_sheet.py"),
        message:
            "{wildcards.plate}: contact sheet of crops"
        script:
            "../scripts/plot_contact_sheet.py"
