"""Two small plates of the default experiment with deep-network features, and the scripts for these."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml

from lib.code import digest_of
from lib.tables import get_features
from workflow import PROJECT, snakemake

SCRIPTS = PROJECT / "scripts"
CHANNELS = ["Mito", "AGP", "RNA", "ER", "DNA"]
SPHERIZED, NORMALIZED = "embeddings_spherized", "embeddings_normalized_negcon"
CELLPROFILER = "normalized_feature_select_negcon_plate"
# The results that tests read; the figures of profiles, for example, would take longer than all of these.
SHEET = "workspace/quality_control/simulated/COMPOUND1/contact_sheet.png"
TARGETS = ["--", "benchmark/figures/percent_replicating.csv", SHEET]
PLATES = ("COMPOUND1", "COMPOUND2")
# Four negative controls, the positive control, three compounds with an effect and three without.
WELLS = ("A01", "A04", "A06", "B02", "B04", "B06", "C01", "E01", "A02", "C05", "A05")


def run_experiment(folder: Path) -> None:
    """Write the experiment into a new folder and run it up to the figure."""
    folder.mkdir()
    layout = pd.read_csv(PROJECT / "metadata/platemaps/compound_platemap.txt", sep="\t")
    layout[layout["well_position"].isin(WELLS)].to_csv(folder / "map.txt", sep="\t", index=False)
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    rows = [
        ["simulated", plate, "map.txt", "compound", "SIM", "48", f"results/images/simulated/images/{plate}"]
        for plate in PLATES
    ]
    (folder / "plates.tsv").write_text("".join("\t".join(row) + "\n" for row in [columns, *rows]))
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config |= {"results": "results", "plates": "plates.tsv", "embeddings": {"weights": "random"}}
    config["simulate"]["effects"] = str(PROJECT / "metadata/simulated_effects.tsv")
    compounds = {"table": str(PROJECT / "metadata/compound_metadata.tsv"), "gene": "target"}
    config["annotation"] = {"compound": compounds}
    config["benchmark"] |= {"feature_sets": [CELLPROFILER, SPHERIZED], "matching": []}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (PROJECT / ".environments").mkdir(exist_ok=True)
    snakemake("--configfile", folder / "config.yaml", *TARGETS)


def find_python() -> Path:
    """Return the Python of the deep networks' environment, which a run of the experiment has built."""
    lock = digest_of([PROJECT / "envs" / "embeddings.txt"])
    return PROJECT / ".environments" / f"embeddings-{lock}" / "bin" / "python"


def run_python(*arguments, check=True, **more):
    """Run a script in the environment of the deep networks, without a network connection."""
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **more}
    words = [str(argument) for argument in (find_python(), *arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=variables)
    if check and done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done


def get_plate_options(results, plate="COMPOUND1", channels=CHANNELS, batch="simulated"):
    """Return the options of `embeddings.py` and of the plain reference for a plate."""
    backend = results / "workspace/backend" / batch / plate / f"{plate}.parquet"
    load_data = results / "workspace/load_data_csv" / batch / plate / "load_data_with_illum.csv"
    functions = [results / f"images/{batch}/illum/{plate}/{plate}_Illum{name}.npy" for name in channels]
    options = ["--network", results / "workspace/network", "--cells", backend]
    return [*options, "--load-data", load_data, "--channels", *channels, "--functions", *functions]


def embed(results, output, *more, plate="COMPOUND1", network=None, **variables):
    """Embed a plate with the script alone; return its features, (cells, features)."""
    options = get_plate_options(results, plate)
    if network is not None:
        options[1] = network
    script = [SCRIPTS / "embeddings.py", *options, "--plate", plate, "--output", output]
    run_python(*script, "--log", output.with_suffix(".log"), *more, **variables)
    return read_features(output)


def read_features(path):
    table = pq.read_table(path).to_pandas()
    return table[get_features(table)].to_numpy()


def prepare(folder, *more, channels=5, check=True):
    """Prepare a network with the script alone."""
    script = [SCRIPTS / "network.py", "--channels", channels, "--log", f"{folder}.log", "--output", folder]
    return run_python(*script, *more, check=check)


def get_refusal(done):
    """Return the error message of a script that rejects its input."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr
