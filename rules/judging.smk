# Every step of every chain is judged: how well replicates are found, and how well batches mix.

from lib.judging import get_judged_files, get_judged_levels, get_step_columns, is_raw


def get_judged_profiles(
    wildcards,
):
    """Return the profiles of a condition's plates at a level."""
    plates = EXPERIMENT.get_plates_with(wildcards.feature_set, EXPERIMENT.conditions[wildcards.condition])
    return EXPERIMENT.get_chain_files(EXPERIMENT.levels[wildcards.feature_set], plates)


def of_judged(
    wildcards,
    threads,
    attempt,
):
    """Return the memory for judging a level: the files may hold more plates than the condition has."""
    level = EXPERIMENT.levels[wildcards.feature_set]
    plates = EXPERIMENT.conditions[wildcards.condition]
    together = len(EXPERIMENT.plates) if level.scope == "experiment" else len(plates)
    return memory(1000 + of_wells(together))(wildcards, threads, attempt)


rule judge_level:
    input:
        profiles=get_judged_profiles,
    output:
        score=PLACES["judged_score"],
        perturbations=PLACES["judged_perturbations"],
    log:
        "logs/judge_level/{feature_set}/{condition}.log",
    benchmark:
        "benchmarks/judge_level/{feature_set}/{condition}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=of_judged,
        runtime=minutes(60),
    params:
        condition=get_condition_columns,
        level="{feature_set}",
        step=lambda wildcards: get_step_columns(
            EXPERIMENT, EXPERIMENT.levels[wildcards.feature_set], wildcards.condition
        ),
        plates=lambda wildcards: [
            {name: plate[name] for name in ("batch", "plate")}
            for plate in EXPERIMENT.conditions[wildcards.condition]
        ],
        raw=lambda wildcards: is_raw(EXPERIMENT.levels[wildcards.feature_set], EXPERIMENT.levels),
        controls_fitted=is_fitted_on_controls,
        options={
            **{name: BENCHMARK[name] for name in ("group", "percentile", "minimum_replicates", "seed")},
            **{name: CONFIG["judge"][name] for name in ("batch", "draws", "most_wells")},
        },
        controls=CONFIG["controls"],
        code=code_digest("judge_level.py"),
    message:
        "{wildcards.condition}: judging {wildcards.feature_set}"
    script:
        "../scripts/judge_level.py"


if get_judged_levels(EXPERIMENT):

    rule judge_chains:
        input:
            scores=get_judged_files(EXPERIMENT, "judged_score"),
            perturbations=get_judged_files(EXPERIMENT, "judged_perturbations"),
        output:
            table=PLACES["judged_chains"],
            png=get_figure(place("figure", figure="judged_chains", kind="png")),
            svg=place("figure", figure="judged_chains", kind="svg"),
        log:
            "logs/judge_chains.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(20),
        params:
            seed=BENCHMARK["seed"],
            code=code_digest("judge_chains.py"),
        message:
            "Figure of all steps of all chains"
        script:
            "../scripts/judge_chains.py"
