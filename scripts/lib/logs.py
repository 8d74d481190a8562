"""Write a script's messages, and the traceback of its failure, to the rule's log file."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.errors import InputError, explain_storage_error

# Of a warning that names a column of a documented format.
AS_DOCUMENTED = {"as_documented": True}


@contextmanager
def log_to(path: str | Path) -> Iterator[logging.Logger]:
    """Log to `path` while the block runs; a failure is written there and ends the script with status 1.

    An `InputError`, and the error of a disk that cannot be written, are written (to the log and to stderr) as
    their message alone, since their reader is a user; any other exception is written with its traceback,
    since its reader is a developer.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path,
        filemode="w",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    logging.captureWarnings(True)
    logger = logging.getLogger("platewise")
    try:
        yield logger
    except InputError as error:
        logger.error("%s", error)
        sys.exit(f"\n{error}\n")
    except BaseException as error:
        problem = explain_storage_error(error, Path.cwd()) if isinstance(error, OSError) else None
        logger.exception("the step failed" if problem is None else problem)
        if problem is None:
            raise
        sys.exit(f"\n{problem}\n")


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the warnings that are logged while the block runs, as text; they are logged all the same.

    Those that are logged with `extra=AS_DOCUMENTED` are left out.
    """
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not hasattr(record, "as_documented"):
                found.append(record.getMessage())

    handler = Collector(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
