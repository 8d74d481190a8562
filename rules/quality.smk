# Quality control of each plate: tables of what looks wrong, and pictures to look at.

QUALITY = "workspace/quality_control/{batch}/{plate}"
SHOWN_CHANNELS = [
    {key: channel[key] or "" for key in ("name", "stain", "color")} for channel in ASSAY.get("channels", [])
]
APPLIED = ASSAY["illumination"]["apply"] if ASSAY else "None"


rule quality:
    input:
        cells="workspace/backend/{batch}/{plate}/{plate}.parquet",
        image="workspace/backend/{batch}/{plate}/{plate}_Image.parquet",
        plate_map=plate_map,
        annotation=annotation,
    output:
        sites=f"{QUALITY}/site_quality.parquet",
        wells=f"{QUALITY}/well_quality.csv",
        flags=f"{QUALITY}/flags.csv",
        summary=f"{QUALITY}/summary.csv",
    log:
        "logs/quality/{batch}/{plate}.log",
    benchmark:
        "benchmarks/quality/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        gene=gene_column,
        missing=MISSING_VALUES,
        column=as_written(CONFIG["controls"]["column"]),
        negcon=as_written(CONFIG["controls"]["negcon"]),
        limits=CONFIG["quality"]["limits"],
        exclude_flagged=CONFIG["quality"]["exclude_flagged"],
        code=code_digest("quality.py"),
    message:
        "{wildcards.plate}: quality control"
    script:
        "../scripts/quality.py"


rule heatmaps:
    input:
        wells=rules.quality.output.wells,
    output:
        heatmaps=picture("heatmaps"),
    log:
        "logs/heatmaps/{batch}/{plate}.log",
    benchmark:
        "benchmarks/heatmaps/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        code=code_digest("heatmaps.py"),
    message:
        "{wildcards.plate}: heat maps of the plate"
    script:
        "../scripts/heatmaps.py"


rule illumination_picture:
    input:
        functions=rules.illumination.output.functions,
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data.csv",
    output:
        picture=picture("illumination"),
        shading=f"{QUALITY}/illumination_shading.csv",
    log:
        "logs/illumination_picture/{batch}/{plate}.log",
    benchmark:
        "benchmarks/illumination_picture/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        channels=CHANNELS,
        apply=APPLIED,
        code=code_digest("illumination_picture.py"),
    message:
        "{wildcards.plate}: picture of the illumination functions"
    script:
        "../scripts/illumination_picture.py"


rule montages:
    input:
        profiles=lambda wildcards: file_of(
            plate_of(wildcards), f"normalized{INFIX[CONFIG['normalize']['to'][0]]}"
        ),
        flags=rules.quality.output.flags,
        functions=rules.illumination.output.functions,
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data.csv",
    output:
        composite=picture("montage_composite"),
        channels=[picture(f"montage_{name}", "montage_channel") for name in CHANNELS],
        wells=f"{QUALITY}/montage_wells.csv",
    log:
        "logs/montages/{batch}/{plate}.log",
    benchmark:
        "benchmarks/montages/{batch}/{plate}.tsv"
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
        column=as_written(CONFIG["controls"]["column"]),
        negcon=as_written(CONFIG["controls"]["negcon"]),
        code=code_digest("montages.py"),
    message:
        "{wildcards.plate}: montages of control and treated wells"
    script:
        "../scripts/montages.py"
