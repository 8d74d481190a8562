"""Write the experiment that tests/cluster/run runs, into a folder of its own.

    python tests/cluster/experiment.py small FOLDER      three plates that start with CellProfiler's tables
    python tests/cluster/experiment.py short FOLDER      two plates of the default experiment, from images
    python tests/cluster/experiment.py default FOLDER    the default experiment

The plates that start with images are divided into two chunks, so that there is more than one job of
CellProfiler a plate. Prints the config file.
"""

import shutil
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
SHORT = ("COMPOUND1", "COMPOUND2")
CHUNKS = 2


def write_default(folder: Path, plates: tuple[str, ...] | None) -> Path:
    """The default experiment, or some of its plates; its results lie in folder/results."""
    shutil.copytree(PROJECT / "metadata", folder / "metadata")
    (folder / "config").mkdir()
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config["results"] = "../results"
    config["cellprofiler"]["chunks"] = CHUNKS
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    header, *rows = (PROJECT / "config" / "plates.tsv").read_text().splitlines()
    kept = [row for row in rows if plates is None or row.split("\t")[1] in plates]
    text = "\n".join([header, *kept]).replace("../results/default/", "../results/")
    (folder / "config" / "plates.tsv").write_text(text + "\n")
    return folder / "config" / "config.yaml"


if __name__ == "__main__":
    name, target = sys.argv[1], Path(sys.argv[2])
    if name == "small":
        sys.path.insert(0, str(PROJECT / "tests" / "support"))
        from small_experiment import write_experiment

        print(write_experiment(target))
    else:
        print(write_default(target, SHORT if name == "short" else None))
