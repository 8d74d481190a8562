# CellProfiler: its environment, the pipelines that the assay description makes, and its two runs.

OWN_PYTHON = shlex.quote(from_results(sys.executable))
ENVIRONMENT = CONFIG["cellprofiler"]["environment"]
LOCKS = [PLATEWISE / "envs" / name for name in ("cellprofiler-build.txt", "cellprofiler.txt")]
ENVIRONMENT_FOLDER = from_results(PLATEWISE / f".environments/cellprofiler-{digest_of(LOCKS)}")
CONTAINER_IMAGE = "docker://cellprofiler/cellprofiler:4.2.8"
IN_CONTAINER = CONTAINER_IMAGE if EXPERIMENT.in_container else None
# The scripts around CellProfiler need a Python, but no package: in conda and in the container, theirs.
PYTHON = "python3" if ENVIRONMENT in ("conda", "container") else OWN_PYTHON
CELLPROFILER = in_shell(
    {
        "built": f"{ENVIRONMENT_FOLDER}/bin/cellprofiler",
        "conda": "cellprofiler",
        "container": "cellprofiler",
    }.get(ENVIRONMENT, located(ENVIRONMENT) if "/" in ENVIRONMENT else ENVIRONMENT)
)
RUN = shlex.quote(from_results(SCRIPTS))
# Both folders have a LoadData that reads images in object storage; the second has no other module.
PLUGINS = f"--plugins {RUN}/cellprofiler_{'plugins' if EXPERIMENT.accelerated else 'fetching'}"
FASTER_MODULES = sorted((SCRIPTS / "cellprofiler_plugins").rglob("*.py"))
PLUGIN_FILES = FASTER_MODULES if EXPERIMENT.accelerated else []
# A CellProfiler of the user's own is looked at when a job starts.
ENGINE = EXPERIMENT.engine
COMPILED = from_results(PLATEWISE / f".environments/kernels-{digest_of([*LOCKS, *FASTER_MODULES])}.json")
RUNNER_FILES = [SCRIPTS / "run_cellprofiler.py", *sorted((SCRIPTS / "cellprofiler_runner").rglob("*.py"))]
ENGINE_CODE = digest_of(RUNNER_FILES) if ENGINE == "platewise" else ""
# What a stain is called, or an image file, changes no pipeline.
IN_PIPELINE = {
    **EXPERIMENT.assay,
    "channels": [
        {key: channel[key] for key in ("name", "measure")} for channel in EXPERIMENT.assay.get("channels", [])
    ],
}
if CONFIG.get("embeddings", {}).get("mask"):
    IN_PIPELINE["labels"] = True
FUNCTIONS = [place("illumination", channel=name) for name in EXPERIMENT.channels]


def get_environment(wildcards):
    """The mark of a built CellProfiler environment; nothing where the user brings CellProfiler."""
    return ancient(local(f"{ENVIRONMENT_FOLDER}/complete.json")) if ENVIRONMENT == "built" else []


def get_environment_with_kernels(wildcards):
    """The same, and the mark that the kernels of the accelerated modules are compiled in it."""
    environment = get_environment(wildcards)
    return [environment, ancient(local(COMPILED))] if environment and EXPERIMENT.accelerated else environment


def get_own_pipeline(name):
    """The user's own pipeline, or nothing."""
    own = CONFIG["cellprofiler"][f"{name}_pipeline"]
    return located(own) if own else []


def get_own_option(name):
    """The option of pipelines.py for the user's own pipeline."""
    own = get_own_pipeline(name)
    return f"--own {shlex.quote(own)}" if own else ""


def get_approval_request():
    """What to look at, and what to set, for the workflow to go on after the segmentation check."""
    montages = get_segmentation_montages(EXPERIMENT, EXPERIMENT.chosen)
    pictures = "\n  ".join(f"{RESULTS}/{montage}" for montage in montages)
    return (
        "The segmentation waits for your approval. Make its pictures with the target `segmentation_check`, "
        f"look at them:\n  {pictures}\nIf nuclei and cells are found as they should be, set\n"
        "  segmentation: {wait_for_approval: true, approved: true}\n"
        f"in {CONFIG_FILE} and run again; if not, correct `assay` there and look again."
    )


def require_approval(wildcards):
    """Nothing, once a person has approved of the segmentation, where the config asks for it; else an error."""
    if EXPERIMENT.waiting:
        raise WorkflowError(get_approval_request())
    return []


def get_tables(wildcards):
    """CellProfiler's tables of a plate: its chunks, or the folder of published output."""
    plate = get_plate(wildcards)
    if source(plate) == "cellprofiler":
        location = plate["cellprofiler"]
        fetched = EXPERIMENT.get_place(plate, "fetched_tables")
        return fetched if is_address(location) else located(location)
    chunks = range(CONFIG["cellprofiler"]["chunks"])
    return [EXPERIMENT.get_place(plate, "chunk", chunk=chunk) for chunk in chunks]


def get_plate_to_compare():
    """The first plate that starts with images."""
    if not EXPERIMENT.plates_with_images:
        raise WorkflowError("compare_cellprofiler needs a plate that starts with images.")
    return EXPERIMENT.plates_with_images[0]


def get_functions_to_compare(wildcards):
    """The illumination functions of the plate whose sites are compared."""
    plate = get_plate_to_compare()
    return [EXPERIMENT.get_place(plate, "illumination", channel=name) for name in EXPERIMENT.channels]


def get_load_data_to_compare(wildcards):
    """The table of images of the plate whose sites are compared."""
    return EXPERIMENT.get_place(get_plate_to_compare(), "load_data_with_illum")


localrules:
    cellprofiler_environment,
    compiled_kernels,
    illumination_pipeline,
    analysis_pipeline,
    segmentation_pipeline,


rule cellprofiler_environment:
    output:
        ready=local(f"{ENVIRONMENT_FOLDER}/complete.json"),
    log:
        f"{ENVIRONMENT_FOLDER}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        folder=lambda wildcards, output: str(Path(output.ready).parent),
    message:
        "Building the CellProfiler environment (once)"
    shell:
        f"{OWN_PYTHON} {RUN}/cellprofiler_environment.py --output {{params.folder:q}} --log {{log:q}}"


# Before the first chunk, or each of those that start together would compile all of it.
rule compiled_kernels:
    input:
        environment=get_environment,
    output:
        ready=local(COMPILED),
    log:
        f"{COMPILED.removesuffix('.json')}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Compiling the kernels of the accelerated modules (once)"
    shell:
        f"{OWN_PYTHON} {RUN}/compile_kernels.py --cellprofiler {CELLPROFILER} --output {{output.ready:q}} --log {{log:q}}"


rule illumination_pipeline:
    input:
        environment=get_environment,
        own=get_own_pipeline("illumination"),
    output:
        pipeline=place("pipeline", pipeline="illumination"),
    log:
        "logs/pipelines/illumination.log",
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        assay=json.dumps({key: IN_PIPELINE.get(key) for key in ("channels", "illumination")}),
        own=get_own_option("illumination"),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's illumination pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py illumination --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} --output {output.pipeline:q} --log {log:q}"


rule analysis_pipeline:
    input:
        environment=get_environment,
        own=get_own_pipeline("analysis"),
    output:
        pipeline=place("pipeline", pipeline="analysis"),
    log:
        "logs/pipelines/analysis.log",
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        assay=json.dumps(IN_PIPELINE),
        own=get_own_option("analysis"),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's analysis pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py analysis --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} --output {output.pipeline:q} --log {log:q}"


rule segmentation_pipeline:
    input:
        environment=get_environment,
        # The copy of a user's own pipeline says how cells are found.
        own=place("pipeline", pipeline="analysis") if get_own_pipeline("analysis") else [],
    output:
        pipeline=place("pipeline", pipeline="segmentation"),
    log:
        "logs/pipelines/segmentation.log",
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        assay=json.dumps({key: value for key, value in IN_PIPELINE.items() if key != "measurements"}),
        own=lambda wildcards, input: f"--own {shlex.quote(input.own)}" if input.own else "",
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's pipeline for the segmentation check"
    shell:
        f"{PYTHON} {RUN}/pipelines.py segmentation --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} --output {output.pipeline:q} --log {log:q}"


rule illumination:
    input:
        environment=get_environment_with_kernels,
        # A user's own analysis pipeline that cannot run is refused before the plate's images are read.
        checked=ancient(place("pipeline", pipeline="analysis")) if get_own_pipeline("analysis") else [],
        pipeline=place("pipeline", pipeline="illumination"),
        load_data=PLACES["load_data"],
    output:
        functions=FUNCTIONS,
    log:
        "logs/illumination/{batch}/{plate}.log",
    benchmark:
        "benchmarks/illumination/{batch}/{plate}.tsv"
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
        environment=get_environment_with_kernels,
        approval=require_approval,
        pipeline=place("pipeline", pipeline="analysis"),
        functions=FUNCTIONS,
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
        " --load-data {input.load_data:q} --functions {params.functions:q} --plate {wildcards.plate}"
        " --objects {params.objects:q}"
        " --chunk {wildcards.chunk} --chunks {params.chunks} --engine {params.engine} {params.plugins}"
        " --timeout {params.timeout} --threads {threads} --log {log:q} --output {output.tables:q}"


rule compare_cellprofiler:
    input:
        environment=get_environment_with_kernels,
        pipeline=place("pipeline", pipeline="analysis"),
        functions=get_functions_to_compare,
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
        sites=CONFIG["cellprofiler"]["compare_sites"],
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins_code=digest_of(FASTER_MODULES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
        code=code_digest("compare_cellprofiler.py"),
    message:
        "Comparing CellProfiler as it is with the runner and the accelerated modules on {params.sites} sites"
    shell:
        f"{PYTHON} {RUN}/compare_cellprofiler.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --functions {params.functions:q}"
        " --engine {params.engine} --sites {params.sites} --timeout {params.timeout} --threads {threads} --log {log:q} --output {params.folder:q}"
