"""Both readers report a damaged image by its name, and read an intact one alike."""

import json
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from lib.cellprofiler import get_environment as environment_variables
from lib.image_damage import damage
from workflow import SUPPORT

WRITTEN = {
    "none": {},
    "lzw": {"compression": "lzw"},
    "deflate": {"compression": "deflate"},
    "packbits": {"compression": "packbits"},
    "tiles": {"compression": "deflate", "tile": (32, 32)},
    "jpeg2000": {"compression": "jpeg2000"},
    "bigtiff": {"bigtiff": True},
    "biglzw": {"bigtiff": True, "compression": "lzw"},
    "bigdeflate": {"bigtiff": True, "compression": "deflate"},
}


def gray():
    """Pixels of an image, (64, 80)."""
    return np.random.default_rng(0).integers(200, 3000, (64, 80)).astype(np.uint16)


def write(path, kind):
    """Write an image as `kind` says."""
    if kind == "png":
        Image.fromarray(gray()).save(path, format="png")
    else:
        tifffile.imwrite(path, gray(), **WRITTEN[kind])


@pytest.mark.unit
@pytest.mark.parametrize("kind", [*WRITTEN, "png"])
def test_a_file_that_is_cut_off_is_found_by_its_header(tmp_path, kind):
    path = tmp_path / "image"
    write(path, kind)
    data = path.read_bytes()
    assert damage(data) is None
    for share in (0.1, 0.5, 0.9):
        assert damage(data[: int(len(data) * share)])
    assert damage(b"") == "is empty (0 bytes)"
    assert damage(b"another format") is None


@pytest.mark.unit
@pytest.mark.parametrize("kind", ["bmp", "jpeg"])
def test_a_bitmap_that_is_cut_off_is_found_too(tmp_path, kind):
    for height in (64, 1):
        path = tmp_path / f"image.{kind}"
        Image.fromarray((gray() // 256).astype(np.uint8)[:height]).save(path)
        data = path.read_bytes()
        assert damage(data) is None
        for cut in (len(data) // 2, len(data) - 2, 20):
            assert damage(data[:cut]).startswith("is truncated (")


@pytest.mark.oracle
def test_damaged_images_are_errors_with_their_names(tmp_path, cellprofiler_environment):
    for kind in [*WRITTEN, "png"]:
        ending = "png" if kind == "png" else "tif"
        whole = tmp_path / f"{kind}_whole.{ending}"
        write(whole, kind)
        data = whole.read_bytes()
        (tmp_path / f"{kind}_cut.{ending}").write_bytes(data[: len(data) // 2])
        (tmp_path / f"{kind}_empty.{ending}").write_bytes(b"")
        middle = len(data) // 2
        (tmp_path / f"{kind}_tail.{ending}").write_bytes(data[:middle] + bytes(len(data) - middle))
        if kind not in ("none", "bigtiff", "jpeg2000"):
            hole = data[:middle] + bytes(200) + data[middle + 200 :]
            (tmp_path / f"{kind}_hole.{ending}").write_bytes(hole)
    colors = np.stack([gray()] * 3, -1)
    tifffile.imwrite(tmp_path / "colors_whole.tif", colors, photometric="rgb")
    done = subprocess.run(
        [cellprofiler_environment / "bin" / "python", SUPPORT / "damaged_images.py", tmp_path],
        env=environment_variables(1),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    expected = float((gray().astype(np.float32) / 65535).sum())
    for name, readings in found.items():
        if "_whole" in name:
            for shape, total in readings:
                assert shape == [64, 80], name
                assert total == pytest.approx(expected, rel=1e-6), name
            continue
        if name == "packbits_hole.tif":
            # Only the faster reader knows how long a strip of PackBits is.
            readings = readings[:1]
        for message in readings:
            assert message.startswith("DamagedImageError"), (name, message)
            place = f"{name} (plate P1, well B02, site 1, image OrigDNA)"
            assert f"{place} is " in message or f"{place} was not copied to its end" in message, message
            assert "Replace the image" in message
