# Sphered profiles: the sphering is fitted once per condition, then each plate is sphered with it.


def get_replicate_set(
    wildcards,
):
    """Return the profiles that are sphered together: those of the plates of a condition."""
    source_level = EXPERIMENT.levels[EXPERIMENT.levels[wildcards.level].made_from]
    plates = EXPERIMENT.conditions[wildcards.condition]
    having = [plate for plate in plates if source_level.name in EXPERIMENT.get_levels(plate)]
    return [EXPERIMENT.get_profiles(plate, source_level) for plate in having]


def get_sphering_settings(
    level,
):
    """Return how the profiles of a level are sphered."""
    settings = CONFIG["spherize"]
    is_network = level.features == NETWORK
    return {
        "method": settings["embeddings_method" if is_network else "method"],
        "epsilon": settings["epsilon"],
        "shrink": is_network and settings["embeddings_shrinkage"],
        "outlier_cutoff": CONFIG["normalize"]["outlier_cutoff"],
    }


rule sphering:
    input:
        profiles=get_replicate_set,
    output:
        sphering=PLACES["sphering"],
    log:
        "logs/sphering/{level}/{condition}.log",
    benchmark:
        "benchmarks/sphering/{level}/{condition}.tsv"
    wildcard_constraints:
        level="|".join(level.name for level in EXPERIMENT.levels.values() if level.step == "spherize"),
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_replicate_set,
        runtime=minutes(60),
    params:
        options=lambda wildcards: get_sphering_settings(EXPERIMENT.levels[wildcards.level]),
        controls=CONFIG["controls"],
        code=code_digest("sphering.py"),
    message:
        "{wildcards.condition}: sphering by its negative controls ({wildcards.level})"
    script:
        "../scripts/sphering.py"


def get_sphering(
    wildcards,
):
    """Return the sphering that was fitted on the plates of a plate's condition."""
    condition = EXPERIMENT.get_condition_of[wildcards.batch, wildcards.plate]
    return place("sphering", level=get_level(wildcards).name, condition=condition)


rule spherize:
    input:
        profiles=get_source_profiles,
        sphering=get_sphering,
    output:
        profiles=PLACES["profiles"],
        dropped=PLACES["dropped"],
        incomplete=PLACES["incomplete_wells"],
    log:
        "logs/spherize/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/spherize/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("spherize"),
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        options=lambda wildcards: get_sphering_settings(get_level(wildcards)),
        controls=CONFIG["controls"],
        code=code_digest("spherize.py"),
    message:
        "{wildcards.plate}: sphering"
    script:
        "../scripts/spherize.py"
