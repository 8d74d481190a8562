# Files that the sample sheet or the config gives as addresses (s3://, https://). Nothing is contacted before
# a job runs, and no job fetches unless the config says `fetch: true`. A plate's images are not fetched here:
# each job of CellProfiler fetches those of its own sites.

FETCHED = {
    location.split("://", 1)[1]: location
    for location in (
        *(plate.get(column, "") for plate in EXPERIMENT.plates for column in ("plate_map", "profiles")),
        *(plate["images"] for plate in EXPERIMENT.plates_with_images if is_image_table(plate["images"])),
        *(annotation["table"] for annotation in CONFIG["annotation"].values()),
    )
    if is_address(location)
}


rule fetch_file:
    output:
        fetched=PLACES["fetched"],
    log:
        "logs/fetch_file/{name}.log",
    wildcard_constraints:
        name="|".join(map(re.escape, FETCHED)) or "(?!)",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(60),
    params:
        address=lambda wildcards: FETCHED[wildcards.name],
        fetch=may_fetch,
        code=code_digest("fetch_file.py"),
    message:
        "Fetching {params.address}"
    script:
        "../scripts/fetch_file.py"


rule fetch_tables:
    output:
        tables=temp(directory(PLACES["fetched_tables"])),
    log:
        "logs/fetch_tables/{batch}/{plate}.log",
    benchmark:
        "benchmarks/fetch_tables/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(600),
    params:
        address=lambda wildcards: get_plate(wildcards)["cellprofiler"],
        compartments=lambda wildcards: COMPARTMENTS,
        connections=8,
        fetch=may_fetch,
        code=code_digest("fetch_tables.py"),
    message:
        "{wildcards.plate}: fetching CellProfiler's tables from {params.address}"
    script:
        "../scripts/fetch_tables.py"
