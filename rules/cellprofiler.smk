# CellProfiler: its environment, the pipelines that the assay description makes, and its two runs.

ENVIRONMENT = CONFIG["cellprofiler"]["environment"]
LOCKS = [Path(workflow.basedir) / "envs" / name for name in ("cellprofiler-build.txt", "cellprofiler.txt")]
ENVIRONMENT_FOLDER = of_workflow(f"{workflow.basedir}/.environments/cellprofiler-{digest_of(LOCKS)}")
CONTAINER_IMAGE = "docker://cellprofiler/cellprofiler:4.2.8"
IN_CONDA = "../envs/cellprofiler.yaml" if ENVIRONMENT == "conda" else None
IN_CONTAINER = CONTAINER_IMAGE if ENVIRONMENT == "container" else None
# The scripts around CellProfiler need a Python, but no package: in conda and in the container, theirs.
PYTHON = "python3" if IN_CONDA or IN_CONTAINER else of_workflow(sys.executable)
CELLPROFILER = shlex.quote(
    {
        "built": f"{ENVIRONMENT_FOLDER}/bin/cellprofiler",
        "conda": "cellprofiler",
        "container": "cellprofiler",
    }.get(ENVIRONMENT, ENVIRONMENT)
)
RUN = of_workflow(SCRIPTS)
PLUGINS = f"--plugins {RUN}/cellprofiler_plugins" if CONFIG["cellprofiler"]["accelerate"] else ""
ASSAY = CONFIG.get("assay", {})
# What a stain is called, or an image file, changes no pipeline.
IN_PIPELINE = {
    **ASSAY,
    "channels": [
        {key: channel[key] for key in ("name", "measure")} for channel in ASSAY.get("channels", [])
    ],
}
CHANNELS = [channel["name"] for channel in ASSAY.get("channels", [])]
OBJECTS = compartments(ASSAY) if ASSAY else []


localrules:
    cellprofiler_environment,
    illumination_pipeline,
    analysis_pipeline,


def environment_ready(wildcards):
    """The mark of a built CellProfiler environment; nothing where the user brings CellProfiler."""
    return ancient(f"{ENVIRONMENT_FOLDER}/complete.json") if ENVIRONMENT == "built" else []


def pipeline(name):
    """The user's own pipeline, or the generated one."""
    own = CONFIG["cellprofiler"][f"{name}_pipeline"]
    return located(own) if own else f"workspace/pipelines/{name}.cppipe"


rule cellprofiler_environment:
    output:
        ready=f"{ENVIRONMENT_FOLDER}/complete.json",
    log:
        f"{ENVIRONMENT_FOLDER}.log",
    params:
        folder=ENVIRONMENT_FOLDER,
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    message:
        "Building the CellProfiler environment (once)"
    shell:
        f"{of_workflow(sys.executable)} {RUN}/cellprofiler_environment.py --output {{params.folder:q}} --log {{log:q}}"


rule illumination_pipeline:
    input:
        environment=environment_ready,
    output:
        pipeline="workspace/pipelines/illumination.cppipe",
    log:
        "logs/pipelines/illumination.log",
    params:
        assay=json.dumps({key: IN_PIPELINE.get(key) for key in ("channels", "illumination")}),
        code=code_digest("pipelines.py"),
    conda:
        IN_CONDA
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Writing CellProfiler's illumination pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py illumination --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " --output {output.pipeline:q} --log {log:q}"


rule analysis_pipeline:
    input:
        environment=environment_ready,
    output:
        pipeline="workspace/pipelines/analysis.cppipe",
    log:
        "logs/pipelines/analysis.log",
    params:
        assay=json.dumps(IN_PIPELINE),
        code=code_digest("pipelines.py"),
    conda:
        IN_CONDA
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Writing CellProfiler's analysis pipeline"
    shell:
        f"{PYTHON} {RUN}/pipelines.py analysis --cellprofiler {CELLPROFILER} --assay {{params.assay:q}}"
        " --output {output.pipeline:q} --log {log:q}"


rule illumination:
    input:
        environment=environment_ready,
        pipeline=pipeline("illumination"),
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data.csv",
    output:
        functions=[f"images/{{batch}}/illum/{{plate}}/{{plate}}_Illum{name}.npy" for name in CHANNELS],
    log:
        "logs/illumination/{batch}/{plate}.log",
    benchmark:
        "benchmarks/illumination/{batch}/{plate}.tsv"
    params:
        folder="images/{batch}/illum/{plate}",
        channels=CHANNELS,
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        code=code_digest("illumination.py"),
    conda:
        IN_CONDA
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(CONFIG["cellprofiler"]["timeout"]),
    message:
        "{wildcards.plate}: illumination functions"
    shell:
        f"{PYTHON} {RUN}/illumination.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --plate {wildcards.plate} --channels {params.channels}"
        " {params.plugins} --timeout {params.timeout} --threads {threads} --log {log:q} --output {params.folder:q}"


rule features:
    input:
        environment=environment_ready,
        pipeline=pipeline("analysis"),
        functions=rules.illumination.output.functions,
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv",
    output:
        tables=directory("workspace/analysis/{batch}/{plate}/analysis/chunk_{chunk}"),
    log:
        "logs/features/{batch}/{plate}/chunk_{chunk}.log",
    benchmark:
        "benchmarks/features/{batch}/{plate}/chunk_{chunk}.tsv"
    params:
        objects=OBJECTS,
        chunks=CONFIG["cellprofiler"]["chunks"],
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        code=code_digest("features.py"),
    conda:
        IN_CONDA
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(CONFIG["cellprofiler"]["timeout"]),
    message:
        "{wildcards.plate}: segmentation and features, chunk {wildcards.chunk} of {params.chunks}"
    shell:
        f"{PYTHON} {RUN}/features.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} --plate {wildcards.plate} --objects {params.objects}"
        " --chunk {wildcards.chunk} --chunks {params.chunks} {params.plugins} --timeout {params.timeout}"
        " --threads {threads} --log {log:q} --output {output.tables:q}"
