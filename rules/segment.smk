# Nuclei and cells that a deep network finds: the network once, then the sites of each plate, chunk by chunk.


def get_model_file(
    wildcards,
):
    """Return the file of a network's model, or no file if the model has a name."""
    model = EXPERIMENT.segmented[wildcards.objects]["model"] or ""
    return ancient(located(model)) if "/" in model else []


def get_model_options(
    wildcards,
    input,
):
    """Return the options of segmentation_network.py: the method and the model."""
    settings = EXPERIMENT.segmented[wildcards.objects]
    model = input.model or settings["model"]
    # A file in the results folder has a slash, too.
    model = ["--model", f"./{input.model}" if input.model else model] if model else []
    return ["--method", settings["method"], *model]


def get_seen_channels(
    wildcards,
):
    """Return the channels that a network sees: that of the objects, and for cells that of the nuclei."""
    assay = EXPERIMENT.assay
    names = [assay[wildcards.objects.lower()]["channel"], assay["nuclei"]["channel"]]
    return list(dict.fromkeys(names))


def get_seen_functions(
    wildcards,
):
    """Return the illumination functions of the channels that a network sees."""
    return [
        EXPERIMENT.get_place(get_plate(wildcards), "illumination", channel=name)
        for name in get_seen_channels(wildcards)
    ]


def get_network_settings(
    wildcards,
):
    """Return the settings of a network as JSON, with the size of a pixel."""
    kept = ("diameter", "cell_probability", "flow_error", "smallest")
    settings = {name: EXPERIMENT.segmented[wildcards.objects][name] for name in kept}
    return as_written(json.dumps({**settings, "pixel_size": CONFIG["images"]["pixel_size"]}))


if EXPERIMENT.segmented:
    SEGMENTATION_LOCK = PLATEWISE / "envs" / "segmentation.txt"
    SEGMENTATION_ENVIRONMENT = from_results(
        PLATEWISE / f".environments/segmentation-{digest_of([SEGMENTATION_LOCK])}"
    )
    SEGMENTATION_BUILT = CONFIG["segmentation"]["environment"] == "built"
    SEGMENTATION_PYTHON = in_shell(
        {"built": f"{SEGMENTATION_ENVIRONMENT}/bin/python", "conda": "python"}.get(
            CONFIG["segmentation"]["environment"], located(CONFIG["segmentation"]["environment"])
        )
    )
    ILLUMINATION_APPLIED = EXPERIMENT.assay["illumination"]["apply"]

    localrules:
        segmentation_environment,
        segmentation_network,

    rule segmentation_environment:
        output:
            ready=f"{SEGMENTATION_ENVIRONMENT}/complete.json",
        log:
            f"{SEGMENTATION_ENVIRONMENT}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            folder=lambda wildcards, output: str(Path(output.ready).parent),
        message:
            "Building the environment of the networks that find objects (once; about 6 GB)"
        shell:
            f"{OWN_PYTHON} {RUN}/segmentation_environment.py --output {{params.folder:q}} --log {{log:q}}"

    rule segmentation_network:
        input:
            environment=ancient(rules.segmentation_environment.output.ready) if SEGMENTATION_BUILT else [],
            model=get_model_file,
        output:
            network=directory(PLACES["segmentation_network"]),
        log:
            "logs/segmentation_network/{objects}.log",
        conda:
            "../envs/segmentation.yaml"
        threads: 1
        resources:
            mem_mb=memory(6000),
            runtime=minutes(60),
        params:
            options=get_model_options,
            code=code_digest("segmentation_network.py"),
        message:
            "Preparing the network that finds {wildcards.objects}"
        shell:
            f"{SEGMENTATION_PYTHON} {RUN}/segmentation_network.py {{params.options:q}} --log {{log:q}}"
            " --output {output.network:q}"

    rule segment:
        input:
            environment=ancient(rules.segmentation_environment.output.ready) if SEGMENTATION_BUILT else [],
            network=rules.segmentation_network.output.network,
            load_data=PLACES["load_data"],
            functions=get_seen_functions,
        output:
            labels=directory(PLACES["segmented"]),
        log:
            "logs/segment/{batch}/{plate}/{objects}/chunk_{chunk}.log",
        benchmark:
            "benchmarks/segment/{batch}/{plate}/{objects}/chunk_{chunk}.tsv"
        conda:
            "../envs/segmentation.yaml"
        threads: 2
        resources:
            mem_mb=memory(8000),
            runtime=minutes(10 + 2 * SITES_PER_CHUNK),
            # This depends on the machine: `--set-resources segment:gpu=1`, or a profile.
            gpu=0,
        params:
            channels=get_seen_channels,
            apply=ILLUMINATION_APPLIED,
            settings=get_network_settings,
            chunk="{chunk}",
            chunks=CONFIG["cellprofiler"]["chunks"],
            contents=get_image_contents,
            code=code_digest("segment.py"),
        message:
            "{wildcards.plate}: {wildcards.objects} by a network, chunk {params.chunk} of {params.chunks}"
        shell:
            f"{SEGMENTATION_PYTHON} {RUN}/segment.py --network {{input.network:q}} --plate {{wildcards.plate}}"
            " --objects {wildcards.objects} --load-data {input.load_data:q} --channels {params.channels:q}"
            " --functions {input.functions:q} --apply {params.apply} --settings {params.settings:q}"
            " --chunk {params.chunk} --chunks {params.chunks} --threads {threads} --log {log:q}"
            " --output {output.labels:q}"

    use rule segment as segment_for_check with:
        input:
            environment=ancient(rules.segmentation_environment.output.ready) if SEGMENTATION_BUILT else [],
            network=rules.segmentation_network.output.network,
            load_data=PLACES["segmentation_load_data"],
            functions=get_seen_functions,
        output:
            labels=directory(PLACES["segmentation_segmented"]),
        log:
            "logs/segment_for_check/{batch}/{plate}/{objects}.log",
        benchmark:
            "benchmarks/segment_for_check/{batch}/{plate}/{objects}.tsv"
        params:
            channels=get_seen_channels,
            apply=ILLUMINATION_APPLIED,
            settings=get_network_settings,
            chunk=0,
            chunks=1,
            contents=get_image_contents,
            code=code_digest("segment.py"),
        message:
            "{wildcards.plate}: {wildcards.objects} by a network, for the segmentation check"
