# CellProfiler's runs: illumination functions, then segmentation and features, chunk by chunk.


def refuse_to_measure(
    wildcards,
):
    """Raise an error, since the config requires an approval of the segmentation that is missing."""
    raise WorkflowError(get_approval_request())


def get_tables(
    wildcards,
):
    """Return CellProfiler's tables of a plate: its chunks, or the folder of published output."""
    plate = get_plate(wildcards)
    if source(plate) == "cellprofiler":
        location = plate["cellprofiler"]
        fetched = EXPERIMENT.get_place(plate, "fetched_tables")
        return fetched if is_address(location) else locate(location)
    chunks = range(CONFIG["cellprofiler"]["chunks"])
    return [EXPERIMENT.get_place(plate, "chunk", chunk=chunk) for chunk in chunks]


def get_functions_to_compare(
    wildcards,
):
    """Return the illumination functions of the plate whose sites are compared."""
    plate = get_plate_to_compare()
    return [EXPERIMENT.get_place(plate, "illumination", channel=name) for name in EXPERIMENT.channels]


def get_labels_to_compare(
    wildcards,
):
    """Return the label images of the plate whose sites are compared, or no file."""
    plate = get_plate_to_compare()
    return EXPERIMENT.get_place(plate, "label_images") if EXPERIMENT.labeled else []


def get_load_data_to_compare(
    wildcards,
):
    """Return the table of images of the plate whose sites are compared."""
    return EXPERIMENT.get_place(get_plate_to_compare(), "load_data_with_illum")


rule illumination:
    input:
        environment=ENVIRONMENT_WITH_KERNELS,
        # A user's own analysis pipeline that cannot run is rejected before the plate's images are read.
        checked=ancient(place("pipeline", pipeline="analysis")) if get_own_pipeline("analysis") else [],
        pipeline=place("pipeline", pipeline="illumination"),
        load_data=PLACES["load_data"],
    output:
        functions=FUNCTIONS,
    log:
        "logs/illumination/{batch}/{plate}.log",
    benchmark:
        "benchmarks/illumination/{batch}/{plate}.tsv"
    group:
        get_job_group(IMAGES)
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=of_images(40),
        runtime=minutes_of_illumination(),
    params:
        folder=lambda wildcards, output: str(Path(output.functions[0]).parent),
        channels=EXPERIMENT.channels,
        apply=(
            "own"
            if get_own_pipeline("analysis")
            else EXPERIMENT.assay.get("illumination", {}).get("apply", "None")
        ),
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        plugins_code=digest_of(PLUGIN_FILES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
        contents=get_image_contents,
        code=code_digest("illumination.py"),
    message:
        "{wildcards.plate}: illumination functions"
    shell:
        f"{PYTHON} {RUN}/illumination.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --plate {wildcards.plate} --channels {params.channels:q}"
        " --apply {params.apply}"
        " --engine {params.engine} {params.plugins} --timeout {params.timeout} --threads {threads}"
        " --log {log:q} --output {params.folder:q}"


rule features:
    input:
        environment=ENVIRONMENT_WITH_KERNELS,
        pipeline=refuse_to_measure if EXPERIMENT.waiting else place("pipeline", pipeline="analysis"),
        functions=FUNCTIONS,
        labels=PLACES["label_images"] if EXPERIMENT.labeled else [],
        load_data=PLACES["load_data_with_illum"],
    output:
        tables=directory(PLACES["chunk"]),
    log:
        "logs/features/{batch}/{plate}/chunk_{chunk}.log",
    benchmark:
        "benchmarks/features/{batch}/{plate}/chunk_{chunk}.tsv"
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=of_images(60),
        runtime=minutes_of_sites(SITES_PER_CHUNK),
    params:
        functions=lambda wildcards, input: str(Path(input.functions[0]).parent),
        labels=get_labels_option if EXPERIMENT.labeled else "",
        objects=EXPERIMENT.objects,
        chunks=CONFIG["cellprofiler"]["chunks"],
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        plugins_code=digest_of(PLUGIN_FILES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
        contents=get_image_contents,
        code=code_digest("features.py"),
    message:
        "{wildcards.plate}: segmentation and features, chunk {wildcards.chunk} of {params.chunks}"
    shell:
        f"{PYTHON} {RUN}/features.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --functions {params.functions:q} {params.labels}"
        " --plate {wildcards.plate} --objects {params.objects:q}"
        " --chunk {wildcards.chunk} --chunks {params.chunks} --engine {params.engine} {params.plugins}"
        " --timeout {params.timeout} --threads {threads} --log {log:q} --output {output.tables:q}"


rule compare_cellprofiler:
    input:
        environment=ENVIRONMENT_WITH_KERNELS,
        pipeline=place("pipeline", pipeline="analysis"),
        functions=get_functions_to_compare,
        labels=get_labels_to_compare,
        load_data=get_load_data_to_compare,
    output:
        differences=PLACES["cellprofiler_differences"],
        times=PLACES["cellprofiler_times"],
    log:
        "logs/compare_cellprofiler/compare_cellprofiler.log",
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=of_images(60),
        runtime=minutes(CONFIG["cellprofiler"]["timeout"]),
    params:
        folder=lambda wildcards, output: str(Path(output.times).parent),
        functions=lambda wildcards, input: str(Path(input.functions[0]).parent),
        labels=get_labels_option,
        sites=CONFIG["cellprofiler"]["compare_sites"],
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS_OPTION,
        plugins_code=digest_of([*FASTER_MODULES, *OWN_MODULES]),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
        code=code_digest("compare_cellprofiler.py"),
    message:
        "Comparing stock CellProfiler with the runner and the accelerated modules on {params.sites} sites"
    shell:
        f"{PYTHON} {RUN}/compare_cellprofiler.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --functions {params.functions:q}"
        " {params.labels} {params.plugins} --engine {params.engine} --sites {params.sites} --timeout {params.timeout}"
        " --threads {threads} --log {log:q} --output {params.folder:q}"
