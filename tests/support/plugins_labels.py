"""Compare the replacements of functions of NumPy, SciPy, skimage and centrosome with these, to the last bit.

It runs in CellProfiler's Python: `python plugins_labels.py PLUGINS [ROUNDS] [SIDE]`. Each round draws
other images and objects, up to SIDE pixels wide and tall. At the end it prints how many values of each kind
were compared, and `same`.
"""

import itertools
import sys
from collections import Counter

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import centrosome.cpmorphology as morphology  # noqa: E402
import centrosome.filter  # noqa: E402
import centrosome.otsu  # noqa: E402
import centrosome.outline  # noqa: E402
import centrosome.smooth  # noqa: E402
import centrosome.threshold  # noqa: E402
import numpy as np  # noqa: E402
import scipy.ndimage as ndimage  # noqa: E402
import skimage.filters  # noqa: E402
import skimage.measure  # noqa: E402

COMPARED = Counter()


def same(found, expected, what):
    """Fail unless two arrays have the same type, shape and values."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, (what, found.dtype, expected.dtype)
    assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"), what
    COMPARED[what] += found.size


def random_labels(random, side):
    """Return objects that touch each other and the border, with holes, single pixels and missing labels."""
    shape = random.randint(1, side, 2)
    coarse = random.randint(0, random.choice([2, 4, 9]), shape // 6 + 1)
    labels = np.kron(coarse, np.ones((6, 6), int))[: shape[0], : shape[1]]
    labels[random.rand(*labels.shape) < 0.04] = 0
    labels[random.rand(*labels.shape) < 0.02] += 1
    return labels.astype(random.choice([np.int16, np.uint16, np.int32, np.int64]))


def compare_labels(labels, random):
    """Compare all counts on a label matrix."""
    from platewise_kernels import labels as ours

    same(ours.outline(labels), centrosome.outline.outline(labels), "outline")
    same(ours.unique(labels), np.unique(labels), "unique")
    for values in (labels, labels > 0):
        for mask in (None, values == 0, random.rand(*labels.shape) < 0.8):
            filled = morphology.fill_labeled_holes(values, mask=mask)
            same(ours.fill_labeled_holes(values, mask=mask), filled, "fill_labeled_holes")
            for limit in (0, 3, 20):

                def is_small(area, is_object, limit=limit):
                    return not is_object and area <= limit

                filled = morphology.fill_labeled_holes(values, mask=mask, size_fn=is_small)
                found = ours.fill_labeled_holes(values, mask=mask, size_fn=is_small)
                same(found, filled, "fill_labeled_holes up to a size")
    if (labels == 0).any():
        distances = ndimage.distance_transform_edt(labels > 0)
        same(ours.distance_transform_edt(labels > 0), distances, "distance_transform_edt")
    for radius in (1, 1.5, 2.5, 5, 5.5):
        disk = morphology.strel_disk(radius)
        assert ours.get_reach_of_rows(disk) is not None
        same(ours.binary_dilation(labels > 0, disk), ndimage.binary_dilation(labels > 0, disk), "dilation")
    odd = random.rand(3, 3) < 0.5
    same(ours.binary_dilation(labels > 0, odd), ndimage.binary_dilation(labels > 0, odd), "any dilation")
    if labels.max() > 0:
        ones, index = np.ones(labels.shape), np.arange(1, labels.max() + 1)
        same(ours.center_of_mass(ones, labels, index), ndimage.center_of_mass(ones, labels, index), "center")
        same(ours.total(ones, labels, index), ndimage.sum(ones, labels, index), "sum")
        for values in (random.rand(*labels.shape) < 0.3, random.randint(-3, 9, labels.shape)):
            same(ours.total(values, labels, index), ndimage.sum(values, labels, index), "sum of integers")


def compare_skeletons(labels, random):
    """Compare the skeleton, and the state of the random generator afterwards."""
    from platewise_kernels import skeletons

    if labels.max() > 0 and min(labels.shape) > 1:  # centrosome fails for a single row
        index = np.arange(1, labels.max() + 1)
        for drawn in (labels, labels * morphology.skeletonize(labels > 0)):
            same(skeletons.skeleton_length(drawn, index), morphology.skeleton_length(drawn, index), "length")
    thick = random.rand(*labels.shape) < random.choice([0.3, 0.7, 0.95])
    lines = (labels > 0) & (np.add.outer(*map(np.arange, labels.shape)) % 7 < 3)
    for image in (labels > 0, thick, lines, np.ones(labels.shape, bool), np.zeros(labels.shape, bool)):
        expected = morphology.skeletonize(image)
        after = np.random.get_state()[1:3]
        np.random.seed(1)
        same(skeletons.skeletonize(image), expected, "skeletonize")
        left = np.random.get_state()[1:3]
        assert after[1] == left[1]
        assert (after[0] == left[0]).all()
        mask = random.rand(*labels.shape) < 0.8
        same(skeletons.skeletonize(image, mask), morphology.skeletonize(image, mask), "skeletonize in a mask")


def compare_curvature(shape, random):
    """Compare the eigenvalues of the Hessian matrix of smooth, flat and rough images."""
    from platewise_kernels import ridges

    only = {"return_hessian": False, "return_eigenvectors": False}
    rough = random.rand(*shape) * 10 ** random.uniform(-6, 4)
    holed = np.where(random.rand(*shape) < 0.02, np.nan, rough)
    for image in (rough, ndimage.gaussian_filter(rough, 2), np.round(3 * rough), np.full(shape, 0.3), holed):
        for kind in (np.float32, np.float64):
            pixels = image.astype(kind)
            same(ridges.hessian(pixels, **only), centrosome.filter.hessian(pixels, **only), "hessian")
    for k, expected in enumerate(centrosome.filter.hessian(rough)):
        same(ridges.hessian(rough)[k], expected, "all of the hessian")


def compare_disks(shape, random):
    """Compare the extremes within disks, and what is made of them, of rough and of stepped images."""
    import skimage.morphology as gray
    from platewise_kernels import disks

    rough = random.rand(*shape) - 0.5
    footprints = [gray.disk(random.randint(0, 14)), gray.octagon(*random.randint(1, 6, 2)), gray.square(4)]
    for image in (rough, np.round(4 * rough) / 4, np.where(random.rand(*shape) < 0.01, np.nan, rough)):
        for kind in (np.float32, np.float64):
            pixels = image.astype(kind)
            for footprint in footprints:
                for name in ("minimum_filter", "maximum_filter"):
                    expected = getattr(ndimage, name)(pixels, footprint=footprint)
                    same(getattr(disks, name)(pixels, footprint=footprint), expected, name)
                for name in ("white_tophat", "black_tophat", "opening"):
                    expected = getattr(gray, name)(pixels, footprint)
                    same(getattr(disks, name)(pixels, selem=footprint), expected, name)


def compare_variance(random):
    """Compare the running variance of sorted values and of their reverse."""
    from platewise_kernels import quality

    size = random.choice([1, 2, 3, 500, 5000])
    for values in (random.rand(size), random.randint(0, 4, size) / 3.0, np.full(size, 0.7)):
        for kind in (np.float32, np.float64):
            ordered = np.sort(values.astype(kind))
            for each in (ordered, np.flipud(ordered)):
                expected = centrosome.otsu.running_variance(each)
                same(quality.replace_running_variance(each), expected, "running_variance")


def compare_thresholds(shape, random):
    """Li's threshold and its tolerance, Otsu's thresholds, and the entropy of the two classes."""
    from platewise_kernels import quality, stand_ins, thresholds

    rough = random.rand(*shape)
    whole = random.randint(0, random.choice([3, 300, 65536]), shape) / 65535
    for image in (rough, whole, np.round(3 * rough) / 3, rough / 1000, rough - 0.5, np.full(shape, 0.3)):
        for kind in (np.float32, np.float64):
            pixels = image.astype(kind)
            expected = skimage.filters.threshold_li(pixels, tolerance=0.5 / 65536)
            same(thresholds.threshold_li(pixels, tolerance=0.5 / 65536), expected, "Li's threshold")
            repeated = np.tile(pixels, (-(-10000 // pixels.size), 1)).ravel()
            with_nan = np.append(repeated, kind(np.nan))
            for many in (repeated, with_nan) if (repeated != repeated[0]).any() else ():
                found, values = thresholds.get_close_values(many), np.unique(many)
                same(
                    max(np.min(np.diff(found)) / 2, thresholds.TOLERANCE),
                    max(np.min(np.diff(values)) / 2, thresholds.TOLERANCE),
                    "tolerance",
                )
                same(min(found.size, 3), min(values.size, 3), "three values")
            binary, mask = pixels > random.rand(), np.ones(shape, bool)
            entropies = [
                compute(pixels, mask, binary)
                for compute in (stand_ins.sum_of_entropies, centrosome.threshold.sum_of_entropies)
            ]
            # The values are those of 2 to the power of their logarithm there: the last bit may differ.
            same(*np.round(np.array(entropies, float), 9)[:, None], "sum of entropies")
        for choice in itertools.product((True, False), repeat=3):
            single = image.astype(np.float32)
            expected = centrosome.threshold.get_otsu_threshold(single, None, *choice)
            same(quality.otsu_threshold(single, *choice), expected, "Otsu's threshold")


def compare_order(labels, random):
    """Medians, percentiles, and which of several maxima SciPy reports."""
    from platewise_kernels import pixels, selection

    rough = random.rand(*labels.shape)
    for values in (
        rough,
        np.round(4 * rough),
        rough - 0.5,
        rough * 10 ** random.uniform(-40, 3),
        -0.0 * rough,
    ):
        for kind in (np.float32, np.float64):
            image = values.astype(kind)
            middle, percentiles = selection.median_and_percentiles(image, [25, 75, 0, 99.5])
            same(middle, np.median(image), "median")
            same(percentiles, np.percentile(image, [25, 75, 0, 99.5]), "percentiles")
            distances = np.abs(image - middle)
            same(selection.median(image, middle), np.median(distances), "median deviation")
    # Images of 16 and 8 bits are counted by their numbers; of 12 bits, or with another value, they are not.
    for white, counted in ((65535, True), (255, True), (4095, False)):
        image = np.round(white * rough).astype(np.float32) / np.float32(white)
        levels = selection.count_levels(image)
        same(isinstance(levels, selection.Levels), counted or set(image.ravel()) <= {0, 1}, "levels")
        unusual = np.append(image, np.float32(1.5))
        same(selection.count_levels(unusual) is unusual, True, "a value that is no level")
        middle, percentiles = selection.median_and_percentiles(levels, [25, 75, 0, 99.5])
        same(middle, np.median(image), "median of levels")
        same(percentiles, np.percentile(image, [25, 75, 0, 99.5]), "percentiles of levels")
        for center in (middle, image.mean()):
            expected = np.median(np.abs(image - center))
            same(selection.median(levels, center), expected, "median deviation of levels")
    occurring = np.unique(labels[labels > 0])
    for values in (rough, np.round(20 * rough), ndimage.distance_transform_edt(labels)):
        places = pixels.find_last_maxima(values.ravel(), labels.ravel(), int(labels.max()))
        if occurring.size and (labels == 0).any():
            expected = ndimage.maximum_position(values, labels, occurring)
            expected = np.ravel_multi_index(np.transpose(expected), labels.shape)
            same(places[occurring - 1], expected, "last maxima")


def get_uneven_values(size):
    """Return 1 to `size` in the order that is worst for a quicksort by the median of three (Musser 1997)."""
    half = size // 2
    values = np.empty(2 * half)
    first = np.arange(half)
    values[:half] = np.where(first % 2 == 0, first + 1, half + first + half % 2)
    values[half:] = 2 * np.arange(1, half + 1)
    return values


def compare_uneven_order():
    """Compare the maxima of values for which NumPy's quicksort changes to another method on its way."""
    from platewise_kernels import pixels

    values = get_uneven_values(1 << 14)
    assert pixels.order_from(values, values.min()).size == 0
    labels = np.ones(values.size, np.int32)
    labels[:5000] = 2
    tied = np.minimum(values, np.median(values))
    for each in (values, tied, -values):
        expected = np.ravel(ndimage.maximum_position(each, labels, [1, 2]))
        same(pixels.find_last_maxima(each, labels, 2), expected, "last maxima, uneven")


def compare_maxima(labels, random):
    """Compare local maxima within objects, with several neighborhoods, ties and NaN."""
    from platewise_kernels import maxima

    rough = random.rand(*labels.shape)
    holed = np.where(random.rand(*labels.shape) < 0.05, np.nan, rough)
    footprints = [morphology.strel_disk(radius) for radius in (1, 2, 6.5)]
    footprints += [random.rand(5, 3) < 0.5, np.ones((1, 1)), np.zeros((3, 3))]
    for image in (rough, np.round(9 * rough), holed, rough.astype(np.float32)):
        for footprint in footprints:
            expected = morphology.is_local_maximum(image, labels, footprint)
            same(maxima.is_local_maximum(image, labels, footprint), expected, "local maxima")


def compare_ends(shape, random):
    """Compare images with NaN, with values above 1 and below 0, and images that are views of others."""
    from platewise_kernels import labels, quality, selection, thresholds

    rough = random.rand(*shape)
    wide = np.repeat(np.repeat(rough, 2, 0), 3, 1)[::2, ::3]
    turned = np.asfortranarray(rough)
    tolerance = 0.5 / 65536
    for kind in (np.float32, np.float64):
        holed = np.append(rough, np.nan).astype(kind)
        expected = skimage.filters.threshold_li(holed, tolerance=tolerance)
        same(thresholds.threshold_li(holed, tolerance=tolerance), expected, "Li's threshold with NaN")
        for view in (wide.astype(kind, order="K"), wide, turned.astype(kind), turned[::-1]):
            expected = skimage.filters.threshold_li(view, tolerance=tolerance)
            same(thresholds.threshold_li(view, tolerance=tolerance), expected, "Li's threshold of a view")
            same(selection.median(view), np.median(view), "median of a view")
            disk = morphology.strel_disk(2)
            expected = ndimage.binary_dilation(view > 0.5, disk)
            same(labels.binary_dilation(view > 0.5, disk), expected, "dilation of a view")
    for image in (3 * rough, 2 * rough - 0.7, 70000 * rough, np.round(4 * rough)):
        for view in (image, np.asfortranarray(image), image[::-1, ::-1]):
            for choice in itertools.product((True, False), repeat=3):
                single = view.astype(np.float32, order="K")
                expected = centrosome.threshold.get_otsu_threshold(single, None, *choice)
                same(quality.otsu_threshold(single, *choice), expected, "Otsu's threshold above 1")


def compare_shapes(labels):
    """Compare skimage's regionprops of the labels that occur."""
    from platewise_kernels import shape

    occurring = np.unique(labels)
    labels = np.searchsorted(occurring, labels) + (occurring[0] > 0)
    if labels.max() == 0:
        return
    found = shape.properties(labels.astype(np.int32))
    names = {name.split("-")[0] for name in found}
    expected = skimage.measure.regionprops_table(labels, properties=sorted(names))
    assert set(found) == set(expected)
    for name, values in expected.items():
        same(np.asarray(found[name], float), values.astype(float), name)


def compare_images(shape, random):
    """Compare the filters that smooth an image."""
    from platewise_kernels import smoothing, stand_ins

    image = random.rand(*shape).astype(random.choice([np.float32, np.float64]))
    for sigma in (0.4, 2.2, 21.3):

        def smooth(pixels, sigma=sigma):
            return ndimage.gaussian_filter(pixels, sigma, mode="constant", cval=0)

        found = stand_ins.gaussian_filter(image, sigma, mode="constant", cval=0)
        same(found, smooth(image), "gaussian")
        for mask in (np.ones(shape, bool), random.rand(*shape) < 0.7):
            expected = centrosome.smooth.smooth_with_function_and_mask(image, smooth, mask)
            same(smoothing.gaussian_inside(image, mask, sigma), expected, "masked gaussian")
    noisy = centrosome.smooth.smooth_with_noise(image, 8)
    same(stand_ins.smooth_with_noise(image, 8), noisy, "noise")
    for size in (3, 7, 200):
        labels, index = morphology.block(shape, (size, size))
        least = morphology.fixup_scipy_ndimage_result(ndimage.minimum(image, labels, index))
        same(smoothing.background(image, (size, size)), least.astype(float)[labels], "background")


def main(plugins, rounds=30, side=50):
    """Compare on random images and objects."""
    sys.path.insert(0, plugins)
    np.seterr(all="ignore")
    random = np.random.RandomState(0)
    compare_uneven_order()
    for _ in range(int(rounds)):
        labels = random_labels(random, int(side))
        compare_labels(labels, random)
        compare_skeletons(labels, random)
        compare_curvature(labels.shape, random)
        compare_disks(labels.shape, random)
        compare_variance(random)
        compare_thresholds(labels.shape, random)
        compare_order(labels, random)
        compare_maxima(labels, random)
        compare_ends(labels.shape, random)
        compare_shapes(labels)
        compare_images(labels.shape, random)
    for what, number in COMPARED.items():
        print(f"{what}: {number:,} values")
    print("same")


if __name__ == "__main__":
    main(*sys.argv[1:])
