# Annotated and normalized single cells of each plate, for notebooks.


def get_profiles_with_selection(
    wildcards,
):
    """Return the profiles whose features the normalized cells have; none for all features."""
    level = EXPERIMENT.levels_of_cells[wildcards.batch, wildcards.plate]
    return [] if level is None else EXPERIMENT.get_profiles(get_plate(wildcards), level)


if EXPERIMENT.levels_of_cells:
    NORMALIZED_CELLS = CONFIG["normalized_cells"]

    rule normalize_cells:
        input:
            cells=PLACES["single_cells"],
            profiles=place("profiles", suffix=EXPERIMENT.levels["augmented"].suffix),
            selected=get_profiles_with_selection,
            flags=get_flags_to_heed,
            cell_flags=get_cell_flags,
        output:
            cells=PLACES["normalized_cells"],
            dropped=PLACES["normalized_cells_dropped"],
        log:
            "logs/normalize_cells/{batch}/{plate}.log",
        benchmark:
            "benchmarks/normalize_cells/{batch}/{plate}.tsv"
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(3000 + ROW_GROUPS_MB),
            runtime=minutes_of_cells(),
        params:
            plate="{plate}",
            method=NORMALIZED_CELLS["method"],
            reference=NORMALIZED_CELLS["reference"],
            column=keep_braces(CONFIG["controls"]["column"]),
            negcon=keep_braces(CONFIG["controls"]["negcon"]),
            exclude_features=keep_braces(CONFIG["aggregate"]["exclude_features"]),
            unwanted=keep_braces(CONFIG["exclude_features"]),
            exclude_flagged_cells=CONFIG["cell_quality"]["exclude_flagged"],
            code=code_digest("normalize_cells.py"),
        message:
            "{wildcards.plate}: normalizing cells to those of {params.reference} wells"
        script:
            "../scripts/normalize_cells.py"

    rule export_cells_h5ad:
        input:
            cells=PLACES["normalized_cells"],
        output:
            exported=place("exported_cells", kind="h5ad"),
        log:
            "logs/export_cells_h5ad/{batch}/{plate}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000 + ROW_GROUPS_MB),
            runtime=minutes(60),
        params:
            channels=EXPERIMENT.channels,
            code=code_digest("export_cells.py"),
        message:
            "{wildcards.plate}: exporting normalized cells as h5ad"
        script:
            "../scripts/export_cells.py"

    use rule export_cells_h5ad as export_cells_zarr with:
        output:
            exported=directory(place("exported_cells", kind="zarr")),
        log:
            "logs/export_cells_zarr/{batch}/{plate}.log",
        message:
            "{wildcards.plate}: exporting normalized cells as zarr"

    rule sample_cells:
        input:
            cells=[
                EXPERIMENT.get_place(EXPERIMENT.by_name[key], "normalized_cells")
                for key in EXPERIMENT.levels_of_cells
            ],
        output:
            sample=PLACES["sampled_cells"],
        log:
            "logs/sample_cells.log",
        benchmark:
            "benchmarks/sample_cells.tsv"
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000 + ROW_GROUPS_MB),
            runtime=minutes(60),
        params:
            cells=NORMALIZED_CELLS["sample"],
            seed=NORMALIZED_CELLS["seed"],
            channels=EXPERIMENT.channels,
            code=code_digest("sample_cells.py"),
        message:
            "A sample of all plates' cells"
        script:
            "../scripts/sample_cells.py"
