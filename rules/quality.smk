# Quality control of each plate: tables of what looks wrong, and pictures to look at.

QUALITY = "workspace/quality_control/{batch}/{plate}"


def picture(name, caption=None):
    """A plate's picture with its caption, for the report and for `snakemake --report`."""
    return report(
        f"{QUALITY}/pictures/{name}.png",
        caption=f"captions/{caption or name}.rst",
        category="Plates",
        subcategory="{batch} {plate}",
        labels={"plate": "{plate}", "picture": name.rpartition("/")[2].replace("_", " ")},
    )


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
        gene=lambda wildcards: CONFIG["annotation"].get(plate_of(wildcards)["perturbation"], {}).get("gene"),
        column=CONFIG["controls"]["column"],
        negcon=CONFIG["controls"]["negcon"],
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
