"""Check whether the fast method applies: plain two-dimensional images and objects, nothing masked.

Everything else (volumes, masked or cropped images, overlapping objects, NaN pixels, images and
objects of different sizes) is left to CellProfiler's own code.
"""

import numpy


def plain_pixels(image):
    """Return the pixels of a CellProfiler image, C-contiguous float32 or float64, or None if not plain."""
    pixels = image.pixel_data
    if image.dimensions != 2 or pixels.ndim != 2 or pixels.size == 0:
        return None
    if pixels.dtype not in (numpy.float32, numpy.float64):
        return None
    if image.has_mask and not image.mask.all():
        return None
    if not are_finite(pixels):
        return None
    return numpy.ascontiguousarray(pixels)


def are_finite(pixels):
    """Return whether all pixels are finite; their sum is only then, unless it is too large."""
    with numpy.errstate(over="ignore", invalid="ignore"):
        return bool(numpy.isfinite(pixels.sum()) or numpy.isfinite(pixels).all())


def plain_labels(objects, shape):
    """Return the label matrix of CellProfiler objects (int32, C-contiguous), or None if not plain."""
    if objects.volumetric or objects.overlapping():
        return None
    labels = objects.segmented
    if labels.ndim != 2 or labels.shape != shape:
        return None
    return numpy.ascontiguousarray(labels, numpy.int32)
