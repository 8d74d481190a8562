"""MeasureObjectNeighbors, with CellProfiler's settings and numbers, with faster steps.

The built-in module runs unchanged. It finds all objects' centers, boxes, sizes and outlines by sorting and
summing arrays of the image's size. These steps, and the dilation of an object, are replaced by one pass over
the labels (`platewise_kernels.stand_ins`): all are counts, sums and extremes of integers, so nothing is
rounded.
"""

import cellprofiler.modules.measureobjectneighbors as builtin
import numpy
import scipy.ndimage

from platewise_kernels import labels, stand_ins
from platewise_kernels.pixels import bounding_boxes, centers_of_labels


class MeasureObjectNeighbors(builtin.MeasureObjectNeighbors):
    """CellProfiler's MeasureObjectNeighbors with faster steps."""

    def run(self, workspace):
        """Measure the neighbors of an object set."""
        objects = workspace.object_set.get_objects(self.object_name.value)
        if len(objects.shape) != 2:
            super().run(workspace)
            return
        colors = builtin.matplotlib
        if not (self.wants_count_image.value or self.wants_percent_touching_image.value or self.show_window):
            # The built-in module gets color maps also where no image is drawn with them.
            colors = stand_ins.Instead(colors, cm=stand_ins.Instead(colors.cm, get_cmap=str))
        ndimage = stand_ins.Instead(
            scipy.ndimage, extrema=extrema, sum=labels.total, binary_dilation=labels.binary_dilation
        )
        with stand_ins.stand_in(
            *stand_ins.OBJECTS,
            (builtin, "numpy", stand_ins.Instead(numpy, mgrid=Coordinates(), ones=ones)),
            (builtin, "scipy", stand_ins.Instead(scipy, ndimage=ndimage)),
            (builtin, "matplotlib", colors),
            (builtin, "centers_of_labels", centers_of_labels),
            (builtin, "outline", labels.outline),
        ):
            super().run(workspace)


class Coordinates:
    """Replaces numpy.mgrid for an image from its first pixel on: views of one row and of one column."""

    def __getitem__(self, slices):
        plain = len(slices) == 2 and all(part.start == 0 and part.step is None for part in slices)
        if not plain:
            return numpy.mgrid[slices]
        shape = tuple(int(part.stop) for part in slices)
        rows, columns = (numpy.arange(length) for length in shape)
        return numpy.broadcast_to(rows[:, None], shape), numpy.broadcast_to(columns, shape)


def ones(shape, *arguments, **options):
    """Replace numpy.ones for an image, which is only read: a view of a single 1."""
    if arguments or options or not isinstance(shape, tuple) or len(shape) != 2:
        return numpy.ones(shape, *arguments, **options)
    return numpy.broadcast_to(numpy.float64(1), shape)


def extrema(values, labels, index):
    """Return scipy.ndimage.extrema of pixel coordinates, without the positions.

    The result is the smallest and largest value of each object (and their positions, if the values are not
    coordinates).
    """
    axis = _coordinate_axis(values)
    if axis is None or labels.shape != values.shape:
        return scipy.ndimage.extrema(values, labels, index)
    bounds = bounding_boxes(numpy.ascontiguousarray(labels, numpy.int32), int(labels.max()))
    bounds = numpy.where(bounds[:, 2:3] < 0, 0, bounds)[numpy.asarray(index)]
    return bounds[:, axis], bounds[:, axis + 2], None, None


def _coordinate_axis(values):
    """Return 0 or 1 if an array holds its own row or column numbers, else None."""
    if values.ndim != 2 or values[0, 0] != 0:
        return None
    for axis in (0, 1):
        # Of a view that repeats one row or column, only that one is visited.
        visited = values[:, :1] if axis == 0 and values.strides[1] == 0 else values
        visited = values[:1] if axis == 1 and values.strides[0] == 0 else visited
        numbers = numpy.arange(values.shape[axis])
        if (visited == (numbers[:, None] if axis == 0 else numbers)).all():
            return axis
    return None
