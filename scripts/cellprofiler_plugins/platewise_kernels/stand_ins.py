"""Run a built-in module unchanged, with faster functions in place of some that it calls.

A stand-in is installed under the name by which CellProfiler's code calls the function, while a module of its
own runs, and is removed afterwards: nothing else sees it. Each returns what the original function returns.
"""

from contextlib import contextmanager
from functools import lru_cache

import cellprofiler.modules.threshold
import cellprofiler_core.object._objects
import cellprofiler_core.object._segmentation
import cellprofiler_core.utilities.core.module.identify
import centrosome.propagate
import centrosome.threshold
import numpy
import scipy.ndimage
import skimage.filters
import skimage.segmentation._watershed

from . import flooding, labels, maxima, propagation, skeletons, smoothing, thresholds


class Instead:
    """A Python module with some of its content replaced."""

    def __init__(self, module, **replaced):
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self._module, name)


@contextmanager
def stand_in(*places):
    """Replace, while the block runs, each (module or class, name) of `places` by its third."""
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in places]
    try:
        for owner, name, stand_in in places:
            setattr(owner, name, stand_in)
        yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)


def gaussian_filter(image, sigma, *arguments, **options):
    """Replace scipy.ndimage.gaussian_filter with zeros beyond the border.

    Parameters
    ----------
    image
        The image to smooth.
    sigma
        Standard deviation of the Gaussian, in pixels.
    *arguments, **options
        Further arguments of SciPy's function; only `mode="constant", cval=0` is replaced.
    """
    plain = not arguments and options == {"mode": "constant", "cval": 0} and numpy.isscalar(sigma)
    if not plain or sigma <= 0 or not smoothing.is_plain(image):
        return scipy.ndimage.gaussian_filter(image, sigma, *arguments, **options)
    if image.dtype == numpy.float64 and (image == 1).all():
        return smoothing.gaussian_of_ones(image.shape, float(sigma))
    return smoothing.gaussian(image, sigma)


@lru_cache(maxsize=1)
def _noise(shape):
    """Return the random numbers that centrosome.smooth.smooth_with_noise redraws for each image."""
    return numpy.random.RandomState(0).normal(size=shape)


def smooth_with_noise(image, bits):
    """Replace centrosome.smooth.smooth_with_noise."""
    noise = _noise(image.shape)
    delta = pow(2.0, -bits)
    clipped = numpy.clip(image, delta, 1)
    logs = numpy.log2(clipped + delta) * noise + (1 - noise) * numpy.log2(clipped)
    return numpy.clip(numpy.exp2(logs), 0, 1)


def sum_of_entropies(image, mask, binary_image):
    """Replace centrosome.threshold.sum_of_entropies."""
    total = thresholds.sum_of_entropies(image, mask, binary_image, _noise)
    return _sum_of_entropies(image, mask, binary_image) if total is None else total


_sum_of_entropies = centrosome.threshold.sum_of_entropies


def propagate(image, start, mask, weight):
    """Replace centrosome.propagate.propagate.

    Parameters
    ----------
    image
        (height, width) intensities.
    start
        (height, width) seeds.
    mask
        (height, width) where labels may spread.
    weight
        Of distance beside intensity.

    Returns
    -------
    Labels and lengths, (height, width).
    """
    if not propagation.fits(image, start, mask):
        return centrosome.propagate.propagate(image, start, mask, weight)
    return propagation.propagate(image, start, mask, weight)


def relate_children(self, children):
    """Replace Objects.relate_children: children of each parent, and the parent of each child."""
    plain = not self.volumetric and not self.overlapping() and not children.overlapping()
    if not plain or self.shape != children.shape or len(self.shape) != 2:
        return _relate_children(self, children)
    matrices = [objects.segmented for objects in (self, children)]
    if not all(labels.is_plain(matrix) for matrix in matrices):
        return _relate_children(self, children)
    counts = [int(matrix.max()) for matrix in matrices]
    flat = [numpy.ascontiguousarray(matrix).ravel() for matrix in matrices]
    return self.relate_histogram(labels.overlaps(*flat, *counts))


def histogram_from_labels(parents, children):
    """Replace Objects.histogram_from_labels: the number of pixels that each parent shares with each child."""
    matrices = parents, children
    if parents.shape != children.shape or not all(labels.is_plain(matrix) for matrix in matrices):
        return _histogram_from_labels(parents, children)
    counts = [int(matrix.max()) for matrix in matrices]
    flat = (numpy.ascontiguousarray(matrix, numpy.int32).ravel() for matrix in matrices)
    return labels.overlaps(*flat, *counts)


def areas(self):
    """Replace Objects.areas: the number of pixels of each object."""
    if self.volumetric or self.overlapping() or not labels.is_plain(self.segmented):
        return _areas.fget(self)
    matrix = numpy.ascontiguousarray(self.segmented, numpy.int32)
    return labels.sizes(matrix.ravel(), int(matrix.max()))[1:]


def indices(self):
    """Replace Objects.indices: 1 to the highest label."""
    if self.overlapping():
        return _indices.fget(self)
    ((_, found),) = self.get_labels()
    return numpy.arange(found[-1] if len(found) else 0).astype(numpy.int32) + 1


_Objects = cellprofiler_core.object._objects.Objects
_relate_children = _Objects.relate_children
_indices = _Objects.indices
_areas = _Objects.areas
_histogram_from_labels = _Objects.histogram_from_labels

_ndimage = Instead(
    scipy.ndimage,
    gaussian_filter=gaussian_filter,
    center_of_mass=labels.center_of_mass,
    distance_transform_edt=labels.distance_transform_edt,
    binary_dilation=labels.binary_dilation,
    maximum=maxima.maximum,
    sum=labels.total,
    measurements=Instead(scipy.ndimage.measurements, sum=labels.total),
)
_scipy = Instead(scipy, ndimage=_ndimage)
_numpy = Instead(numpy, unique=labels.unique)

#: Called whenever CellProfiler's objects are created, counted or related.
OBJECTS = (
    (cellprofiler_core.object._segmentation, "numpy", _numpy),
    (cellprofiler_core.object._objects, "numpy", _numpy),
    (cellprofiler_core.object._objects, "scipy", _scipy),
    (cellprofiler_core.utilities.core.module.identify, "scipy", _scipy),
    (_Objects, "relate_children", relate_children),
    (_Objects, "histogram_from_labels", staticmethod(histogram_from_labels)),
    (_Objects, "areas", property(areas)),
    (_Objects, "indices", property(indices)),
)
#: Called by thresholds for smoothing and measuring.
THRESHOLD = (
    (cellprofiler.modules.threshold, "scipy", _scipy),
    (cellprofiler.modules.threshold, "numpy", Instead(numpy, unique=thresholds.get_close_values)),
    (
        cellprofiler.modules.threshold,
        "skimage",
        Instead(skimage, filters=Instead(skimage.filters, threshold_li=thresholds.threshold_li)),
    ),
    (centrosome.threshold, "smooth_with_noise", smooth_with_noise),
    (centrosome.threshold, "sum_of_entropies", sum_of_entropies),
)


_flooding = Instead(
    skimage.segmentation._watershed._watershed_cy, watershed_raveled=flooding.watershed_raveled
)
#: Called by skimage.segmentation.watershed.
WATERSHED = ((skimage.segmentation._watershed, "_watershed_cy", _flooding),)


def get_places_of_module(module):
    """Return what an Identify module calls through the packages `scipy` and `centrosome`."""
    import centrosome

    places = []
    if "scipy" in vars(module):
        places.append((module, "scipy", _scipy))
    if "centrosome" in vars(module):
        morphology = Instead(
            centrosome.cpmorphology,
            fill_labeled_holes=labels.fill_labeled_holes,
            is_local_maximum=maxima.is_local_maximum,
            skeletonize=skeletons.skeletonize,
            skeleton_length=skeletons.skeleton_length,
        )
        outlines = Instead(centrosome.outline, outline=labels.outline)
        spreading = Instead(centrosome.propagate, propagate=propagate)
        stand_in = Instead(centrosome, cpmorphology=morphology, outline=outlines, propagate=spreading)
        places.append((module, "centrosome", stand_in))
    if "outline" in vars(module):
        places.append((module, "outline", labels.outline))
    return tuple(places)
