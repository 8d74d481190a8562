# What the sample sheet or the config names by address (s3://, https://), brought into the results by
# Snakemake's storage plugins. Nothing is contacted unless the config says `fetch: true`.

FETCHED = {
    location.split("://", 1)[1]: location
    for location in (
        *(plate.get(column, "") for plate in PLATES for column in ("plate_map", "profiles")),
        *(described["table"] for described in CONFIG["annotation"].values()),
    )
    if is_address(location)
}


if CONFIG["fetch"]:
    from botocore import UNSIGNED
    from lib.addresses import resolved_address

    # The Gallery's buckets are public: no credentials are sent.
    storage s3:
        provider="s3",
        signature_version=UNSIGNED,

    storage http:
        provider="http",


# Hard links where possible: Snakemake drops its own copy afterwards, and a plate is 60 GB.
COPY = (
    "(cp -rlT {input.stored:q} {output.fetched:q} || cp -rT {input.stored:q} {output.fetched:q}) > {log:q} 2>&1"
    if CONFIG["fetch"]
    else "echo {params.address:q} is not fetched: set fetch: true in the config, or add --config fetch=true."
    " | tee {log:q} >&2; exit 1"
)


rule fetch_images:
    input:
        stored=lambda wildcards: stored(plate_of(wildcards)["images"]),
    output:
        fetched=directory("images/{batch}/images/{plate}"),
    log:
        "logs/fetch_images/{batch}/{plate}.log",
    wildcard_constraints:
        plate="|".join(re.escape(p["plate"]) for p in STARTS_WITH_IMAGES if is_address(p["images"])) or "(?!)",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(600),
    params:
        address=lambda wildcards: plate_of(wildcards)["images"],
    message:
        "{wildcards.plate}: fetching images from {params.address}"
    shell:
        COPY


rule fetch_file:
    input:
        stored=lambda wildcards: stored(FETCHED[wildcards.name]),
    output:
        fetched="workspace/fetched/{name}",
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
    message:
        "Fetching {params.address}"
    shell:
        COPY
