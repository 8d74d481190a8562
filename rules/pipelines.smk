# CellProfiler's environment, and the pipelines that are written from the assay description.

OWN_PYTHON = shlex.quote(get_relative_path(sys.executable))
ENVIRONMENT = CONFIG["cellprofiler"]["environment"]
LOCKS = [PLATEWISE / "envs" / name for name in ("cellprofiler-build.txt", "cellprofiler.txt")]
ENVIRONMENT_FOLDER = get_relative_path(PLATEWISE / f".environments/cellprofiler-{digest_of(LOCKS)}")
CONTAINER_IMAGE = "docker://cellprofiler/cellprofiler:4.2.8"
IN_CONTAINER = CONTAINER_IMAGE if EXPERIMENT.in_container else None
# The scripts around CellProfiler need Python but no packages: in conda and in the container they use the
# Python there.
PYTHON = "python3" if ENVIRONMENT in ("conda", "container") else OWN_PYTHON
CELLPROFILER = quote_for_shell(
    {
        "built": f"{ENVIRONMENT_FOLDER}/bin/cellprofiler",
        "conda": "cellprofiler",
        "container": "cellprofiler",
    }.get(ENVIRONMENT, locate(ENVIRONMENT) if "/" in ENVIRONMENT else ENVIRONMENT)
)
RUN = shlex.quote(get_relative_path(SCRIPTS))
# Both folders have a LoadData that reads images in object storage; the second has no other module.
PLUGINS = f"--plugins {RUN}/cellprofiler_{'plugins' if EXPERIMENT.accelerated else 'fetching'}"
FASTER_MODULES = sorted((SCRIPTS / "cellprofiler_plugins").rglob("*.py"))
# The user's own modules; a change in one of their files repeats what CellProfiler does.
OWN_PLUGINS = CONFIG["cellprofiler"]["plugins"] and locate(CONFIG["cellprofiler"]["plugins"])
OWN_MODULES = sorted(Path(OWN_PLUGINS).rglob("*.py")) if OWN_PLUGINS else []
PLUGINS_OPTION = f"--own-plugins {quote_for_shell(OWN_PLUGINS)}" if OWN_PLUGINS else ""
PLUGINS = f"{PLUGINS} {PLUGINS_OPTION}".strip()
PLUGIN_FILES = [*(FASTER_MODULES if EXPERIMENT.accelerated else []), *OWN_MODULES]
# A user's CellProfiler is checked when a job starts.
ENGINE = EXPERIMENT.engine
COMPILED = get_relative_path(PLATEWISE / f".environments/kernels-{digest_of([*LOCKS, *FASTER_MODULES])}.json")
RUNNER_FILES = [SCRIPTS / "run_cellprofiler.py", *sorted((SCRIPTS / "cellprofiler_runner").rglob("*.py"))]
ENGINE_CODE = digest_of(RUNNER_FILES) if ENGINE == "platewise" else ""
# The names of stains and image files do not change a pipeline.
IN_PIPELINE = {
    **EXPERIMENT.assay,
    "channels": [
        {key: channel[key] for key in ("name", "measure")} for channel in EXPERIMENT.assay.get("channels", [])
    ],
}
for objects in EXPERIMENT.labeled:
    # Which files hold the labels does not change a pipeline.
    settings = IN_PIPELINE[objects.lower()]
    IN_PIPELINE[objects.lower()] = {**settings, "labels": True}
if any(CONFIG.get(block, {}).get("mask") for block in ("embeddings", "crops")):
    IN_PIPELINE["labels"] = True
if CONFIG["cellprofiler"]["illumination_pipeline"] and CONFIG["cellprofiler"]["analysis_pipeline"]:
    IN_PIPELINE["own_functions"] = True
FUNCTIONS = [place("illumination", channel=name) for name in EXPERIMENT.channels]


# Values and not functions, which would be called for each job that is planned.
# The mark of a built CellProfiler environment; no file if the user provides CellProfiler.
BUILT_ENVIRONMENT = [ancient(local(f"{ENVIRONMENT_FOLDER}/complete.json"))] if ENVIRONMENT == "built" else []
# The same, and the mark that the kernels of the accelerated modules are compiled in it.
WITH_KERNELS = [ancient(local(str(COMPILED)))] if BUILT_ENVIRONMENT and EXPERIMENT.accelerated else []
ENVIRONMENT_WITH_KERNELS = [*BUILT_ENVIRONMENT, *WITH_KERNELS]


def get_own_pipeline(
    name,
):
    """Return the user's pipeline, or no file."""
    own = CONFIG["cellprofiler"][f"{name}_pipeline"]
    return get_location(own) if own else []


def get_own_digest(
    name,
):
    """Return the digest of the user's pipeline."""
    own = CONFIG["cellprofiler"][f"{name}_pipeline"]
    return get_digest(own) if own else ""


def get_own_option(
    name,
):
    """Return the option of pipelines.py for the user's pipeline."""
    own = get_own_pipeline(name)
    return f"--own {shlex.quote(own)}" if own else ""


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


# Before the first chunk; otherwise each of the chunks that start together would compile everything.
rule compiled_kernels:
    input:
        environment=BUILT_ENVIRONMENT,
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
        environment=BUILT_ENVIRONMENT,
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
        digest=get_own_digest("illumination"),
        plugins=PLUGINS_OPTION,
        plugins_code=digest_of(OWN_MODULES),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's illumination pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py illumination --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} {params.plugins} --output {output.pipeline:q} --log {log:q}"


rule analysis_pipeline:
    input:
        environment=BUILT_ENVIRONMENT,
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
        digest=get_own_digest("analysis"),
        plugins=PLUGINS_OPTION,
        plugins_code=digest_of(OWN_MODULES),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's analysis pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py analysis --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} {params.plugins} --output {output.pipeline:q} --log {log:q}"


rule segmentation_pipeline:
    input:
        environment=BUILT_ENVIRONMENT,
        # The copy of a user's pipeline shows how cells are found.
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
        plugins=PLUGINS_OPTION,
        plugins_code=digest_of(OWN_MODULES),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's pipeline for the segmentation check"
    shell:
        f"{PYTHON} {RUN}/pipelines.py segmentation --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} {params.plugins} --output {output.pipeline:q} --log {log:q}"
