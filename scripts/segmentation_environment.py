"""Build the Python environment of the networks that find objects from its lock in envs/, by hash.

Cellpose and InstanSeg need torch, which takes several gigabytes, so they are installed only if the config
names one of them, separately from the workflow's own packages. The file complete.json is written last and
marks the environment as complete.
"""

from functools import partial

from lib.environments import build_as_script, build_from_lock

PACKAGES = ("cellpose", "instanseg", "torch")

if __name__ == "__main__":
    build = partial(
        build_from_lock,
        about="The environment of the networks that find objects",
        lock="segmentation.txt",
        packages=PACKAGES,
    )
    build_as_script(__doc__, build)
