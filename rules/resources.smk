# The resources that a job requests: memory and run time as functions of the plate's size, growing with each
# attempt.
#
# The constants were fitted to the `benchmark:` files of CPJUMP1's fields and of the simulated plates, and
# are about twice what was measured; `snakemake resources_report` compares them with your own.
# Nothing is read for them but the config: a dry run of 2,000 plates opens no image and no table.

import math
from glob import glob

SIZE = CONFIG["plate_size"]
CHANNELS_PER_SITE = max(1, len(EXPERIMENT.channels))
MEGAPIXELS = CHANNELS_PER_SITE * SIZE["image_size"] ** 2 / 1e6
SITES = SIZE["wells"] * SIZE["sites"]
SITES_PER_CHUNK = math.ceil(SITES / CONFIG["cellprofiler"]["chunks"])
# About 5,800 features of 8 channels and three compartments, 3,000 of 5.
FEATURES = 3 * (60 + 150 * CHANNELS_PER_SITE + 12 * CHANNELS_PER_SITE**2)
# The list of parts of a Parquet file with a row group per well: 1 kB per well and feature.
ROW_GROUPS_MB = SIZE["wells"] * FEATURES / 1000
PROFILES_MB = SIZE["wells"] * FEATURES * 8 / 1e6
# CellProfiler's built-in modules take about this many times as long as the accelerated ones.
BUILTIN = 1 if EXPERIMENT.accelerated else 12


def memory(megabytes):
    """Return memory that grows with each attempt of a job: full GiB, at least two per core, as in clouds."""
    return lambda wildcards, threads, attempt: 1024 * max(2 * threads, math.ceil(megabytes * attempt / 1024))


def minutes(number):
    """Return a run time that grows with each attempt of a job."""
    return lambda wildcards, attempt: math.ceil(number) * attempt


def of_images(megabytes):
    """Return CellProfiler's memory: itself, and the images of one site in its modules' copies."""
    return memory(1.5 * (500 + megabytes * MEGAPIXELS))


def of_profiles(plates):
    """Return the memory for the profiles of some plates, in a few copies."""
    return memory(2000 + 4 * plates * PROFILES_MB)


def of_correlations(plates=1):
    """Return the memory for selecting features: the profiles, and a few matrices of features x features."""
    return memory(1.5 * (400 + 4 * plates * PROFILES_MB + 3.5 * FEATURES**2 * 8 / 1e6))


def of_wells(plates):
    """Return the memory for scoring some plates: 1,000 features twice, single precision over 1 GB."""
    megabytes = plates * SIZE["wells"] * 1000 * 4 / 1e6
    return 3000 + 2.2 * min(2 * megabytes, max(megabytes, 1072))


def of_batch(wildcards, threads, attempt):
    """Return the memory for the profiles of a batch."""
    return of_profiles(len(EXPERIMENT.batches[wildcards.batch]))(wildcards, threads, attempt)


def of_batch_correlations(wildcards, threads, attempt):
    """Return the memory for selecting features over a batch."""
    return of_correlations(len(EXPERIMENT.batches[wildcards.batch]))(wildcards, threads, attempt)


def of_replicate_set(wildcards, threads, attempt):
    """Return the memory for the profiles of a condition."""
    return of_profiles(len(EXPERIMENT.conditions[wildcards.condition]))(wildcards, threads, attempt)


def of_condition(wildcards, threads, attempt):
    """Return the memory for scoring a condition."""
    return memory(of_wells(len(EXPERIMENT.conditions[wildcards.condition])))(wildcards, threads, attempt)


def of_comparison(wildcards, threads, attempt):
    """Return the memory for scoring a comparison of two conditions."""
    plates = sum(len(EXPERIMENT.conditions[side]) for side in EXPERIMENT.comparisons[wildcards.comparison])
    return memory(of_wells(plates))(wildcards, threads, attempt)


def minutes_of_sites(sites):
    """Return the time to segment and measure: start-up, pixels and cells, times four; see `timeout`."""
    seconds = 15 + sites * BUILTIN * (0.4 * MEGAPIXELS + 0.0025 * CHANNELS_PER_SITE * SIZE["cells"])
    return minutes(min(CONFIG["cellprofiler"]["timeout"], 10 + 4 * seconds / 60))


def minutes_of_illumination():
    """Return the time to average all images of a plate: reading and shrinking them, times four."""
    seconds = 15 + SITES * 0.3 * MEGAPIXELS
    return minutes(min(CONFIG["cellprofiler"]["timeout"], 10 + 4 * seconds / 60))


def minutes_of_cells():
    """Return the time to join a plate's cells: 2 ms per cell of 5,800 features, times four."""
    return minutes(20 + 4 * SITES * SIZE["cells"] * FEATURES / 5800 * 0.002 / 60)


def requested(rule):
    """Return memory (MB) and run time (s) of a job's first attempt; None if they depend on its inputs."""
    found = {}
    for name, unit in (("mem_mb", 1), ("runtime", 60)):
        try:
            request = rule.resources[name]
            if request.is_evaluable():
                request = request.evaluate(None, threads=rule.resources["_cores"].value, attempt=1)
            found[name] = unit * request.value
        except (AttributeError, KeyError, TypeError):
            found[name] = None
    return found


def benchmark_files():
    """Return Snakemake's measurements of each job so far, in the files' order."""
    return sorted(glob("benchmarks/*/**/*.tsv", recursive=True))
