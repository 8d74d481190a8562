"""An experiment of a few lines, and the error that rejects it."""

from pathlib import Path

import yaml

from small_experiment import write_rows
from workflow import snakemake

HEADER = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "cellprofiler"]
ROW = ["B", "P1", "map.txt", "compound", "U2OS", "48", "tables"]


def write_config(folder: Path, rows: list[list[str]], header: list[str] = HEADER, **config: object) -> Path:
    """A config with a sample sheet of these rows; gives the config file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "plates.tsv", [header, *rows], "\t")
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"results": "results", "plates": "plates.tsv", **config})
    )
    return folder / "config.yaml"


def get_refusal(config: Path, *arguments: str) -> str:
    """Snakemake's message about an experiment that it refuses before anything runs."""
    result = snakemake("--dry-run", *arguments, "--configfile", config, check=False)
    assert result.returncode, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout
