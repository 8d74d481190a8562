# An experiment folder from a folder of images: snakemake draft --cores N --config images=FOLDER
# or from a dataset in the form of the Cell Painting Gallery: snakemake draft --cores N --config dataset=PREFIX

import time

if workflow.is_main_process and "draft" not in sys.argv:
    raise WorkflowError(
        "--config images=FOLDER (or dataset=PREFIX) is for the target draft alone, as in: snakemake draft --cores 1 --config images=FOLDER. "
        "To run an experiment, name its config: --configfile EXPERIMENT/config.yaml."
    )


rule draft:
    output:
        # The experiment's own files are not outputs, since Snakemake would remove a user's before it begins.
        done=touch("draft/done"),
    log:
        "logs/draft/draft.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        images=DRAFTED.get("images", ""),
        dataset=DRAFTED.get("dataset", ""),
        batch=DRAFTED.get("batch", ""),
        # Each request looks into the folder again.
        asked=time.time(),
        experiment=DRAFTED["experiment"],
    message:
        "Examining {params.images}{params.dataset}"
    script:
        "../scripts/draft.py"
