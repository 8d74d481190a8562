"""Read images that a reference names (`lib.image_references`), from any of the workflow's environments.

The libraries of the formats are installed beside Snakemake. CellProfiler and the deep networks run in
environments of their own, with other versions of Python; there, a process of Snakemake's Python reads the
image and hands over its pixels (`read_planes.py`). It is started with the first such image and ends with the
process that started it.

This module uses only Python 3.8, its standard library and numpy.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import numpy as np

from lib.errors import InputError

# The variable with the path of Snakemake's Python, which Snakemake sets for its jobs.
PYTHON = "PLATEWISE_PYTHON"
# The module that reads; only Snakemake's Python can import it.
HOME = "lib.planes"
_process = None
# Several threads may read the channels of a site, and the process answers one question at a time.
_lock = threading.Lock()


def is_at_home():
    """Return whether this Python is Snakemake's, in which the libraries of the formats are installed."""
    return os.environ.get(PYTHON, sys.executable) == sys.executable and sys.version_info >= (3, 11)


def read_image(path):
    """Return the pixels of the image that a reference names, their type in the file, and the number that
    stands for 1.

    Raises
    ------
    InputError
        Naming the file that cannot be read.
    """
    if is_at_home():
        plane = import_module(HOME).read_planes(Path(path))
        return plane.pixels, plane.kind, plane.scale
    answer, data = ask({"read": str(path)})
    pixels = np.frombuffer(data, np.dtype(answer["dtype"])).reshape(answer["shape"])
    return pixels, answer["kind"], answer["scale"]


def get_image_properties(path):
    """Return shape and type of the image that a reference names, or an error as text."""
    if is_at_home():
        return import_module(HOME).get_properties(Path(path))
    answer, _ = ask({"properties": str(path)})
    return answer["fault"] or (tuple(answer["shape"]), answer["kind"])


def ask(question):
    """Return the answer of the process that reads images, and the bytes that follow it."""
    global _process
    with _lock:
        if _process is None or _process.poll() is not None:
            _process = start()
        try:
            _process.stdin.write(json.dumps(question).encode() + b"\n")
            _process.stdin.flush()
            answer = json.loads(_process.stdout.readline())
            data = _process.stdout.read(answer.get("bytes", 0))
        except (OSError, ValueError) as error:
            raise InputError(
                f"The process that reads stacks and containers ended ({error}); see the log."
            ) from error
    if "error" in answer:
        raise InputError(answer["error"])
    return answer, data


def start():
    """Start the process that reads images."""
    python = os.environ.get(PYTHON)
    if not python:
        raise InputError(
            f"Stacks and files of several channels are read by Snakemake's Python: set {PYTHON} to its path."
        )
    script = Path(__file__).resolve().parents[1] / "read_planes.py"
    # What belongs to this environment's Python would mislead the other one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    found = subprocess.Popen(
        [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    atexit.register(found.stdin.close)
    return found
