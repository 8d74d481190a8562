# Nuclei and cells that a deep network finds: the network once, then the sites of each plate, chunk by chunk.


def get_model_file(
    wildcards,
):
    """Return the file of a network's model, or no file if the model has a name."""
    model = EXPERIMENT.segmented[wildcards.objects]["model"] or ""
    return ancient(locate(model)) if "/" in model else []


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


def get_network_environment(
    wildcards,
):
    """Return the file that marks the environment of a network as built, or no file if the user has another."""
    method = EXPERIMENT.segmented[wildcards.objects]["method"]
    marks = {"stardist": rules.stardist_environment.output.ready}
    return (
        ancient(marks.get(method, rules.segmentation_environment.output.ready)) if SEGMENTATION_BUILT else []
    )


def get_network_python(
    wildcards,
):
    """Return the Python in which a network runs."""
    chosen = CONFIG["segmentation"]["environment"]
    if SEGMENTATION_BUILT:
        return shlex.quote(f"{Path(get_network_environment(wildcards)).parent}/bin/python")
    return "python" if chosen == "conda" else shlex.quote(locate(chosen))


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
    return keep_braces(json.dumps({**settings, "pixel_size": CONFIG["images"]["pixel_size"]}))


if EXPERIMENT.segmented:
    SEGMENTATION_BUILT = CONFIG["segmentation"]["environment"] == "built"
    # StarDist needs TensorFlow, Cellpose and InstanSeg torch.
    USED_ENVIRONMENTS = {
        "stardist" if settings["method"] == "stardist" else "segmentation"
        for settings in EXPERIMENT.segmented.values()
    }
    if len(USED_ENVIRONMENTS) > 1 and not SEGMENTATION_BUILT:
        raise WorkflowError(
            "StarDist does not run in the environment of Cellpose and InstanSeg: set segmentation.environment to "
            "built, or find nuclei and cells by networks of one environment."
        )
    FIRST_ENVIRONMENT, *_ = sorted(USED_ENVIRONMENTS)
    SEGMENTATION_FOLDERS = {
        name: get_relative_path(
            PLATEWISE / f".environments/{name}-{digest_of([PLATEWISE / 'envs' / f'{name}.txt'])}"
        )
        for name in ("segmentation", "stardist")
    }
    ILLUMINATION_APPLIED = EXPERIMENT.assay["illumination"]["apply"]

    localrules:
        segmentation_environment,
        stardist_environment,
        segmentation_network,

    rule segmentation_environment:
        output:
            ready=f"{SEGMENTATION_FOLDERS['segmentation']}/complete.json",
        log:
            f"{SEGMENTATION_FOLDERS['segmentation']}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            folder=lambda wildcards, output: str(Path(output.ready).parent),
            script="segmentation_environment.py",
        message:
            "Building the environment of the networks that find objects (once; about 6 GB)"
        shell:
            f"{OWN_PYTHON} {RUN}/{{params.script}} --output {{params.folder:q}} --log {{log:q}}"

    use rule segmentation_environment as stardist_environment with:
        output:
            ready=f"{SEGMENTATION_FOLDERS['stardist']}/complete.json",
        log:
            f"{SEGMENTATION_FOLDERS['stardist']}.log",
        params:
            folder=lambda wildcards, output: str(Path(output.ready).parent),
            script="stardist_environment.py",
        message:
            "Building the environment of StarDist (once; about 2 GB)"

    rule segmentation_network:
        input:
            environment=get_network_environment,
            model=get_model_file,
        output:
            network=directory(PLACES["segmentation_network"]),
        log:
            "logs/segmentation_network/{objects}.log",
        conda:
            f"../envs/{FIRST_ENVIRONMENT}.yaml"
        threads: 1
        resources:
            mem_mb=memory(6000),
            runtime=minutes(60),
        params:
            options=get_model_options,
            python=get_network_python,
            code=code_digest("segmentation_network.py"),
        message:
            "Preparing the network that finds {wildcards.objects}"
        shell:
            f"{{params.python}} {RUN}/segmentation_network.py {{params.options:q}} --log {{log:q}}"
            " --output {output.network:q}"

    rule segment:
        input:
            environment=get_network_environment,
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
            f"../envs/{FIRST_ENVIRONMENT}.yaml"
        threads: 2
        resources:
            mem_mb=memory(8000),
            runtime=minutes(10 + 2 * SITES_PER_CHUNK),
            # This depends on the machine: `--set-resources segment:gpu=1`, or a profile.
            gpu=0,
        params:
            python=get_network_python,
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
            f"{{params.python}} {RUN}/segment.py --network {{input.network:q}} --plate {{wildcards.plate}}"
            " --objects {wildcards.objects} --load-data {input.load_data:q} --channels {params.channels:q}"
            " --functions {input.functions:q} --apply {params.apply} --settings {params.settings:q}"
            " --chunk {params.chunk} --chunks {params.chunks} --threads {threads} --log {log:q}"
            " --output {output.labels:q}"

    use rule segment as segment_for_check with:
        input:
            environment=get_network_environment,
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
            python=get_network_python,
            channels=get_seen_channels,
            apply=ILLUMINATION_APPLIED,
            settings=get_network_settings,
            chunk=0,
            chunks=1,
            contents=get_image_contents,
            code=code_digest("segment.py"),
        message:
            "{wildcards.plate}: {wildcards.objects} by a network, for the segmentation check"
