"""Start Snakemake's dry runs quickly: a process that has imported Snakemake once forks for each of them.

Snakemake and its plugins take more than a second of CPU time to import, which is half of what a dry run of a
small experiment takes, and the tests start some hundreds of them. Each dry run is a process of its own, in
which nothing but Snakemake was imported before: not a line of the project. Runs that do jobs are started as
a user starts them. Their hashes have other seeds than those of dry runs, and so a plan that depends on the
order of a set is noticed.
"""

import atexit
import gc
import json
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any


def get_environment() -> dict[str, str]:
    """Return the environment variables without those that pytest, and scikit-learn's import, set."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTEST_CURRENT_TEST" and not name.startswith("KMP_")
    }


# Before any test changes a variable for its own runs.
ENVIRONMENT = get_environment()


class SnakemakeServer:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self.is_free = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.process.communicate)

    def run(self, python: Path, arguments: list[str], folder: Path, output: str) -> int | None:
        """Run Snakemake; None if this run needs a Python that starts anew, or if another one is not finished.

        Parameters
        ----------
        python
            The Python that the run would otherwise start, of the same environment as this one.
        arguments
            Snakemake's arguments.
        folder
            The working directory.
        output
            The file to which stdout and stderr are written.

        Returns
        -------
        int or None
            The exit status.
        """
        # Python and libraries read some variables when they start.
        if get_environment() != ENVIRONMENT or not self.is_free.acquire(blocking=False):
            return None
        try:
            request = {"python": str(python), "arguments": arguments, "folder": str(folder), "output": output}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return int(self.process.stdout.readline())
        finally:
            self.is_free.release()


@cache
def get_server() -> SnakemakeServer:
    """Return the server of this process, started at the first call; it ends with this process."""
    return SnakemakeServer()


def run(request: dict[str, Any]) -> None:
    """Run Snakemake in this process, as `python -m snakemake` does."""
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_APPEND)):
        file = os.open(request["output"] if descriptor else os.devnull, flags)
        os.dup2(file, descriptor)
        os.close(file)
    os.dup2(1, 2)
    os.chdir(request["folder"])
    sys.executable = request["python"]
    sys.path[0] = request["folder"]
    from snakemake import cli

    sys.argv = [str(Path(cli.__file__).with_name("__main__.py")), *request["arguments"]]
    cli.main()


def serve() -> None:
    """Fork for each request on stdin, and answer with its exit status, one at a time."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    from snakemake.cli import get_argument_parser

    get_argument_parser()  # imports the plugins
    gc.freeze()
    for line in requests:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    serve()
