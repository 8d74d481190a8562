"""Build the Python environment of Harmony from its lock in envs/, by hash, with pip.

harmonypy is licensed under GPL-3, so it is installed only if a chain requires it, separately from the
workflow's own packages. The file complete.json is written last and marks the environment as complete.
"""

from functools import partial

from lib.environments import build_as_script, build_from_lock

PACKAGES = ("harmonypy", "pandas", "pyarrow")

if __name__ == "__main__":
    build = partial(
        build_from_lock, about="The environment of Harmony", lock="harmony.txt", packages=PACKAGES
    )
    build_as_script(__doc__, build)
