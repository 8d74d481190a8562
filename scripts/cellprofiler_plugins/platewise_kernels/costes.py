"""Costes' automatic thresholds of two channels, from sums over pixels that are sorted once.

The method (Costes et al., Biophysical Journal 2004): a line through the two channels' values by orthogonal
regression; a pair of thresholds moves down along it until the pixels below either are no longer correlated.
The built-in module selects these pixels and correlates them again for each candidate pair. With a line that
rises, a pixel that is below a pair of thresholds is also below each higher pair. So the pixels are sorted
into bins by the first candidate that they are below, and the sums of a candidate are those of the bins below
it, and of the pixels of the bins around it, which are compared one by one.

A candidate's correlation only decides whether the search goes up or down. If it is too close to a decisive
value, or is based on few or nearly equal pixels, it is computed as in the built-in module.
"""

import numpy
import scipy.stats

from .compiled import compiled

BINS = 1 << 15
#: A correlation this close to a decisive value is computed as in the built-in module.
UNDECIDED = 1e-7
#: So is one of fewer pixels, or of a variance that is a smaller part of the mean square.
FEW, FLAT = 16, 1e-8
#: Correlations at which the linear search changes its step; at the first one it ends.
STEPS = ((0.45, 10), (0.35, 5), (0.25, 2))


def moments(values):
    """Return variance and mean of a channel, as numpy computes them in the values' own type."""
    return numpy.var(values, ddof=1), numpy.mean(values)


def regression_line(x, y, x_moments=None, y_moments=None):
    """Return slope and intercept of the orthogonal regression of y on x where either is not zero.

    Parameters
    ----------
    x, y : arrays of pixel values
    x_moments, y_moments : `moments` of all pixels, or None; used if no pixel is zero in both
    """
    lit = (x > 0) | (y > 0)
    if lit.all():
        (x_variance, x_mean), (y_variance, y_mean) = x_moments or moments(x), y_moments or moments(y)
        total = x + y
    else:
        x, y = x[lit], y[lit]
        (x_variance, x_mean), (y_variance, y_mean) = moments(x), moments(y)
        total = x + y
    # In the order and in the types of the built-in module, which determine the last digits.
    covariance = 0.5 * (numpy.var(total, ddof=1) - (x_variance + y_variance))
    difference = y_variance - x_variance
    root = numpy.sqrt(difference * difference + 4 * (covariance * covariance))
    slope = (difference + root) / (2 * covariance)
    return slope, y_mean - slope * x_mean


class PixelsBelow:
    """The pixels of two channels that are below a threshold of either, for thresholds on a line."""

    def __init__(self, x, y, slope, intercept):
        self.x, self.y = numpy.ascontiguousarray(x), numpy.ascontiguousarray(y)
        self.slope, self.intercept = float(slope), float(intercept)
        self.center = float(x[::17].mean()), float(y[::17].mean())
        self.ordered = None
        if numpy.isfinite([self.slope, self.intercept]).all() and self.slope > 0:
            lowest, highest = find_reach(self.x, self.y, self.slope, self.intercept)
            if numpy.isfinite([lowest, highest]).all() and highest - lowest > 1e-30:
                self.lowest, self.width = lowest, (highest - lowest) / (BINS - 1)
                self.ordered = sort_into_bins(
                    self.x, self.y, self.slope, self.intercept, self.lowest, self.width, *self.center
                )

    def sums(self, x_limit, y_limit, place):
        """Return number and sums (x, y, x * x, y * y, x * y about the center) of pixels below the limits.

        `place`: the position of the limits on the line, in units of x.
        """
        limits = self.x.dtype.type(x_limit), self.y.dtype.type(y_limit)
        if self.ordered is None:
            return sums_below(self.x, self.y, *limits, *self.center)
        # More than rounding to float32 can move a pixel.
        margin = 1e-6 * (abs(place) + abs(float(y_limit)) / self.slope + abs(self.intercept) / self.slope)
        first = (place - margin - self.lowest) / self.width
        last = (place + margin - self.lowest) / self.width
        first, last = (int(min(max(bin_, -1.0), BINS)) for bin_ in (first, last))
        return sums_of_bins(*self.ordered, max(first, 0), min(last + 1, BINS), *limits, *self.center)

    def correlation(self, sums, x_limit, y_limit, decisive):
        """Return Pearson's correlation of the pixels below the limits, exact near a `decisive` value.

        Parameters
        ----------
        sums
            Number of pixels, and sums of x, y, x * x, y * y and x * y.
        x_limit, y_limit
            The thresholds, for the exact sums.
        decisive
            The value that the search compares the correlation with.
        """
        number, x, y, xx, yy, xy = sums
        if number >= FEW:
            x_variance, y_variance = xx - x * x / number, yy - y * y / number
            if x_variance > FLAT * xx and y_variance > FLAT * yy:
                found = (xy - x * y / number) / numpy.sqrt(x_variance * y_variance)
                if all(abs(found - value) > UNDECIDED for value in decisive):
                    return found
        below = (self.x < x_limit) | (self.y < y_limit)
        return scipy.stats.pearsonr(self.x[below], self.y[below])[0]


def find_by_bisection(x, y, scale, line=None):
    """Return both thresholds by the "Faster" search, which narrows a window of integer gray levels.

    The first candidates are a sixth of the window below its upper end.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels.
    scale
        The number of gray levels.
    line
        Slope and intercept of the regression line, if they are known.
    """
    slope, intercept = regression_line(x, y) if line is None else line
    pixels = PixelsBelow(x, y, slope, intercept)
    left, right, valid, last = 1, scale, 1, 0
    level = ((right - left) // (6 / 5)) + left
    while last != level:
        x_limit = level / scale
        y_limit = (slope * x_limit) + intercept
        sums = pixels.sums(x_limit, y_limit, x_limit)
        found = -1.0
        if sums[0] > 2:
            try:
                found = pixels.correlation(sums, x_limit, y_limit, (0.0,))
            except ValueError:
                found = -1.0
        if found < 0:
            left = level - 1
        elif found >= 0:
            right, valid = level + 1, level
        last = level
        share = 6 / 5 if right - left > 6 else 2
        level = ((right - left) // share) + left
    x_limit = (valid - 1) / scale
    return x_limit, (slope * x_limit) + intercept


def find_by_steps(x, y, scale, accurate, line=None):
    """Return both thresholds by the "Fast" or "Accurate" search, which goes down step by step.

    The fast one takes larger steps while the correlation is high.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels.
    scale
        The number of gray levels.
    accurate
        Whether every gray level is tried.
    line
        Slope and intercept of the regression line, if they are known.
    """
    step = 1 / scale
    slope, intercept = regression_line(x, y) if line is None else line
    pixels = PixelsBelow(x, y, slope, intercept)
    x_most, y_most = x.max(), y.max()
    at = step * ((max(x_most, y_most) // step) + 1)
    x_limit, y_limit = at, (slope * at) + intercept
    while at > x_most and (slope * at) + intercept > y_most:
        at -= step
    decisive = (0.0,) if accurate else (0.0, *(value for value, _ in STEPS))
    number = None
    found = numpy.nan
    while at > step:
        x_limit, y_limit = at, (slope * at) + intercept
        sums = pixels.sums(x_limit, y_limit, float(at))
        if sums[0] != number:
            try:
                found = pixels.correlation(sums, x_limit, y_limit, decisive)
            except ValueError:
                break
            number = sums[0]
        if found <= 0:
            break
        steps = 1
        if not accurate and at >= step * 10:
            steps = next((steps for value, steps in STEPS if found > value), 1)
        at -= step * steps if steps > 1 else step
    return x_limit, y_limit


@compiled
def find_reach(x, y, slope, intercept):
    """Return the smallest and largest position on the line below which a pixel is not.

    Parameters
    ----------
    x, y
        Intensities of the pixels in the two channels, (pixels,).
    slope, intercept
        The line of the thresholds: y = slope * x + intercept.

    Returns
    -------
    tuple
        The smallest and the largest position, as values of x.
    """
    lowest = numpy.inf
    highest = -numpy.inf
    for k in range(x.size):
        place = min(numpy.float64(x[k]), (numpy.float64(y[k]) - intercept) / slope)
        lowest = min(lowest, place)
        highest = max(highest, place)
    return lowest, highest


@compiled
def sort_into_bins(x, y, slope, intercept, lowest, width, x_center, y_center):
    """Sort pixels into bins by the position on the line below which they are not.

    Parameters
    ----------
    x, y
        Intensities of the pixels in the two channels, (pixels,).
    slope, intercept
        The line of the thresholds: y = slope * x + intercept.
    lowest
        The smallest position of a pixel, as a value of x.
    width
        The width of a bin, in x.
    x_center, y_center
        Intensities that are subtracted before values are summed, which keeps the sums precise.

    Returns
    -------
    tuple
        The pixels' x and y in the order of their bins, (pixels,); the first pixel of each bin, (bins + 2,);
        and the sums of x, y, x², y² and xy over all bins before each, (bins + 1, 5).
    """
    bins = numpy.empty(x.size, numpy.int32)
    starts = numpy.zeros(BINS + 2, numpy.int64)
    per_width = 1.0 / width
    for k in range(x.size):
        place = min(numpy.float64(x[k]), (numpy.float64(y[k]) - intercept) / slope)
        bin_ = min(numpy.int32((place - lowest) * per_width), BINS - 1)
        bins[k] = bin_
        starts[bin_ + 1] += 1
    for bin_ in range(BINS):
        starts[bin_ + 1] += starts[bin_]
    free = starts.copy()
    sorted_x = numpy.empty_like(x)
    sorted_y = numpy.empty_like(y)
    for k in range(x.size):
        at = free[bins[k]]
        sorted_x[at] = x[k]
        sorted_y[at] = y[k]
        free[bins[k]] = at + 1
    before = numpy.zeros((BINS + 1, 5))
    for bin_ in range(BINS):
        sx = 0.0
        sy = 0.0
        xx = 0.0
        yy = 0.0
        xy = 0.0
        for at in range(starts[bin_], starts[bin_ + 1]):
            a = sorted_x[at] - x_center
            b = sorted_y[at] - y_center
            sx += a
            sy += b
            xx += a * a
            yy += b * b
            xy += a * b
        before[bin_ + 1, 0] = before[bin_, 0] + sx
        before[bin_ + 1, 1] = before[bin_, 1] + sy
        before[bin_ + 1, 2] = before[bin_, 2] + xx
        before[bin_ + 1, 3] = before[bin_, 3] + yy
        before[bin_ + 1, 4] = before[bin_, 4] + xy
    return sorted_x, sorted_y, starts, before


@compiled
def sums_of_bins(x, y, starts, before, first, end, x_limit, y_limit, x_center, y_center):
    """Return sums of the bins before `first`, and of pixels below the limits in bins before `end`.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels, bin after bin.
    starts
        (bins + 2,) where each bin begins.
    before
        (bins + 1, 5) sums of all bins before each.
    first, end
        Bins before the first are below both limits as a whole; those before the end in part.
    x_limit, y_limit
        The thresholds.
    x_center, y_center
        Values that are subtracted from x and y.

    Returns
    -------
    Number of pixels, and sums of x, y, x * x, y * y and x * y.
    """
    number = starts[first]
    sx = before[first, 0]
    sy = before[first, 1]
    xx = before[first, 2]
    yy = before[first, 3]
    xy = before[first, 4]
    for at in range(starts[first], starts[end]):
        if x[at] < x_limit or y[at] < y_limit:
            a = x[at] - x_center
            b = y[at] - y_center
            number += 1
            sx += a
            sy += b
            xx += a * a
            yy += b * b
            xy += a * b
    return number, sx, sy, xx, yy, xy


@compiled
def sums_below(x, y, x_limit, y_limit, x_center, y_center):
    """Return the sums of all pixels below the limits.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels.
    x_limit, y_limit
        The thresholds.
    x_center, y_center
        Values that are subtracted from x and y.

    Returns
    -------
    Number of pixels, and sums of x, y, x * x, y * y and x * y.
    """
    number = 0
    sx = 0.0
    sy = 0.0
    xx = 0.0
    yy = 0.0
    xy = 0.0
    for k in range(x.size):
        if x[k] < x_limit or y[k] < y_limit:
            a = x[k] - x_center
            b = y[k] - y_center
            number += 1
            sx += a
            sy += b
            xx += a * a
            yy += b * b
            xy += a * b
    return number, sx, sy, xx, yy, xy
