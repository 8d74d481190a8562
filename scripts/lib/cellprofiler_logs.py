"""Write the log of a script that runs CellProfiler, and read CellProfiler's errors in it.

Python 3.8 and its standard library, as CellProfiler's own Python imports this module.
"""

import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.errors import InputError, explain_storage_error


def read_last_lines(path, lines=20):
    """Return the last lines of a log, or CellProfiler's last error in it, which more output may follow."""
    with Path(path).open(errors="replace") as file:
        log_lines = [line.rstrip() for line in file if line.strip()]
    errors = [
        number
        for number, line in enumerate(log_lines)
        # CellProfiler reports a missing database client at every start, and does not need it.
        if line.startswith("Traceback")
        and not any("MySQL" in near for near in log_lines[number : number + 4])
    ]
    excerpt = log_lines[errors[-1] :][: 2 * lines] if errors else log_lines[-lines:]
    return "\n".join("  " + line for line in excerpt)


@contextmanager
def open_log(path):
    """Open a log file; an InputError in the block is written to it and to stderr, and ends the script.

    A signal that ends the job ends CellProfiler with it and lets temporary folders be removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with path.open("w", buffering=1) as log:
        try:
            yield log
        except (InputError, OSError) as error:
            reason = (
                str(error) if isinstance(error, InputError) else explain_storage_error(error, path.parent)
            )
            if reason is None:
                raise
            with suppress(OSError):
                # as `lib.logs` writes it, so that the end of the run can give the reason
                log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} ERROR {reason}\n")
            sys.exit(f"\n{reason}\n")
