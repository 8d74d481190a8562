"""EnhanceOrSuppressFeatures, with CellProfiler's settings and pixels, with a faster curvature.

The built-in module runs unchanged; for neurites by tubeness, the curvature of the smoothed image is computed
in one pass (`platewise_kernels.ridges`).
"""

import cellprofiler.modules.enhanceorsuppressfeatures as builtin
import centrosome
import centrosome.filter

from platewise_kernels import ridges, stand_ins


class EnhanceOrSuppressFeatures(builtin.EnhanceOrSuppressFeatures):
    """CellProfiler's EnhanceOrSuppressFeatures with faster steps."""

    def run(self, workspace):
        """Enhance or suppress the features of an image."""
        filters = stand_ins.Instead(centrosome.filter, hessian=ridges.hessian)
        stand_in = stand_ins.Instead(centrosome, filter=filters)
        with stand_ins.stand_in((builtin, "centrosome", stand_in)):
            super().run(workspace)
