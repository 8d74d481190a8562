"""Training sets of crops: equal to slices of the images, of any channels and sizes, masked or not."""

import subprocess
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

import write_crops
from image_plate import CHANNELS, write_plate
from lib.code import digest_of
from lib.crop_shards import read_shard
from lib.errors import InputError
from lib.tables import read_provenance
from workflow import PROJECT

pytestmark = pytest.mark.unit

CELLS = {
    "A01": [(20, 20), (10.4, 30), (48, 2), (25, 18)],
    "A02": [],
    "B01": [(30, 25), (22, 20)],
}
PARAMETERS = {
    "plate": "P",
    "channels": list(CHANNELS),
    "settings": {"size": 12, "box": 12, "center": "Nuclei", "mask": False, "percentiles": [0.1, 99.9]},
    "pixels": "raw",
    "per_well": None,
    "shard": 4,
    "seed": 1,
}


def run(folder, paths, cell_flags=None, settings=None, **changed):
    """Write the crops. Return their index and, in its order, the crops with their metadata."""
    parameters = {**PARAMETERS, **changed}
    parameters["settings"] = {**PARAMETERS["settings"], **(settings or {})}
    raw = parameters["pixels"] == "raw"
    inputs = {name: paths[name] for name in ("cells", "profiles", "load_data")}
    inputs["functions"] = [] if raw else [paths[name] for name in parameters["channels"]]
    inputs["labels"] = [paths["labels"]] if parameters["settings"]["mask"] else []
    output = folder / "crops"
    write_crops.main({**inputs, "cell_flags": cell_flags}, output, parameters, threads=2)
    index = pd.read_parquet(output / "index.parquet")
    shards = sorted(output.glob("*.tar"))
    return index, [pair for shard in shards for pair in read_shard(shard)]


def slice_of(folder, row, channel, size=12):
    """The pixels of a crop, cut from the image file by hand: 0 beyond its border."""
    image = np.pad(tifffile.imread(folder / f"{row['Metadata_Well']}_{channel}.tiff"), 100)
    top, left = (int(np.floor(row[name] + 0.5)) - size // 2 + 100 for name in ("center_y", "center_x"))
    return image[top : top + size, left : left + size]


def test_raw_crops_equal_slices_of_the_images(tmp_path):
    index, crops = run(tmp_path, write_plate(tmp_path, CELLS))
    assert len(index) == len(crops) == 6
    for (_, row), (crop, about) in zip(index.iterrows(), crops, strict=True):
        assert crop.dtype == np.uint16
        for plane, channel in zip(crop, CHANNELS, strict=True):
            np.testing.assert_array_equal(plane, slice_of(tmp_path, row, channel))
        assert about["Metadata_Well"] == row["Metadata_Well"]
        assert about["Metadata_ObjectNumber"] == row["Metadata_ObjectNumber"]
    assert index["shard"].tolist() == ["crops-000000.tar"] * 4 + ["crops-000001.tar"] * 2
    assert index["Metadata_ObjectNumber"].tolist() == [1, 2, 3, 4, 1, 2]
    assert index["Metadata_control_type"].tolist()[:4] == ["negcon"] * 4
    assert index["Metadata_control_type"].isna().sum() == 2
    assert not [name for name in index if "Count" in name]
    assert read_provenance(tmp_path / "crops" / "index.parquet")["parameters"]["pixels"] == "raw"


def test_corrected_and_rescaled_crops(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    raw = run(tmp_path, paths)[1]
    corrected = run(tmp_path, paths, pixels="corrected")[1]
    rescaled = run(tmp_path, paths, pixels="rescaled", settings={"percentiles": [0, 100]})[1]
    index = pd.read_parquet(tmp_path / "crops" / "index.parquet")
    for at, row in index.iterrows():
        np.testing.assert_allclose(corrected[at][0], raw[at][0] / np.float32(65535) / 2, rtol=1e-6)
        image = tifffile.imread(tmp_path / f"{row['Metadata_Well']}_ER.tiff").astype(float)
        inside = raw[at][0][1] > 0
        expected = (raw[at][0][1] - image.min()) / (image.max() - image.min())
        np.testing.assert_allclose(rescaled[at][0][1][inside], expected[inside], atol=1e-6)


def test_one_channel_of_another_size(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    _, crops = run(tmp_path, paths, channels=["ER"], settings={"size": 9, "box": 9})
    assert {crop.shape for crop, _ in crops} == {(1, 9, 9)}
    _, crops = run(tmp_path, paths, settings={"size": 6, "box": 12})
    assert {(crop.shape, crop.dtype.name) for crop, _ in crops} == {((2, 6, 6), "float32")}


def test_masked_crops(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    whole = run(tmp_path, paths)[1]
    index, masked = run(tmp_path, paths, settings={"mask": True})
    for at, row in index.iterrows():
        file = paths["labels"] / "labels" / f"{row['Metadata_Well']}_s1--labels.tiff"
        labels = np.pad(tifffile.imread(file), 100)
        top, left = row["top"] + 100, row["left"] + 100
        own = labels[top : top + 12, left : left + 12] == row["Metadata_ObjectNumber"]
        assert own.any()
        np.testing.assert_array_equal(masked[at][0], whole[at][0] * own)


def test_some_cells_per_well_by_the_seed(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    first, _ = run(tmp_path, paths, per_well=2)
    assert first["Metadata_Well"].value_counts().to_dict() == {"A01": 2, "B01": 2}
    again, _ = run(tmp_path, paths, per_well=2)
    pd.testing.assert_frame_equal(first, again)
    choices = {tuple(run(tmp_path, paths, per_well=1, seed=s)[0]["Metadata_ObjectNumber"]) for s in range(9)}
    assert len(choices) > 1


def test_flagged_cells_are_left_out(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    keys = pq.read_table(paths["cells"], columns=["Metadata_ImageNumber", "Metadata_ObjectNumber"])
    flags = tmp_path / "flags.parquet"
    pq.write_table(keys.append_column("flagged", pa.array([True, False, True, True, False, True])), flags)
    index, _ = run(tmp_path, paths, cell_flags=flags)
    assert list(zip(index["Metadata_Well"], index["Metadata_ObjectNumber"], strict=True)) == [
        ("A01", 2),
        ("B01", 1),
    ]


def test_a_plate_without_cells_has_an_empty_index(tmp_path):
    index, crops = run(tmp_path, write_plate(tmp_path, {"A01": [], "A02": []}))
    assert (len(index), crops) == (0, [])


def test_cells_without_a_position(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    with pytest.raises(InputError, match="Cells_Location_Center"):
        run(tmp_path, paths, settings={"center": "Cells"})
    assert not (tmp_path / "crops").exists()


LOADER = """
    import sys, torch
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from lib.crop_shards import read_shard

    class Crops(torch.utils.data.IterableDataset):
        def __init__(self, folder):
            self.shards = sorted(Path(folder).glob("*.tar"))

        def __iter__(self):
            worker = torch.utils.data.get_worker_info()
            shards = self.shards[worker.id :: worker.num_workers] if worker else self.shards
            for shard in shards:
                for crop, about in read_shard(shard):
                    yield torch.from_numpy(crop.astype("float32")), about["Metadata_Well"]

    loader = torch.utils.data.DataLoader(Crops(sys.argv[2]), batch_size=3, num_workers=2)
    batches = [(crops, wells) for crops, wells in loader]
    print(sum(len(crops) for crops, _ in batches), int(sum(crops.double().sum() for crops, _ in batches)))
    print(sorted(well for _, wells in batches for well in wells))
"""


@pytest.mark.oracle
def test_a_loader_of_torch_reads_them_in_the_environment_of_the_networks(tmp_path):
    lock = digest_of([PROJECT / "envs" / "embeddings.txt"])
    python = PROJECT / ".environments" / f"embeddings-{lock}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"the environment of the deep networks is not built at {python}")
    index, crops = run(tmp_path, write_plate(tmp_path, CELLS))
    command = [python, "-c", textwrap.dedent(LOADER), PROJECT / "scripts", tmp_path / "crops"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.split() == [str(len(crops)), str(int(sum(crop.astype(float).sum() for crop, _ in crops)))]
    assert second == str(sorted(index["Metadata_Well"]))
