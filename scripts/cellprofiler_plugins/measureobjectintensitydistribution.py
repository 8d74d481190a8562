"""MeasureObjectIntensityDistribution, with CellProfiler's settings and numbers, computing distances once.

Rings and wedges of an object set are computed once and each channel takes one pass
(`platewise_kernels.radial`); Zernike polynomials are summed over all channels in one pass
(`platewise_kernels.zernikes`). If the centers are other objects, labels spread from these over the
objects (`platewise_kernels.propagation`). Heat maps, volumes, overlapping objects and a visible window are
left to the built-in module.
"""

import cellprofiler.modules.measureobjectintensitydistribution as builtin
import centrosome.zernike
import numpy

from platewise_kernels import propagation, radial, shape, zernikes
from platewise_kernels.inputs import plain_labels, plain_pixels
from platewise_kernels.pixels import ObjectPixels, bounding_boxes, centers_of_labels, find_last_maxima


class MeasureObjectIntensityDistribution(builtin.MeasureObjectIntensityDistribution):
    """CellProfiler's MeasureObjectIntensityDistribution with a faster measurement of rings."""

    def do_measurements(
        self,
        workspace,
        image_name,
        object_name,
        center_object_name,
        center_choice,
        bin_count_settings,
        dd,
    ):
        """Measure one image and object set; `dd` holds what an object set's images share.

        Parameters
        ----------
        workspace
            CellProfiler's workspace of the site.
        image_name, object_name
            Image and objects.
        center_object_name, center_choice
            Whose centers are used, and how.
        bin_count_settings
            Number and widths of the rings.
        dd
            What an object set's images share.
        """
        layout = None
        image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
        pixels = image.pixel_data
        if not self.heatmaps and not self.show_window:
            pixels = self._once(dd, ("pixels", image_name), plain_pixels, image)
            if pixels is not None:
                centers = center_object_name, center_choice
                layout = self._layout(workspace, object_name, centers, pixels.shape, bin_count_settings, dd)
        if layout is None:
            return super().do_measurements(
                workspace,
                image_name,
                object_name,
                center_object_name,
                center_choice,
                bin_count_settings,
                dd,
            )
        self._measure(workspace, image_name, object_name, pixels, layout, bin_count_settings)
        return []

    def calculate_zernikes(self, workspace):
        """Measure the Zernike moments of all images in all object sets."""
        image_set, object_set = workspace.image_set, workspace.object_set
        names = [group.object_name.value for group in self.objects]
        images = [
            plain_pixels(image_set.get_image(name, must_be_grayscale=True)) for name in self.images_list.value
        ]
        shapes = {None if image is None else image.shape for image in images}
        sets = [None]
        if len(shapes) == 1 and images[0] is not None:
            sets = [plain_labels(object_set.get_objects(name), images[0].shape) for name in names]
        if any(labels is None for labels in sets):
            super().calculate_zernikes(workspace)
            return
        for name, labels in zip(names, sets):
            self._measure_zernikes(workspace, name, labels, images)

    def _measure_zernikes(self, workspace, object_name, labels, images):
        numbers = centrosome.zernike.get_zernike_indexes(self.zernike_degree.value + 1)
        magnitudes = phases = numpy.zeros((len(images), len(numbers), 0))
        if labels.max() > 0:
            magnitudes, phases = zernike_moments(numbers, labels, images)
        for image_name, magnitude, phase in zip(self.images_list.value, magnitudes, phases):
            for index, (n, m) in enumerate(numbers):
                feature = self.get_zernike_magnitude_name(image_name, n, m)
                workspace.measurements.add_measurement(object_name, feature, magnitude[index])
                if self.wants_zernikes.value == builtin.Z_MAGNITUDES_AND_PHASE:
                    feature = self.get_zernike_phase_name(image_name, n, m)
                    workspace.measurements.add_measurement(object_name, feature, phase[index])

    @staticmethod
    def _once(dd, key, function, *arguments):
        if key not in dd:
            dd[key] = function(*arguments)
        return dd[key]

    def _layout(self, workspace, object_name, centers, shape, bin_count_settings, dd):
        """Return the rings of an object set for one number of rings; None if not plain."""
        objects = workspace.object_set.get_objects(object_name)
        center_name, choice = centers
        # Like the built-in module, the first settings of an object and its centers determine all distances.
        name = object_name if center_name is None else f"{object_name}_{center_name}"
        if center_name is None:
            find, arguments = _distances, (objects, shape, bin_count_settings)
        else:
            center_objects = workspace.object_set.get_objects(center_name)
            find, arguments = (
                _distances_from_others,
                (objects, center_objects, choice == builtin.C_EDGES_OF_OTHER, shape, bin_count_settings),
            )
        distances = self._once(dd, ("distances", name, shape), find, *arguments)
        bin_count = bin_count_settings.bin_count.value
        if distances is None:
            return None
        return self._once(dd, ("layout", name, shape, bin_count), Layout, *distances, bin_count)

    def _measure(self, workspace, image_name, object_name, pixels, layout, bin_count_settings):
        bin_count = bin_count_settings.bin_count.value
        wants_scaled = bin_count_settings.wants_scaled.value
        fraction, mean_fraction, radial_cv = layout.measure(pixels)
        for ring in range(bin_count + (0 if wants_scaled else 1)):
            for values, feature, overflow_feature in (
                (fraction, builtin.MF_FRAC_AT_D, builtin.OF_FRAC_AT_D),
                (mean_fraction, builtin.MF_MEAN_FRAC, builtin.OF_MEAN_FRAC),
                (radial_cv, builtin.MF_RADIAL_CV, builtin.OF_RADIAL_CV),
            ):
                if ring == bin_count:
                    name = overflow_feature % image_name
                else:
                    name = feature % (image_name, ring + 1, bin_count)
                workspace.measurements.add_measurement(object_name, name, values[:, ring])


class Layout:
    """The ring, wedge and object of each pixel."""

    def __init__(self, labels, positions, normalized, centers, nearest, bin_count):
        self.count = int(labels.max())
        self.ring_count = bin_count + 1
        self.positions = positions
        self.places = radial.find_places(
            labels, positions, normalized, centers.astype(float), nearest, bin_count
        )
        self.by_ring, self.by_wedge = self.sums(numpy.ones(positions.size))

    def sums(self, values):
        """Return sums by ring and by wedge."""
        return radial.ring_sums(values, self.places, self.count, self.ring_count)

    def measure(self, pixels):
        """Return fraction at distance, mean fraction and coefficient of variation: objects x rings."""
        by_ring, by_wedge = self.sums(pixels.ravel()[self.positions])
        with numpy.errstate(divide="ignore", invalid="ignore"):
            fraction = by_ring / numpy.sum(by_ring, 1)[:, None]
            fraction_of_pixels = self.by_ring / numpy.sum(self.by_ring, 1)[:, None]
            mean_fraction = fraction / (fraction_of_pixels + numpy.finfo(float).eps)
            return fraction, mean_fraction, _get_variation(by_wedge, self.by_wedge)


def _get_variation(sums, sizes):
    """Return the coefficient of variation of the wedges' means: objects x rings.

    Wedges without a pixel do not count. A ring without a pixel has 0, and one whose mean is 0 has its
    standard deviation, as in a division of NumPy's masked arrays.
    """
    empty = sizes == 0
    wedges = numpy.sum(~empty, 2)
    means = sums / sizes
    mean = numpy.sum(numpy.where(empty, 0, means), 2) / wedges
    squares = numpy.where(empty, 0, (means - mean[:, :, None]) ** 2)
    deviation = numpy.sqrt(numpy.sum(squares, 2) / wedges)
    too_small = numpy.abs(deviation) * numpy.finfo(float).tiny >= numpy.abs(mean)
    variation = numpy.where(too_small, deviation, deviation / mean)
    variation[wedges == 0] = 0
    return variation


def _distances(objects, shape, bin_count_settings):
    """Return labels, pixels that a center reaches, their distances, all centers, and each pixel's center."""
    labels = plain_labels(objects, shape)
    if labels is None or labels.max() == 0:
        return None
    bounds = bounding_boxes(labels, int(labels.max()))
    to_edge = radial.distance_to_edge(labels, bounds, False)
    if not numpy.isfinite(to_edge).all():
        return None
    places = find_last_maxima(to_edge.ravel(), labels.ravel(), int(labels.max()))
    centers = numpy.array(numpy.divmod(places, shape[1]))
    from_center = radial.distance_from_seeds(labels, bounds, centers).ravel()
    positions = numpy.flatnonzero(from_center >= 0)
    from_center, to_edge = from_center[positions], to_edge.ravel()[positions]
    normalized = _normalized(from_center, to_edge, bin_count_settings)
    return labels, positions, normalized, centers, labels.ravel()[positions]


def _distances_from_others(objects, center_objects, from_edges, shape, bin_count_settings):
    """Return the same, from the centers (or edges) of other objects, which spread over all objects."""
    labels, starts = plain_labels(objects, shape), plain_labels(center_objects, shape)
    if labels is None or starts is None or labels.max() == 0 or starts.max() == 0:
        return None
    to_edge = radial.distance_to_edge(labels, bounding_boxes(labels, int(labels.max())), False)
    if not numpy.isfinite(to_edge).all():
        return None
    present = numpy.bincount(starts.ravel())[1:] > 0
    centers = (centers_of_labels(starts) + 0.5).astype(int)
    rows, columns = centers[:, present]
    names = numpy.flatnonzero(present) + 1
    if not from_edges:
        starts = numpy.zeros(starts.shape, numpy.int32)
        starts[rows, columns] = names
    inside = labels != 0
    flat = numpy.broadcast_to(numpy.float64(0), starts.shape)
    if not propagation.fits(flat, starts, inside):
        return None
    nearest, from_center = propagation.propagate(None, starts, inside, 1)
    nearest[~inside] = 0
    missed = inside & (nearest == 0)
    lonely = numpy.unique(labels[missed])
    if lonely.size:
        # Objects that no center reaches use the center that is nearest to their own in a straight line.
        own = centers_of_labels(labels)[:, lonely - 1]
        apart = (own[0][:, None] - rows) ** 2 + (own[1][:, None] - columns) ** 2
        best = numpy.zeros(labels.max() + 1, int)
        best[lonely] = names[numpy.argsort(apart)[:, 0]]
        nearest[missed] = best[labels[missed]]
        i, j = numpy.nonzero(missed)
        di, dj = i - centers[0][nearest[missed] - 1], j - centers[1][nearest[missed] - 1]
        from_center[missed] = numpy.sqrt(di * di + dj * dj)
    taken = nearest > 0
    if from_edges:
        taken &= starts == 0
    positions = numpy.flatnonzero(taken)
    normalized = _normalized(from_center.ravel()[positions], to_edge.ravel()[positions], bin_count_settings)
    return labels, positions, normalized, centers, nearest.ravel()[positions]


def _normalized(from_center, to_edge, bin_count_settings):
    """Return distances as a fraction of the way from center to edge, or of the largest radius."""
    if bin_count_settings.wants_scaled.value:
        return from_center / (from_center + to_edge + 0.001)
    return from_center / bin_count_settings.maximum_radius.value


def zernike_moments(numbers, labels, images):
    """Return magnitude by the object's area, and phase, of each moment: images x polynomials x objects."""
    pixels = ObjectPixels(labels)
    indices = numpy.arange(1, pixels.count + 1, dtype=numpy.int32)
    areas = numpy.diff(pixels.starts)
    hull = shape.convex_hull(labels, indices) if areas.all() else None
    weights = numpy.stack([pixels.values(image) for image in images])
    real, imaginary, _ = zernikes.moments(numbers, pixels, weights, hull, indices)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        magnitudes = numpy.sqrt(real**2 + imaginary**2) / areas[:, None]
    return magnitudes.swapaxes(1, 2), numpy.arctan2(real, imaginary).swapaxes(1, 2)
