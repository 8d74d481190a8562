"""Read what an experiment is drafted from: snakemake draft --config images=FOLDER, or dataset=PREFIX."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from lib.errors import InputError
from lib.plates import is_address


def read_draft_request(config: MutableMapping[str, Any]) -> dict[str, str]:
    """Take the folder of images or the dataset, and the folder of the experiment, out of a config.

    Parameters
    ----------
    config
        The config, from which these keys are removed: `images`, if it is a folder, `dataset`, `batch` and
        `experiment`.

    Returns
    -------
    dict
        `images` or `dataset`, and `experiment`, as absolute paths; `batch`. Empty if no experiment is
        drafted.

    Raises
    ------
    InputError
        If the images are in object storage, or a dataset is there and the config does not allow to fetch it.
    """
    if "dataset" in config:
        place, batch = str(config.pop("dataset")).rstrip("/"), str(config.pop("batch", ""))
        if is_address(place) and config.get("fetch") not in (True, "true", "True"):
            raise InputError(f"{place} is not read: add fetch=true to --config.")
        name = place.rpartition("/")[2]
        experiment = config.pop("experiment", None) or Path("experiments", name)
        place = place if is_address(place) else str(Path(place).absolute())
        return {"dataset": place, "batch": batch, "experiment": str(Path(str(experiment)).absolute())}
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
