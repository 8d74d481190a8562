"""ExportToDatabase unchanged, but able to write a SQLite file without the MySQL client."""

import cellprofiler.modules.exporttodatabase as builtin

from platewise_kernels import sqlite_client

sqlite_client.install()


class ExportToDatabase(builtin.ExportToDatabase):
    """CellProfiler's ExportToDatabase."""
