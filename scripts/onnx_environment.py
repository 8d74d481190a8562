"""Build the Python environment of a network in an ONNX file from its lock in envs/, by hash, with pip.

It has no torch, so that it is small. The file complete.json is written last and marks the environment as
complete.
"""

from functools import partial

from lib.environments import build_as_script, build_from_lock

PACKAGES = ("onnxruntime", "pyarrow", "tifffile")

if __name__ == "__main__":
    build = partial(
        build_from_lock,
        about="The environment of networks in ONNX files",
        lock="onnx.txt",
        packages=PACKAGES,
    )
    build_as_script(__doc__, build)
