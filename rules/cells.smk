# From CellProfiler's tables to the plate's cells and its wells.

# If neither the config nor an assay names compartments, the usual ones of the published output are joined.
ASSAY_COMPARTMENTS = CONFIG["single_cells"]["compartments"] or EXPERIMENT.objects
COMPARTMENTS = ASSAY_COMPARTMENTS or ["Cells", "Cytoplasm", "Nuclei"]


def get_flags_to_heed(
    wildcards,
):
    """Return quality control's table of flags if flagged sites are left out of the profiles."""
    return EXPERIMENT.get_place(get_plate(wildcards), "flags") if CONFIG["quality"]["exclude_flagged"] else []


def get_cells_to_aggregate(
    wildcards,
):
    """Return the table of a plate's cells that a level is aggregated from; published profiles have none."""
    return EXPERIMENT.get_cells(get_plate(wildcards), get_level(wildcards).features) or []


def get_excluded_features(
    wildcards,
):
    """Return the patterns of CellProfiler's features that are left out of the profiles."""
    is_network = get_level(wildcards).features == NETWORK
    return [] if is_network else CONFIG["aggregate"]["exclude_features"]


def get_cell_flags(
    wildcards,
):
    """Return the table of a plate's flagged cells, if cells are flagged."""
    return EXPERIMENT.get_place(get_plate(wildcards), "cell_flags") if EXPERIMENT.flags_cells else []


def get_operation(
    wildcards,
):
    """Return the statistic over the cells of a well that a level starts from."""
    return get_level(wildcards).summary or CONFIG["aggregate"]["operation"]


def has_image_features(
    wildcards,
):
    """Return whether image-level features join a level's: a mean or a median over sites, as over cells."""
    return CONFIG["image_features"] and get_operation(wildcards) in ("mean", "median")


def get_wells_of_controls(
    wildcards,
):
    """Return the annotated profiles of a plate if the statistic compares cells with those of its controls."""
    plate = get_plate(wildcards)
    return EXPERIMENT.get_profiles(plate, "augmented") if get_operation(wildcards) == "emd" else []


rule single_cells:
    input:
        tables=get_tables,
    output:
        cells=PLACES["single_cells"],
        image=PLACES["image_table"],
        sites=PLACES["sites"],
    log:
        "logs/single_cells/{batch}/{plate}.log",
    benchmark:
        "benchmarks/single_cells/{batch}/{plate}.tsv"
    group:
        get_job_group(WELLS)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes_of_cells(),
    params:
        batch="{batch}",
        plate="{plate}",
        published=lambda wildcards: source(get_plate(wildcards)) == "cellprofiler",
        compartments=COMPARTMENTS,
        usual=not ASSAY_COMPARTMENTS,
        image_pattern=keep_braces(CONFIG["single_cells"]["site_pattern"]),
        bad_sites=CONFIG["single_cells"]["bad_sites"],
        labeled=lambda wildcards: EXPERIMENT.labeled if source(get_plate(wildcards)) == "images" else [],
        code=code_digest("single_cells.py"),
    message:
        "{wildcards.plate}: joining single cells"
    script:
        "../scripts/single_cells.py"


rule aggregate:
    input:
        cells=get_cells_to_aggregate,
        image=PLACES["image_table"],
        flags=get_flags_to_heed,
        cell_flags=get_cell_flags,
        annotated=get_wells_of_controls,
    output:
        profiles=PLACES["profiles"],
    log:
        "logs/aggregate/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/aggregate/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("aggregate"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        batch="{batch}",
        plate="{plate}",
        operation=get_operation,
        trim=CONFIG["aggregate"]["trim"],
        exclude_flagged_cells=CONFIG["cell_quality"]["exclude_flagged"],
        image_features=has_image_features,
        column=keep_braces(CONFIG["controls"]["column"]),
        negcon=keep_braces(CONFIG["controls"]["negcon"]),
        # A function, since braces in patterns would be read as wildcards.
        exclude_features=get_excluded_features,
        unwanted=keep_braces(CONFIG["exclude_features"]),
        code=code_digest("aggregate.py"),
    message:
        "{wildcards.plate}: cells to wells"
    script:
        "../scripts/aggregate.py"


rule aggregate_sites:
    input:
        cells=PLACES["single_cells"],
        image=PLACES["image_table"],
        flags=get_flags_to_heed,
        cell_flags=lambda wildcards: (
            get_cell_flags(wildcards) if CONFIG["cell_quality"]["exclude_flagged"] else []
        ),
    output:
        profiles=PLACES["site_profiles"],
    log:
        "logs/aggregate_sites/{batch}/{plate}.log",
    benchmark:
        "benchmarks/aggregate_sites/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        # A function, since braces in patterns would be read as wildcards.
        parameters=lambda wildcards: {
            **wildcards,
            "operation": CONFIG["aggregate"]["operation"],
            "exclude": CONFIG["aggregate"]["exclude_features"],
            "unwanted": CONFIG["exclude_features"],
            "image_features": CONFIG["image_features"],
        },
        code=code_digest("aggregate_sites.py"),
    message:
        "{wildcards.plate}: cells to sites"
    script:
        "../scripts/aggregate_sites.py"
