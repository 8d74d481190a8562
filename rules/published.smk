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


def get_digests_of_published(
    wildcards,
):
    """Return the digests of a plate's published profiles and their annotation table."""
    return [get_digest(get_plate(wildcards)["profiles"]), *get_digests(wildcards)]


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
        in_group(WELLS)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate=get_plate,
        gene=get_gene_column,
        digests=get_digests_of_published,
        missing=MISSING_VALUES,
        sharing=lambda wildcards: PLATES_OF_FILES[get_plate(wildcards)["profiles"]],
        unwanted=as_written(CONFIG["exclude_features"]),
        minimum_cells=CONFIG["minimum_cells"],
        outlier_cutoff=CONFIG["normalize"]["outlier_cutoff"],
        is_normalized=lambda wildcards: bool(get_imported_level(wildcards).reference),
        code=code_digest("import_profiles.py"),
    message:
        "{wildcards.plate}: reading published profiles"
    script:
        "../scripts/import_profiles.py"
