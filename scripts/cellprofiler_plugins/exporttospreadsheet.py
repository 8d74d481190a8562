"""ExportToSpreadsheet unchanged, with the measurements that it exports kept in memory.

The module is CellProfiler's own; a pipeline that ends in tables gets its measurements from
`platewise_kernels.measurement_store` instead of from an HDF5 file that is deleted afterwards.
"""

import cellprofiler.modules.exporttospreadsheet as builtin

from platewise_kernels import measurement_store

measurement_store.install()


class ExportToSpreadsheet(builtin.ExportToSpreadsheet):
    """CellProfiler's ExportToSpreadsheet."""
