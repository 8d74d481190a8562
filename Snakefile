# Platewise: from a plate's images to profiles and to the two benchmark figures of CPJUMP1.
#
#   snakemake --cores N                                        the default experiment
#   snakemake --cores N --configfile FOLDER/config.yaml        your own
#   snakemake --cores N --config only=PLATE --forcerun STAGE   one plate again, from a named stage
#   snakemake --cores N segmentation_check                     nuclei and cells of a few wells, to look at first

from snakemake.utils import min_version

min_version("9.20")

if not workflow.overwrite_configfiles:

    configfile: str(Path(workflow.basedir) / "config" / "config.yaml")


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/inputs.smk"


workdir: RESULTS


include: "rules/fetch.smk"
include: "rules/simulate.smk"
include: "rules/cellprofiler.smk"
include: "rules/images.smk"
include: "rules/cells.smk"
include: "rules/quality.smk"
include: "rules/embeddings.smk"
include: "rules/segmentation.smk"
include: "rules/profiles.smk"
include: "rules/benchmark.smk"
include: "rules/consensus.smk"
include: "rules/splits.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/resources_report.smk"


localrules:
    all,
    segmentation_check,


rule all:
    default_target: True
    input:
        # Functions, so that Snakemake lists the files once, when it plans: a job's process need not, and Snakemake
        # compares each file of a list with the whole of it.
        plates=lambda wildcards: [file for plate in CHOSEN for file in plate_results(plate)],
        batches=lambda wildcards: [] if ONLY or WAITING else batch_results(),
        benchmark=lambda wildcards: [] if ONLY or WAITING else benchmark_results(),
        figures=lambda wildcards: [] if ONLY or WAITING else figure_results(),
        report=[] if ONLY or WAITING else rules.report.output,


rule segmentation_check:
    input:
        montages=segmentation_montages(CHOSEN),
