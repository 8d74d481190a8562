"""Build the Python environment of StarDist from its lock in envs/, by hash.

StarDist needs TensorFlow, so it has an environment of its own, which is installed only if the config names
it. The file complete.json is written last and marks the environment as complete.
"""

from functools import partial

from lib.environments import build_as_script, build_from_lock

PACKAGES = ("stardist", "tensorflow")

if __name__ == "__main__":
    build = partial(
        build_from_lock, about="The environment of StarDist", lock="stardist.txt", packages=PACKAGES
    )
    build_as_script(__doc__, build)
