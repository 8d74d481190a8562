"""Crops: where they are cut, what is in them, and the errors for images that do not fit."""

import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib.crops import (
    Cells,
    PlateImages,
    Settings,
    cut_crops,
    cut_square,
    read_cells,
    read_image,
    rescale,
)
from lib.errors import InputError
from lib.working_ahead import work_ahead
from plot_contact_sheet import choose_cells, get_well_types

pytestmark = pytest.mark.unit

SMALL = Settings(channels=["DNA", "ER"], size=8, box=8, fixed=(0, 1))


def cell_table(path, rows, **more):
    """A single-cell table of (well, site, image number, object number, x, y), 3 rows per row group."""
    names = ("Well", "Site", "ImageNumber", "ObjectNumber")
    table = {f"Metadata_{name}": [row[at] for row in rows] for at, name in enumerate(names)}
    table |= {"Metadata_Plate": ["P"] * len(rows)}
    table |= {
        f"Nuclei_Location_Center_{axis}": [float(row[4 + at]) for row in rows] for at, axis in enumerate("XY")
    }
    pq.write_table(pa.table({**table, **more}), path, row_group_size=3)
    return path


@pytest.fixture
def plate(tmp_path):
    """Two sites of two channels of 12 x 10 pixels, value row + column / 100, with flat functions."""
    lines = [
        "Metadata_Well,Metadata_Site,"
        + ",".join(f"{k}_Orig{c}" for c in ("DNA", "ER") for k in ("FileName", "PathName"))
    ]
    pixels = (np.arange(12)[:, None] * 1000 + np.arange(10) * 10).astype(np.uint16)
    for well in ("A01", "A02"):
        for channel in ("DNA", "ER"):
            tifffile.imwrite(tmp_path / f"{well}{channel}.tiff", pixels)
        lines.append(f"{well},1,{well}DNA.tiff,{tmp_path},{well}ER.tiff,{tmp_path}")
    (tmp_path / "load_data.csv").write_text("\n".join(lines) + "\n")
    for channel, value in (("DNA", 1.0), ("ER", 2.0)):
        np.save(tmp_path / f"{channel}.npy", np.full((12, 10), value))
    return tmp_path


def images(plate, settings=SMALL, labels=()):
    functions = {name: plate / f"{name}.npy" for name in ("DNA", "ER")}
    return PlateImages(plate / "load_data.csv", functions, settings, labels)


def one_cell(x, y, number=1):
    side = np.array([8])
    corner = [np.array([int(np.floor(v + 0.5)) - 4]) for v in (y, x)]
    return Cells("A01", "1", 1, np.array([number]), *corner, side, np.array([[y, x]], dtype=float))


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 25))
def test_a_square_is_a_slice_of_the_padded_image(top, left, side):
    image = np.arange(2 * 9 * 13, dtype=np.float32).reshape(2, 9, 13) + 1
    padded = np.pad(image, ((0, 0), (60, 60), (60, 60)))
    expected = padded[:, top + 60 : top + 60 + side, left + 60 : left + 60 + side]
    np.testing.assert_array_equal(cut_square(image, top, left, side), expected)


def test_cells_come_site_by_site_across_row_groups(tmp_path):
    rows = [("A01", "1", 1, n, 5, 5) for n in (1, 2, 5, 6)] + [("A01", "2", 2, 1, 5, 5)]
    rows += [("B02", "1", 7, n, 5, 5) for n in (1, 2)]
    found = list(read_cells(cell_table(tmp_path / "c.parquet", rows), SMALL))
    assert [(site.well, site.site, site.image_number, site.numbers.tolist()) for site in found] == [
        ("A01", "1", 1, [1, 2, 5, 6]),
        ("A01", "2", 2, [1]),
        ("B02", "1", 7, [1, 2]),
    ]
    assert list(read_cells(cell_table(tmp_path / "none.parquet", []), SMALL)) == []


def test_where_a_square_lies(tmp_path):
    rows = [("A01", "1", 1, 1, 100.4, 50.5), ("A01", "1", 1, 2, 3, 0)]
    path = cell_table(tmp_path / "c.parquet", rows)
    (site,) = read_cells(path, Settings(channels=["DNA"]))
    # 224 pixels: 112 before the pixel that holds the center
    assert (site.left.tolist(), site.top.tolist()) == ([100 - 112, 3 - 112], [51 - 112, 0 - 112])
    ends = {
        "Minimum_X": [80.0, 0.0],
        "Maximum_X": [120.0, 6.0],
        "Minimum_Y": [40.0, 0.0],
        "Maximum_Y": [61.0, 9.0],
    }
    boxes = {f"Cells_AreaShape_BoundingBox{name}": values for name, values in ends.items()}
    path = cell_table(tmp_path / "boxes.parquet", rows, **boxes)
    (site,) = read_cells(path, Settings(channels=["DNA"], box="cell"))
    # 40 x 21 pixels: a square of 40 that is as much higher above as below, to a half pixel
    assert (site.side.tolist(), site.left.tolist(), site.top.tolist()) == ([40, 9], [80, -1], [31, 0])


def test_a_table_without_positions_is_refused(tmp_path):
    path = cell_table(tmp_path / "c.parquet", [("A01", "1", 1, 4, float("nan"), 2)])
    with pytest.raises(InputError, match="well A01, site 1: cell 4 has no position"):
        list(read_cells(path, SMALL))
    with pytest.raises(InputError, match="no column Cells_Location_Center_X or Cells_AreaShape_Center_X"):
        list(read_cells(path, Settings(channels=["DNA"], center="Cells")))
    with pytest.raises(InputError, match="BoundingBoxMinimum_X"):
        list(read_cells(path, Settings(channels=["DNA"], box="cell")))


def test_intensities_by_hand():
    image = np.arange(101, dtype=np.float32).reshape(1, 101)
    by_percentiles = rescale(image, Settings(channels=[], percentiles=(10, 90)))
    np.testing.assert_allclose(by_percentiles[0, [0, 10, 30, 90, 100]], [0, 0, 0.25, 1, 1])
    fixed = rescale(image, Settings(channels=[], fixed=(0, 200)))
    np.testing.assert_allclose(fixed[0, [0, 50, 100]], [0, 0.25, 0.5])
    assert (rescale(np.full((3, 3), 7, dtype=np.float32), SMALL) == 1).all()
    assert (rescale(np.full((3, 3), 7, dtype=np.float32), Settings(channels=[])) == 0).all()


def test_a_crop_by_hand(plate):
    cell = one_cell(x=9, y=0)
    image, labels = images(plate).site(cell)
    assert labels is None
    (crop,) = cut_crops(image, labels, cell, [0], 8)
    assert crop.shape == (2, 8, 8)
    assert crop.dtype == np.float32
    assert (crop[:, :4] == 0).all()
    assert (crop[:, :, 5:] == 0).all()
    np.testing.assert_allclose(crop[0, 4:, 4], np.arange(4) * 1000 / 65535 + 90 / 65535, rtol=1e-5)
    np.testing.assert_allclose(crop[1], crop[0] / 2, rtol=1e-5)
    wide = Cells(
        cell.well, cell.site, 1, cell.numbers, cell.top - 4, cell.left - 4, np.array([16]), cell.center
    )
    assert cut_crops(image, None, wide, [0], 8).shape == (1, 2, 8, 8)


def test_a_channel_that_is_the_same_everywhere_is_black(plate):
    """Not the illumination function at full contrast; with fixed intensities it is as bright as it is."""
    tifffile.imwrite(plate / "A01DNA.tiff", np.full((12, 10), 65535 // 5, dtype=np.uint16))
    np.save(plate / "DNA.npy", np.linspace(1, 2, 120).reshape(12, 10))
    by_percentiles, _ = images(plate, Settings(channels=["DNA", "ER"])).site(one_cell(4, 4))
    assert (by_percentiles[0] == 0).all()
    assert by_percentiles[1].max() == 1
    fixed, _ = images(plate).site(one_cell(4, 4))
    np.testing.assert_allclose(fixed[0], 0.2 / np.load(plate / "DNA.npy"), rtol=1e-6)


def test_a_mask_leaves_the_cell_alone(plate):
    labels = np.zeros((12, 10), dtype=np.int32)
    labels[4:7, 3:6], labels[7, 3:6] = 7, 8
    (plate / "chunk_0" / "labels").mkdir(parents=True)
    tifffile.imwrite(plate / "chunk_0" / "labels" / "A01_s1--labels.tiff", labels)
    settings = Settings(channels=["DNA", "ER"], size=8, box=8, fixed=(0, 1), mask=True)
    cell = one_cell(x=4, y=5, number=7)
    (crop,) = cut_crops(*images(plate, settings, [plate / "chunk_0"]).site(cell), cell, [0], 8)
    assert {tuple(at) for at in np.argwhere(crop[0] > 0)} == {(r, c) for r in (3, 4, 5) for c in (3, 4, 5)}
    with pytest.raises(InputError, match="Well A01, site 1 has no label image"):
        images(plate, settings).site(cell)


def test_what_does_not_fit_is_named(plate):
    with pytest.raises(
        InputError, match=r"cell 1 lies outside of the image of 10 x 12 pixels \(x 9.6, y 5.0\)"
    ):
        images(plate).site(one_cell(x=9.6, y=5))
    with pytest.raises(InputError, match="lacks site 1 of well C09"):
        images(plate).site(
            Cells("C09", *[getattr(one_cell(1, 1), n) for n in list(Cells.__dataclass_fields__)[1:]])
        )
    with pytest.raises(InputError, match="has no channel Mito; it has DNA, ER"):
        images(plate, Settings(channels=["DNA", "Mito"]))
    np.save(plate / "ER.npy", np.ones((6, 5)))
    with pytest.raises(
        InputError, match=r"A01ER.tiff has \(12, 10\) pixels, the illumination function of ER"
    ):
        images(plate).site(one_cell(1, 1))
    (plate / "A01DNA.tiff").write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"A01DNA\.tiff cannot be read"):
        images(plate).site(one_cell(1, 1))


def test_images_are_read_in_parts_of_their_type(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((2, 3), 13107, dtype=np.uint16))
    Image.fromarray(np.full((2, 3), 51, dtype=np.uint8)).save(tmp_path / "b.png")
    for name in ("a.tif", "b.png"):
        np.testing.assert_allclose(read_image(tmp_path / name), 0.2, rtol=1e-6)
    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)).save(tmp_path / "c.png")
    with pytest.raises(InputError, match=r"c.png is not one plane of one channel: its shape is \(2, 3, 3\)"):
        read_image(tmp_path / "c.png")


def test_work_goes_ahead_in_order_and_not_too_far():
    begun, lock, furthest = [], threading.Lock(), []

    def work(item):
        with lock:
            begun.append(item)
        return item * item

    for done, (item, result) in enumerate(work_ahead(work, iter(range(50)), threads=3, waiting=4)):
        assert (item, result) == (done, done * done)
        furthest.append(len(begun) - done)
    assert len(begun) == 50
    assert max(furthest) <= 5

    def fail(item):
        raise InputError(f"item {item}")

    with pytest.raises(InputError, match="item 0"):
        list(work_ahead(fail, range(9), threads=2, waiting=4))


def test_cells_of_a_contact_sheet_are_drawn_from_each_type():
    import pandas as pd

    profiles = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02", "A03"], "Metadata_control_type": ["negcon", "poscon", None]}
    )
    types = get_well_types(profiles, "control_type", "negcon")
    assert types == {"A01": "negcon", "A02": "poscon", "A03": "treatment"}
    cells = [
        Cells(well, "1", at, np.arange(1, n + 1), *[np.zeros(n, int)] * 3, np.zeros((n, 2)))
        for at, (well, n) in enumerate({"A01": 20, "A02": 2, "A03": 30}.items())
    ]
    drawn = choose_cells(cells, types)
    assert {kind: len(found) for kind, found in drawn.items()} == {"negcon": 6, "poscon": 2, "treatment": 6}
    assert list(drawn) == ["negcon", "poscon", "treatment"]
    assert all(types[site.well] == kind for kind, found in drawn.items() for site, _ in found)
    assert choose_cells(cells, types).keys() == drawn.keys()
