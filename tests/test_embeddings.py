"""Deep-network features: real EfficientNet-B0 on the default experiment, its numbers and its errors.

There is no network where tests run, so the weights are a seeded initialization: what they see of the cells
is little, and enough to tell strong simulated effects from none.
"""

import types

import numpy as np
import pyarrow.parquet as pq
import pytest

import embeddings
from embedded_plates import SCRIPTS, embed, get_plate_options, get_refusal, prepare, run_python
from lib.crops import Cells
from lib.tables import read_provenance
from workflow import SUPPORT

pytestmark = pytest.mark.oracle

REFERENCE = SUPPORT / "embeddings_reference.py"


@pytest.fixture(scope="module")
def whole_plate(embedded_results, tmp_path_factory):
    """COMPOUND1 embedded by the script alone: the file, its features."""
    path = tmp_path_factory.mktemp("plate") / "two_threads.parquet"
    return path, embed(embedded_results, path, "--threads", "2")


def test_same_bytes_with_any_number_of_threads_and_without_torch(embedded_results, whole_plate, tmp_path):
    """On a CPU a plate's job does not import what takes longer than a small plate's cells."""
    for name in ("torch", "timm", "pandas"):
        (tmp_path / "trap" / name).mkdir(parents=True)
        (tmp_path / "trap" / name / "__init__.py").write_text("raise AssertionError('imported')\n")
    hidden = {"PYTHONPATH": str(tmp_path / "trap"), "CUDA_VISIBLE_DEVICES": ""}
    embed(embedded_results, tmp_path / "one.parquet", "--threads", "1", "--batch", "3", **hidden)
    workflow = embedded_results / "workspace/embeddings/simulated/COMPOUND1/COMPOUND1.parquet"
    assert (tmp_path / "one.parquet").read_bytes() == whole_plate[0].read_bytes() == workflow.read_bytes()


def test_batches_equal_one_cell_at_a_time(embedded_results, whole_plate, tmp_path):
    rows = list(range(0, len(whole_plate[1]), 4))
    options = [*get_plate_options(embedded_results), "--rows", *rows, "--output", tmp_path / "plain.npz"]
    run_python(REFERENCE, *options)
    plain = np.load(tmp_path / "plain.npz")["features"]
    assert plain.shape == (len(rows), 6400)
    assert np.abs(plain).max() > 0.1
    np.testing.assert_allclose(whole_plate[1][rows], plain, rtol=0, atol=1e-5)


def test_float16_rounds(embedded_results, whole_plate, tmp_path):
    found = embed(embedded_results, tmp_path / "half.parquet", "--dtype", "float16", "--threads", "2")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, whole_plate[1].astype(np.float16))


@pytest.mark.unit
def test_progress_tells_the_share_of_time_that_a_gpu_works(monkeypatch, capsys):
    times = iter([100.0, 104.0])
    monkeypatch.setattr(embeddings.time, "monotonic", lambda: next(times))
    progress = embeddings.Progress("P", 9, types.SimpleNamespace(worked=3.0))
    progress.cells = 50
    progress.report("done")
    assert capsys.readouterr().err == "P: done, 50 cells, 12.5 cells/s, the GPU was busy 75% of the time\n"


def test_stacked_channels_and_boxes(embedded_results, tmp_path):
    """A network that looks at five planes at once, on boxes around the cells."""
    stacked = ["--model", "efficientnet_b0", "--weights", "random", "--stacked"]
    prepare(tmp_path / "network", *stacked)
    found = embed(
        embedded_results,
        tmp_path / "s.parquet",
        "--box",
        "cell",
        "--threads",
        "2",
        network=tmp_path / "network",
    )
    cells = pq.read_metadata(
        embedded_results / "workspace/backend/simulated/COMPOUND1/COMPOUND1.parquet"
    ).num_rows
    assert found.shape == (cells, 1280)
    assert pq.read_schema(tmp_path / "s.parquet").names[-1] == "Embedding_Stacked_1280"


@pytest.mark.unit
def test_cells_are_written_a_row_group_at_a_time(monkeypatch, tmp_path):
    """Eight cells of two sites, three per row group: no more than three are ever kept."""
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


def test_a_cell_outside_of_the_image_stops_the_plate(embedded_results, tmp_path):
    table = pq.read_table(embedded_results / "workspace/backend/simulated/COMPOUND1/COMPOUND1.parquet")
    at = table.column_names.index("Nuclei_Location_Center_X")
    moved = table.column(at).to_numpy().copy()
    moved[7] = 5000
    pq.write_table(table.set_column(at, "Nuclei_Location_Center_X", [moved]), tmp_path / "moved.parquet")
    options = [
        *get_plate_options(embedded_results),
        "--cells",
        tmp_path / "moved.parquet",
        "--plate",
        "COMPOUND1",
    ]
    script = [
        SCRIPTS / "embeddings.py",
        *options,
        "--output",
        tmp_path / "e.parquet",
        "--log",
        tmp_path / "log",
    ]
    answer = get_refusal(run_python(*script, check=False))
    assert f"cell {table['Metadata_ObjectNumber'][7]} lies outside of the image of 200 x 200 pixels" in answer
    assert not (tmp_path / "e.parquet").exists()
