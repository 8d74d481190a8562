"""Four real CPJUMP1 fields: the generated pipelines give the published pipelines' values."""

import re
import subprocess

import numpy as np
import polars as pl
import pytest

from clean_runs import find_unexpected_lines
from lib.chunk_tables import read_arrow
from lib.tables import read_profiles
from published_pipelines import comparable, published_modules, read_cppipe
from workflow import PROJECT, SUPPORT, copy_of_config, snakemake

pytestmark = pytest.mark.data

BATCH = "2020_11_04_CPJUMP1"
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito", "Brightfield", "LowZBF", "HighZBF")
FLUORESCENT = ["DNA", "ER", "RNA", "AGP", "Mito"]
FIELDS = ["A21", "D08", "D14", "F10"]
TABLES = ("Cells", "Cytoplasm", "Nuclei")

# The listing's own names of images that are only steps on the way, here by the channel.
RENAMED = {"CorrBlue": "NucleiSubtracted", "IllumBlue": "NucleiBackground"}
# Quality control's modules are not in the published pipeline.
LEFT_OUT = {"LoadData", "SaveImages", "ExportToSpreadsheet", "OverlayOutlines"}
LEFT_OUT |= {"MeasureImageQuality", "MeasureImageIntensity"}


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """The results of the workflow on the four fields, with the runner and the accelerated modules."""
    config = copy_of_config("cpjump1_fields", tmp_path_factory.mktemp("cpjump1_fields") / "experiment")
    (config.parent / "output.txt").write_text(snakemake("--configfile", config).stdout)
    return config.parent / "results"


def test_clean_images_get_no_message(results):
    assert find_unexpected_lines((results.parent / "output.txt").read_text()) == []


@pytest.fixture(scope="module")
def tables(results):
    """The fields' tables by name, of both chunks."""
    folder = results / "workspace/analysis" / BATCH / "FIELDS/analysis"
    return {
        name: pl.concat(
            [pl.from_arrow(read_arrow(folder / f"chunk_{k}" / f"{name}.arrow")) for k in range(2)],
            how="vertical_relaxed",
        )
        for name in (*TABLES, "Image")
    }


def renamed(text, value):
    """A value in the words of the generated pipeline."""
    value = RENAMED.get(value, value)
    value = re.sub("L(ow)?zBF|LzBF", "LowZBF", value, flags=re.I)
    value = re.sub("H(igh)?zBF|HzBF", "HighZBF", value, flags=re.I)
    return re.sub("^Pre", "", value) if text == "Name the output image" else value


@pytest.mark.parametrize("pipeline", ["illumination", "analysis"])
def test_every_published_setting_comes_out(results, shared, pipeline):
    listing = shared / "cpjump1" / "published_settings.tsv"
    published = comparable(published_modules(listing, pipeline), LEFT_OUT, 0.2, renamed)
    generated = comparable(
        read_cppipe(results / f"workspace/pipelines/{pipeline}.cppipe"), LEFT_OUT, 0.2, renamed
    )
    assert [name for name, _ in generated] == [name for name, _ in published]
    for (name, ours), (_, theirs) in zip(generated, published, strict=True):
        missing = [setting for setting in theirs if setting not in ours]
        assert not missing, (name, missing)


def test_illumination_functions(results, shared):
    for channel in CHANNELS:
        name = f"FIELDS_Illum{channel}"
        ours = np.load(results / f"images/{BATCH}/illum/FIELDS/{name}.npy", allow_pickle=False)
        theirs = np.load(shared / "cpjump1" / "stock_output" / f"{name}_every10th.npy")
        assert ours.shape == (1080, 1080)
        np.testing.assert_allclose(ours[::10, ::10], theirs, rtol=1e-5)


@pytest.mark.parametrize("name", TABLES)
def test_tables(tables, shared, name):
    keys = ["ImageNumber", "ObjectNumber"]
    theirs = pl.read_parquet(shared / "cpjump1" / "stock_output" / f"{name}.parquet").sort(keys)
    ours = tables[name].sort(keys)
    assert ours.height == 310
    assert set(ours.columns) == set(theirs.columns)
    for column in theirs.columns:
        np.testing.assert_allclose(
            ours[column].cast(pl.Float64).to_numpy(),
            theirs[column].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            rtol=1e-6,
            # A texture correlation of 0 is 6e-13 on another machine.
            atol=1e-12,
            err_msg=column,
        )


def test_features_and_images(tables, shared):
    assert sum(len(tables[name].columns) - 2 for name in TABLES) == 5795
    images = tables["Image"].sort("ImageNumber")
    assert images["Metadata_Well"].to_list() == FIELDS
    theirs = pl.read_parquet(shared / "cpjump1" / "stock_output" / "Image.parquet")
    # The reference kept outlines; the generated pipeline does so if the config says so.
    outlines = {"FileName_CellOutlines", "FileName_NucleiOutlines"}
    assert set(theirs.columns) - set(images.columns) == outlines
    for column in ("Count_Cells", "Group_Number", "Threshold_FinalThreshold_Nuclei", "MD5Digest_OrigDNA"):
        assert images[column].to_list() == theirs.sort("ImageNumber")[column].to_list(), column


def test_the_chain_goes_on_to_profiles(results):
    profiles = results / "workspace/profiles" / BATCH / "FIELDS" / "FIELDS_normalized.parquet"
    table = read_profiles(profiles)
    assert table["Metadata_Well"].nunique() == 384
    assert (table["Metadata_Count_Sites"] > 0).sum() == 4
    assert table["Metadata_Count_Cells"].sum() == 310
    drugs = table.set_index("Metadata_Well")["Metadata_pert_iname"]
    assert drugs[FIELDS].tolist() == ["dexamethasone", "FK-866", "DMSO", "quinidine"]


def test_one_embedding_a_cell_border_cells_too(results):
    ours = pl.read_parquet(results / f"workspace/embeddings/{BATCH}/FIELDS/FIELDS.parquet")
    theirs = pl.read_parquet(results / f"workspace/backend/{BATCH}/FIELDS/FIELDS.parquet")
    keys = [name for name in theirs.columns if name.startswith("Metadata_")]
    assert ours.height == 310
    assert ours.select(keys).equals(theirs.select(keys))
    assert len(ours.columns) - len(keys) == 6400
    # crops of 224 pixels that reach over the border of 1080
    center = theirs.select("Nuclei_Location_Center_X", "Nuclei_Location_Center_Y").to_numpy()
    border = ((center < 112) | (center > 1080 - 112)).any(axis=1)
    assert border.sum() > 50
    assert np.isfinite(ours.drop(keys).to_numpy()).all()


def test_embeddings_equal_one_cell_at_a_time(results, tmp_path):
    embedded = pl.read_parquet(results / f"workspace/embeddings/{BATCH}/FIELDS/FIELDS.parquet")
    (ready,) = (PROJECT / ".environments").glob("embeddings-*/complete.json")
    python = ready.parent / "bin" / "python"
    functions = [results / f"images/{BATCH}/illum/FIELDS/FIELDS_Illum{name}.npy" for name in FLUORESCENT]
    tables = f"workspace/{{}}/{BATCH}/FIELDS/{{}}"
    rows = range(0, embedded.height, 6)
    command = [python, SUPPORT / "embeddings_reference.py"]
    command += ["--network", results / "workspace/network"]
    command += ["--cells", results / tables.format("backend", "FIELDS.parquet")]
    command += ["--load-data", results / tables.format("load_data_csv", "load_data_with_illum.csv")]
    command += ["--channels", *FLUORESCENT, "--functions", *functions, "--rows", *map(str, rows)]
    subprocess.run([*command, "--output", tmp_path / "plain.npz"], check=True)
    plain = np.load(tmp_path / "plain.npz")["features"]
    assert plain.shape == (52, 6400)
    ours = embedded[list(rows)].select(pl.col("^Embedding_.*$")).to_numpy()
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-5)
