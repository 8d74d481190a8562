# The segmentation check: nuclei and cells of a few wells, with their outlines, before anything is measured.

CHECKED_OBJECTS = [name for name in EXPERIMENT.objects if name != "Cytoplasm"]


rule segmentation_sites:
    input:
        load_data=PLACES["load_data_with_illum"],
        plate_map=get_plate_map,
        annotation=get_annotation,
    output:
        load_data=PLACES["segmentation_load_data"],
        wells=PLACES["segmentation_wells"],
    log:
        "logs/segmentation_sites/{batch}/{plate}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        plate="{plate}",
        gene=get_gene_column,
        digests=get_digests,
        missing=MISSING_VALUES,
        column=keep_braces(CONFIG["controls"]["column"]),
        negcon=keep_braces(CONFIG["controls"]["negcon"]),
        options={name: CONFIG["segmentation"][name] for name in ("wells", "named", "seed")},
        code=code_digest("segmentation_sites.py"),
    message:
        "{wildcards.plate}: wells for the segmentation check"
    script:
        "../scripts/segmentation_sites.py"


rule segmentation_objects:
    input:
        environment=ENVIRONMENT_WITH_KERNELS,
        pipeline=rules.segmentation_pipeline.output.pipeline,
        functions=FUNCTIONS,
        labels=PLACES["segmentation_labels"] if EXPERIMENT.labeled else [],
        load_data=rules.segmentation_sites.output.load_data,
    output:
        tables=directory(PLACES["segmentation_objects"]),
    log:
        "logs/segmentation_objects/{batch}/{plate}.log",
    benchmark:
        "benchmarks/segmentation_objects/{batch}/{plate}.tsv"
    conda:
        "../envs/cellprofiler.yaml"
    container:
        IN_CONTAINER
    threads: 1
    resources:
        mem_mb=of_images(60),
        runtime=minutes_of_sites(len(CONFIG["segmentation"]["named"]) or CONFIG["segmentation"]["wells"]),
    params:
        objects=CHECKED_OBJECTS,
        labels=get_labels_option,
        timeout=CONFIG["cellprofiler"]["timeout"] * 60,
        plugins=PLUGINS,
        plugins_code=digest_of(PLUGIN_FILES),
        engine=ENGINE,
        engine_code=ENGINE_CODE,
        contents=get_image_contents,
        code=code_digest("features.py"),
    message:
        "{wildcards.plate}: finding nuclei and cells for the segmentation check"
    shell:
        f"{PYTHON} {RUN}/features.py --cellprofiler {CELLPROFILER} --pipeline {{input.pipeline:q}}"
        " --load-data {input.load_data:q} {params.labels} --plate {wildcards.plate} --objects {params.objects:q}"
        " --chunk 0 --chunks 1 --engine {params.engine} {params.plugins} --timeout {params.timeout}"
        " --threads {threads} --log {log:q} --output {output.tables:q}"


rule plot_segmentation:
    input:
        tables=rules.segmentation_objects.output.tables,
        load_data=rules.segmentation_sites.output.load_data,
        wells=rules.segmentation_sites.output.wells,
        functions=FUNCTIONS,
    output:
        montage=get_picture("segmentation/montage", "segmentation_montage"),
        wells=directory(PLACES["segmentation_pictures"]),
        objects=PLACES["segmentation_counts"],
    log:
        "logs/plot_segmentation/{batch}/{plate}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(20),
    params:
        channels=EXPERIMENT.channels,
        nuclei=EXPERIMENT.assay.get("nuclei", {}).get("channel", ""),
        cells=EXPERIMENT.assay.get("cells", {}).get("channel"),
        apply=APPLIED,
        pixel_size=CONFIG["images"]["pixel_size"],
        code=code_digest("plot_segmentation.py"),
    message:
        "{wildcards.plate}: outlines of nuclei and cells"
    script:
        "../scripts/plot_segmentation.py"
