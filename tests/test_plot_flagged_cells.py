"""The picture of flagged cells beside kept ones: which are shown, and when there is nothing to show."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from image_plate import CHANNELS, write_plate
from lib.crops import PlateImages, Settings
from plot_flagged_cells import KEPT, choose_cells, crop_chosen_cells, main

pytestmark = pytest.mark.unit

CELLS = {"A01": [(20, 20), (10, 30)], "A02": [], "B01": [(10 + x, 20) for x in range(20)]}


def write_flags(folder, paths, flagged):
    table = pq.read_table(paths["cells"], columns=["Metadata_ImageNumber", "Metadata_ObjectNumber"])
    for name in ("flagged", "large"):
        table = table.append_column(name, pa.array(flagged, pa.bool_()))
    table = table.append_column("dim", pa.array([False] * len(flagged), pa.bool_()))
    pq.write_table(table, folder / "flags.parquet")
    return folder / "flags.parquet"


def draw(folder, paths, flagged):
    picture = folder / "picture.png"
    functions = [paths[name] for name in CHANNELS]
    parameters = {"plate": "P", "channels": list(CHANNELS), "box": 16}
    flags = write_flags(folder, paths, flagged)
    main(paths["cells"], flags, paths["load_data"], functions, picture, parameters)
    with Image.open(picture) as image:
        return image.size


def test_cells_of_each_rule_and_of_none():
    flags = pd.DataFrame({"flagged": [True] * 9 + [False] * 30, "large": [True] * 9 + [False] * 30})
    chosen = choose_cells(flags)
    assert list(chosen) == [KEPT, "large"]
    assert len(chosen["large"]) == len(chosen[KEPT]) == 6
    assert (chosen["large"] < 9).all()
    assert (chosen[KEPT] >= 9).all()
    np.testing.assert_array_equal(chosen[KEPT], choose_cells(flags)[KEPT])


def test_the_crops_are_those_of_the_chosen_rows(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    functions = {name: paths[name] for name in CHANNELS}
    images = PlateImages(paths["load_data"], functions, Settings(channels=CHANNELS, size=16, box=16))
    found = crop_chosen_cells(paths["cells"], images, {"large": np.array([1, 2, 21]), KEPT: np.array([0])})
    cells = {
        name: [(site.well, int(site.numbers[at])) for site, at, _ in some] for name, some in found.items()
    }
    assert cells == {"large": [("A01", 2), ("B01", 1), ("B01", 20)], KEPT: [("A01", 1)]}


def test_a_picture_with_rules_that_flag_some_all_or_no_cells(tmp_path):
    paths = write_plate(tmp_path, CELLS)
    for flagged in ([True] + [False] * 21, [True] * 22, [False] * 22):
        width, height = draw(tmp_path, paths, flagged)
        assert width > height > 300


def test_a_plate_without_cells_or_positions_gets_a_sentence(tmp_path, caplog):
    paths = write_plate(tmp_path / "empty", {"A01": []})
    assert draw(tmp_path, paths, [])[1] < 300
    paths = write_plate(tmp_path / "lost", CELLS)
    table = pq.read_table(paths["cells"]).drop_columns(["Nuclei_Location_Center_X"])
    pq.write_table(table, paths["cells"])
    assert draw(tmp_path, paths, [True] * 22)[1] < 300
    assert "has no column Nuclei_Location_Center_X" in caplog.text
