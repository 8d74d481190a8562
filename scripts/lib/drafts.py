"""Read which folder of images an experiment is drafted from: snakemake draft --config images=FOLDER."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from lib.errors import InputError
from lib.plates import is_address


def read_draft_request(config: MutableMapping[str, Any]) -> dict[str, str]:
    """Take the folder of images, and that of the experiment, out of a config.

    Parameters
    ----------
    config
        The config, from which both keys are removed: `images`, if it is a folder, and `experiment`.

    Returns
    -------
    dict
        The folders `images` and `experiment` as absolute paths; empty if no experiment is drafted.

    Raises
    ------
    InputError
        If the images are in object storage.
    """
    images = config.get("images")
    if images is None or isinstance(images, dict):
        return {}
    if is_address(str(images)):
        raise InputError(
            f"images={images}: an experiment is drafted from a folder on this machine. Copy one plate here; "
            f"the other "
            "plates can stay, with their addresses in plates.tsv."
        )
    del config["images"]
    folder = Path(str(images)).absolute()
    experiment = config.pop("experiment", None) or Path("experiments", folder.name or "experiment")
    return {"images": str(folder), "experiment": str(Path(str(experiment)).absolute())}
