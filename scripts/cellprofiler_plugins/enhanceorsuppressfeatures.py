"""EnhanceOrSuppressFeatures, with CellProfiler's settings and pixels, with faster steps.

The built-in module runs unchanged; for neurites by tubeness, the curvature of the smoothed image is computed
in one pass (`platewise_kernels.ridges`); for speckles, neurites by line structures and suppressed features,
smallest and largest values within a disk are found row by row (`platewise_kernels.disks`).
"""

import cellprofiler.modules.enhanceorsuppressfeatures as builtin
import centrosome
import centrosome.filter
import scipy
import scipy.ndimage
import skimage
import skimage.morphology

from platewise_kernels import disks, ridges, stand_ins


class EnhanceOrSuppressFeatures(builtin.EnhanceOrSuppressFeatures):
    """CellProfiler's EnhanceOrSuppressFeatures with faster steps."""

    def run(self, workspace):
        """Enhance or suppress the features of an image."""
        instead = stand_ins.Instead
        curvature = instead(centrosome.filter, hessian=ridges.hessian)
        extremes = instead(
            scipy.ndimage.filters, minimum_filter=disks.minimum_filter, maximum_filter=disks.maximum_filter
        )
        morphology = instead(
            skimage.morphology,
            white_tophat=disks.white_tophat,
            black_tophat=disks.black_tophat,
            opening=disks.opening,
        )
        with stand_ins.stand_in(
            (builtin, "centrosome", instead(centrosome, filter=curvature)),
            (builtin, "scipy", instead(scipy, ndimage=instead(scipy.ndimage, filters=extremes))),
            (builtin, "skimage", instead(skimage, morphology=morphology)),
        ):
            super().run(workspace)
