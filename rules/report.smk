# The report: one page of the whole experiment. `draft_report` shows what is there of an unfinished one.

REPORT_FILES = sorted(
    file for file in (SCRIPTS / "report_page").rglob("*") if file.suffix in (".j2", ".css", ".js")
)
CAPTIONS = Path(workflow.basedir) / "rules" / "captions"
REPORTED = {
    "title": REPORT["title"] or CONFIG_FILE.parent.name,
    "config": {name: value for name, value in CONFIG.items() if name not in ("only", "fetch")},
    "plates": PLATES,
    "conditions": {
        name: {
            "label": words_of(described(name)),
            "columns": described(name),
            "plates": [plate["plate"] for plate in plates],
        }
        for name, plates in CONDITIONS.items()
    },
    "feature_sets": FEATURE_SETS,
    "sheet": located(CONFIG["plates"]),
    "captions": of_workflow(CAPTIONS),
    "cellprofiler": cellprofiler_version(),
}


rule report:
    input:
        # Not the single cells, which results in a storage would have to be fetched from for one line of text.
        plates=lambda wildcards: [file for plate in PLATES for file in wells_results(plate)],
        batches=lambda wildcards: batch_results(),
        benchmark=lambda wildcards: benchmark_results(),
        figures=lambda wildcards: figure_results(),
    output:
        page="report/report.html",
        digests="report/input_digests.csv",
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
        options={**REPORTED, "draft": False},
        looks=digest_of([*REPORT_FILES, *sorted(CAPTIONS.glob("*.rst"))]),
        code=code_digest("report.py"),
    message:
        "Report"
    script:
        "../scripts/report.py"


rule draft_report:
    output:
        page="report/draft.html",
        digests="report/draft_input_digests.csv",
    log:
        "logs/report/draft.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
    params:
        options={**REPORTED, "draft": True},
    message:
        "Report of what is there"
    script:
        "../scripts/report.py"
