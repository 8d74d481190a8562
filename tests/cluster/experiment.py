"""Write the experiment that tests/cluster/run runs, into a folder of its own.

    python tests/cluster/experiment.py small FOLDER      three plates that start with CellProfiler's tables
    python tests/cluster/experiment.py short FOLDER      one plate of six wells, from images
    python tests/cluster/experiment.py default FOLDER    the default experiment

The plates that start with images are divided into two chunks, so that there is more than one job of
CellProfiler per plate. Prints the config file.
"""

import shutil
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
SUPPORT = PROJECT / "tests" / "support"
CHUNKS = 2


def write_default(folder: Path) -> Path:
    """The default experiment; its results lie in folder/results."""
    shutil.copytree(PROJECT / "metadata", folder / "metadata")
    (folder / "config").mkdir()
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config["results"] = "../results"
    config["cellprofiler"]["chunks"] = CHUNKS
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    sheet = (PROJECT / "config" / "plates.tsv").read_text()
    (folder / "config" / "plates.tsv").write_text(sheet.replace("../results/default/", "../results/"))
    return folder / "config" / "config.yaml"


def write_short(folder: Path) -> Path:
    """One plate that is normalized to its four negative controls."""
    import small_images

    folder.rmdir()
    small_images.write_experiment(folder)
    config = small_images.write_config(folder, chunks=CHUNKS)
    settings = yaml.safe_load(config.read_text()) | {"normalize": {"minimum_wells": 3}}
    config.write_text(yaml.safe_dump(settings))
    return config


def write_small(folder: Path) -> Path:
    """Three plates that start with CellProfiler's tables."""
    import small_experiment

    return small_experiment.write_experiment(folder)


if __name__ == "__main__":
    sys.path[:0] = [str(SUPPORT), str(PROJECT / "scripts")]
    name, target = sys.argv[1], Path(sys.argv[2])
    print({"small": write_small, "short": write_short, "default": write_default}[name](target))
