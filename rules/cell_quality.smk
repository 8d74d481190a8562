# Quality control of single cells: which cells the rules of the config flag, and pictures of them.


rule flag_cells:
    input:
        cells=PLACES["single_cells"],
        image=PLACES["image_table"],
    output:
        flags=PLACES["cell_flags"],
        counts=PLACES["cell_flag_counts"],
    log:
        "logs/flag_cells/{batch}/{plate}.log",
    benchmark:
        "benchmarks/flag_cells/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        settings=keep_braces(CONFIG["cell_quality"]),
        code=code_digest("flag_cells.py"),
    message:
        "{wildcards.plate}: flagging cells"
    script:
        "../scripts/flag_cells.py"


if EXPERIMENT.plates_with_images and EXPERIMENT.flags_cells:
    # Those by which nuclei and cells are found.
    SEGMENTED_CHANNELS = list(
        dict.fromkeys(
            EXPERIMENT.assay[name]["channel"]
            for name in ("nuclei", "cells")
            if "channel" in EXPERIMENT.assay.get(name, {})
        )
    )

    rule plot_flagged_cells:
        input:
            cells=PLACES["single_cells"],
            flags=PLACES["cell_flags"],
            load_data=PLACES["load_data_with_illum"],
            functions=[place("illumination", channel=name) for name in SEGMENTED_CHANNELS],
        output:
            picture=get_picture("flagged_cells"),
        log:
            "logs/plot_flagged_cells/{batch}/{plate}.log",
        benchmark:
            "benchmarks/plot_flagged_cells/{batch}/{plate}.tsv"
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(20),
        params:
            plate="{plate}",
            channels=SEGMENTED_CHANNELS,
            box=CELL_BOX,
            code=code_digest("plot_flagged_cells.py"),
        message:
            "{wildcards.plate}: picture of flagged cells"
        script:
            "../scripts/plot_flagged_cells.py"
