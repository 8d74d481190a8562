# The resources that jobs used, compared with what they request.


localrules:
    resources_report,


rule resources_report:
    output:
        table="benchmarks/resources.csv",
    log:
        "logs/resources_report/resources_report.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        # As an input, a benchmark file would require the job that writes it.
        measured=lambda wildcards: {path: os.path.getmtime(path) for path in benchmark_files()},
        requested=lambda wildcards: {rule.name: requested(rule) for rule in workflow.rules},
        code=code_digest("resources_report.py"),
    message:
        "Memory and time of jobs, compared with what they request"
    script:
        "../scripts/resources_report.py"
