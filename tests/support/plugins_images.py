"""Write image files of many kinds and read each as the accelerated LoadData does and as Bio-Formats does.

It runs in CellProfiler's Python with Java: `python plugins_images.py PLUGINS FOLDER [FILE ...]`, and
prints one JSON object per file: whether it was read without Java and whether the images are the same.
"""

import io
import json
import struct
import sys
from pathlib import Path

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()
cellprofiler_core.preferences.set_awt_headless(True)

import javabridge  # noqa: E402
import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402
import tifffile  # noqa: E402
from cellprofiler_core.image import FileImage  # noqa: E402
from cellprofiler_core.utilities.java import start_java, stop_java  # noqa: E402


def strips(data):
    """Return the offsets and the lengths of the strips of a TIFF file's first page."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts


def write_big_endian_lzw(path, pixels):
    """Write a big-endian file with a single strip, compressed with LZW."""
    packed = io.BytesIO()
    swapped = pixels.byteswap()
    PIL.Image.fromarray(swapped).save(packed, "TIFF", compression="tiff_lzw", tiffinfo={278: len(pixels)})
    ((offset,), (length,)) = strips(packed.getvalue())
    bits = 8 * pixels.itemsize
    first = 8 + 2 + 9 * 12 + 4  # behind the header and the directory
    height, width = pixels.shape
    tags = {256: width, 257: height, 258: bits, 259: 5, 262: 1, 273: first, 277: 1, 278: height, 279: length}
    directory = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack(">2sHIH", b"MM", 42, 8, len(tags))
    strip = packed.getvalue()[offset : offset + length]
    Path(path).write_bytes(header + directory + struct.pack(">I", 0) + strip)


def broken(data):
    """Return the bytes of a TIFF file, whose second strip is overwritten from its middle on."""
    offsets, lengths = strips(data)
    middle = offsets[1] + lengths[1] // 2
    return data[:middle] + b"\xff" * (offsets[1] + lengths[1] - middle) + data[offsets[1] + lengths[1] :]


def write_files(folder):
    """Write files of 8 and 16 bits as microscopes and programs do; return (path, page) pairs."""
    random = np.random.RandomState(1)
    wide = random.randint(0, 65536, (37, 53)).astype(np.uint16)
    wide[:10] = 1000
    files = []
    for bits, pixels in (("8", (wide >> 8).astype(np.uint8)), ("16", wide)):

        def path(name, bits=bits, files=files):
            files.append((folder / name.replace("#", bits), None))
            return str(files[-1][0])

        image = PIL.Image.fromarray(pixels)
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"):
            image.save(path(f"{compression}_#.tif"), compression=compression)
        for compression in ("tiff_lzw", "tiff_adobe_deflate"):  # differences along each row
            image.save(path(f"{compression}_predictor_#.tif"), compression=compression, tiffinfo={317: 2})
        # Several strips; long runs, and more different pairs than LZW's table can hold.
        large = np.vstack([np.tile(pixels, (5, 4)), np.full((40, 212), pixels[0, 0])])
        image = PIL.Image.fromarray(large)
        image.save(path("lzw_large_#.tif"), compression="tiff_lzw", tiffinfo={278: 48})
        image.save(path("lzw_large_predictor_#.tif"), compression="tiff_lzw", tiffinfo={278: 48, 317: 2})
        write_big_endian_lzw(path("lzw_big_endian_#.tif"), pixels)
        whole = Path(files[-3][0]).read_bytes()
        Path(path("lzw_broken_#.tif")).write_bytes(broken(whole))
        tifffile.imwrite(path("big_endian_#.tif"), pixels, byteorder=">", metadata=None)
        tifffile.imwrite(path("little_endian_#.tif"), pixels, byteorder="<", metadata=None)
        tifffile.imwrite(path("tiled_#.tif"), np.tile(pixels, (3, 3)), tile=(16, 16), metadata=None)
        tifffile.imwrite(path("shaped_#.tif"), pixels)
        tifffile.imwrite(path("imagej_#.tif"), pixels, imagej=True)
        tifffile.imwrite(path("imagej_stack_#.tif"), np.stack([pixels, pixels[::-1]]), imagej=True)
        tifffile.imwrite(path("ome_#.ome.tif"), pixels)
        tifffile.imwrite(path("bigtiff_#.tif"), pixels, bigtiff=True, metadata=None)
        tifffile.imwrite(path("white_is_zero_#.tif"), pixels, photometric="miniswhite", metadata=None)
        tifffile.imwrite(path("turned_#.tif"), pixels, metadata=None, extratags=[(274, 3, 1, 3, True)])
        highest = 200 if bits == "8" else 4095
        tifffile.imwrite(
            path("max_sample_value_#.tif"),
            pixels // 16,
            metadata=None,
            extratags=[(281, 3, 1, highest, True)],
        )
        pages = np.stack([pixels, pixels[::-1], pixels[:, ::-1]])
        tifffile.imwrite(path("pages_#.tif"), pages, photometric="minisblack", metadata=None)
        files += [(files[-1][0], 1), (files[-1][0], 2)]
        tifffile.imwrite(path("float_scaled_#.tif"), pixels / np.float32(7), metadata=None)
        np.save(folder / f"whole_numbers_{bits}.npy", pixels)
        files.append((folder / f"whole_numbers_{bits}.npy", None))
        image.save(folder / f"grey_{bits}.png")
        np.save(folder / f"array_{bits}.npy", pixels / 7.0)
        files += [(folder / f"grey_{bits}.png", None), (folder / f"array_{bits}.npy", None)]
    gray = PIL.Image.fromarray((wide >> 8).astype(np.uint8))
    palettes = {"same": (1, 1, 1, 0), "green": (0, 1, 0, 0), "inverse": (-1, -1, -1, 255)}
    for name, (red, green, blue, start) in palettes.items():
        indexed = gray.convert("P")
        table = [(start + factor * k) % 256 for k in range(256) for factor in (red, green, blue)]
        indexed.putpalette(table)
        files.append((folder / f"palette_{name}.tif", None))
        indexed.save(files[-1][0])
    colors = PIL.Image.fromarray(np.dstack([np.array(gray)] * 2 + [np.array(gray)[::-1]]))
    for name in ("rgb.tif", "rgb.png"):
        colors.save(folder / name)
        files.append((folder / name, None))
    for name, changed in (
        ("palette.png", gray.convert("P")),
        ("alpha.png", gray.convert("LA")),
        ("bits_1.png", gray.convert("1")),
        ("bits_1.tif", gray.convert("1")),
        ("gray.jpg", gray),
        ("rgb.jpg", colors),
        ("bitmap.bmp", gray),
    ):
        changed.save(folder / name)
        files.append((folder / name, None))
    gray.save(folder / "jpeg_inside.tif", compression="jpeg")
    files.append((folder / "jpeg_inside.tif", None))
    # 12 bits of a camera in 16 of a file: the numbers are scaled by the 16.
    PIL.Image.fromarray(wide >> 4).save(folder / "bits_12_in_16.tif", compression="tiff_lzw")
    files.append((folder / "bits_12_in_16.tif", None))
    for kind in (np.float32, np.float64, np.int16, np.uint32):
        files.append((folder / f"{np.dtype(kind).name}.tif", None))
        tifffile.imwrite(str(files[-1][0]), wide.astype(kind), metadata=None)
    return files


def provided(provider):
    """Return the provider's image; None if it cannot read the file."""
    try:
        return provider.provide_image(object())
    except javabridge.JavaException:
        return None


def same(left, right):
    """Return whether two providers returned the same image, scale and digest, or both rejected the file."""
    one, other = provided(left), provided(right)
    if one is None or other is None:
        return one is other
    expected = other.pixel_data
    if expected.ndim == 3 and (expected == expected[..., :1]).all():
        expected = expected[..., 0]  # three equal colors are one gray image
    return bool(
        one.pixel_data.shape == expected.shape
        and one.pixel_data.dtype == expected.dtype
        and np.array_equal(one.pixel_data, expected)
        and one.scale == other.scale
        and left.get_md5_hash(None) == right.get_md5_hash(None)
    )


def main(plugins, folder, *others):
    """Compare the two readers on written files and on `others`."""
    sys.path.insert(0, plugins)
    from loaddata import PlainImage
    from platewise_kernels.image_files import may_be_plain, read_plane

    from lib.image_damage import DamagedImageError

    files = write_files(Path(folder)) + [(Path(path), None) for path in others]
    start_java()
    try:
        for path, page in files:
            found = {"file": path.name, "damaged": False}
            try:
                found["same"] = all(
                    same(
                        *[
                            reader("x", str(path.parent), path.name, rescale=rescale, index=page)
                            for reader in (PlainImage, FileImage)
                        ]
                    )
                    for rescale in (True, False)
                )
                plane = read_plane(path, page, path.read_bytes()) if may_be_plain(path) else None
                found["without_java"] = plane is not None
            except DamagedImageError:
                # Bio-Formats would fill in what it cannot decode.
                found.update(damaged=True, same=False, without_java=False)
            print(json.dumps(found), flush=True)
    finally:
        stop_java()


if __name__ == "__main__":
    main(*sys.argv[1:])
