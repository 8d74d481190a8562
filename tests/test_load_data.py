"""The image table: file names of every layout, and each kind of faulty image."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lib.errors import InputError
from load_data import add_illumination, compile_pattern, find_images, load_data, parse_name
from microscope_files import write_harmony_index

pytestmark = pytest.mark.unit

CHANNELS = {"1": "Mito", "5": "DNA"}
PLATE = {"batch": "B1", "plate": "P1"}


RANDOM = np.random.default_rng(0)


def noise(shape=(8, 6), kind=np.uint16) -> np.ndarray:
    """Pixels of an image like no other."""
    return RANDOM.integers(1, 200, shape).astype(kind)


def write_images(folder: Path, wells=("r01c01", "r02c10"), fields=("01", "02")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for well in wells:
        for field in fields:
            for channel in CHANNELS:
                name = f"{well}f{field}p01-ch{channel}sk1fk1fl1.tiff"
                tifffile.imwrite(folder / name, noise())
    return folder


def read(folder: Path, bad_sites="error"):
    return load_data(folder, PLATE, CHANNELS, "phenix", bad_sites, threads=2)


@pytest.mark.parametrize(
    ("pattern", "name", "well", "site", "channel"),
    [
        ("phenix", "r01c02f03p01-ch5sk1fk1fl1.tiff", "A02", "3", "DNA"),
        ("phenix", "r16c24f09p01-ch1sk1fk1fl1.tif", "P24", "9", "Mito"),
        ("imagexpress", "BR1_B03_s2_w5E3A0F1A2-0B1C-4D2E-8F00-0123456789AB.tif", "B03", "2", "DNA"),
        ("imagexpress", "Plate_C11_w1.TIF", "C11", "1", "Mito"),
        ("opera", "002010-4-001001005.tif", "B10", "4", "DNA"),
        ("operetta", "r02c03f01p01-ch5sk1fk1fl1.TIFF", "B03", "1", "DNA"),
        ("cellvoyager", "AssayPlate_Greiner_#655090_C07_T0001F004L01A05Z01C05.tif", "C07", "4", "DNA"),
        (
            r"Channel(?P<channel>\d)-\d+-(?P<row>[A-H])-(?P<column>\d+)\.tif",
            "Channel1-13-B-01.tif",
            "B01",
            "1",
            "Mito",
        ),
    ],
)
def test_layouts(pattern, name, well, site, channel):
    image = parse_name(Path(name), compile_pattern(pattern), CHANNELS)
    assert (image.well, image.site, image.channel) == (well, site, channel)


def test_incell_names_its_channels_in_words():
    channels = {"UV - DAPI": "DNA"}
    image = parse_name(Path("B - 02(fld 03 wv UV - DAPI).tif"), compile_pattern("incell"), channels)
    assert (image.well, image.site, image.channel) == ("B02", "3", "DNA")


def test_one_channel_needs_no_name_in_the_file_names():
    one = {"1": "DNA"}
    name = Path("Plate_B03_s2E3A0F1A2-0B1C-4D2E-8F00-0123456789AB.tif")
    assert parse_name(name, compile_pattern("imagexpress"), one).channel == "DNA"
    assert parse_name(name, compile_pattern("imagexpress"), CHANNELS) is None
    pattern = r"(?P<well>[A-H]\d+)_(?P<site>\d)\.png"
    assert parse_name(Path("A12_0.png"), compile_pattern(pattern), one).well == "A12"
    with pytest.raises(InputError, match=r"named groups `channel`.*phenix, operetta, imagexpress"):
        compile_pattern(pattern, 2)


def test_a_folder_a_well(tmp_path):
    """A pattern with a slash reads the path below the plate's folder; links lead to images, too."""
    for well in ("A1", "B02"):
        (tmp_path / "elsewhere" / well).mkdir(parents=True)
        for channel in CHANNELS:
            tifffile.imwrite(tmp_path / "elsewhere" / well / f"s0_c{channel}.tif", noise())
            (tmp_path / "elsewhere" / well / f"._s0_c{channel}.tif").write_bytes(b"of a Macintosh")
    (tmp_path / "plate").mkdir()
    (tmp_path / "plate" / "wells").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "plate" / "wells" / "round").symlink_to(tmp_path / "plate")
    pattern = r"(?P<well>[A-P]\d+)/s(?P<site>\d)_c(?P<channel>\d)\.tif$"
    table, faults = load_data(tmp_path / "plate", PLATE, CHANNELS, pattern, "error", threads=1)
    assert faults == []
    assert table["Metadata_Well"].tolist() == ["A01", "B02"]
    assert table["Metadata_Site"].tolist() == ["0", "0"]
    assert (Path(table["PathName_OrigDNA"][1]) / table["FileName_OrigDNA"][1]).is_file()


def test_a_file_that_is_a_link_keeps_its_name(tmp_path):
    """As in repositories whose large files lie in a store under their digest."""
    folder = write_images(tmp_path / "images")
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(tmp_path / f"{number}.object")
        path.symlink_to(tmp_path / f"{number}.object")
    table, _ = read(folder)
    assert all(
        (Path(row["PathName_OrigDNA"]) / row["FileName_OrigDNA"]).is_file()
        for row in table.to_dict("records")
    )


def test_planes_of_a_stack_are_reported_as_what_they_are(tmp_path):
    folder = write_images(tmp_path / "images")
    for path in list(folder.iterdir()):
        path.with_name(path.name.replace("p01", "p02")).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="Most sites have several images of a channel: planes of a stack"):
        read(folder)


@pytest.mark.parametrize("how", ["pages", "imagej", "color"])
def test_a_stack_or_a_color_image_is_a_fault(tmp_path, how):
    folder = write_images(tmp_path / "images")
    stack = np.zeros((3, 8, 6), np.uint16)
    for path in folder.iterdir():
        if how == "color":
            tifffile.imwrite(path, np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3), photometric="rgb")
        else:
            tifffile.imwrite(path, stack, imagej=how == "imagej", photometric="minisblack")
    with pytest.raises(InputError, match="is in color" if how == "color" else "holds several planes"):
        read(folder)


def test_thumbnails_and_other_channels_are_not_images():
    expression = compile_pattern("imagexpress")
    assert parse_name(Path("x_A01_s1_w1_thumb0F.tif"), expression, CHANNELS) is None
    assert parse_name(Path("x_A01_s1_w9.tif"), expression, CHANNELS) is None


def test_a_pattern_without_the_groups_is_refused():
    with pytest.raises(InputError, match="must have the named groups `channel` and `well`"):
        compile_pattern(r"(?P<channel>\d)\.tif")
    with pytest.raises(InputError, match="neither a layout"):
        compile_pattern(r"(?P<channel>\d")


def test_one_row_a_site_in_plate_order(tmp_path):
    table, faults = read(write_images(tmp_path / "images"))
    assert faults == []
    assert table["Metadata_Well"].tolist() == ["A01", "A01", "B10", "B10"]
    assert table["Metadata_Site"].tolist() == ["1", "2", "1", "2"]
    assert table["FileName_OrigDNA"].iloc[3] == "r02c10f02p01-ch5sk1fk1fl1.tiff"
    assert Path(table["PathName_OrigMito"].iloc[0]) == tmp_path / "images"


def test_illumination_functions_are_the_plates(tmp_path):
    table, _ = read(write_images(tmp_path / "images"))
    illuminated = add_illumination(table, CHANNELS.values(), tmp_path / "illum")
    assert set(illuminated["FileName_IllumDNA"]) == {"P1_IllumDNA.npy"}
    assert set(illuminated["PathName_IllumMito"]) == {str(tmp_path / "illum")}


def test_all_faults_are_listed_at_once(tmp_path):
    folder = write_images(tmp_path / "images")
    (folder / "r01c01f01p01-ch1sk1fk1fl1.tiff").unlink()
    (folder / "r01c01f02p01-ch5sk1fk1fl1.tiff").write_bytes(b"")
    truncated = folder / "r02c10f01p01-ch5sk1fk1fl1.tiff"
    truncated.write_bytes(truncated.read_bytes()[:-10])
    tifffile.imwrite(folder / "r02c10f02p01-ch1sk1fk1fl1.tiff", np.zeros((4, 6), np.uint16))
    with pytest.raises(InputError) as error:
        read(folder)
    message = str(error.value)
    assert "Plate P1: 4 faults" in message
    assert "well A01, site 1: has no image of channel Mito" in message
    assert "well A01, site 2" in message
    assert "is empty (0 bytes)" in message
    assert "well B10, site 1" in message
    assert "is truncated" in message
    assert "is (4, 6) uint16; the plate's images are (8, 6) uint16" in message
    assert "images.bad_sites" in message


def test_other_bit_depth_is_a_fault(tmp_path):
    folder = write_images(tmp_path / "images")
    tifffile.imwrite(folder / "r02c10f02p01-ch1sk1fk1fl1.tiff", np.zeros((8, 6), np.uint8))
    with pytest.raises(InputError, match=r"is \(8, 6\) uint8"):
        read(folder)


def test_a_file_that_is_not_a_tiff_is_a_fault(tmp_path):
    folder = write_images(tmp_path / "images")
    (folder / "r01c01f01p01-ch1sk1fk1fl1.tiff").write_text("not an image")
    with pytest.raises(InputError, match="cannot be read"):
        read(folder)


def test_two_images_of_a_channel_are_a_fault(tmp_path):
    folder = write_images(tmp_path / "images")
    name = "r01c01f01p01-ch1sk1fk1fl1.tiff"
    (folder / "again").mkdir()
    (folder / "again" / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match="has 2 images of Mito"):
        read(folder)


def test_bad_sites_can_be_dropped_and_are_listed(tmp_path):
    folder = write_images(tmp_path / "images")
    (folder / "r01c01f01p01-ch1sk1fk1fl1.tiff").unlink()
    table, faults = read(folder, bad_sites="drop")
    assert len(table) == 3
    assert [(fault.well, fault.site) for fault in faults] == [("A01", "1")]


def test_no_image_at_all_says_what_is_there(tmp_path):
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(InputError, match=r"none of the 1 files .* Files there: holiday.jpg"):
        find_images(tmp_path, "phenix", CHANNELS, "P1")
    with pytest.raises(InputError, match="does not exist"):
        find_images(tmp_path / "nowhere", "phenix", CHANNELS, "P1")


def test_own_load_data_csv_is_read_back(tmp_path):
    table, _ = read(write_images(tmp_path / "images"))
    table.to_csv(tmp_path / "load_data.csv", index=False)
    again, _ = read(tmp_path / "load_data.csv")
    assert again.equals(table)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_own_image_tables_of_other_pipelines(tmp_path, ending):
    """Columns as in a user's own pipeline, files beside the table, and a row and a column per well."""
    folder = write_images(tmp_path / "images", fields=("01",))
    rows = [
        {
            "Image_FileName_DNA": f"r{row:02d}c{column:02d}f01p01-ch5sk1fk1fl1.tiff",
            "FileName_1": f"r{row:02d}c{column:02d}f01p01-ch1sk1fk1fl1.tiff",
            "Metadata_Plate": 7,
            "Metadata_Row": row,
            "Metadata_Column": column,
        }
        for row, column in ((1, 1), (2, 10))
    ]
    path = folder / f"load_data.{ending}"
    table = pd.DataFrame(rows)
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    found, _ = load_data(path, {**PLATE, "plate": "007"}, CHANNELS, "phenix", "error", 1)
    assert found["Metadata_Well"].tolist() == ["A01", "B10"]
    assert found["Metadata_Plate"].tolist() == ["007", "007"]
    assert found["FileName_OrigMito"][1] == "r02c10f01p01-ch1sk1fk1fl1.tiff"


def test_own_load_data_csv_without_a_channel(tmp_path):
    table, _ = read(write_images(tmp_path / "images"))
    table.drop(columns="FileName_OrigDNA").to_csv(tmp_path / "load_data.csv", index=False)
    with pytest.raises(InputError, match="lacks the column FileName_OrigDNA"):
        read(tmp_path / "load_data.csv")


@pytest.mark.data
def test_lzw_palette_and_big_endian_images_open(tmp_path, shared):
    """The four real fields are LZW; their header says more than the file's name."""
    folder = shared / "cpjump1" / "images"
    table, faults = read(folder)
    assert faults == []
    assert table["Metadata_Well"].tolist() == ["A21", "D08", "D14", "F10"]


def test_a_plate_whose_name_has_blanks_in_the_names_of_files(tmp_path):
    for plate in ("Plate 1", "Plate 2"):
        for well in ("A01", "A02"):
            image = np.random.default_rng([len(plate), int(plate[-1]), int(well[-1])]).integers(
                1, 4000, (8, 6)
            )
            tifffile.imwrite(tmp_path / f"{plate}_{well}_1.tif", image.astype(np.uint16))
    pattern = r"^(?P<plate>.+)_(?P<well>[A-H]\d\d)_(?P<channel>\d)\.tif$"
    found = find_images(tmp_path, pattern, {"1": "DNA"}, "Plate_2")
    assert [image.path.name for image in found] == ["Plate 2_A01_1.tif", "Plate 2_A02_1.tif"]
    with pytest.raises(InputError, match=r"of plate Plate 1, Plate 2\. Write one .*underscores for blanks"):
        find_images(tmp_path, pattern, {"1": "DNA"}, "Plate_3")


def test_barcodes_that_are_one_number_are_different_plates_in_names_of_files(tmp_path):
    tifffile.imwrite(tmp_path / "0012_A01_1.tif", np.ones((4, 4), np.uint16))
    pattern = r"^(?P<plate>.+)_(?P<well>[A-H]\d\d)_(?P<channel>\d)\.tif$"
    with pytest.raises(InputError, match="are of plate 0012"):
        find_images(tmp_path, pattern, {"1": "DNA"}, "12")


def test_an_index_without_its_images_says_where_they_belong(tmp_path):
    write_harmony_index(tmp_path / "Images" / "Index.idx.xml", ["A01", "A02"], {1: "DAPI"})
    with pytest.raises(
        InputError, match=r"none of the 2 images that the microscope's index lists exists\. They "
    ):
        load_data(tmp_path, {"batch": "B", "plate": "P1"}, {"1": "DNA"}, "index", "error", 2)


def test_a_folder_of_links_to_files_that_do_not_exist(tmp_path):
    for well in ("A01", "A02"):
        (tmp_path / f"{well}_1.tif").symlink_to(tmp_path / "gone" / f"{well}_1.tif")
    pattern = r"^(?P<well>[A-H]\d\d)_(?P<channel>\d)\.tif$"
    with pytest.raises(InputError, match="none of its 2 images exists: their names are there, as links to"):
        load_data(tmp_path, {"batch": "B", "plate": "P1"}, {"1": "DNA"}, pattern, "error", 2)
