"""Build the Python environment of the deep networks from its lock in envs/, by hash, with pip.

torch, timm and onnxruntime take several gigabytes, so they are installed only if embeddings are
requested, separately from the workflow's own packages. The file complete.json is written last and marks the
environment as complete.
"""

from functools import partial

from lib.environments import build_as_script, build_from_lock

PACKAGES = ("onnxruntime", "safetensors", "timm", "torch")

if __name__ == "__main__":
    build = partial(
        build_from_lock,
        about="The environment of the deep networks",
        lock="embeddings.txt",
        packages=PACKAGES,
    )
    build_as_script(__doc__, build)
