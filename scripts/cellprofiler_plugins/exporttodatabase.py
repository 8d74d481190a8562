"""ExportToDatabase as it is, to a SQLite file also where the client of MySQL is not installed."""

import cellprofiler.modules.exporttodatabase as builtin

from platewise_kernels import sqlite_client

sqlite_client.install()


class ExportToDatabase(builtin.ExportToDatabase):
    """CellProfiler's ExportToDatabase."""
