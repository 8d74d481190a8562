"""Time the code that is written by hand against libraries with the same function, and compare the results.

    .venv/bin/python tests/benchmarks/benchmark_hand_written.py --cellprofiler ENVIRONMENT/bin/cellprofiler \
        IMAGE [IMAGE ...]

The images are LZW-compressed TIFF files. Prints, in CPU seconds (the least of several runs):

* decoding LZW strips: `platewise_kernels.lzw`, imagecodecs and Pillow, on the same bytes;
* the component tree of granularity: `platewise_kernels.granularity`, scikit-image's max_tree, on the image
  subsampled to a quarter, as CellProfiler does by default;
* starting a chunk: importing what the generated analysis pipeline needs, with the runner's import hooks and
  without them.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import skimage.morphology
import tifffile

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "cellprofiler_plugins")]

from platewise_kernels import granularity, lzw  # noqa: E402

MODULES = [
    *("LoadData", "CorrectIlluminationApply", "IdentifyPrimaryObjects", "IdentifySecondaryObjects"),
    *("IdentifyTertiaryObjects", "MeasureObjectIntensity", "MeasureObjectSizeShape", "MeasureTexture"),
    *("MeasureGranularity", "MeasureColocalization", "MeasureObjectNeighbors"),
    *("MeasureObjectIntensityDistribution", "ExportToSpreadsheet"),
]
START = """
import sys
sys.path[:0] = [{scripts!r}]
from cellprofiler_runner import starting
if not {hooks}:
    starting.LazyFinder.find_spec = lambda *_: None
    starting.NoWindowFinder.find_spec = lambda *_: None
starting.start({plugins!r}, "/tmp", "/tmp", "/tmp/none.csv")
from cellprofiler_core.constants.modules import all_modules
for name in {modules!r}:
    all_modules[name]
starting.stop()
"""


def time_least(function: Callable[[], Any], runs: int = 7) -> float:
    """Return the least CPU seconds of several runs, after one that is not counted."""
    function()
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def read_strips(path: Path) -> list[tuple[bytes, int]]:
    """Return the compressed strips of an image, each with the number of bytes that it decodes to."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.compression != 5:
            raise SystemExit(f"{path} is not compressed with LZW.")
        height, width = page.shape
        row = width * page.dtype.itemsize
        rows = [min(page.rowsperstrip, height - first) for first in range(0, height, page.rowsperstrip)]
        places = zip(page.dataoffsets, page.databytecounts, rows, strict=True)
        data = path.read_bytes()
        return [(data[offset : offset + count], number * row) for offset, count, number in places]


def decode_by_hand(strips: list[tuple[bytes, int]]) -> list[bytes]:
    """Decode strips with the kernel."""
    decoded = []
    for packed, size in strips:
        out = np.empty(size + lzw.SPARE, np.uint8)
        if lzw.decode(np.frombuffer(packed, np.uint8), out) != size:
            raise SystemExit("The kernel did not decode a strip.")
        decoded.append(out[:size].tobytes())
    return decoded


def compare_decoders(paths: list[Path]) -> None:
    """Print the times of the decoders."""
    files = [read_strips(path) for path in paths]
    own = [decode_by_hand(strips) for strips in files]
    other = [[imagecodecs.lzw_decode(packed) for packed, _ in strips] for strips in files]
    print(f"LZW: {sum(map(len, own))} strips of {len(paths)} images, decoded bytes equal: {own == other}")
    print(f"  kernel       {time_least(lambda: [decode_by_hand(strips) for strips in files]):.3f}")
    imagecodecs_time = time_least(
        lambda: [[imagecodecs.lzw_decode(packed) for packed, _ in strips] for strips in files]
    )
    print(f"  imagecodecs  {imagecodecs_time:.3f}")
    print(f"  Pillow       {time_least(lambda: [np.asarray(PIL.Image.open(path)) for path in paths]):.3f}")


def compare_trees(paths: list[Path]) -> None:
    """Print the times of the component trees, and whether they have the same components."""
    images = [tifffile.imread(path)[::2, ::2] for path in paths]

    def build(image: np.ndarray) -> np.ndarray:
        order = np.argsort(image, axis=None, kind="stable")
        return granularity.component_tree(order, *image.shape)

    own = time_least(lambda: [build(image) for image in images])
    library = time_least(lambda: [skimage.morphology.max_tree(image, connectivity=1) for image in images])
    components = [count_components(image) for image in images]
    same = all(of_kernel == of_library for of_kernel, of_library in components)
    print(f"Component tree: {len(images)} images of {images[0].shape}, the same number of components: {same}")
    print(f"  kernel        {own:.3f}")
    print(f"  scikit-image  {library:.3f}")


def count_components(image: np.ndarray) -> tuple[int, int]:
    """Return how many components the kernel's and scikit-image's tree of an image have."""
    order = np.argsort(image, axis=None, kind="stable")
    values = image.ravel()[order]
    parent = granularity.component_tree(order, *image.shape)
    kernel = 1 + int((values[parent[1:]] < values[1:]).sum())
    above, _ = skimage.morphology.max_tree(image, connectivity=1)
    flat = image.ravel()
    return kernel, 1 + int((flat[above.ravel()] < flat).sum())


def compare_starts(cellprofiler: Path) -> None:
    """Print the CPU seconds of starting with and without the import hooks."""
    print("Starting CellProfiler with the modules of an analysis")
    for hooks in (True, False):
        code = START.format(
            scripts=str(ROOT / "scripts"),
            plugins=str(ROOT / "scripts" / "cellprofiler_plugins"),
            hooks=hooks,
            modules=MODULES,
        )
        seconds = []
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([cellprofiler.parent / "python", "-c", code], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(f"  {'with' if hooks else 'without'} the import hooks  {min(seconds):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cellprofiler", type=Path, required=True)
    parser.add_argument("images", type=Path, nargs="+")
    options = parser.parse_args()
    compare_decoders(options.images)
    compare_trees(options.images)
    compare_starts(options.cellprofiler)
