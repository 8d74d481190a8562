"""An experiment for tests, without files: plates as rows of a sample sheet, and the keys of its config."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.config import complete_config
from lib.experiment import Experiment
from small_config import SMALL

ROW = {
    "batch": "B",
    "plate": "P",
    "plate_map": "map.csv",
    "perturbation": "compound",
    "cell_line": "",
    "timepoint": "",
}


def build_experiment(
    plates: Iterable[Mapping[str, str]], folder: str | Path = ".", **config: Any
) -> Experiment:
    """Return an experiment with these plates; missing values of a plate are filled in."""
    rows = tuple({**ROW, **plate} for plate in plates)
    complete = complete_config({**SMALL, **config}, "config.yaml")
    return Experiment(complete, Path(folder) / "config.yaml", rows, rows)
