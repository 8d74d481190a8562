# Profiles that were published: a plate enters with them at one of the levels.

IMPORTED = [
    Path(EXPERIMENT.get_profiles(plate, plate["level"])).stem
    for plate in EXPERIMENT.plates
    if source(plate) == "profiles"
]
# The plates that the sample sheet takes from each file of published profiles.
PLATES_OF_FILES = {}
for plate in EXPERIMENT.plates:
    PLATES_OF_FILES.setdefault(plate.get("profiles"), []).append(plate["plate"])


ruleorder: import_profiles > aggregate
ruleorder: import_profiles > annotate
ruleorder: import_profiles > normalize
ruleorder: import_profiles > feature_select
ruleorder: import_profiles > spherize


def get_published_profiles(
    wildcards,
):
    """Return the file of a plate's published profiles, or where it is fetched to."""
    return get_location(get_plate(wildcards)["profiles"])


def get_annotation_of_published(
    wildcards,
):
    """Return the annotation table for published profiles that start after the annotation."""
    is_annotated = get_imported_level(wildcards).annotated
    return get_annotation(wildcards) if is_annotated else []


def get_imported_level(
    wildcards,
):
    """Return the level at which a plate's published profiles enter."""
    return EXPERIMENT.levels[get_plate(wildcards)["level"]]


def get_row_of_published(
    wildcards,
):
    """Return the sample sheet's row of a plate without its plate map, which only the annotation reads."""
    return {name: value for name, value in get_plate(wildcards).items() if name != "plate_map"}


def get_gene_column_of_published(
    wildcards,
):
    """Return the column of the annotation table that holds the gene; None if that table is not read."""
    return get_gene_column(wildcards) if get_imported_level(wildcards).annotated else None


def get_digests_of_published(
    wildcards,
):
    """Return the digests of the files that `import_profiles` reads."""
    annotation = CONFIG["annotation"].get(get_plate(wildcards)["perturbation"])
    is_read = annotation and get_imported_level(wildcards).annotated
    files = [get_plate(wildcards)["profiles"], *([annotation["table"]] if is_read else [])]
    return [get_digest(file) for file in files]


def get_plates_of_file(
    wildcards,
    output,
):
    """Return the plates that share a file; the argument `output` keeps a new one from rerunning the others."""
    return PLATES_OF_FILES[get_plate(wildcards)["profiles"]]


def get_cutoff_of_published(
    wildcards,
):
    """Return the value beyond which normalized profiles are extreme; None for profiles that are not normalized."""
    return CONFIG["normalize"]["outlier_cutoff"] if get_imported_level(wildcards).reference else None


def get_identifiers(
    wildcards,
):
    """Return the features that are not measurements; none for profiles that were normalized elsewhere."""
    has_measurements = get_imported_level(wildcards).has_measurements
    return CONFIG["aggregate"]["exclude_features"] if has_measurements else []


rule import_profiles:
    input:
        profiles=get_published_profiles,
        annotation=get_annotation_of_published,
    output:
        profiles="workspace/profiles/{batch}/{plate}/{imported}.parquet",
    log:
        "logs/import_profiles/{batch}/{plate}/{imported}.log",
    benchmark:
        "benchmarks/import_profiles/{batch}/{plate}/{imported}.tsv"
    wildcard_constraints:
        imported="|".join(map(re.escape, IMPORTED)) or "(?!)",
    group:
        get_job_group(WELLS)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate=get_row_of_published,
        gene=get_gene_column_of_published,
        digests=get_digests_of_published,
        missing=MISSING_VALUES,
        metadata=get_named_columns(CONFIG),
        sharing=get_plates_of_file,
        unwanted=keep_braces(CONFIG["exclude_features"]),
        identifiers=get_identifiers,
        minimum_cells=CONFIG["minimum_cells"],
        outlier_cutoff=get_cutoff_of_published,
        code=code_digest("import_profiles.py"),
    message:
        "{wildcards.plate}: reading published profiles"
    script:
        "../scripts/import_profiles.py"
