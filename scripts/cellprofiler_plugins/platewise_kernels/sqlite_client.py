"""What CellProfiler's ExportToDatabase needs to write to SQLite where MySQL's client is not installed.

The built-in module imports sqlite3 together with MySQL's client, and uses of the latter two names for SQLite,
too. Where it is missing, as in the workflow's own environment, every export ends with a NameError.
"""

import sqlite3

import cellprofiler.modules.exporttodatabase as builtin


class MySQLdb:
    """What ExportToDatabase needs of MySQL's client to write to SQLite."""

    class Error(Exception):
        """An error of MySQL's, of which there is none."""

    @staticmethod
    def escape_string(text):
        """A text as it stands between quotes in a statement for SQLite."""
        return text.replace("'", "''").encode()


def install():
    """Give it to the built-in module."""
    if not builtin.HAS_MYSQL_DB:
        builtin.sqlite3, builtin.MySQLdb = sqlite3, MySQLdb
