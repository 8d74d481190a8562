# CellProfiler: its environment, the pipelines that the assay description makes, and its two runs.

OWN_PYTHON = shlex.quote(of_workflow(sys.executable))
ENVIRONMENT = CONFIG["cellprofiler"]["environment"]
LOCKS = [Path(workflow.basedir) / "envs" / name for name in ("cellprofiler-build.txt", "cellprofiler.txt")]
ENVIRONMENT_FOLDER = of_workflow(f"{workflow.basedir}/.environments/cellprofiler-{digest_of(LOCKS)}")
CONTAINER_IMAGE = "docker://cellprofiler/cellprofiler:4.2.8"
IN_CONTAINER = CONTAINER_IMAGE if ENVIRONMENT == "container" else None
# The scripts around CellProfiler need a Python, but no package: in conda and in the container, theirs.
PYTHON = "python3" if ENVIRONMENT in ("conda", "container") else OWN_PYTHON
CELLPROFILER = in_shell(
    {
        "built": f"{ENVIRONMENT_FOLDER}/bin/cellprofiler",
        "conda": "cellprofiler",
        "container": "cellprofiler",
    }.get(ENVIRONMENT, located(ENVIRONMENT) if "/" in ENVIRONMENT else ENVIRONMENT)
)
RUN = shlex.quote(of_workflow(SCRIPTS))
# The published container lacks numba, which the accelerated modules are compiled with.
ACCELERATED = CONFIG["cellprofiler"]["accelerate"] and ENVIRONMENT != "container"
# Both folders have a LoadData that reads images in object storage; the second has no other module.
PLUGINS = f"--plugins {RUN}/cellprofiler_{'plugins' if ACCELERATED else 'fetching'}"
FASTER_MODULES = sorted((SCRIPTS / "cellprofiler_plugins").rglob("*.py"))
PLUGIN_FILES = FASTER_MODULES if ACCELERATED else []
# The container lacks pyarrow, too; a CellProfiler of the user's own is looked at when a job starts.
ENGINE = "stock" if ENVIRONMENT == "container" else CONFIG["cellprofiler"]["engine"]
RUNNER_FILES = [SCRIPTS / "run_cellprofiler.py", *sorted((SCRIPTS / "cellprofiler_runner").rglob("*.py"))]
ENGINE_CODE = digest_of(RUNNER_FILES) if ENGINE == "platewise" else ""
# What a stain is called, or an image file, changes no pipeline.
IN_PIPELINE = {
    **ASSAY,
    "channels": [{key: channel[key] for key in ("name", "measure")} for channel in ASSAY.get("channels", [])],
}
if CONFIG.get("embeddings", {}).get("mask"):
    IN_PIPELINE["labels"] = True


localrules:
    cellprofiler_environment,
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


rule illumination_pipeline:
    input:
        environment=environment_ready,
        own=own_pipeline("illumination"),
    output:
        pipeline="workspace/pipelines/illumination.cppipe",
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
        own=own_option("illumination"),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's illumination pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py illumination --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} --output {output.pipeline:q} --log {log:q}"


rule analysis_pipeline:
    input:
        environment=environment_ready,
        own=own_pipeline("analysis"),
    output:
        pipeline="workspace/pipelines/analysis.cppipe",
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
        own=own_option("analysis"),
        code=code_digest("pipelines.py"),
    message:
        "Writing CellProfiler's analysis pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py analysis --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " {params.own} --output {output.pipeline:q} --log {log:q}"


rule segmentation_pipeline:
    input:
        environment=environment_ready,
        # The copy of a user's own pipeline says how cells are found.
        own=pipeline("analysis") if own_pipeline("analysis") else [],
    output:
        pipeline="workspace/pipelines/segmentation.cppipe",
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
        environment=environment_ready,
        # A user's own analysis pipeline that cannot run is refused before the plate's images are read.
        checked=ancient(pipeline("analysis")) if own_pipeline("analysis") else [],
        pipeline=pipeline("illumination"),
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data.csv",
    output:
        functions=[f"images/{{batch}}/illum/{{plate}}/{{plate}}_Illum{name}.npy" for name in CHANNELS],
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
        channels=CHANNELS,
        apply="own" if own_pipeline("analysis") else ASSAY.get("illumination", {}).get("apply", "None"),
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        plugins_code=digest_of(PLUGIN_FILES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
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
        environment=environment_ready,
        approval=lambda wildcards: segmentation_approved(),
        pipeline=pipeline("analysis"),
        functions=rules.illumination.output.functions,
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv",
    output:
        tables=directory("workspace/analysis/{batch}/{plate}/analysis/chunk_{chunk}"),
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
        objects=OBJECTS,
        chunks=CONFIG["cellprofiler"]["chunks"],
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        plugins_code=digest_of(PLUGIN_FILES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
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
        environment=environment_ready,
        pipeline=pipeline("analysis"),
        functions=lambda wildcards: functions_compared(),
        load_data=lambda wildcards: f"workspace/load_data_csv/{compared_plate()}/load_data_with_illum.csv",
    output:
        differences="workspace/quality_control/cellprofiler_comparison/differences.csv",
        times="workspace/quality_control/cellprofiler_comparison/times.csv",
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
