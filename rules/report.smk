# The report: one page of the entire experiment. `draft_report` writes it before all plates are complete.

from lib.manifest import get_manifest, get_single_manifest
from lib.targets import get_left_out_files, get_plates_not_scored, get_well_targets

REPORT_FILES = sorted(
    file for file in (SCRIPTS / "report_page").rglob("*") if file.suffix in (".j2", ".css", ".js")
)
CAPTIONS = PLATEWISE / "rules" / "captions"


def get_page_options(
    title,
    manifest,
    is_draft=False,
):
    """Return the parameters of a page: the experiment, and the files that the page shows."""
    return {
        "title": title,
        "config": {name: value for name, value in CONFIG.items() if name not in ("only", "fetch")},
        "manifest": manifest,
        "sheet": locate(CONFIG["plates"]),
        "captions": get_relative_path(CAPTIONS),
        "relation": RELATION,
        "cellprofiler": get_cellprofiler_version(),
        "accelerated": EXPERIMENT.accelerated,
        "draft": is_draft,
    }


def get_report_options(
    is_draft,
    wildcards,
):
    """Return the report's parameters: the experiment, and the files that show it."""
    title = CONFIG["report"]["title"] or CONFIG_FILE.parent.name
    return get_page_options(title, get_manifest(EXPERIMENT), is_draft)


def get_wells_of_plates(
    wildcards,
):
    """Return the files of all plates without their single cells, which would have to be fetched."""
    return [file for plate in EXPERIMENT.plates for file in get_well_targets(EXPERIMENT, plate)]


def get_left_out_inputs(
    wildcards,
):
    """Return the results that record what is left out, by kind."""
    return get_left_out_files(EXPERIMENT)


rule left_out:
    input:
        unpack(get_left_out_inputs),
    output:
        table=PLACES["left_out"],
    log:
        "logs/left_out.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        not_scored=lambda wildcards: get_plates_not_scored(EXPERIMENT),
        code=code_digest("left_out.py"),
    message:
        "What was left out, and why"
    script:
        "../scripts/left_out.py"


rule report:
    input:
        plates=get_wells_of_plates,
        batches=lambda wildcards: get_batch_targets(EXPERIMENT),
        benchmark=lambda wildcards: get_benchmark_targets(EXPERIMENT),
        figures=lambda wildcards: get_figure_targets(EXPERIMENT),
    output:
        page=PLACES["report"],
        digests=PLACES["report_digests"],
        # The last report's scores, with which the next report is compared; they are changed in place. They are
        # one file, since Snakemake cannot keep a folder that it kept before when a job was interrupted.
        history=update(PLACES["report_history"]),
    log:
        "logs/report/report.log",
    benchmark:
        "benchmarks/report/report.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
    params:
        options=partial(get_report_options, False),
        looks=digest_of([*REPORT_FILES, *sorted(CAPTIONS.glob("*.rst"))]),
        code=code_digest("report.py"),
    message:
        "Report"
    script:
        "../scripts/report.py"


def get_inputs_of_plate_page(
    wildcards,
):
    """Return the files of a plate that its page shows, and the scores of its perturbations."""
    manifest = get_single_manifest(EXPERIMENT, EXPERIMENT.plates[int(wildcards.number) - 1])
    (plate,) = manifest["plates"]
    scores = [condition["perturbations"] for condition in manifest["scored_conditions"]]
    return [*get_well_targets(EXPERIMENT, plate["plate"]), plate["selected"], *scores]


def get_options_of_plate_page(
    wildcards,
):
    """Return the parameters of a plate's page: those of the report, for this plate alone."""
    plate = EXPERIMENT.plates[int(wildcards.number) - 1]
    return get_page_options(f"Plate {plate['plate']}", get_single_manifest(EXPERIMENT, plate))


rule plate_page:
    input:
        files=get_inputs_of_plate_page,
    output:
        page=PLACES["plate_page"],
    log:
        "logs/report/plate_{number}.log",
    wildcard_constraints:
        number="[0-9]+",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        options=get_options_of_plate_page,
        looks=digest_of([*REPORT_FILES, *sorted(CAPTIONS.glob("*.rst"))]),
        code=code_digest("plate_page.py"),
    message:
        "Page of plate {wildcards.number}"
    script:
        "../scripts/plate_page.py"


rule draft_report:
    output:
        page=PLACES["draft"],
        digests=PLACES["draft_digests"],
    log:
        "logs/report/draft.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
    params:
        options=partial(get_report_options, True),
    message:
        "Report of the results so far"
    script:
        "../scripts/report.py"
