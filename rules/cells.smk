# From CellProfiler's tables to the plate's cells and its wells.

# Of published output nobody has described, what there is of the usual compartments is joined.
DESCRIBED = CONFIG["single_cells"]["compartments"] or OBJECTS
COMPARTMENTS = DESCRIBED or ["Cells", "Cytoplasm", "Nuclei"]


rule single_cells:
    input:
        tables=tables_of,
    output:
        cells="workspace/backend/{batch}/{plate}/{plate}.parquet",
        image="workspace/backend/{batch}/{plate}/{plate}_Image.parquet",
        sites="workspace/quality_control/{batch}/{plate}/sites.csv",
    log:
        "logs/single_cells/{batch}/{plate}.log",
    benchmark:
        "benchmarks/single_cells/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes_of_cells(),
    params:
        batch="{batch}",
        plate="{plate}",
        published=lambda wildcards: source(plate_of(wildcards)) == "cellprofiler",
        compartments=COMPARTMENTS,
        usual=not DESCRIBED,
        image_pattern=as_written(CONFIG["single_cells"]["site_pattern"]),
        bad_sites=CONFIG["single_cells"]["bad_sites"],
        code=code_digest("single_cells.py"),
    message:
        "{wildcards.plate}: joining single cells"
    script:
        "../scripts/single_cells.py"


rule aggregate:
    input:
        cells=cells_of,
        image="workspace/backend/{batch}/{plate}/{plate}_Image.parquet",
        flags=flags_heeded,
    output:
        profiles="workspace/profiles/{batch}/{plate}/{plate}{kind}.parquet",
    log:
        "logs/aggregate/{batch}/{plate}{kind}.log",
    benchmark:
        "benchmarks/aggregate/{batch}/{plate}{kind}.tsv"
    wildcard_constraints:
        kind="(_embeddings)?",
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        batch="{batch}",
        plate="{plate}",
        operation=CONFIG["aggregate"]["operation"],
        # A function, since braces in patterns would be read as wildcards.
        exclude_features=lambda wildcards: [] if wildcards.kind else CONFIG["aggregate"]["exclude_features"],
        unwanted=as_written(CONFIG["exclude_features"]),
        code=code_digest("aggregate.py"),
    message:
        "{wildcards.plate}: cells to wells"
    script:
        "../scripts/aggregate.py"
