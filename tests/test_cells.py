"""The picture of named cells: which are shown, and the error for those that do not exist."""

import shutil

import pytest
from PIL import Image

from cells import crop_cells_of_well, define_options, main
from image_plate import CHANNELS, write_plate
from lib.crops import PlateImages, Settings
from lib.errors import InputError

pytestmark = pytest.mark.unit

CELLS = {"A01": [(20, 20), (10.4, 30)], "A02": [], "B01": [(10 + x, 20) for x in range(20)]}


def show(results, *words):
    picture = results / "cells.png"
    options = ["P", *words, "--results", results, "--output", picture, "--box", "16"]
    return main(define_options().parse_args(list(map(str, options))))


@pytest.fixture
def results(tmp_path):
    write_plate(tmp_path, CELLS)
    return tmp_path


def test_a_picture_of_named_cells(results):
    with Image.open(show(results, "a1", "--cells", "2")) as one, Image.open(show(results, "A01")) as two:
        assert two.height > one.height > 50


def test_the_cells_are_those_that_were_named(results):
    functions = {name: results / f"images/B/illum/P/P_Illum{name}.npy" for name in CHANNELS}
    load_data = results / "workspace/load_data_csv/B/P/load_data_with_illum.csv"
    images = PlateImages(load_data, functions, Settings(channels=CHANNELS, size=16, box=16))
    table = results / "workspace/backend/B/P/P.parquet"
    crops = crop_cells_of_well(table, images, "B01", None, [3, 17])
    assert [int(site.numbers[at]) for site, at, _ in crops] == [3, 17]
    assert len(crop_cells_of_well(table, images, "B01", "1", None)) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["A01", "--cells", "9"], "Well A01 has no cell 9; it has 1, 2"),
        (["A02"], "no cells in well A02"),
        (["A01", "--site", "7"], r"no cells in well A01, site 7"),
        (["A01", "--channels", "RNA"], "no channel RNA; it has DNA, ER"),
        (["A01", "--batch", "C"], "no single cells of plate P in batch C"),
    ],
)
def test_what_does_not_exist_is_reported(results, words, message):
    with pytest.raises(InputError, match=message):
        show(results, *words)


def test_two_batches_with_a_plate_of_this_name(results):
    shutil.copytree(results / "workspace/backend/B", results / "workspace/backend/C")
    with pytest.raises(InputError, match="is in the batches B, C"):
        show(results, "A01")
    assert show(results, "A01", "--batch", "B").exists()


def test_a_plate_without_images(results):
    (results / "workspace/load_data_csv/B/P/load_data_with_illum.csv").unlink()
    with pytest.raises(InputError, match="plates that start with images"):
        show(results, "A01")
