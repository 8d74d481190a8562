# From a plate's images to CellProfiler's tables.


rule load_data:
    input:
        images=images_of,
    output:
        load_data="workspace/load_data_csv/{batch}/{plate}/load_data.csv",
        with_illum="workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv",
        dropped="workspace/quality_control/{batch}/{plate}/dropped_sites.csv",
    log:
        "logs/load_data/{batch}/{plate}.log",
    benchmark:
        "benchmarks/load_data/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        plate=image_source,
        channels={channel["image"]: channel["name"] for channel in ASSAY.get("channels", [])},
        pattern=as_written(CONFIG["images"]["pattern"]),
        bad_sites=CONFIG["images"]["bad_sites"],
        maximum=CONFIG["images"]["maximum"],
        decode=CONFIG["images"]["decode"],
        illumination="images/{batch}/illum/{plate}",
        fetch=fetch_is_on,
        code=code_digest("load_data.py"),
    message:
        "{wildcards.plate}: listing and checking images"
    script:
        "../scripts/load_data.py"
