"""Rules of `--forcerun` that have no job, which Snakemake silently ignores."""

from collections.abc import Iterable, Iterator

from lib.experiment import Experiment
from lib.plates import source

# The first step of a plate by where its data starts, and the steps that only some plates pass.
FIRST_RULES = {"images": "load_data", "cellprofiler": "single_cells", "profiles": "import_profiles"}
RULES_OF_SOURCES = {
    **dict.fromkeys(("load_data", "illumination", "features"), ("images",)),
    **dict.fromkeys(("single_cells", "aggregate", "quality"), ("images", "cellprofiler")),
    "import_profiles": ("profiles",),
}


def find_rules_without_jobs(experiment: Experiment, forced: Iterable[str]) -> Iterator[str]:
    """Return sentences on the rules of `--forcerun` that no chosen plate passes; Snakemake ignores them."""
    starts = {source(plate) for plate in experiment.chosen}
    firsts = [first for start, first in FIRST_RULES.items() if start in starts]
    for rule in sorted(forced):
        needed = RULES_OF_SOURCES.get(rule)
        if needed and not starts & set(needed):
            yield (
                f"--forcerun {rule} runs nothing again: no chosen plate starts with {' or '.join(needed)}. "
                f"The first step of these plates is {' or '.join(firsts)}."
            )
