"""The indexes of microscopes, written by code as each version writes them, and the shared real ones."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile

from lib.errors import InputError
from lib.image_finding import Reading, combine_planes, find_in_index, get_index_columns
from lib.microscope_index import find_index, get_images_of_plate, match_channels, read_index
from lib.planes import get_properties, read_planes
from load_data import make_image_table
from microscope_files import harmony_name, write_harmony_index, write_htd, write_mlf

pytestmark = pytest.mark.unit
DYES = {1: "Alexa 488", 5: "HOECHST 33342"}
CHANNELS = {"HOECHST 33342": "DNA", "1": "ER"}


def keys(images):
    return [(image.well, image.site, image.channel, image.plane, image.timepoint) for image in images]


@pytest.mark.parametrize(("version", "name"), [(1, "Index.idx.xml"), (5, "index.IDX.xml"), (7, "Index.xml")])
def test_harmony_of_every_version_gives_the_same_images(tmp_path, version, name):
    write_harmony_index(tmp_path / "Images" / name, ["A01", "P24"], DYES, 2, version=version)
    index = find_index(tmp_path, "P1")
    assert (index.kind, index.plates, index.formats) == ("Harmony", ["P1"], {"P1": (16, 24)})
    assert index.channels == {"1": "Alexa 488", "5": "HOECHST 33342"}
    assert index.pixel_size == pytest.approx(0.5)
    assert sorted(keys(index.images)) == [
        (well, site, channel, "1", "0") for well in ("A01", "P24") for site in "12" for channel in "15"
    ]
    image = index.images[0]
    assert (image.file, image.fields["ExposureTime"]) == (harmony_name("A01", 1, 1), "0.1")


def test_a_1536_well_plate_has_rows_beyond_z(tmp_path):
    index = read_index("Harmony", write_harmony_index(tmp_path / "Index.xml", ["AF48"], DYES, version=7))
    assert index.images[0].well == "AF48"


def test_channels_are_found_by_name_and_number(tmp_path):
    index = read_index("Harmony", write_harmony_index(tmp_path / "Index.xml", ["A01"], DYES))
    assert match_channels(index.images, CHANNELS, index.path) == {"5": "DNA", "1": "ER"}
    assert match_channels(index.images, {"hoechst33342": "DNA"}, index.path) == {"5": "DNA"}
    with pytest.raises(InputError, match=r"channel `DAPI` \(DNA\).* 1 \(Alexa 488\), 5 \(HOECHST 33342\)"):
        match_channels(index.images, {"DAPI": "DNA"}, index.path)


def test_two_channels_of_one_name_need_their_numbers(tmp_path):
    path = write_harmony_index(tmp_path / "Index.xml", ["A01"], {1: "Alexa 488", 2: "Alexa 488"})
    index = read_index("Harmony", path)
    with pytest.raises(InputError, match="2 channels have this name, so give its number"):
        match_channels(index.images, {"Alexa 488": "ER"}, path)
    assert match_channels(index.images, {"2": "ER", "1": "RNA"}, path) == {"2": "ER", "1": "RNA"}


def test_two_channels_of_the_config_that_are_one_of_the_index(tmp_path):
    index = read_index("Harmony", write_harmony_index(tmp_path / "Index.xml", ["A01"], DYES))
    with pytest.raises(InputError, match=r"DNA and ER of the config are both channel 5 \(HOECHST 33342\)"):
        match_channels(index.images, {"HOECHST 33342": "DNA", "5": "ER"}, index.path)


def test_a_number_of_several_channels_is_refused(tmp_path):
    index = read_index("Harmony", write_harmony_index(tmp_path / "Index.xml", ["A01", "A02"], DYES))
    images = [
        each._replace(name="Cy5") if (each.well, each.channel) == ("A02", "1") else each
        for each in index.images
    ]
    for label in ("1", "Alexa 488", "cy5"):
        with pytest.raises(InputError, match=r"1 is called Alexa 488 in some images and Cy5 in others"):
            match_channels(images, {label: "ER"}, index.path)
    # The assay does not have the channel.
    assert match_channels(images, {"5": "DNA"}, index.path) == {"5": "DNA"}
    with pytest.raises(InputError, match=r"the channels 1 \(Alexa 488, Cy5\), 5 \(HOECHST 33342\);"):
        match_channels(images, {"DAPI": "DNA"}, index.path)


def test_one_name_in_different_characters(tmp_path):
    index = read_index("Harmony", write_harmony_index(tmp_path / "Index.xml", ["A01"], {1: "em 5 \u00b5m"}))
    assert match_channels(index.images, {"em 5 \u03bcm": "ER"}, index.path) == {"1": "ER"}


def test_the_plate_of_an_index_with_several_is_chosen_by_name(tmp_path):
    path = write_harmony_index(tmp_path / "Index.idx.xml", ["A01"], DYES, plates=["P1", "P2"])
    index = read_index("Harmony", path)
    assert {image.plate for image in get_images_of_plate(index, "P2")} == {"P2"}
    images = [each._replace(plate=f"Plate {each.plate[1:]}") for each in index.images]
    blank = replace(index, images=images)
    assert {image.plate for image in get_images_of_plate(blank, "Plate_2")} == {"Plate 2"}
    with pytest.raises(InputError, match="has no plate P3; it has P1, P2"):
        get_images_of_plate(index, "P3")
    only = read_index("Harmony", write_harmony_index(tmp_path / "one" / "Index.xml", ["A01"], DYES))
    assert len(get_images_of_plate(only, "any name")) == 2


def test_two_measurements_in_a_folder_are_refused(tmp_path):
    for number in (1, 2):
        write_harmony_index(
            tmp_path / f"P1__Measurement {number}" / "Images" / "Index.idx.xml", ["A01"], DYES
        )
    with pytest.raises(InputError, match=r"2 indexes .*Measurement 1/Images/Index.idx.xml"):
        find_index(tmp_path, "P1")


@pytest.mark.parametrize("damage", ["<EvaluationInputData><Images><Image>", "", "<a><Images/></a>"])
def test_a_damaged_index_is_named(tmp_path, damage):
    (tmp_path / "Index.xml").write_text(damage)
    with pytest.raises(InputError, match=r"Index\.xml (is not valid XML|lists no image)"):
        find_index(tmp_path, "P1")


def test_no_index_says_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"no index of a microscope .*HTD .*MeasurementData\.mlf"):
        find_index(tmp_path, "P1")


def test_files_in_a_subfolder_are_found_and_missing_ones_named(tmp_path):
    write_harmony_index(tmp_path / "Index.xml", ["A01"], DYES)
    below = tmp_path / "Images" / harmony_name("A01", 1, 5)
    below.parent.mkdir()
    below.write_bytes(b"x")
    found = find_in_index(tmp_path, CHANNELS, "P1")
    assert {image.channel: image.path for image in found} == {
        "DNA": below,
        "ER": tmp_path / harmony_name("A01", 1, 1),
    }


def test_what_the_channels_of_a_site_share_is_one_column(tmp_path):
    write_harmony_index(tmp_path / "Index.xml", ["A01"], DYES, sites=2)
    found = find_in_index(tmp_path, CHANNELS, "P1")
    columns = get_index_columns(found, make_image_table(found, ["DNA", "ER"], "B", "P1"))
    assert columns["Metadata_PositionX"] == ["0.001", "0.002"]
    assert columns["Metadata_ChannelName_OrigDNA"] == ["HOECHST 33342"] * 2
    assert "Metadata_ChannelName" not in columns


@pytest.mark.parametrize(
    "address",
    ["D:\\Data\\x y\\{}", "/data/x/{}", "file:///D:/x%20y/{}", "file:///D:/x%20y/a%20{}", "other/{}"],
)
def test_files_are_found_by_their_names_wherever_the_index_says_that_they_are(tmp_path, address):
    path = write_harmony_index(tmp_path / "Index.xml", ["A01"], DYES)
    names = [harmony_name("A01", 1, channel) for channel in (1, 5)]
    text = path.read_text(encoding="utf-8-sig")
    for name in names:
        text = text.replace(name, address.format(name))
        there = f"a {name}" if "a%20" in address else name
        (tmp_path / there).write_bytes(b"x")
    path.write_text(text)
    found = find_in_index(tmp_path, CHANNELS, "P1")
    assert len(found) == 2
    assert all(image.path.is_file() for image in found)


@pytest.mark.parametrize("empty", ["<URL />", "<URL></URL>", ""])
def test_an_image_without_a_file_failed(tmp_path, empty):
    path = write_harmony_index(tmp_path / "Index.xml", ["A01", "A02"], DYES)
    failed = f"<URL>{harmony_name('A01', 1, 5)}</URL>"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(failed, empty))
    found = find_in_index(tmp_path, CHANNELS, "P1")
    assert [(image.well, image.channel) for image in found] == [("A01", "ER"), ("A02", "ER"), ("A02", "DNA")]


@pytest.mark.parametrize("project", [None, "max", 2])
def test_images_that_are_pages_of_one_file(tmp_path, project):
    """As Columbus exports them: a file per well, with all planes and channels."""
    planes = 1 if project is None else 3
    path = write_harmony_index(tmp_path / "ImageIndex.ColumbusIDX.xml", ["A01", "B02"], DYES, planes=planes)
    text = path.read_text(encoding="utf-8-sig")
    pixels = {}
    for well in ("A01", "B02"):
        pages = []
        for plane in range(1, planes + 1):
            for channel in DYES:
                page = f'<URL BufferNo="{len(pages)}">{well}.tif</URL>'
                text = text.replace(f"<URL>{harmony_name(well, 1, channel, plane)}</URL>", page)
                pages.append(np.full((8, 9), 100 * len(pages) + ord(well[0]), np.uint16))
                pixels[well, channel, plane] = pages[-1]
        tifffile.imwrite(tmp_path / f"{well}.tif", np.array(pages), photometric="minisblack")
    path.write_text(text)
    found, faults = combine_planes(find_in_index(tmp_path, CHANNELS, "P1"), Reading(project))
    assert (len(found), faults) == (4, [])
    for image in found:
        assert get_properties(image.path) == ((8, 9), "uint16")
        number = {"ER": 1, "DNA": 5}[image.channel]
        plane = {None: 1, "max": 3, 2: 2}[project]
        assert np.array_equal(read_planes(image.path).pixels, pixels[image.well, number, plane])


@pytest.mark.parametrize("block", ["Wells", "Plates", "ImageResolutionX", "TimepointID", "PlaneID"])
def test_what_an_index_lacks_is_taken_from_the_images(tmp_path, block):
    path = write_harmony_index(tmp_path / "Index.xml", ["P24", "A01"], DYES, sites=2)
    text = path.read_text(encoding="utf-8-sig")
    path.write_text(re.sub(rf"<{block}>.*?</{block}>", "", text, flags=re.DOTALL))
    found = find_in_index(tmp_path, CHANNELS, "P1")
    assert {(image.well, image.site) for image in found} == {
        (well, site) for well in ("A01", "P24") for site in "12"
    }
    assert len(found) == 8


# --- MetaXpress -----------------------------------------------------------------------------------


def test_metaxpress_lists_what_should_be_there(tmp_path):
    write_htd(tmp_path / "Exp.HTD", ["A01", "B03"], ["DAPI", "FITC"], sites=("TRUE", "FALSE", "TRUE"))
    name = "Exp_A01_s2_w1E3A0F1A2-0B1C-4D2E-8F00-0123456789AB.tif"
    (tmp_path / "TimePoint_1").mkdir()
    (tmp_path / "TimePoint_1" / name).write_bytes(b"x")
    (tmp_path / "TimePoint_1" / name.replace("_w1", "_w1_thumb")).write_bytes(b"x")
    index = find_index(tmp_path, "P1")
    assert index.channels == {"1": "DAPI", "2": "FITC"}
    assert {key[:3] for key in keys(index.images)} == {
        (well, site, wave) for well in ("A01", "B03") for site in "12" for wave in "12"
    }
    there = [image.file for image in index.images if image.file.startswith("TimePoint_1")]
    assert there == [f"TimePoint_1/{name}"]
    assert "Exp_B03_s1_w2.tif" in [image.file for image in index.images]


def test_metaxpress_of_one_site_and_channel(tmp_path):
    write_htd(tmp_path / "Exp.HTD", ["A01"], ["DAPI"])
    (tmp_path / "Exp_A01.tif").write_bytes(b"x")
    assert [
        (image.well, image.site, image.channel, image.file) for image in find_index(tmp_path, "P").images
    ] == [("A01", "1", "1", "Exp_A01.tif")]


def test_metaxpress_takes_planes_and_not_their_projection(tmp_path):
    write_htd(tmp_path / "E.HTD", ["A01"], ["DAPI", "FITC"], stacks=True)
    for folder in ("", "ZStep_1", "ZStep_2"):
        place = tmp_path / "TimePoint_1" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "E_A01_w1.tif").write_bytes(b"x")
    (tmp_path / "TimePoint_1" / "E_A01_w2.tif").write_bytes(b"x")
    found = [(image.channel, image.plane, image.file) for image in find_index(tmp_path, "P").images]
    assert found == [
        ("1", "1", "TimePoint_1/ZStep_1/E_A01_w1.tif"),
        ("1", "2", "TimePoint_1/ZStep_2/E_A01_w1.tif"),
        ("2", "", "TimePoint_1/E_A01_w2.tif"),
    ]


def test_metaxpress_copies_its_index_into_the_folders_of_time_points_and_planes(tmp_path):
    """As it exports plates; a barcode that was imaged twice has two indexes nevertheless."""
    for place in ("", "TimePoint_1", "TimePoint_1/ZStep_0", "TimePoint_1/ZStep_1", "TimePoint_2"):
        write_htd(tmp_path / "9987_Plate_3434" / place / "9987.HTD", ["B02"], ["DAPI"], stacks=True)
    for place in ("ZStep_0", "ZStep_1"):
        (tmp_path / "9987_Plate_3434" / "TimePoint_1" / place / "9987_B02.TIF").write_bytes(b"x")
    index = find_index(tmp_path, "9987")
    assert index.path == tmp_path / "9987_Plate_3434" / "9987.HTD"
    assert keys(index.images) == [("B02", "1", "1", "1", "1")]
    assert find_index(index.path.parent / "TimePoint_1" / "ZStep_1", "9987").images
    write_htd(tmp_path / "9987_Plate_3435" / "9987.HTD", ["B02"], ["DAPI"])
    with pytest.raises(InputError, match=r"2 indexes .*: 9987_Plate_3434/9987\.HTD, 9987_Plate_3435"):
        find_index(tmp_path, "9987")


def test_metaxpress_takes_identifiers_in_brackets_and_an_index_that_was_renamed(tmp_path):
    write_htd(tmp_path / "renamed.htd", ["A01"], ["DAPI", "FITC"])
    identifier = "[E3A0F1A2-0B1C-4D2E-8F00-0123456789AB]"
    for name in (f"Exp_A01_w1_{identifier}.TIF", f"Exp_A01_w2_thumb_{identifier}.TIF"):
        (tmp_path / name).write_bytes(b"x")
    images = find_index(tmp_path, "P").images
    assert [(image.channel, image.file) for image in images] == [
        ("1", f"Exp_A01_w1_{identifier}.TIF"),
        ("2", "renamed_A01_w2.tif"),
    ]
    # With the images of two plates, nothing says which ones are meant.
    (tmp_path / "Other_A01_w1.tif").write_bytes(b"x")
    assert [image.file for image in find_index(tmp_path, "P").images] == [
        "renamed_A01_w1.tif",
        "renamed_A01_w2.tif",
    ]


def test_metaxpress_leaves_out_wavelengths_that_were_not_imaged(tmp_path):
    path = write_htd(tmp_path / "E.HTD", ["A01"], ["DAPI", "FITC", "Cy5"])
    path.write_text(path.read_text().replace('"EndFile"', '"WaveCollect1", 1\n"WaveCollect2", 0\n"EndFile"'))
    assert find_index(tmp_path, "P").channels == {"1": "DAPI", "3": "Cy5"}


@pytest.mark.parametrize(
    ("there", "expected"),
    [((), ["1", "2"]), (("1",), ["1", "2"]), (("2", "3"), ["2", "3"]), (("3",), ["2", "3"])],
)
def test_metaxpress_numbers_chosen_sites_as_the_images_do(tmp_path, there, expected):
    write_htd(tmp_path / "E.HTD", ["A01"], ["DAPI"], sites=("FALSE", "TRUE", "TRUE"))
    for site in there:
        (tmp_path / f"E_A01_s{site}.tif").write_bytes(b"x")
    assert sorted({image.site for image in find_index(tmp_path, "P").images}) == expected


def test_metaxpress_takes_the_projection_where_there_is_nothing_else(tmp_path):
    write_htd(tmp_path / "E.HTD", ["A01"], ["DAPI", "FITC"], stacks=True)
    for plane in range(3):
        place = tmp_path / "TimePoint_1" / f"ZStep_{plane}"
        place.mkdir(parents=True)
        (place / "E_A01_w1.tif").write_bytes(b"x")
    (tmp_path / "TimePoint_1/ZStep_0/E_A01_w2.tif").write_bytes(b"x")
    found = [(image.channel, image.plane) for image in find_index(tmp_path, "P").images]
    assert found == [("1", "1"), ("1", "2"), ("2", "")]


# --- CellVoyager ----------------------------------------------------------------------------------


def test_cellvoyager_names_channels_and_leaves_out_failed_images(tmp_path):
    write_mlf(
        tmp_path / "AP1",
        [("B02", 1, 1, 1, "a.tif"), ("B02", 1, 2, 1, "b.tif"), ("B02", 2, 1, 1, "")],
        {1: "Hoechst", 2: "GFP"},
    )
    index = find_index(tmp_path, "AP1")
    assert (index.kind, index.plates, index.pixel_size) == ("CellVoyager", ["AP1"], 0.325)
    assert index.channels == {"1": "Hoechst", "2": "GFP"}
    assert keys(index.images)[:2] == [("B02", "1", "1", "1", "1"), ("B02", "1", "2", "1", "1")]
    for name in ("a.tif", "b.tif"):
        (tmp_path / "AP1" / name).write_bytes(b"x")
    found = find_in_index(tmp_path, {"Hoechst": "DNA", "2": "ER"}, "AP1")
    assert sorted((image.channel, image.path.name) for image in found) == [("DNA", "a.tif"), ("ER", "b.tif")]


def test_cellvoyager_takes_the_plates_name_and_the_settings_of_the_measurement(tmp_path):
    folder = tmp_path / "AP1"
    write_mlf(folder, [("B02", 1, 1, 1, "a.tif")], {1: "Hoechst"})
    detail = folder / "MeasurementDetail.mrf"
    text = detail.read_text().replace(
        "<bts:MeasurementChannel", '<bts:MeasurementSamplePlate bts:Name="BR7" /><bts:MeasurementChannel', 1
    )
    setting = r'bts:MeasurementSettingFileName="D:\BTSData\Setting.mes" bts:Title='
    detail.write_text(text.replace("bts:Title=", setting, 1))
    other = (folder / "Setting.mes").read_text().replace("Hoechst", "from another measurement")
    (folder / "Another.mes").write_text(other)
    index = find_index(folder, "BR7")
    assert (index.plates, index.channels) == (["BR7"], {"1": "Hoechst"})


@pytest.mark.parametrize("name", ["A.TIF", "a.png"])
def test_files_with_other_capitals_or_compressed_as_png_are_found(tmp_path, name):
    write_mlf(tmp_path, [("B02", 1, 1, 1, "a.tif")], {1: "Hoechst"})
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"x")
    assert [image.path.name for image in find_in_index(tmp_path, {"1": "DNA"}, "P")] == [name]


# --- real indexes ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("version", "channels"),
    [
        (1, {"HOECHST 33342": "DNA", "488 long": "RNA", "Brightfield": "Brightfield"}),
        (5, {"488 650": "RNA", "Brightfield high": "Brightfield", "Digital Phase Contrast": "DPC"}),
    ],
)
def test_published_indexes_give_the_published_image_table(shared, tmp_path, version, channels):
    channels |= {"Alexa 568": "AGP", "Alexa 647": "Mito", "Alexa 488": "ER"}
    folder = shared / "phenix_index"
    shutil.copy(folder / f"harmony_v{version}_Index.idx.xml", tmp_path / "Index.idx.xml")
    expected = pd.read_csv(folder / f"harmony_v{version}_load_data.csv", dtype=str)
    plate = expected["Metadata_Plate"][0]
    found = find_in_index(tmp_path, channels, plate)
    table = make_image_table(found, list(channels.values()), "B", plate)
    table = table.assign(**get_index_columns(found, table))
    columns = [name for name in expected if not name.startswith("PathName")]
    assert set(columns) <= set(table)
    pd.testing.assert_frame_equal(table[columns], expected[columns], check_dtype=False)
