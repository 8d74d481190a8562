"""Time single steps of CellProfiler's modules against what replaces them, on one image, and compare results.

    ENVIRONMENT/bin/python tests/benchmarks/benchmark_steps.py IMAGE.tiff

It runs in CellProfiler's Python. IMAGE: 16 bits, gray, with bright objects. Each step is run five times in
turn with its replacement; the table has the least CPU time of each in milliseconds, and the largest relative
difference of the results.
"""

import sys
import time
import warnings
from pathlib import Path

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "cellprofiler_plugins"))

import cellprofiler.modules.identifyprimaryobjects as builtin  # noqa: E402
import cellprofiler.modules.threshold  # noqa: E402
import centrosome.threshold  # noqa: E402
import centrosome.zernike  # noqa: E402
import identifyprimaryobjects as accelerated  # noqa: E402
import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402
import scipy.ndimage  # noqa: E402
import skimage.filters  # noqa: E402
from measureobjectsizeshape import magnitudes  # noqa: E402
from platewise_kernels import labels, pixels, quality, radial, selection, stand_ins  # noqa: E402

ROUNDS = 5


def find_objects(image):
    """Return a label matrix of the bright parts of an image, of at least 100 pixels."""
    smooth = scipy.ndimage.gaussian_filter(image, 2)
    found, _ = scipy.ndimage.label(smooth > skimage.filters.threshold_otsu(smooth))
    sizes = np.bincount(found.ravel())
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= 100)
    numbers = np.zeros(sizes.size, np.int32)
    numbers[kept] = np.arange(1, kept.size + 1)
    return numbers[found]


def get_threshold(image):
    """Return the threshold by minimum cross-entropy as CellProfiler's threshold module finds it."""
    module = cellprofiler.modules.threshold
    values = image[np.ones(image.shape, bool)]
    tolerance = max(np.min(np.diff(module.numpy.unique(values))) / 2, 0.5 / 65536)
    return module.skimage.filters.threshold_li(values, tolerance=tolerance)


def measure_quartiles(image):
    """Return median, quartiles and median absolute deviation by NumPy."""
    median = np.median(image)
    return np.array([median, *np.percentile(image, [25, 75]), np.median(np.abs(image - median))])


def pick_quartiles(image):
    """Return the same by counting."""
    median, quartiles = selection.median_and_percentiles(image, [25, 75])
    return np.array([median, *quartiles, selection.median(image, median)])


def list_steps(image):
    """Return each step as (name, CellProfiler's way, the accelerated way)."""
    objects = find_objects(image)
    count, everywhere = int(objects.max()), np.ones(image.shape, bool)
    index = np.arange(1, count + 1)
    threshold = get_threshold(image)
    bounds = pixels.bounding_boxes(objects, count)
    distances = radial.distance_to_edge(objects, bounds, False)
    numbers = centrosome.zernike.get_zernike_indexes(10)
    modules = [kind.IdentifyPrimaryObjects() for kind in (builtin, accelerated)]
    for module in modules:
        module.automatic_smoothing.value, module.smoothing_filter_size.value = False, 10

    def within(function, *arguments):
        with stand_ins.stand_in(*stand_ins.THRESHOLD):
            return function(*arguments)

    def find_places():
        return scipy.ndimage.maximum_position(distances, objects, index)

    def find_places_fast():
        places = pixels.find_last_maxima(distances.ravel(), objects.ravel(), count)
        return np.transpose(np.divmod(places, image.shape[1]))

    entropies = image, everywhere, image > threshold
    holes = centrosome.cpmorphology.fill_labeled_holes
    return [
        ("minimum cross-entropy", lambda: get_threshold(image), lambda: within(get_threshold, image)),
        (
            "sum of entropies",
            lambda: centrosome.threshold.sum_of_entropies(*entropies),
            lambda: stand_ins.sum_of_entropies(*entropies),
        ),
        (
            "Otsu's threshold, two classes",
            lambda: centrosome.threshold.get_otsu_threshold(image),
            lambda: quality.otsu_threshold(image, True, True, True),
        ),
        ("median, quartiles, deviation", lambda: measure_quartiles(image), lambda: pick_quartiles(image)),
        ("centers of objects", find_places, find_places_fast),
        ("filling holes", lambda: holes(objects), lambda: labels.fill_labeled_holes(objects)),
        (
            "Zernike moments",
            lambda: centrosome.zernike.zernike(numbers, objects, index),
            lambda: magnitudes(numbers, pixels.ObjectPixels(objects), None, index),
        ),
        (
            "smoothing before maxima",
            *(lambda module=module: module.smooth_image(image, everywhere) for module in modules),
        ),
    ]


def time_step(*functions):
    """Return the least CPU milliseconds of each function, and the largest relative difference of results."""
    results = [np.asarray(function(), float) for function in functions]
    seconds = [[], []]
    for _ in range(ROUNDS):
        for number, function in enumerate(functions):
            began = time.process_time()
            function()
            seconds[number].append(time.process_time() - began)
    assert np.array_equal(np.isnan(results[0]), np.isnan(results[1])), "values are missing in other places"
    apart = np.nan_to_num(np.abs(results[0] - results[1]))
    apart = np.where(apart > 1e-9, apart / np.maximum(np.abs(results[0]), 1e-300), 0)
    return 1000 * min(seconds[0]), 1000 * min(seconds[1]), apart.max()


def main(path):
    """Print the table."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    with PIL.Image.open(path) as image:
        pixels_of_image = np.array(image).astype(np.float32) / np.float32(65535)
    print("step", "CellProfiler_ms", "accelerated_ms", "times_less", "difference", sep="\t")
    for name, *functions in list_steps(pixels_of_image):
        before, now, difference = time_step(*functions)
        print(name, f"{before:.1f}", f"{now:.1f}", f"{before / now:.1f}", f"{difference:.1g}", sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
