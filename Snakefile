# Platewise: from a plate's images to profiles and to the two benchmark figures of CPJUMP1.
#
#   snakemake --cores N                                        the default experiment
#   snakemake --cores N --configfile FOLDER/config.yaml        your own
#   snakemake --cores N --config only=PLATE --forcerun STAGE   one plate again, from a named stage
#   snakemake draft --cores N --config images=FOLDER           writes an experiment from a folder of images
#   snakemake --cores N segmentation_check                     outlines of nuclei and cells, to inspect first

from snakemake.utils import min_version

min_version("9.20")

# The folder of Platewise, also when another workflow uses it as a module.
PLATEWISE = Path(str(workflow.current_basedir))
IS_MODULE = not workflow.modifier.is_main_snakefile()

if IS_MODULE or not workflow.overwrite_configfiles:

    configfile: str(PLATEWISE / "config" / "config.yaml")


include: "rules/common.smk"
include: "rules/messages.smk"
include: "rules/resources.smk"


if not IS_MODULE:

    workdir: RESULTS

    # The start page of `snakemake --report`.
    report: "rules/captions/start_page.rst"


include: "rules/targets.smk"
# Images, fetched or simulated, and CellProfiler's tables of them.
include: "rules/fetch.smk"
include: "rules/simulate.smk"
include: "rules/pipelines.smk"
include: "rules/labels.smk"
include: "rules/segment.smk"
include: "rules/cellprofiler.smk"
include: "rules/images.smk"
# Single cells and wells, their quality, and deep-network features.
include: "rules/cells.smk"
include: "rules/quality.smk"
include: "rules/cell_quality.smk"
include: "rules/embeddings.smk"
include: "rules/crops.smk"
include: "rules/segmentation.smk"
# Profiles: annotated, normalized, with selected features.
include: "rules/published.smk"
include: "rules/profiles.smk"
include: "rules/normalized_cells.smk"
include: "rules/sphering.smk"
include: "rules/chains.smk"
# Scores of all plates of a condition, and the figures.
include: "rules/benchmark.smk"
include: "rules/figures.smk"
include: "rules/hits.smk"
include: "rules/rankings.smk"
include: "rules/judging.smk"
include: "rules/consensus.smk"
include: "rules/splits.smk"
include: "rules/dose_response.smk"
# The report, and the results in other forms.
include: "rules/report.smk"
include: "rules/resources_report.smk"
include: "rules/cost.smk"
include: "rules/gallery.smk"


if DRAFTED:

    include: "rules/draft.smk"

    localrules:
        draft,


localrules:
    all,
    segmentation_check,


rule all:
    input:
        # Functions, so that Snakemake lists the files once, while planning: a job's process does not need the
        # list, and Snakemake compares each file of a list with the complete list.
        plates=get_files_of_plates,
        batches=partial(get_files_of_all_plates, get_batch_targets),
        benchmark=partial(get_files_of_all_plates, get_benchmark_targets),
        figures=partial(get_files_of_all_plates, get_figure_targets),
        splits=partial(get_files_of_all_plates, get_split_targets),
        report=[PLACES["report"], PLACES["report_digests"]] if ALL_PLATES else [],
        pages=partial(get_files_of_all_plates, get_plate_pages),
    # Shown instead of the names of all these files.
    message:
        "The experiment is complete"


rule segmentation_check:
    input:
        montages=get_segmentation_montages(EXPERIMENT, EXPERIMENT.chosen),
    message:
        "The segmentation check is complete"
