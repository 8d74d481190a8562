# Crops of cells as a training set, for plates that start with images.

if EXPERIMENT.crops:
    WRITTEN_CROPS = EXPERIMENT.crops
    CROPPED_CHANNELS = WRITTEN_CROPS["channels"] or EXPERIMENT.channels

    def get_flags_of_crops(
        wildcards,
    ):
        """Return the table of a plate's flagged cells if these are left out of the profiles."""
        return get_cell_flags(wildcards) if CONFIG["cell_quality"]["exclude_flagged"] else []

    rule write_crops:
        input:
            cells=PLACES["single_cells"],
            profiles=place("profiles", suffix=EXPERIMENT.levels["augmented"].suffix),
            load_data=PLACES["load_data_with_illum"],
            # The pixels of the image files are not corrected.
            functions=(
                []
                if WRITTEN_CROPS["pixels"] == "raw"
                else [place("illumination", channel=name) for name in CROPPED_CHANNELS]
            ),
            labels=get_tables if WRITTEN_CROPS["mask"] else [],
            cell_flags=get_flags_of_crops,
        output:
            crops=directory(PLACES["crops"]),
        log:
            "logs/write_crops/{batch}/{plate}.log",
        benchmark:
            "benchmarks/write_crops/{batch}/{plate}.tsv"
        conda:
            "../envs/platewise.yaml"
        threads: 2
        resources:
            mem_mb=memory(4000),
            runtime=minutes(240),
        params:
            plate="{plate}",
            channels=CROPPED_CHANNELS,
            settings={
                **{name: WRITTEN_CROPS[name] for name in ("size", "center", "mask", "percentiles")},
                "box": WRITTEN_CROPS["box"] or WRITTEN_CROPS["size"],
            },
            pixels=WRITTEN_CROPS["pixels"],
            per_well=WRITTEN_CROPS["per_well"],
            shard=WRITTEN_CROPS["shard"],
            seed=WRITTEN_CROPS["seed"],
            code=code_digest("write_crops.py"),
        message:
            "{wildcards.plate}: crops of its cells"
        script:
            "../scripts/write_crops.py"
