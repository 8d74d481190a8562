"""ExportToDatabase as it is, to a SQLite file also where the client of MySQL is not installed.

In a folder of its own, for runs of CellProfiler's built-in modules.
"""

import sys
from pathlib import Path

import cellprofiler.modules.exporttodatabase as builtin

sys.path.append(str(Path(__file__).resolve().parents[1] / "cellprofiler_plugins"))

from platewise_kernels import sqlite_client

sqlite_client.install()


class ExportToDatabase(builtin.ExportToDatabase):
    """CellProfiler's ExportToDatabase."""
