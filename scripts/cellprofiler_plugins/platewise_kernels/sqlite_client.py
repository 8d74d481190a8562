"""Let CellProfiler's ExportToDatabase write to SQLite where MySQL's client is not installed.

The built-in module imports sqlite3 together with MySQL's client, and uses two names of the latter for SQLite,
too. If it is missing, as in the workflow's own environment, every export ends with a NameError.
"""

import sqlite3

import cellprofiler.modules.exporttodatabase as builtin


class MySQLdb:
    """The part of MySQL's client that ExportToDatabase needs to write to SQLite."""

    class Error(Exception):
        """MySQL's error class, which is never raised."""

    @staticmethod
    def escape_string(text):
        """Return a text escaped for quotes in a statement for SQLite."""
        return text.replace("'", "''").encode()


def install():
    """Install it in the built-in module."""
    if not builtin.HAS_MYSQL_DB:
        builtin.sqlite3, builtin.MySQLdb = sqlite3, MySQLdb
