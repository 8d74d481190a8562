# From annotated wells to selected features: one rule per step, which makes every level of that step.

# How features are selected, whatever the plates that they are selected over.
SELECTION = {name: value for name, value in CONFIG["feature_select"].items() if name != "over"}


rule annotate:
    input:
        profiles=PLACES["profiles"],
        plate_map=get_plate_map,
        annotation=get_annotation,
    output:
        profiles=place("profiles", suffix="{suffix}_augmented"),
        unmatched=PLACES["unmatched_wells"],
    log:
        "logs/annotate/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/annotate/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("aggregate"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate=get_plate,
        gene=get_gene_column,
        digests=get_digests,
        missing=MISSING_VALUES,
        minimum_cells=CONFIG["minimum_cells"],
        code=code_digest("annotate.py"),
    message:
        "{wildcards.plate}: annotating wells"
    script:
        "../scripts/annotate.py"


def get_source_profiles(
    wildcards,
):
    """Return the profiles of a plate that the level of a job is made from."""
    plate = get_plate(wildcards)
    return EXPERIMENT.get_profiles(plate, EXPERIMENT.get_source_level(plate, get_level(wildcards)))


def get_population(
    wildcards,
):
    """Return the plates whose wells give a plate's median and MAD: the plate, or its entire batch."""
    level = EXPERIMENT.levels[get_level(wildcards).made_from]
    over_batch = CONFIG["normalize"]["over"] == "batch"
    plates = EXPERIMENT.batches[wildcards.batch] if over_batch else [get_plate(wildcards)]
    return [EXPERIMENT.get_profiles(plate, level) for plate in EXPERIMENT.get_plates_with(level.name, plates)]


def get_normalization(
    wildcards,
):
    """Return the method by which a level is normalized."""
    is_network = get_level(wildcards).features == NETWORK
    return CONFIG["normalize"]["embeddings" if is_network else "method"]


rule normalize:
    input:
        profiles=get_source_profiles,
        population=get_population,
    output:
        profiles=PLACES["profiles"],
        dropped=PLACES["dropped"],
        incomplete=PLACES["incomplete_wells"],
    log:
        "logs/normalize/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/normalize/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("normalize"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_batch if CONFIG["normalize"]["over"] == "batch" else memory(2000),
        runtime=minutes(10),
    params:
        reference=lambda wildcards: get_level(wildcards).reference,
        over=CONFIG["normalize"]["over"],
        column=keep_braces(CONFIG["controls"]["column"]),
        negcon=keep_braces(CONFIG["controls"]["negcon"]),
        minimum=CONFIG["normalize"]["minimum_wells"],
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        method=get_normalization,
        floored=lambda wildcards: get_level(wildcards).features == NETWORK,
        code=code_digest("normalize.py"),
    message:
        "{wildcards.plate}: normalizing to {params.reference} wells"
    script:
        "../scripts/normalize.py"


rule dropped_features:
    input:
        profiles=lambda wildcards: [get_source_profiles(wildcards)],
    output:
        dropped=PLACES["dropped"],
    log:
        "logs/dropped_features/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/dropped_features/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("feature_select", scope="plate"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=of_correlations(),
        runtime=minutes(20),
    params:
        settings=SELECTION,
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        code=code_digest("dropped_features.py"),
    message:
        "{wildcards.plate}: selecting features"
    script:
        "../scripts/dropped_features.py"


def get_batch_profiles(
    wildcards,
):
    """Return the profiles of a batch's plates that features are selected on together."""
    level = EXPERIMENT.levels[get_level(wildcards).made_from]
    plates = [p for p in EXPERIMENT.batches[wildcards.batch] if level.name in EXPERIMENT.get_levels(p)]
    return [EXPERIMENT.get_profiles(plate, level) for plate in plates]


rule dropped_features_of_batch:
    input:
        profiles=get_batch_profiles,
    output:
        dropped=PLACES["dropped_of_batch"],
    log:
        "logs/dropped_features/{batch}{suffix}.log",
    benchmark:
        "benchmarks/dropped_features/{batch}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("feature_select", scope="batch"),
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=of_batch_correlations,
        runtime=minutes(60),
    params:
        settings=SELECTION,
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        code=code_digest("dropped_features.py"),
    message:
        "{wildcards.batch}: selecting features over the batch"
    script:
        "../scripts/dropped_features.py"


def get_dropped_features(
    wildcards,
):
    """Return the table of the features that a selection on the plate, or over its batch, drops."""
    level = get_level(wildcards)
    result = "dropped" if level.scope == "plate" else "dropped_of_batch"
    return EXPERIMENT.get_place(get_plate(wildcards), result, suffix=level.suffix)


rule feature_select:
    input:
        profiles=get_source_profiles,
        dropped=get_dropped_features,
    output:
        profiles=PLACES["profiles"],
    log:
        "logs/feature_select/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/feature_select/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("feature_select"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=SELECTION,
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        over=lambda wildcards: get_level(wildcards).scope,
        code=code_digest("feature_select.py"),
    message:
        "{wildcards.plate}: profiles with selected features ({params.over})"
    script:
        "../scripts/feature_select.py"


rule export:
    input:
        profiles=PLACES["profiles"],
    output:
        exported=PLACES["exported"],
    log:
        "logs/export/{batch}/{plate}{suffix}.{kind}.log",
    wildcard_constraints:
        suffix="|".join(map(re.escape, EXPERIMENT.by_suffix)),
        kind=r"csv\.gz|h5ad",
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        level=lambda wildcards: get_level(wildcards).name,
        channels=EXPERIMENT.channels,
        code=code_digest("export.py"),
    message:
        "{wildcards.plate}: exporting {params.level} as {wildcards.kind}"
    script:
        "../scripts/export.py"
