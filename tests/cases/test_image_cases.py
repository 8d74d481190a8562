"""Images that are not what they seem: `load_data` reports them before anything is measured."""

import logging
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from cases.case import case
from cases.images import CHANNELS, WELLS, get_refusal, pixels, read, write_plate
from lib.image_files import read_intensities

pytestmark = pytest.mark.unit


def test_clean_images_give_no_message(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        for name, kind in (("a", np.uint16), ("b", np.uint8)):
            table, faults = read(
                write_plate(tmp_path / name, lambda image, *_, kind=kind: (image // 20).astype(kind))
            )
            assert len(table) == 4
            assert faults == []
            assert "Metadata_ImageMaximum" not in table
    assert caplog.messages == []


# --- what a pixel means ---------------------------------------------------------------------------


@case(
    "images",
    kind="signed numbers of 16 bits",
    comes_from="CellProfiler#2285: software that writes 16 bits as signed numbers",
    says="every image of channel AGP, RNA, DNA (12) holds signed numbers of the type int16, from -32568 to "
    "-29768; write the images as unsigned numbers of 16 bits (B02_1.tif for one) All sites are affected",
    happens="the plate stops before anything is measured",
)
def test_signed_images_are_refused(tmp_path):
    def signed(image, *_):
        image[0, 1] = 200
        return (image.astype(int) - 32768).astype(np.int16)

    return get_refusal(write_plate(tmp_path / "images", signed))


@case(
    "images",
    kind="floating point numbers beyond 1",
    comes_from="ImageJ, Python and MATLAB write 32-bit images of 0 to 65535",
    says="holds floating point numbers up to 3000, where CellProfiler expects 0 to 1; set images.maximum in "
    "the config to the value that stands for 1 (4095?)",
    happens="the plate stops; with `images.maximum` the values are divided by it",
)
def test_floats_beyond_one(tmp_path):
    folder = write_plate(tmp_path / "images", lambda image, *_: image.astype(np.float32))
    message = get_refusal(folder)
    table, faults = read(folder, maximum=65535)
    assert faults == []
    assert set(table["Metadata_ImageMaximum"]) == {"65535"}
    assert "above images.maximum (2999): raise it" in get_refusal(folder, maximum=2999)
    return message


def test_floats_from_zero_to_one_are_read(tmp_path):
    folder = write_plate(tmp_path / "images", lambda image, *_: (image / 65535).astype(np.float32))
    assert read(folder)[1] == []


@case(
    "images",
    kind="negative floating point numbers",
    comes_from="a background that was subtracted",
    says="holds negative numbers (down to -0.0069482), where CellProfiler expects 0 to 1; write the image "
    "as whole numbers of 16 bits, or add an offset",
    happens="the plate stops",
)
def test_negative_floats(tmp_path):
    return get_refusal(
        write_plate(tmp_path / "images", lambda image, *_: (image / 65535 - 0.01).astype(np.float32))
    )


@case(
    "images",
    kind="numbers of 32 bits",
    comes_from="exports and sums of images: CellProfiler divides by 4,294,967,295, and everything is black",
    says="holds numbers of the type uint32, up to 3000: which of them stands for 1 is not known; set "
    "images.maximum in the config (4095?)",
    happens="the plate stops; with `images.maximum` the values are divided by it",
)
def test_images_of_32_bits(tmp_path):
    folder = write_plate(tmp_path / "images", lambda image, *_: image.astype(np.uint32))
    assert read(folder, maximum=4095)[1] == []
    return get_refusal(folder)


@case(
    "images",
    kind="pixels that are NaN or infinite",
    comes_from="images that were divided by a flat field with zeros",
    says="well B03, site 1: ...B03_2.tif holds 1 pixels that are NaN or infinite; write the image as whole "
    "numbers of 16 bits",
    happens="the plate stops, or (`images.bad_sites: drop`) the site is left out and listed",
)
def test_pixels_that_are_not_numbers(tmp_path):
    def broken(image, well, channel):
        image = (image / 65535).astype(np.float32)
        if (well, channel) == ("B03", "2"):
            image[3, 3] = np.nan
        return image

    folder = write_plate(tmp_path / "images", broken)
    assert read(folder, "drop")[0]["Metadata_Well"].tolist() == ["B02", "C02", "C03"]
    return get_refusal(folder)


def test_a_camera_of_12_bits_is_scaled_by_the_config(tmp_path):
    folder = write_plate(tmp_path / "images")
    assert read(folder, maximum=4095)[1] == []
    image = read_intensities(folder / "B02_1.tif", "4095")
    assert image.max() == np.float32(3000) / np.float32(4095)
    assert "above images.maximum (2000)" in get_refusal(folder, maximum=2000)


def test_the_tag_of_a_12_bit_camera_is_heeded(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", pixels("B02", "1"), extratags=[(281, 3, 1, 4095, True)])
    assert read_intensities(tmp_path / "x.tif").max() == np.float32(3000) / np.float32(4095)


@case(
    "images",
    kind="channels of different bit depths",
    comes_from="CellProfiler#4185: one camera per channel",
    happens="each channel is measured in the scale of its own type",
)
def test_bit_depth_may_differ_between_channels(tmp_path):
    folder = write_plate(
        tmp_path / "images",
        lambda image, well, channel: (image // 16).astype(np.uint8) if channel == "1" else image,
    )
    table, faults = read(folder)
    assert faults == []
    assert len(table) == 4


@case(
    "images",
    kind="an image of 1 bit per pixel",
    comes_from="masks among the images",
    says="holds 1 bit per pixel, which is not an intensity; export the image with 8 or 16 bits",
    happens="the plate stops",
)
def test_images_of_one_bit(tmp_path):
    return get_refusal(write_plate(tmp_path / "images", lambda image, *_: image > 1000))


# --- one image twice ------------------------------------------------------------------------------


@case(
    "images",
    kind="two channels that name one file",
    comes_from="jump-cellpainting/datasets#33: a mistake in a load_data.csv",
    says="every image of channel AGP (4) is also the image of channel RNA of the same site "
    "(B02_2.tif for one)",
    happens="the plate stops",
)
def test_two_channels_that_name_one_file(tmp_path):
    folder = write_plate(tmp_path / "images")
    rows = [
        {"Metadata_Well": well, "FileName_AGP": f"{well}_2.tif", "FileName_RNA": f"{well}_2.tif"}
        | {"FileName_DNA": f"{well}_5.tif"}
        for well in WELLS
    ]
    pd.DataFrame(rows).to_csv(folder / "load_data.csv", index=False)
    return get_refusal(folder / "load_data.csv")


@case(
    "images",
    kind="two wells with the same bytes",
    comes_from="a copy under another name",
    says="well B02, site 1: ...B02_5.tif has the same bytes as C03_5.tif, the image of well C03, site 1, "
    "channel DNA",
    happens="the plate stops, or (`images.bad_sites: drop`) both sites are left out and listed",
)
def test_two_wells_with_the_same_bytes(tmp_path):
    folder = write_plate(tmp_path / "images")
    shutil.copy(folder / "B02_5.tif", folder / "C03_5.tif")
    assert read(folder, "drop")[0]["Metadata_Well"].tolist() == ["B03", "C02"]
    return get_refusal(folder)


def test_black_images_are_not_taken_for_copies(tmp_path):
    folder = write_plate(
        tmp_path / "images",
        lambda image, well, channel: image * 0 if channel == "1" and well != "B02" else image,
    )
    assert read(folder)[1] == []


# --- channels without contrast --------------------------------------------------------------------


@case(
    "images",
    kind="a channel that is black on the whole plate",
    comes_from="a lamp that was off, a filter that was closed",
    says="Plate 0012: nothing can be measured in images without contrast, ... channel AGP: all 4 images are "
    "black (0 everywhere); ...B02_1.tif for one Replace these images; or remove the channel from "
    "assay.channels",
    happens="the plate stops before its illumination functions are calculated",
)
def test_a_black_channel(tmp_path):
    return get_refusal(
        write_plate(tmp_path / "images", lambda image, well, channel: image * 0 if channel == "1" else image)
    )


def test_a_plate_of_one_value(tmp_path):
    message = get_refusal(write_plate(tmp_path / "images", lambda image, *_: np.full_like(image, 212)))
    assert "channel RNA: all 4 images hold one value only (212)" in message


@case(
    "images",
    kind="images that are black, or have only a few gray levels",
    comes_from="a camera's dark noise, a shutter that stayed closed, a hot pixel",
    says="2 of 4 images of channel AGP that were examined are black, or almost without contrast, in wells "
    "B02, B03",
    happens="the log of load_data reports it, and the plate continues",
)
@pytest.mark.parametrize("what", ["black", "dark noise", "hot pixel"])
def test_almost_black_images(tmp_path, caplog, what):
    def change(image, well, channel):
        if channel != "1" or well not in ("B02", "B03"):
            return np.tile(image, (10, 10))
        dark = {"black": image * 0, "dark noise": image % 2 + 100, "hot pixel": image * 0}[what]
        dark = np.tile(dark, (10, 10)).astype(np.uint16)
        dark[5, 5] += (7000 + ord(well[-1])) * (what == "hot pixel")
        return dark

    assert len(read(write_plate(tmp_path / "images", change))[0]) == 4
    return caplog.text


@case(
    "images",
    kind="many images without contrast",
    comes_from="a lamp that failed during the run",
    says="plate 0012: 3 of 4 images of channel AGP hold one value only (black, or without contrast), in "
    "wells B03, C02, C03",
    happens="the log of load_data reports it, and the plate continues",
)
def test_many_black_images(tmp_path, caplog):
    folder = write_plate(
        tmp_path / "images",
        lambda image, well, channel: image * 0 if channel == "1" and well != "B02" else image,
    )
    read(folder)
    return "\n".join(caplog.messages)


# --- a fault that all share -----------------------------------------------------------------------


@case(
    "images",
    kind="an image table with the folders of another machine",
    comes_from="cellpainting-gallery#69: paths of the machine that wrote the table",
    says="Plate 0012: none of its 10,368 images exists. ...load_data.csv names a folder "
    "that does not exist on this machine: /home/ubuntu/screen (10,368 images). "
    "Correct the columns PathName_...",
    happens="the plate stops, with one sentence",
)
def test_a_table_of_another_machine(tmp_path):
    wells = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
    rows = [
        {"Metadata_Well": well, "Metadata_Site": site}
        | {f"FileName_{name}": f"{well}_s{site}_{name}.tif" for name in CHANNELS.values()}
        | {f"PathName_{name}": "/home/ubuntu/screen" for name in CHANNELS.values()}
        for well in wells
        for site in range(1, 10)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "load_data.csv", index=False)
    message = get_refusal(tmp_path / "load_data.csv")
    assert len(message) < 600
    assert "bad_sites" not in message
    return message


@case(
    "images",
    kind="an image table with rows without a plate or a well, or with encoded URLs",
    comes_from="merged cells of a spreadsheet; CellProfiler writes file:///a%20b/c.tif",
    says="load_data.csv has rows without a well: 3 (the header is row 1). Write it into them, or remove "
    "these rows. ... has rows without a plate: 4 ... has no row.",
    happens="the plate stops; URLs are decoded",
)
def test_rows_of_an_image_table(tmp_path):
    images = write_plate(tmp_path / "a folder")
    table = pd.DataFrame({"Metadata_Plate": "0012", "Metadata_Well": WELLS, "Metadata_Site": 1})
    for label, channel in CHANNELS.items():
        table[f"URL_Orig{channel}"] = [(images / f"{well}_{label}.tif").as_uri() for well in WELLS]
    path = images / "load_data.csv"
    table.to_csv(path, index=False)
    assert "%20" in path.read_text()
    assert read(path)[0]["PathName_OrigDNA"].unique().tolist() == [str(images)]
    messages = []
    without = (("Metadata_Well", 1), ("Metadata_Plate", 2))
    for part in [table.assign(**{name: table[name].where(table.index != at)}) for name, at in without]:
        part.to_csv(path, index=False)
        messages.append(get_refusal(path))
    table[:0].to_csv(path, index=False)
    return " ".join([*messages, get_refusal(path)])


def test_a_long_list_of_faults_is_cut(tmp_path):
    folder = write_plate(tmp_path / "images")
    for name in ("B02", "B03"):
        for channel in CHANNELS:
            (folder / f"{name}_{channel}.tif").write_bytes(b"")
    message = get_refusal(folder)
    assert message.count("is empty (0 bytes)") == 6
    assert "set images.bad_sites to drop" in message
