"""Build the Python environment of the deep networks from its lock in envs/, by hash, with pip.

torch, timm and onnxruntime take several gigabytes, so they are installed only if embeddings are
requested, separately from the workflow's own packages. The file complete.json is written last and marks the
environment as complete.
"""

import json
import sys

from lib.cellprofiler import output_of
from lib.environments import LOCKS, MARKER, build_as_script, clean_variables, make_way, step
from lib.errors import InputError

ABOUT = "The environment of the deep networks"
PACKAGES = ("onnxruntime", "safetensors", "timm", "torch")
TELL = "import json, importlib as i; print(json.dumps({n: i.import_module(n).__version__ for n in %r}))"


def build(folder, log):
    """Build the environment in `folder`, deleting its content first, and mark it complete."""
    variables = clean_variables()
    make_way(folder)
    python = str(folder / "bin" / "python")
    step(ABOUT, [sys.executable, "-m", "venv", str(folder)], variables, log)
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    step(ABOUT, [*install, "--require-hashes", "-r", str(LOCKS / "embeddings.txt")], variables, log)
    told = output_of([python, "-c", TELL % (PACKAGES,)], variables)
    if told is None:
        raise InputError(f"{ABOUT} was installed, but its packages {PACKAGES} cannot be imported.")
    (folder / MARKER).write_text(json.dumps(json.loads(told.splitlines()[-1]), indent=1) + "\n")


if __name__ == "__main__":
    build_as_script(__doc__, build)
