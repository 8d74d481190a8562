# The chains that the config composes: each step of a chain makes a level, of one plate or of several together.

CHAIN_LEVELS = [level for level in EXPERIMENT.levels.values() if level.chain]
JOINT_LEVELS = [level for level in CHAIN_LEVELS if level.scope != "plate"]
HARMONY_LOCK = PLATEWISE / "envs" / "harmony.txt"
HARMONY_ENVIRONMENT = get_relative_path(PLATEWISE / ".environments" / f"harmony-{digest_of([HARMONY_LOCK])}")
HARMONY_BUILT = CONFIG["harmony"]["environment"] == "built"
HARMONY_PYTHON = quote_for_shell(
    {"built": f"{HARMONY_ENVIRONMENT}/bin/python", "conda": "python"}.get(
        CONFIG["harmony"]["environment"], locate(CONFIG["harmony"]["environment"])
    )
)


def get_names(
    levels,
):
    """Return the regular expression that matches the names of some levels."""
    return "|".join(re.escape(level.name) for level in levels) or "(?!)"


def get_chain_inputs(
    wildcards,
):
    """Return the wells that a step processes together: of each plate, or of plates from earlier steps."""
    level = EXPERIMENT.levels[wildcards.level]
    plates = EXPERIMENT.get_plates_of_group(wildcards.level, wildcards.group)
    return EXPERIMENT.get_chain_files(EXPERIMENT.levels[level.made_from], plates)


def get_chain_params(
    level,
):
    """Return the parameters of a step."""
    chain = CONFIG["chains"][level.chain]
    return {
        "chain": level.chain,
        "step": level.action,
        "options": dict(level.options),
        **{
            key: value for key, value in chain.items() if key not in ("over", "start", "steps", "plate_order")
        },
        "first": level.made_from == chain["start"],
        "condition": CONFIG["benchmark"]["condition"],
        "group": CONFIG["benchmark"]["group"],
    }


def get_plate_order(
    wildcards,
):
    """Return a digest of the plates of a group in their order.

    Snakemake compares the inputs of a job regardless of their order.
    """
    plates = EXPERIMENT.get_plates_of_group(wildcards.level, wildcards.group)
    names = "\n".join(f"{plate['batch']}/{plate['plate']}" for plate in plates)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def of_group(
    wildcards,
    threads,
    attempt,
):
    """Return the memory for the profiles of the plates that a step processes together."""
    plates = EXPERIMENT.get_plates_of_group(wildcards.level, wildcards.group)
    return of_profiles(len(plates))(wildcards, threads, attempt)


rule chain_step:
    input:
        profiles=get_chain_inputs,
    output:
        profiles=PLACES["chain_wells"],
        dropped=PLACES["chain_dropped"],
    log:
        "logs/chain_step/{level}/{group}.log",
    benchmark:
        "benchmarks/chain_step/{level}/{group}.tsv"
    wildcard_constraints:
        level=get_names(level for level in JOINT_LEVELS if level.action != "harmony"),
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=of_group,
        runtime=minutes(120),
    params:
        settings=lambda wildcards: get_chain_params(EXPERIMENT.levels[wildcards.level]),
        controls=keep_braces(CONFIG["controls"]),
        order=get_plate_order,
        code=code_digest("chain_step.py"),
    message:
        "{wildcards.level}: {wildcards.group}"
    script:
        "../scripts/chain_step.py"


rule chain_step_of_plate:
    input:
        profiles=lambda wildcards: [get_source_profiles(wildcards)],
    output:
        profiles=PLACES["profiles"],
        dropped=PLACES["dropped"],
    log:
        "logs/chain_step/{batch}/{plate}{suffix}.log",
    benchmark:
        "benchmarks/chain_step/{batch}/{plate}{suffix}.tsv"
    wildcard_constraints:
        suffix=get_suffixes("chain", scope="plate"),
    group:
        get_job_group(get_group_of_level)
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        settings=lambda wildcards: get_chain_params(get_level(wildcards)),
        controls=keep_braces(CONFIG["controls"]),
        code=code_digest("chain_step.py"),
    message:
        "{wildcards.plate}: {params.settings[step]} ({params.settings[chain]})"
    script:
        "../scripts/chain_step.py"


rule chain_plate:
    input:
        profiles=lambda wildcards: EXPERIMENT.get_chain_files(get_level(wildcards), [get_plate(wildcards)]),
    output:
        profiles=PLACES["profiles"],
    log:
        "logs/chain_plate/{batch}/{plate}{suffix}.log",
    wildcard_constraints:
        suffix="|".join(re.escape(level.suffix) for level in JOINT_LEVELS) or "(?!)",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        code=code_digest("chain_plate.py"),
    message:
        "{wildcards.plate}: extracting its wells ({wildcards.suffix})"
    script:
        "../scripts/chain_plate.py"


if any(level.action == "harmony" for level in CHAIN_LEVELS):

    localrules:
        harmony_environment,

    rule harmony_environment:
        output:
            ready=f"{HARMONY_ENVIRONMENT}/complete.json",
        log:
            f"{HARMONY_ENVIRONMENT}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            folder=lambda wildcards, output: str(Path(output.ready).parent),
        message:
            "Building the environment of Harmony (once)"
        shell:
            f"{OWN_PYTHON} {RUN}/harmony_environment.py --output {{params.folder:q}} --log {{log:q}}"

    rule harmony:
        input:
            environment=ancient(rules.harmony_environment.output.ready) if HARMONY_BUILT else [],
            profiles=get_chain_inputs,
        output:
            profiles=PLACES["chain_wells"],
            dropped=PLACES["chain_dropped"],
        log:
            "logs/harmony/{level}/{group}.log",
        benchmark:
            "benchmarks/harmony/{level}/{group}.tsv"
        wildcard_constraints:
            level=get_names(level for level in JOINT_LEVELS if level.action == "harmony"),
        conda:
            "../envs/harmony.yaml"
        threads: 2
        resources:
            mem_mb=of_group,
            runtime=minutes(600),
        params:
            settings=lambda wildcards: json.dumps(get_chain_params(EXPERIMENT.levels[wildcards.level])),
            controls=keep_braces(json.dumps(CONFIG["controls"])),
            order=get_plate_order,
            code=code_digest("harmony.py"),
        message:
            "{wildcards.level}: {wildcards.group}"
        shell:
            f"{HARMONY_PYTHON} {RUN}/harmony.py --profiles {{input.profiles:q}} --settings {{params.settings:q}}"
            " --controls {params.controls:q} --threads {threads} --log {log:q} --output {output.profiles:q}"
            " --dropped {output.dropped:q}"
