"""Nuclei and cells of deep networks: small models in the real packages; what is refused at the start."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from scipy import ndimage

import segment
from lib.code import digest_of
from lib.config import complete_config
from lib.errors import InputError
from lib.segmentation_networks import drop_small
from workflow import PROJECT, SUPPORT, snakemake

ENVIRONMENT = PROJECT / ".environments" / f"segmentation-{digest_of([PROJECT / 'envs/segmentation.txt'])}"
SHAPE = (90, 120)
# Row, column and radius of the cells of a site, each with a nucleus of half the radius.
CELLS = [(25, 25, 14), (30, 80, 18), (65, 45, 12)]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of the networks' environment, which is built if it is not there."""
    if not (ENVIRONMENT / "complete.json").exists():
        log = tmp_path_factory.mktemp("environment") / "log"
        command = [PROJECT / ".venv/bin/python", PROJECT / "scripts/segmentation_environment.py"]
        subprocess.run([*command, "--log", log, "--output", ENVIRONMENT], check=True)
    return ENVIRONMENT / "bin/python"


def make_model(python: Path, method: str, path: Path) -> Path:
    """Write a small model of a method."""
    subprocess.run([python, SUPPORT / "segmentation_models.py", method, path], check=True)
    return path


def draw(scale: float) -> np.ndarray:
    """An image of bright circles; without them, it has a bright square that is smaller than any circle."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.full(SHAPE, 500, np.uint16)
    if not scale:
        image[40:45, 50:55] = 20000
        return image
    for row, column, radius in CELLS:
        image[(rows - row) ** 2 + (columns - column) ** 2 <= (scale * radius) ** 2] = 20000
    return image


def write_experiment(folder: Path, assay: dict, **more: dict) -> Path:
    """Three wells, one of which has no cells; gives the config."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    for well in ("A01", "A02", "B01"):
        for channel, scale in (("DNA", 0.5), ("RNA", 1)):
            image = draw(0 if well == "A02" else scale) + random.integers(0, 400, SHAPE, np.uint16)
            tifffile.imwrite(folder / "images" / f"{well}_{channel}.tif", image)
    (folder / "map.txt").write_text("well_position\tbroad_sample\nA01\tx\nA02\ty\nB01\tz\n")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "P", "map.txt", "compound", "U2OS", "48", "images"]
    (folder / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "images": {"pattern": r"^(?P<well>[A-H]\d+)_(?P<channel>DNA|RNA)\.tif$"},
        "cellprofiler": {"chunks": 2},
        "assay": {
            "channels": [{"name": name, "image": name} for name in ("DNA", "RNA")],
            "measurements": {"granularity": None, "texture": None, "colocalization": None},
            "illumination": {"apply": "None"},
            **assay,
        },
        "normalize": {"to": ["all"]},
        "feature_select": {"reference": "all"},
        "benchmark": {"feature_sets": ["normalized"], "matching": []},
        **more,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def get_assay(nuclei: dict, cells: dict | None) -> dict:
    """A complete config's assay with these nuclei and cells."""
    channels = [{"name": name, "image": name} for name in ("DNA", "RNA")]
    assay = {"channels": channels, "nuclei": {"channel": "DNA", **nuclei}}
    assay |= {} if cells is None else {"cells": {"channel": "RNA", **cells}}
    return complete_config({"results": "r", "plates": "p.tsv", "assay": assay}, "config.yaml")["assay"]


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.unit
@pytest.mark.parametrize(
    ("nuclei", "cells", "message"),
    [
        (
            {"method": "stardist"},
            None,
            r"'stardist' is not one of \['CellProfiler', 'cellpose', 'instanseg'\]",
        ),
        ({"method": "cellpose", "diameter": [5, 20]}, None, "diameter finds objects in another way"),
        ({"network": {"model": "x"}}, None, "network finds objects in another way .* CellProfiler's own"),
        ({"method": "instanseg", "network": {"diameter": 9}}, None, "diameter .* no effect with `instanseg`"),
        ({}, {"method": "cellpose"}, "need labels or a network for the nuclei"),
        (
            {"method": "cellpose", "network": {"modle": "x"}},
            None,
            "unknown key `modle`; did you mean `model`",
        ),
    ],
)
def test_settings_without_effect_are_refused(nuclei, cells, message):
    with pytest.raises(InputError, match=message):
        get_assay(nuclei, cells)


@pytest.mark.unit
def test_networks_are_off_unless_the_config_names_one():
    assay = get_assay({}, {})
    assert (assay["nuclei"]["method"], assay["cells"]["method"]) == ("CellProfiler", "Watershed - Image")
    assert get_assay({"method": "cellpose"}, {"method": "Propagation"})["nuclei"]["network"]["smallest"] == 15


@pytest.mark.unit
def test_small_objects_are_dropped_and_numbers_kept():
    labels = np.array([[0, 1, 1, 5], [0, 7, 7, 7]], np.uint16)
    assert drop_small(labels, 2).tolist() == [[0, 1, 1, 0], [0, 7, 7, 7]]
    assert drop_small(np.zeros((2, 2), np.int32), 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.unit
def test_a_site_is_read_as_the_network_sees_it(tmp_path):
    tifffile.imwrite(tmp_path / "dna.tif", np.full((2, 3), 13107, np.uint16))
    tifffile.imwrite(tmp_path / "rna.tif", np.full((2, 3), 6553, np.uint16))
    row = {f"FileName_Orig{name}": f"{name.lower()}.tif" for name in ("DNA", "RNA")}
    row |= {f"PathName_Orig{name}": str(tmp_path) for name in ("DNA", "RNA")}
    functions = {"DNA": np.full((2, 3), 2.0), "RNA": np.full((2, 3), 1.0)}
    image = segment.read_site(row, ["RNA", "DNA"], functions, "Divide")
    assert image.shape == (2, 2, 3)
    assert image[:, 0, 0].tolist() == pytest.approx([0.1, 0.1], abs=1e-4)
    assert segment.read_site(row, ["DNA"], {}, "None")[0, 0, 0] == pytest.approx(0.2)
    tifffile.imwrite(tmp_path / "rna.tif", np.full((2, 4), 6553, np.uint16))
    with pytest.raises(InputError, match=r"rna.tif is \(2, 4\), and DNA is \(2, 3\)"):
        segment.read_site(row, ["DNA", "RNA"], functions, "Divide")


@pytest.mark.plan
def test_a_missing_model_stops_the_run_at_the_start(tmp_path):
    nuclei = {"channel": "DNA", "method": "cellpose", "network": {"model": "models/mine"}}
    config = write_experiment(tmp_path / "experiment", {"nuclei": nuclei})
    done = snakemake("--configfile", config, "--dry-run", check=False)
    assert done.returncode
    assert "assay.nuclei.network.model: " in done.stdout
    assert "models/mine does not exist" in done.stdout


@pytest.mark.oracle
@pytest.mark.parametrize("method", ["cellpose", "instanseg"])
def test_a_file_that_is_no_model_is_named(python, tmp_path, method):
    (tmp_path / "model").write_bytes(b"not a model")
    command = [python, PROJECT / "scripts/segmentation_network.py", "--method", method]
    command += ["--log", tmp_path / "log", "--output", tmp_path / "out", "--model"]
    for model, message in (
        (tmp_path / "model", f"model cannot be loaded as a model of {method}"),
        ("cyto3", f"{method} has no model `cyto3`; it has "),
    ):
        done = subprocess.run([*command, model], capture_output=True, text=True, check=False)
        assert done.returncode
        assert message in done.stderr
    assert not (tmp_path / "out").exists()


# --- runs --------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_labels_of_a_network_are_measured(python, tmp_path):
    model = make_model(python, "instanseg", tmp_path / "regions.pt")
    network = {"method": "instanseg", "network": {"model": str(model), "smallest": 30}}
    assay = {"nuclei": {"channel": "DNA", **network}, "cells": {"channel": "RNA", **network}}
    config = write_experiment(tmp_path / "experiment", assay)
    snakemake("--configfile", config, "--until", "single_cells")
    snakemake("segmentation_check", "--configfile", config)
    results = config.parent / "results"
    for well in ("A01", "B01"):
        for name, scale in (("Nuclei", 0.5), ("Cells", 1)):
            found = tifffile.imread(results / f"images/B/labels/P/{well}_s1--{name}.tiff")
            regions, number = ndimage.label(draw(scale) > 1000, structure=np.ones((3, 3)))
            assert number == len(CELLS)
            pairs = np.unique(np.stack([found.ravel(), regions.ravel()]), axis=1)
            assert pairs.shape[1] == number + 1, "the objects are the regions, to the pixel"
    relations = pd.read_csv(results / "workspace/quality_control/B/P/label_images.csv")
    assert relations["pairs"].tolist() == [3, 0, 3]
    cells = pd.read_parquet(results / "workspace/backend/B/P/P.parquet")
    assert cells.groupby("Metadata_Well").size().to_dict() == {"A01": 3, "B01": 3}
    areas = ndimage.sum_labels(draw(1) > 1000, ndimage.label(draw(1) > 1000)[0], [1, 2, 3])
    assert sorted(cells["Cells_AreaShape_Area"][:3]) == sorted(areas)
    counts = pd.read_csv(results / "workspace/quality_control/B/P/pictures/segmentation/objects.csv")
    assert set(counts["Count_Cells"]) == {0, 3}
    about = json.loads((results / "workspace/segmentation_network/Cells/network.json").read_text())
    assert about["method"] == "instanseg"


# What Cellpose's own package finds in an image, without any of this workflow's code.
DIRECTLY = """
import sys
import numpy, tifffile, torch
from cellpose.models import CellposeModel
image = tifffile.imread(sys.argv[2]).astype("float32") / 65535
model = CellposeModel(pretrained_model=sys.argv[1], device=torch.device("cpu"), use_bfloat16=False)
numpy.save(sys.argv[3], model.eval(image, cellprob_threshold=-9, flow_threshold=0, min_size=4)[0])
"""


@pytest.mark.oracle
def test_cellpose_finds_what_its_package_finds(python, tmp_path):
    model = make_model(python, "cellpose", tmp_path / "model")
    command = [python, PROJECT / "scripts/segmentation_network.py", "--method", "cellpose", "--model", model]
    subprocess.run([*command, "--log", tmp_path / "log", "--output", tmp_path / "network"], check=True)
    image = tmp_path / "A01.tif"
    tifffile.imwrite(image, draw(0.5) + np.random.default_rng(0).integers(0, 400, SHAPE, np.uint16))
    columns = "Metadata_Well,Metadata_Site,FileName_OrigDNA,PathName_OrigDNA"
    (tmp_path / "load_data.csv").write_text(f"{columns}\nA01,1,{image.name},{tmp_path}\n")
    settings = {"diameter": None, "cell_probability": -9, "flow_error": 0, "smallest": 4}
    command = [python, PROJECT / "scripts/segment.py", "--network", tmp_path / "network", "--plate", "P"]
    command += ["--objects", "Nuclei", "--load-data", tmp_path / "load_data.csv", "--channels", "DNA"]
    command += ["--functions", "none", "--apply", "None", "--settings", json.dumps(settings)]
    command += ["--chunk", "0", "--chunks", "1", "--log", tmp_path / "log", "--output", tmp_path / "out"]
    subprocess.run(command, check=True)
    subprocess.run([python, "-c", DIRECTLY, model, image, tmp_path / "direct.npy"], check=True)
    found, direct = tifffile.imread(tmp_path / "out/A01_s1--Nuclei.tiff"), np.load(tmp_path / "direct.npy")
    assert direct.max() > 0
    assert np.array_equal(found, direct)
