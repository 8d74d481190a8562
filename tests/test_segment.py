"""Nuclei and cells of deep networks: small models in the real packages; what is refused at the start."""

import json
import os
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

SHAPE = (90, 120)
# Row, column and radius of the cells of a site, each with a nucleus of half the radius.
CELLS = [(25, 25, 14), (30, 80, 18), (65, 45, 12)]


def build(name: str, log: Path) -> Path:
    """Return the Python of an environment of networks, which is built if it does not exist."""
    digest = digest_of([PROJECT / f"envs/{name}.txt"])
    environment = PROJECT / ".environments" / f"{name}-{digest}"
    if not (environment / "complete.json").exists():
        command = [PROJECT / ".venv/bin/python", PROJECT / f"scripts/{name}_environment.py"]
        subprocess.run([*command, "--log", log, "--output", environment], check=True)
    return environment / "bin/python"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of Cellpose and InstanSeg."""
    return build("segmentation", tmp_path_factory.mktemp("environment") / "log")


@pytest.fixture(scope="module")
def stardist_python(tmp_path_factory) -> Path:
    """The Python of StarDist."""
    return build("stardist", tmp_path_factory.mktemp("stardist") / "log")


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
            {"method": "omnipose"},
            None,
            r"'omnipose' is not one of \['CellProfiler', .*any other program found is read from label images",
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
@pytest.mark.parametrize("method", ["cellpose", "instanseg", "stardist"])
def test_a_file_that_is_not_a_model_is_named(request, tmp_path, method):
    python = request.getfixturevalue("stardist_python" if method == "stardist" else "python")
    (tmp_path / "model").write_bytes(b"not a model")
    command = [python, PROJECT / "scripts/segmentation_network.py", "--method", method]
    command += ["--log", tmp_path / "log", "--output", tmp_path / "out", "--model"]
    for model, message in (
        (tmp_path / "model", f"model cannot be loaded as a model of {method}"),
        ("cyto3", f"{method} has no model `cyto3`"),
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


# The same of StarDist.
DIRECTLY_BY_STARDIST = """
import sys, zipfile
import numpy, tifffile
from csbdeep.utils import normalize
from stardist.models import StarDist2D
zipfile.ZipFile(sys.argv[1]).extractall("direct/model")
model = StarDist2D(None, name="model", basedir="direct")
image = tifffile.imread(sys.argv[2]).astype("float32") / 65535
labels = model.predict_instances(normalize(image, 1, 99.8))[0]
sizes = numpy.bincount(labels.ravel())
numpy.save(sys.argv[3], numpy.where(sizes[labels] >= 4, labels, 0))
"""


def find_directly_and_here(python: Path, method: str, model: Path, directly: str, folder: Path):
    """The labels that a method's package finds in an image, and those that the workflow's script writes."""
    command = [python, PROJECT / "scripts/segmentation_network.py", "--method", method, "--model", model]
    subprocess.run([*command, "--log", folder / "log", "--output", folder / "network"], check=True)
    image = folder / "A01.tif"
    tifffile.imwrite(image, draw(0.5) + np.random.default_rng(0).integers(0, 400, SHAPE, np.uint16))
    columns = "Metadata_Well,Metadata_Site,FileName_OrigDNA,PathName_OrigDNA"
    (folder / "load_data.csv").write_text(f"{columns}\nA01,1,{image.name},{folder}\n")
    settings = {"diameter": None, "cell_probability": -9, "flow_error": 0, "smallest": 4}
    command = [python, PROJECT / "scripts/segment.py", "--network", folder / "network", "--plate", "P"]
    command += ["--objects", "Nuclei", "--load-data", folder / "load_data.csv", "--channels", "DNA"]
    command += ["--functions", "none", "--apply", "None", "--settings", json.dumps(settings)]
    command += ["--chunk", "0", "--chunks", "1", "--log", folder / "log", "--output", folder / "out"]
    subprocess.run(command, check=True)
    # The order of sums depends on the number of threads, and random weights magnify rounding.
    one = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [python, "-c", directly, model, image, folder / "direct.npy"]
    subprocess.run(command, check=True, cwd=folder, env=one)
    return np.load(folder / "direct.npy"), tifffile.imread(folder / "out/A01_s1--Nuclei.tiff")


@pytest.mark.oracle
def test_cellpose_finds_what_its_package_finds(python, tmp_path):
    model = make_model(python, "cellpose", tmp_path / "model")
    direct, found = find_directly_and_here(python, "cellpose", model, DIRECTLY, tmp_path)
    assert direct.max() > 0
    assert np.array_equal(found, direct)


@pytest.mark.oracle
def test_stardist_finds_what_its_package_finds(stardist_python, tmp_path):
    model = tmp_path / "model.zip"
    subprocess.run([stardist_python, SUPPORT / "stardist_model.py", model], check=True)
    direct, found = find_directly_and_here(stardist_python, "stardist", model, DIRECTLY_BY_STARDIST, tmp_path)
    assert direct.max() > 1
    assert np.array_equal(found, direct)


@pytest.mark.oracle
def test_stardist_and_instanseg_run_in_one_experiment(python, stardist_python, tmp_path):
    """Each in its own environment: the nuclei of one, and the cells of the other."""
    nuclei, cells = tmp_path / "nuclei.zip", make_model(python, "instanseg", tmp_path / "regions.pt")
    subprocess.run([stardist_python, SUPPORT / "stardist_model.py", nuclei], check=True)
    of_cells = {"channel": "RNA", "method": "instanseg", "network": {"model": str(cells), "smallest": 30}}
    of_nuclei = {"channel": "DNA", "method": "stardist", "network": {"model": str(nuclei), "smallest": 2}}
    config = write_experiment(tmp_path / "experiment", {"nuclei": of_nuclei, "cells": of_cells})
    snakemake("--configfile", config, "--until", "label_images")
    for name, method in (("Nuclei", "stardist"), ("Cells", "instanseg")):
        folder = config.parent / f"results/workspace/segmentation_network/{name}"
        assert json.loads((folder / "network.json").read_text())["method"] == method
    found = tifffile.imread(config.parent / "results/images/B/labels/P/A01_s1--Cells.tiff")
    assert len(np.unique(found)) == 1 + len(CELLS)
