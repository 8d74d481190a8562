# Quality control of each plate: tables of flagged sites and wells, and pictures to inspect.

SHOWN_CHANNELS = [
    {key: channel[key] or "" for key in ("name", "stain", "color")}
    for channel in EXPERIMENT.assay.get("channels", [])
]
APPLIED = EXPERIMENT.assay.get("illumination", {}).get("apply", "None")
# Room for a cell around the largest nucleus, in pixels.
CELL_BOX = max(32, round(2.5 * EXPERIMENT.assay.get("nuclei", {}).get("diameter", [0, 0])[1]))


def get_picture(
    name,
    caption=None,
):
    """Return a plate's picture with its caption, for `snakemake --report`."""
    return report(
        place("picture", picture=name),
        caption=f"captions/{caption or name}.rst",
        category="Plates",
        subcategory="{batch} {plate}",
        labels={"plate": "{plate}", "picture": Path(name).name.replace("_", " ")},
    )


def get_profiles_for_montages(
    wildcards,
):
    """Return the normalized profiles by which montages choose their wells: the first of `normalize.to`."""
    reference = CONFIG["normalize"]["to"][0]
    level = next(
        level
        for level in EXPERIMENT.levels.values()
        if level.step == "normalize" and level.features != NETWORK and level.reference == reference
    )
    return EXPERIMENT.get_profiles(get_plate(wildcards), level)


rule quality:
    input:
        cells=PLACES["single_cells"],
        image=PLACES["image_table"],
        plate_map=get_plate_map,
        annotation=get_annotation,
    output:
        sites=PLACES["site_quality"],
        wells=PLACES["well_quality"],
        flags=PLACES["flags"],
        summary=PLACES["quality_summary"],
    log:
        "logs/quality/{batch}/{plate}.log",
    benchmark:
        "benchmarks/quality/{batch}/{plate}.tsv"
    group:
        get_job_group(WELLS if CONFIG["quality"]["exclude_flagged"] else PICTURES)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        gene=get_gene_column,
        digests=get_digests,
        missing=MISSING_VALUES,
        column=keep_braces(CONFIG["controls"]["column"]),
        negcon=keep_braces(CONFIG["controls"]["negcon"]),
        limits=CONFIG["quality"]["limits"],
        exclude_flagged=CONFIG["quality"]["exclude_flagged"],
        code=code_digest("quality.py"),
    message:
        "{wildcards.plate}: quality control"
    script:
        "../scripts/quality.py"


rule plot_heatmaps:
    input:
        wells=rules.quality.output.wells,
    output:
        heatmaps=get_picture("heatmaps"),
    log:
        "logs/plot_heatmaps/{batch}/{plate}.log",
    benchmark:
        "benchmarks/plot_heatmaps/{batch}/{plate}.tsv"
    group:
        get_job_group(PICTURES)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        code=code_digest("plot_heatmaps.py"),
    message:
        "{wildcards.plate}: heat maps of the plate"
    script:
        "../scripts/plot_heatmaps.py"


rule plot_illumination:
    input:
        functions=FUNCTIONS,
        load_data=PLACES["load_data"],
    output:
        picture=get_picture("illumination"),
        shading=PLACES["illumination_shading"],
    log:
        "logs/plot_illumination/{batch}/{plate}.log",
    benchmark:
        "benchmarks/plot_illumination/{batch}/{plate}.tsv"
    group:
        get_job_group(PICTURES)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        channels=EXPERIMENT.channels,
        apply=APPLIED,
        smoothing=(
            ""
            if CONFIG["cellprofiler"]["illumination_pipeline"]
            else EXPERIMENT.assay.get("illumination", {}).get("smoothing", "")
        ),
        code=code_digest("plot_illumination.py"),
    message:
        "{wildcards.plate}: picture of the illumination functions"
    script:
        "../scripts/plot_illumination.py"


rule plot_montages:
    input:
        profiles=get_profiles_for_montages,
        flags=rules.quality.output.flags,
        functions=FUNCTIONS,
        load_data=PLACES["load_data"],
    output:
        composite=get_picture("montage_composite"),
        channels=[get_picture(f"montage_{name}", "montage_channel") for name in EXPERIMENT.channels],
        wells=PLACES["montage_wells"],
    log:
        "logs/plot_montages/{batch}/{plate}.log",
    benchmark:
        "benchmarks/plot_montages/{batch}/{plate}.tsv"
    group:
        get_job_group(PICTURES)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(20),
    params:
        plate="{plate}",
        channels=SHOWN_CHANNELS,
        apply=APPLIED,
        pixel_size=CONFIG["images"]["pixel_size"],
        montages=CONFIG["montages"],
        column=keep_braces(CONFIG["controls"]["column"]),
        negcon=keep_braces(CONFIG["controls"]["negcon"]),
        code=code_digest("plot_montages.py"),
    message:
        "{wildcards.plate}: montages of control and treated wells"
    script:
        "../scripts/plot_montages.py"


rule plot_thumbnails:
    input:
        flags=rules.quality.output.flags,
        functions=FUNCTIONS,
        load_data=PLACES["load_data"],
        cells=PLACES["single_cells"],
        profiles=get_profiles_for_montages,
    output:
        composite=place("thumbnails", picture="composite"),
        examples=place("thumbnails", picture="example_cells"),
        channels=[place("thumbnails", picture=name) for name in EXPERIMENT.channels],
        wells=PLACES["thumbnail_wells"],
    log:
        "logs/plot_thumbnails/{batch}/{plate}.log",
    benchmark:
        "benchmarks/plot_thumbnails/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        # reading and shrinking one site of each well, times four
        runtime=minutes(20 + 4 * SIZE["wells"] * 0.1 * MEGAPIXELS / 60),
    params:
        channels=SHOWN_CHANNELS,
        apply=APPLIED,
        side=CONFIG["montages"]["thumbnails"],
        box=CELL_BOX,
        group=CONFIG["benchmark"]["group"],
        code=code_digest("plot_thumbnails.py"),
    message:
        "{wildcards.plate}: thumbnails of all wells"
    script:
        "../scripts/plot_thumbnails.py"
