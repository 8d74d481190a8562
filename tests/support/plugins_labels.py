"""Compare what stands in for functions of NumPy, SciPy, skimage and centrosome with these, to the last bit.

It runs in CellProfiler's Python: `python plugins_labels.py PLUGINS`.
"""

import sys

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import centrosome.cpmorphology as morphology  # noqa: E402
import centrosome.outline  # noqa: E402
import centrosome.smooth  # noqa: E402
import numpy as np  # noqa: E402
import scipy.ndimage as ndimage  # noqa: E402
import skimage.measure  # noqa: E402


def same(found, expected, what):
    """Fail unless two arrays have the same type, shape and values."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, (what, found.dtype, expected.dtype)
    assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"), what


def random_labels(random):
    """Objects that touch each other and the border, with holes, single pixels and missing labels."""
    shape = random.randint(1, 50, 2)
    coarse = random.randint(0, random.choice([2, 4, 9]), shape // 6 + 1)
    labels = np.kron(coarse, np.ones((6, 6), int))[: shape[0], : shape[1]]
    labels[random.rand(*labels.shape) < 0.04] = 0
    labels[random.rand(*labels.shape) < 0.02] += 1
    return labels.astype(random.choice([np.int16, np.uint16, np.int32, np.int64]))


def compare_labels(labels, random):
    """All that is counted on a label matrix."""
    from platewise_kernels import labels as ours

    same(ours.outline(labels), centrosome.outline.outline(labels), "outline")
    same(ours.unique(labels), np.unique(labels), "unique")
    for values in (labels, labels > 0):
        for mask in (None, values == 0, random.rand(*labels.shape) < 0.8):
            filled = morphology.fill_labeled_holes(values, mask=mask)
            same(ours.fill_labeled_holes(values, mask=mask), filled, "fill_labeled_holes")
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


def compare_shapes(labels):
    """What skimage's regionprops gives, of the labels that occur."""
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
    """What smooths an image."""
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


def main(plugins):
    """Compare on random images and objects."""
    sys.path.insert(0, plugins)
    np.seterr(all="ignore")
    random = np.random.RandomState(0)
    for _ in range(30):
        labels = random_labels(random)
        compare_labels(labels, random)
        compare_shapes(labels)
        compare_images(labels.shape, random)
    print("same")


if __name__ == "__main__":
    main(sys.argv[1])
