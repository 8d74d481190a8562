# From annotated wells to selected features: each rule is one level of a plate's profiles.

PROFILES = "workspace/profiles/{batch}/{plate}/{plate}"
IMPORTED = [Path(file_of(plate, plate["level"])).stem for plate in PLATES if source(plate) == "profiles"]
SPHERING = {name: CONFIG["spherize"][name] for name in ("method", "epsilon")}
SPHERING["controls"] = CONFIG["controls"]
SPHERING["outlier_cutoff"] = CONFIG["normalize"]["outlier_cutoff"]


ruleorder: import_profiles > aggregate
ruleorder: import_profiles > annotate
ruleorder: import_profiles > normalize
ruleorder: import_profiles > feature_select
ruleorder: import_profiles > spherize


rule import_profiles:
    input:
        profiles=published_profiles,
        annotation=annotation_of_published,
    output:
        profiles="workspace/profiles/{batch}/{plate}/{imported}.parquet",
    log:
        "logs/import_profiles/{batch}/{plate}/{imported}.log",
    wildcard_constraints:
        imported="|".join(map(re.escape, IMPORTED)) or "(?!)",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate=plate_of,
        gene=gene_column,
        missing=MISSING_VALUES,
        sharing=plates_of_profiles,
        unwanted=as_written(CONFIG["exclude_features"]),
        code=code_digest("import_profiles.py"),
    message:
        "{wildcards.plate}: reading published profiles"
    script:
        "../scripts/import_profiles.py"


rule annotate:
    input:
        profiles=f"{PROFILES}{{kind}}.parquet",
        plate_map=plate_map,
        annotation=annotation,
    output:
        profiles=f"{PROFILES}{{kind}}_augmented.parquet",
        unmatched=f"{PROFILES}{{kind}}_unmatched_wells.csv",
    log:
        "logs/annotate/{batch}/{plate}{kind}.log",
    benchmark:
        "benchmarks/annotate/{batch}/{plate}{kind}.tsv"
    wildcard_constraints:
        kind="(_embeddings)?",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate=plate_of,
        gene=gene_column,
        missing=MISSING_VALUES,
        code=code_digest("annotate.py"),
    message:
        "{wildcards.plate}: annotating wells"
    script:
        "../scripts/annotate.py"


rule normalize:
    input:
        profiles=f"{PROFILES}{{kind}}_augmented.parquet",
        population=population,
    output:
        profiles=f"{PROFILES}{{kind}}_normalized{{infix}}.parquet",
        dropped=f"{PROFILES}{{kind}}_normalized{{infix}}_dropped.csv",
        incomplete=f"{PROFILES}{{kind}}_normalized{{infix}}_incomplete_wells.csv",
    log:
        "logs/normalize/{batch}/{plate}{kind}{infix}.log",
    benchmark:
        "benchmarks/normalize/{batch}/{plate}{kind}{infix}.tsv"
    wildcard_constraints:
        infix="(_negcon)?",
        kind="(_embeddings)?",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_batch if CONFIG["normalize"]["over"] == "batch" else memory(2000),
        runtime=minutes(10),
    params:
        reference=lambda wildcards: "negcon" if wildcards.infix else "all",
        over=CONFIG["normalize"]["over"],
        column=as_written(CONFIG["controls"]["column"]),
        negcon=as_written(CONFIG["controls"]["negcon"]),
        minimum=CONFIG["normalize"]["minimum_wells"],
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        code=code_digest("normalize.py"),
    message:
        "{wildcards.plate}: normalizing to {params.reference} wells"
    script:
        "../scripts/normalize.py"


rule dropped_features:
    input:
        profiles=lambda wildcards: [selected_profiles(wildcards)],
    output:
        dropped=f"{PROFILES}_normalized_feature_select{{infix}}_{{scope}}_dropped.csv",
    log:
        "logs/dropped_features/{batch}/{plate}{infix}_{scope}.log",
    benchmark:
        "benchmarks/dropped_features/{batch}/{plate}{infix}_{scope}.tsv"
    wildcard_constraints:
        infix="(_negcon)?",
        scope="plate",
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=of_correlations(),
        runtime=minutes(20),
    params:
        settings=CONFIG["feature_select"],
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        code=code_digest("dropped_features.py"),
    message:
        "{wildcards.plate}: selecting features"
    script:
        "../scripts/dropped_features.py"


rule dropped_features_of_batch:
    input:
        profiles=lambda wildcards: [
            file_of(plate, f"normalized{wildcards.infix}")
            for plate in BATCHES[wildcards.batch]
            if f"normalized{wildcards.infix}" in levels_of(plate, CONFIG)
        ],
    output:
        dropped="workspace/profiles/{batch}/{batch}_normalized_feature_select{infix}_batch_dropped.csv",
    log:
        "logs/dropped_features/{batch}{infix}_batch.log",
    benchmark:
        "benchmarks/dropped_features/{batch}{infix}_batch.tsv"
    wildcard_constraints:
        infix="(_negcon)?",
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, threads, attempt: of_correlations(len(BATCHES[wildcards.batch]))(
            wildcards, threads, attempt
        ),
        runtime=minutes(60),
    params:
        settings=CONFIG["feature_select"],
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        code=code_digest("dropped_features.py"),
    message:
        "{wildcards.batch}: selecting features over the batch"
    script:
        "../scripts/dropped_features.py"


rule feature_select:
    input:
        profiles=selected_profiles,
        dropped=dropped_by_selection,
    output:
        profiles=f"{PROFILES}_normalized_feature_select{{infix}}_{{scope}}.parquet",
    log:
        "logs/feature_select/{batch}/{plate}{infix}_{scope}.log",
    wildcard_constraints:
        infix="(_negcon)?",
        scope="plate|batch",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        settings=CONFIG["feature_select"],
        over=lambda wildcards: wildcards.scope,
        code=code_digest("feature_select.py"),
    message:
        "{wildcards.plate}: profiles with selected features ({wildcards.scope})"
    script:
        "../scripts/feature_select.py"


rule sphering:
    input:
        profiles=replicate_set,
    output:
        sphering="benchmark/sphering/{level}/{condition}.npz",
    log:
        "logs/sphering/{level}/{condition}.log",
    benchmark:
        "benchmarks/sphering/{level}/{condition}.tsv"
    wildcard_constraints:
        level="(embeddings_)?spherized",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_replicate_set,
        runtime=minutes(60),
    params:
        options=SPHERING,
        code=code_digest("sphering.py"),
    message:
        "{wildcards.condition}: sphering by its negative controls ({wildcards.level})"
    script:
        "../scripts/sphering.py"


rule spherize:
    input:
        profiles=unsphered_profiles,
        sphering=sphering_of_plate,
    output:
        profiles=f"{PROFILES}{{kind}}_spherized.parquet",
        dropped=f"{PROFILES}{{kind}}_spherized_dropped.csv",
        incomplete=f"{PROFILES}{{kind}}_spherized_incomplete_wells.csv",
    log:
        "logs/spherize/{batch}/{plate}{kind}.log",
    benchmark:
        "benchmarks/spherize/{batch}/{plate}{kind}.tsv"
    wildcard_constraints:
        kind="(_embeddings)?",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        options=SPHERING,
        code=code_digest("spherize.py"),
    message:
        "{wildcards.plate}: sphering"
    script:
        "../scripts/spherize.py"


rule export:
    input:
        profiles=f"{PROFILES}{{suffix}}.parquet",
    output:
        exported=f"{PROFILES}{{suffix}}.{{kind}}",
    log:
        "logs/export/{batch}/{plate}{suffix}.{kind}.log",
    wildcard_constraints:
        suffix="|".join(map(re.escape, LEVELS.values())),
        kind=r"csv\.gz|h5ad",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        level=lambda wildcards: next(level for level, added in LEVELS.items() if added == wildcards.suffix),
        channels=CHANNELS,
        code=code_digest("export.py"),
    message:
        "{wildcards.plate}: exporting {params.level} as {wildcards.kind}"
    script:
        "../scripts/export.py"
