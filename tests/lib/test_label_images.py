"""Label images: what a file may hold, the numbers of its objects, and which nucleus belongs to which cell."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.label_images import LabelError, find_outline, number_objects, pair_labels, read_pixels

pytestmark = pytest.mark.unit


def disks(shape, *circles):
    """A label image of circles (row, column, radius, number), the later ones on top."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for row, column, radius, number in circles:
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return labels


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "int32", "float32"])
def test_types_of_numbers(tmp_path, kind):
    labels = disks((40, 50), (10, 10, 5, 3), (25, 30, 6, 200))
    tifffile.imwrite(tmp_path / "a.tif", labels.astype(kind))
    found = number_objects(read_pixels(tmp_path / "a.tif"), mask=False)
    assert len(found) == 2
    assert found.gaps == 198
    assert np.array_equal(found.pixels, np.select([labels == 3, labels == 200], [1, 2], 0))


def test_more_than_16_bits_of_numbers(tmp_path):
    labels = disks((30, 30), (8, 8, 4, 70_000), (20, 20, 4, 1_000_000)).astype(np.uint32)
    np.save(tmp_path / "a.npy", labels)
    found = number_objects(read_pixels(tmp_path / "a.npy"), mask=False)
    assert sorted(np.unique(found.pixels)) == [0, 1, 2]


def test_three_equal_colors_are_gray_and_a_palette_is_numbers(tmp_path):
    labels = disks((30, 30), (8, 8, 4, 1), (20, 20, 4, 2)).astype(np.uint8)
    Image.fromarray(np.repeat(labels[..., None], 3, axis=-1)).save(tmp_path / "rgb.png")
    assert np.array_equal(read_pixels(tmp_path / "rgb.png"), labels)
    palette = Image.fromarray(labels, mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_pixels(tmp_path / "palette.png"), labels)


def write_color(path):
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[5:9, 5:9, 0] = 255
    pixels[12:15, 12:15, 1] = 128
    Image.fromarray(pixels).save(path)


def write_stack(path):
    tifffile.imwrite(path, np.zeros((4, 20, 20), np.uint16), photometric="minisblack")


def write_objects(path):
    np.save(path, np.array({"masks": 1}, dtype=object))


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("a.png", write_color, "is in color"),
        ("a.tif", write_stack, "holds several planes"),
        ("a_seg.npy", write_objects, "Python object of Cellpose"),
        ("a.tif", lambda path: path.write_bytes(b"II*\0nothing"), "cannot be read"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.full((9, 9), 0.5, np.float32)), "fractions"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.full((9, 9), np.nan, np.float32)), "fractions"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.full((9, 9), -1, np.int16)), "negative"),
        ("a.tif", lambda path: None, "does not exist"),
    ],
)
def test_what_is_not_a_label_image(tmp_path, name, write, words):
    write(tmp_path / name)
    with pytest.raises(LabelError, match=words):
        read_pixels(tmp_path / name)


def test_a_mask_and_numbers_are_distinguished():
    labels = disks((40, 50), (10, 10, 5, 1), (25, 30, 6, 2))
    mask = np.where(labels > 0, 255, 0)
    assert len(number_objects(mask, mask=True)) == 2
    with pytest.raises(LabelError, match=r"one value \(255\) in 2 separate regions"):
        number_objects(mask, mask=False)
    with pytest.raises(LabelError, match="2 values above 0"):
        number_objects(labels, mask=True)
    one = disks((40, 50), (10, 10, 5, 255))
    assert (len(number_objects(one, False)), number_objects(one, False).gaps) == (1, 0)


@pytest.mark.parametrize("mask", [True, False])
def test_an_image_without_objects(mask):
    found = number_objects(np.zeros((10, 10), np.uint8), mask)
    assert len(found) == 0
    assert found.pixels.shape == (10, 10)


def test_objects_that_fill_the_image_and_touch():
    labels = np.repeat([[4, 9]], 6, axis=0).repeat(5, axis=1)
    found = number_objects(labels, mask=False)
    assert np.array_equal(np.unique(found.pixels), [1, 2])


def test_a_pair_has_one_number():
    # The numbers of the two files have nothing to do with each other.
    nuclei = disks((60, 90), (30, 15, 5, 3), (30, 45, 5, 1), (30, 75, 5, 2))
    cells = disks((60, 90), (30, 15, 12, 2), (30, 45, 12, 3), (30, 75, 12, 1))
    found = pair_labels(nuclei, cells, cytoplasm=True)
    assert found.pairs == 3
    for number in (1, 2, 3):
        assert set(np.unique(found.cells[found.nuclei == number])) == {number}
    assert [found.nuclei_outside, found.further_nuclei, found.cells_without_nucleus] == [[], [], []]


def test_what_has_no_partner_is_counted():
    nuclei = disks((60, 120), (30, 15, 5, 1), (10, 100, 5, 2), (28, 50, 6, 3), (36, 60, 3, 4))
    cells = disks((60, 120), (30, 15, 12, 1), (30, 55, 15, 2), (45, 100, 8, 3))
    found = pair_labels(nuclei, cells, cytoplasm=True)
    assert found.pairs == 2
    assert found.further_nuclei == [3]
    assert found.nuclei_outside == [4]
    assert found.cells_without_nucleus == [3]
    assert found.nuclei[36, 60] == 3
    assert found.nuclei[10, 100] == 4
    assert found.cells[45, 100] == 3
    # the larger nucleus of the two is the cell's
    assert found.nuclei[28, 50] == found.cells[30, 55]


def test_a_cell_inside_its_nucleus_leaves_no_cytoplasm():
    nuclei = disks((40, 40), (20, 20, 10, 1))
    cells = disks((40, 40), (20, 20, 4, 1))
    found = pair_labels(nuclei, cells, cytoplasm=True)
    assert found.cells_inside_nuclei == [1]
    assert not found.cells.any()
    assert pair_labels(nuclei, cells, cytoplasm=False).pairs == 1


def test_outlines_are_cellprofilers():
    labels = np.zeros((5, 6), int)
    labels[1:4, 1:4] = 1
    labels[1:4, 4:6] = 2
    expected = np.zeros((5, 6), bool)
    expected[1:4, 1:4] = True
    expected[2, 2] = False
    expected[1:4, 4:6] = True
    assert np.array_equal(find_outline(labels), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_nothing_is_lost_and_no_number_is_missing(seed, nuclei, cells, cytoplasm):
    random = np.random.default_rng(seed)

    def draw(number, size):
        circles = [
            (*random.integers(0, 50, 2), random.integers(1, size), at)
            for at in random.permutation(number) + 1
        ]
        return number_objects(disks((50, 50), *circles), mask=False).pixels

    first, second = draw(nuclei, 7), draw(cells, 14)
    found = pair_labels(first, second, cytoplasm)
    assert np.array_equal(found.nuclei > 0, first > 0)
    kept = ~np.isin(second, [0, *found.cells_inside_nuclei])
    assert np.array_equal(found.cells > 0, kept)
    for labels, alone in (
        (found.nuclei, found.further_nuclei + found.nuclei_outside),
        (found.cells, found.cells_without_nucleus),
    ):
        assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, found.pairs + len(alone) + 1))
    for number in range(1, found.pairs + 1):
        assert ((found.nuclei == number) & (found.cells == number)).any()
