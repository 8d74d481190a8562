"""Shards of crops: what is written is read again, in tar files that webdataset reads."""

import json
import tarfile

import numpy as np
import pytest

from lib.crop_shards import ShardWriter, read_shard

pytestmark = pytest.mark.unit


def write(folder, crops, size):
    folder.mkdir()
    writer = ShardWriter(folder, size)
    places = [writer.add(crop, {"number": at, "Metadata_gene": "é"}) for at, crop in enumerate(crops)]
    writer.close()
    return places


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_crops_are_read_as_they_were_written(tmp_path, kind):
    crops = np.random.default_rng(0).integers(0, 255, (5, 2, 4, 4)).astype(kind)
    places = write(tmp_path / "shards", crops, 2)
    shards = ["crops-000000.tar"] * 2 + ["crops-000001.tar"] * 2 + ["crops-000002.tar"]
    assert places == [(shard, f"{at:09d}") for at, shard in enumerate(shards)]
    found = [pair for shard in dict.fromkeys(shards) for pair in read_shard(tmp_path / "shards" / shard)]
    for at, (crop, about) in enumerate(found):
        assert crop.dtype == kind
        np.testing.assert_array_equal(crop, crops[at])
        assert about == {"number": at, "Metadata_gene": "é"}
    with tarfile.open(tmp_path / "shards" / shards[0]) as file:
        assert file.getnames() == ["000000000.npy", "000000000.json", "000000001.npy", "000000001.json"]
        assert json.loads(file.extractfile("000000001.json").read())["number"] == 1


def test_the_same_crops_give_the_same_bytes(tmp_path):
    crops = np.zeros((3, 1, 2, 2), "uint8")
    files = []
    for name in ("one", "two"):
        write(tmp_path / name, crops, 10)
        files.append((tmp_path / name / "crops-000000.tar").read_bytes())
    assert files[0] == files[1]


def test_without_crops_there_is_no_shard(tmp_path):
    write(tmp_path / "none", [], 10)
    assert list((tmp_path / "none").iterdir()) == []
