"""FilterObjects, with CellProfiler's settings and objects, with faster steps.

The built-in module runs unchanged. Objects are created, counted and related in one pass
each (`platewise_kernels.stand_ins`), and labels at the border are found without a set of all pixels.
"""

import cellprofiler.modules.filterobjects as builtin
import numpy

from platewise_kernels import labels, stand_ins


class FilterObjects(builtin.FilterObjects):
    """CellProfiler's FilterObjects with faster steps."""

    def run(self, workspace):
        """Filter the objects of an image."""
        with stand_ins.stand_in(*stand_ins.OBJECTS):
            super().run(workspace)

    def discard_border_objects(self, src_objects):
        """Return the labels that do not touch the image's border."""
        matrix = src_objects.segmented
        masked = src_objects.has_parent_image and src_objects.parent_image.has_mask
        if masked or not labels.is_plain(matrix):
            return super().discard_border_objects(src_objects)
        border = numpy.concatenate((matrix[0], matrix[-1], matrix[:, 0], matrix[:, -1]))
        # A set returns its items in an order that depends on the order in which they were added, and the new
        # labels follow it.
        found = labels.order_by_first_pixel(numpy.ascontiguousarray(matrix).ravel(), int(matrix.max()))
        return list(set(found.tolist()).difference(border.tolist()))
