"""How an image file is written: its compression, colors and type."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cases.case import case
from cases.images import CHANNELS, WELLS, get_refusal, pixels, read, write_plate
from lib.image_files import properties, read_intensities
from lib.image_finding import Reading

pytestmark = pytest.mark.unit


def is_decoded(folder, **how):
    """Whether a plate's images are read by Snakemake's Python, with the values of uncompressed ones."""
    change = how.pop("change", lambda image, *_: image)
    table, faults = read(write_plate(folder / "compressed", change, **how))
    plain, _ = read(write_plate(folder / "plain", change))
    names = [name.removeprefix("FileName_") for name in table if name.startswith("FileName_")]
    assert faults == []
    assert len(names) == 3
    for name in names:
        places = [
            zip(each[f"PathName_{name}"], each[f"FileName_{name}"], strict=True) for each in (table, plain)
        ]
        for (folder_of_one, one), (folder_of_other, other) in zip(*places, strict=True):
            assert one == f"{other}<project=1>"
            decoded = read_intensities(Path(folder_of_one, one))
            assert np.array_equal(decoded, read_intensities(Path(folder_of_other, other)))
    return True


@pytest.mark.parametrize("compression", ["zstd", "lzma", "jpegxr", "jpegxl", "lerc", "png"])
def test_compressions_that_cellprofiler_does_not_read_are_decoded(tmp_path, compression):
    assert is_decoded(tmp_path, compression=compression)
    images = tmp_path / "compressed"
    if compression == "zstd":
        (images / "B02_1.tif").write_bytes((images / "B02_1.tif").read_bytes()[:-30])
        assert "well B02, site 1:" in get_refusal(images)
        assert "is truncated" in get_refusal(images)


@case(
    "images",
    kind="a compression that CellProfiler's readers lack (zstd, LZMA, JPEG-XR, JPEG-XL, LERC, PNG in TIFF)",
    comes_from="microscopes' and archives' own compression",
    says="every image of channel AGP, RNA, DNA (12) is compressed by ZSTD, which CellProfiler does not read; "
    "write it with LZW or deflate, or uncompressed",
    happens="Snakemake's Python decodes the images for CellProfiler; with CellProfiler's container, the "
    "plate stops (with one message)",
)
def test_zstd_in_a_container(tmp_path):
    return get_refusal(write_plate(tmp_path / "images", compression="zstd"), reading=Reading(decoding=False))


def test_gray_in_three_colors_that_cellprofiler_cannot_decompress(tmp_path):
    message = get_refusal(
        write_plate(
            tmp_path / "images",
            lambda image, *_: np.stack([image] * 3, -1),
            photometric="rgb",
            compression="zstd",
        )
    )
    assert "holds 3 samples per pixel, compressed by ZSTD; write one gray image" in message


def test_pictures_without_their_end_are_damaged(tmp_path):
    """Pillow reads a PNG that lacks its last bytes; the job that measures it would refuse it."""
    (tmp_path / "images").mkdir()
    for well in WELLS:
        for channel in CHANNELS:
            path = tmp_path / "images" / f"{well}_{channel}.png"
            Image.fromarray(pixels(well, channel)).save(path)
    path.write_bytes(path.read_bytes()[:-12])
    assert "is truncated (a PNG file of" in get_refusal(tmp_path / "images")


def test_one_compressed_image_among_others(tmp_path):
    images = write_plate(tmp_path / "images")
    tifffile.imwrite(images / "C02_5.tif", pixels("C02", 5), compression="zstd")
    table, faults = read(images)
    assert faults == []
    assert table["FileName_OrigDNA"].tolist() == [
        f"{well}_5.tif{'<project=1>' if well == 'C02' else ''}" for well in WELLS
    ]


def test_what_is_wrong_beside_the_compression_is_reported(tmp_path):
    images = write_plate(tmp_path / "images", compression="zstd", photometric="miniswhite")
    assert "stores white as 0" in get_refusal(images)
    signed = write_plate(tmp_path / "signed", lambda image, *_: -image.astype(np.int16), compression="zstd")
    assert "holds signed numbers of the type int16" in get_refusal(signed)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "jpeg2000"])
def test_compressions_that_cellprofiler_reads(tmp_path, compression):
    assert read(write_plate(tmp_path / "images", compression=compression))[1] == []


@case(
    "images",
    kind="floats compressed with the predictor for floats",
    comes_from="tifffile, GDAL",
    happens="Snakemake's Python decodes the images for CellProfiler",
)
def test_the_predictor_for_floats(tmp_path):
    def change(image, *_):
        return (image / 65535).astype(np.float32)

    assert is_decoded(tmp_path, change=change, compression="zlib", predictor=3)


@pytest.mark.parametrize(
    ("samples", "planar"), [(2, "contig"), (2, "separate"), (5, "contig"), (5, "separate")]
)
def test_several_samples_per_pixel(tmp_path, samples, planar):
    message = get_refusal(
        write_plate(
            tmp_path / "images",
            lambda image, *_: np.stack([image] * samples, -1 if planar == "contig" else 0),
            photometric="minisblack",
            planarconfig=planar,
            **({"extrasamples": ["unassalpha"]} if samples == 2 else {}),
        )
    )
    assert f"holds {samples} samples per pixel (channels in one file, or gray with alpha)" in message


@case(
    "images",
    kind="gray with alpha, or several channels in one file",
    comes_from="image editors; exports of all channels into one file",
    says="holds a gray image with alpha (2 samples per pixel); write it without alpha",
    happens="the plate stops",
)
def test_a_png_with_alpha(tmp_path):
    Image.fromarray((pixels("B02", "1") // 20).astype(np.uint8)).convert("LA").save(tmp_path / "x.png")
    return properties(tmp_path / "x.png")


@case(
    "images",
    kind="an image with a palette of colors",
    comes_from="screenshots and exports for slides; the numbers of the colors were measured as intensities",
    says="holds numbers of the colors of a palette, not intensities; write one gray image for each channel",
    happens="the plate stops; a palette that is a gray ramp is read",
)
def test_a_palette_is_refused_unless_it_is_gray(tmp_path):
    small = (pixels("B02", "1") // 20).astype(np.uint8)
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    for name, colors in (("gray", ramp), ("colors", ramp[:, ::-1])):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, small, photometric="palette", colormap=colors)
        image = Image.fromarray(small).convert("P")
        image.putpalette((colors >> 8).T.astype(np.uint8).ravel().tolist())
        image.save(tmp_path / f"{name}.png")
    for ending in ("tif", "png"):
        assert properties(tmp_path / f"gray.{ending}") == ((12, 10), "uint8")
        message = properties(tmp_path / f"colors.{ending}")
        assert "a palette" in message
    return message


@case(
    "images",
    kind="an image that stores white as 0",
    comes_from="scanners and fax formats: programs disagree on whether such an image is inverted",
    says="stores white as 0 (WhiteIsZero), which programs interpret differently; save it with black as 0",
    happens="the plate stops",
)
def test_white_as_zero_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", pixels("B02", "1"), photometric="miniswhite")
    return properties(tmp_path / "x.tif")


@pytest.mark.parametrize("kind", ["float16", "int64", "uint64", "complex64"])
def test_types_that_cellprofiler_does_not_read_are_named(tmp_path, kind):
    tifffile.imwrite(tmp_path / "x.tif", pixels("B02", "1").astype(kind))
    assert f"holds numbers of the type {kind}, which CellProfiler does not read" in properties(
        tmp_path / "x.tif"
    )


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_ways_to_store_colors(tmp_path, mode):
    Image.fromarray((pixels("B02", "1") // 20).astype(np.uint8)).convert("RGB").convert(mode).save(
        tmp_path / "x.tif" if mode == "CMYK" else tmp_path / "x.jpg"
    )
    found = properties(tmp_path / ("x.tif" if mode == "CMYK" else "x.jpg"))
    # Pillow opens a JPEG of three equal colors as RGB, which is one gray image.
    assert ("samples" in found or "color" in found) if mode == "CMYK" else found == ((12, 10), "uint8")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_gray_as_three_equal_colors_is_one_gray_image(tmp_path, planar):
    gray = pixels("B02", "1")
    axis = -1 if planar == "contig" else 0
    tifffile.imwrite(tmp_path / "x.tif", np.stack([gray] * 3, axis), photometric="rgb", planarconfig=planar)
    assert properties(tmp_path / "x.tif") == ((12, 10), "uint16")
    assert np.array_equal(read_intensities(tmp_path / "x.tif"), gray.astype(np.float32) / np.float32(65535))
    colors = np.stack([gray, gray // 2, gray], axis)
    tifffile.imwrite(tmp_path / "y.tif", colors, photometric="rgb", planarconfig=planar)
    assert properties(tmp_path / "y.tif") == "is in color; write one gray image for each channel"


@case(
    "images",
    kind="a corrupt strip inside a file of the right length",
    comes_from="a copy over a network that broke off and went on",
    says="well C02, site 1: ...C02_5.tif is corrupt: its pixels cannot be decoded",
    happens="with `images.decode: true` load_data reads every pixel and finds it; otherwise the job that "
    "measures it stops with the same words",
)
def test_a_corrupt_strip(tmp_path):
    folder = write_plate(tmp_path / "images", compression="deflate")
    broken = folder / "C02_5.tif"
    content = bytearray(broken.read_bytes())
    with tifffile.TiffFile(broken) as file:
        start, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content[start + length // 2 : start + length // 2 + 20] = bytes(20)
    broken.write_bytes(content)
    assert read(folder)[1] == []
    return get_refusal(folder, decode=True)


@case(
    "images",
    kind="an image file with the extension of another format (a TIFF file called .png), or without one",
    comes_from="batch renaming; exports without an ending",
    says="is a TIFF file, which CellProfiler reads only if its name ends in .tif or .tiff; rename it",
    happens="the plate stops",
)
def test_a_name_that_ends_like_another_kind(tmp_path):
    assert "is a TIFF file" in get_refusal(write_plate(tmp_path / "raw", ending="raw"))
    (tmp_path / "images").mkdir()
    for path in write_plate(tmp_path / "plain").iterdir():
        Image.fromarray(tifffile.imread(path)).save(tmp_path / "images" / path.name, format="PNG")
    refusal = get_refusal(tmp_path / "images")
    assert "is a PNG file, which CellProfiler reads only if its name ends in .png; rename it" in refusal
    return get_refusal(write_plate(tmp_path / "png", ending="png"))


def test_smaller_copies_of_an_image(tmp_path):
    """A pyramid is read as its first image; if a thumbnail comes first, that would be the image."""

    def write(folder, *, first):
        folder.mkdir()
        for path in write_plate(tmp_path / f"{folder.name}_plain").iterdir():
            image = tifffile.imread(path)
            parts = [(image, 0), (image[::2, ::2], 1)]
            with tifffile.TiffWriter(folder / path.name) as file:
                for part, kind in parts[::-1] if first else parts:
                    file.write(part, subfiletype=kind)
        return folder

    table, faults = read(write(tmp_path / "pyramid", first=False))
    assert (len(table), faults) == (4, [])
    refusal = get_refusal(write(tmp_path / "thumbnail", first=True))
    assert "begins with a smaller copy of the image (a thumbnail); save the image without it" in refusal


@case(
    "images",
    kind="a channel whose camera has fewer pixels than the others",
    comes_from="binning of a dim channel",
    says="every image of channel AGP (4) is (6, 5) uint16; the plate's images are (12, 10) uint16 (if its "
    "camera has more or fewer pixels, set scale: 2 for the channel in assay.channels)",
    happens="the plate stops; with `scale` the channel's images are resized when they are read",
)
def test_a_channel_of_fewer_pixels(tmp_path):
    def binned(image, _, channel):
        return image[::2, ::2] if channel == "1" else image

    return get_refusal(write_plate(tmp_path / "images", binned))


def test_an_area_of_another_form_gets_no_scale(tmp_path):
    def cropped(image, _, channel):
        return image[:6] if channel == "1" else image

    message = get_refusal(write_plate(tmp_path / "images", cropped))
    assert "is (6, 10) uint16; the plate's images are (12, 10) uint16" in message
    assert "scale" not in message
