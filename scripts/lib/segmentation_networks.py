"""Find the objects of an image with a deep network: Cellpose, InstanSeg or StarDist, by their own packages.

This module runs in the environment of `envs/segmentation.txt` or, for StarDist, `envs/stardist.txt`. Each
method has one function that finds the file of a model, which is downloaded if the method's authors distribute
it, and one class that runs it.
"""

import importlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import InputError, join_names

logger = logging.getLogger("platewise")

ABOUT = "network.json"
MODEL = "model"
# The package of each method, and its model if the config names none.
PACKAGES = {"cellpose": "cellpose", "instanseg": "instanseg-torch", "stardist": "stardist"}
USUAL_MODELS = {
    "cellpose": "cpsam_v2",
    "instanseg": "fluorescence_nuclei_and_cells",
    "stardist": "2D_versatile_fluo",
}
# Files of a StarDist model, beside its weights (.h5): its architecture, and its thresholds if it has any.
OF_STARDIST = ("config.json", "thresholds.json")
# Percentiles of an image that StarDist's authors make 0 and 1.
STARDIST_PERCENTILES = (1.0, 99.8)


def import_package(name: str) -> Any:
    """Import a module of a method's package.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} cannot be imported ({error}). Install the packages of envs/segmentation.txt (of "
            "envs/stardist.txt for StarDist), or set segmentation.environment to built."
        ) from error


# --- models ------------------------------------------------------------------------------------------


def find_cellpose_model(name: str) -> Path:
    """Return the file of one of Cellpose's models, which is downloaded if it is not there yet.

    Raises
    ------
    InputError
        If there is no such model, or it cannot be downloaded.
    """
    models = import_package("cellpose.models")
    # Models based on DINO need a package that is not on PyPI.
    known = [each for each in models.MODEL_NAMES if "dino" not in each]
    if name not in known:
        raise InputError(
            f"network.model: cellpose has no model `{name}`; it has {join_names(known)}. A file is given by "
            "its path, with a slash."
        )
    try:
        return Path(models.cache_model_path(name))
    except OSError as error:
        folder = models.MODEL_DIR
        # A partial download would be taken for the model the next time.
        Path(folder, name).unlink(missing_ok=True)
        raise InputError(
            f"The model {name} of cellpose is not in {folder} and cannot be downloaded "
            f"({type(error).__name__}: {error}). On a machine with a network connection, download "
            f"{models._MODEL_URL}{name}; copy that file to {folder}, or name its path as network.model."
        ) from error


def find_instanseg_model(name: str) -> Path:
    """Return the file of one of InstanSeg's models, which is downloaded if it is not there yet.

    Raises
    ------
    InputError
        If there is no such model, or it cannot be downloaded.
    """
    utils = import_package("instanseg.utils.utils")
    package = Path(import_package("instanseg").__file__).parent
    listed_models = json.loads((package / "bioimageio_models/model-index.json").read_text())
    known = {each["name"]: each for each in reversed(listed_models)}
    if name not in known:
        raise InputError(
            f"network.model: instanseg has no model `{name}`; it has {join_names(known)}. A file is given by "
            "its path, with a slash."
        )
    folder = Path(os.environ.get("INSTANSEG_BIOIMAGEIO_PATH") or package / "bioimageio_models")
    file = folder / name / known[name]["version"] / "instanseg.pt"
    try:
        if not file.is_file():
            utils.download_model(name, verbose=False)
    except Exception as error:
        raise InputError(
            f"The model {name} of instanseg is not in {folder} and cannot be downloaded "
            f"({type(error).__name__}: {error}). On a machine with a network connection, download "
            f"{known[name]['url']}; copy its instanseg.pt here and name its path as network.model."
        ) from error
    return file


def find_stardist_model(name: str) -> Path:
    """Return the file of one of StarDist's models, which is downloaded if it is not there yet.

    Raises
    ------
    InputError
        If there is no such model, or it cannot be downloaded.
    """
    models = import_package("stardist.models")
    registry = import_package("csbdeep.models.pretrained")
    known, _ = registry.get_registered_models(models.StarDist2D)
    if name not in known:
        raise InputError(
            f"network.model: stardist has no model `{name}` for images of one plane; it has "
            f"{join_names(known)}. A file is given by its path, with a slash."
        )
    try:
        folder = Path(registry.get_model_folder(models.StarDist2D, name))
    except Exception as error:
        raise InputError(
            f"The model {name} of stardist cannot be downloaded ({type(error).__name__}: {error}). On a "
            f"machine with a network connection, download {name}.zip from the releases of "
            "https://github.com/stardist/stardist-models; copy it here and name its path as network.model."
        ) from error
    file = Path(f"{folder}.zip")
    return file if file.is_file() else pack_model(folder, file)


def pack_model(folder: Path, file: Path) -> Path:
    """Write the files of a StarDist model's folder into one file, and return it."""
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            if path.name in OF_STARDIST or path.suffix == ".h5":
                archive.write(path, path.name)
    return file


FINDERS = {
    "cellpose": find_cellpose_model,
    "instanseg": find_instanseg_model,
    "stardist": find_stardist_model,
}


# --- networks ----------------------------------------------------------------------------------------


class Cellpose:
    """Cellpose: finds objects in an image of one channel, or of two (the objects' and the nuclei's)."""

    def __init__(self, file: Path, device: str):
        models, torch = import_package("cellpose.models"), import_package("torch")
        on_gpu = device == "cuda"
        self.model = models.CellposeModel(
            pretrained_model=str(file), device=torch.device(device), use_bfloat16=on_gpu
        )
        # Cellpose leaves weights that the file lacks as they are: random.
        names = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        missing = set(self.model.net.state_dict()) - {name.removeprefix("module.") for name in names}
        if missing:
            raise ValueError(f"it lacks the weights {join_names(sorted(missing), 3)}")

    def __call__(self, image: np.ndarray, objects: str, settings: Mapping[str, Any]) -> np.ndarray:
        """Return the labels of the objects of an image (channels, rows, columns)."""
        labels, _, _ = self.model.eval(
            image,
            channel_axis=0,
            diameter=settings["diameter"],
            cellprob_threshold=settings["cell_probability"],
            flow_threshold=settings["flow_error"],
            min_size=settings["smallest"],
        )
        return labels


class InstanSeg:
    """InstanSeg: finds nuclei or cells in an image with any number of channels."""

    def __init__(self, file: Path, device: str):
        module, torch = import_package("instanseg.inference_class"), import_package("torch")
        model = torch.jit.load(str(file), map_location=device)
        missing = [name for name in ("pixel_size", "cells_and_nuclei") if not hasattr(model, name)]
        if missing:
            raise ValueError(f"it has no {join_names(missing)}, which InstanSeg writes into its models")
        self.network = module.InstanSeg(model, device=device, verbosity=0, channels_last=False)

    def __call__(self, image: np.ndarray, objects: str, settings: Mapping[str, Any]) -> np.ndarray:
        """Return the labels of the objects of an image (channels, rows, columns)."""
        is_small = image.size <= self.network.small_image_threshold
        find = self.network.eval_small_image if is_small else self.network.eval_medium_image
        found = find(
            image,
            pixel_size=settings["pixel_size"],
            return_image_tensor=False,
            target=objects.lower(),
        )
        return found.cpu().numpy().reshape(image.shape[1:])


class StarDist:
    """StarDist: finds convex objects, such as nuclei, in as many channels as its model was trained on."""

    def __init__(self, file: Path, device: str):
        models, self.csbdeep = import_package("stardist.models"), import_package("csbdeep.utils")
        with zipfile.ZipFile(file) as archive, tempfile.TemporaryDirectory() as folder:
            # Some archives have the files in a folder.
            members = {Path(name).name: name for name in archive.namelist()}
            kept = [name for name in members if name in OF_STARDIST or name.endswith(".h5")]
            if "config.json" not in kept or not any(name.endswith(".h5") for name in kept):
                raise ValueError("it lacks config.json or weights (.h5), which StarDist writes")
            Path(folder, "model").mkdir()
            for name in kept:
                Path(folder, "model", name).write_bytes(archive.read(members[name]))
            self.model = models.StarDist2D(None, name="model", basedir=folder)

    def __call__(self, image: np.ndarray, objects: str, settings: Mapping[str, Any]) -> np.ndarray:
        """Return the labels of the objects of an image (channels, rows, columns)."""
        number = self.model.config.n_channel_in
        if number > len(image):
            raise InputError(
                f"network.model: this model of stardist takes {number} channels, and the workflow gives it "
                f"{len(image)}."
            )
        # The channel of the objects comes first.
        seen = np.moveaxis(image[:number], 0, -1) if number > 1 else image[0]
        scaled = self.csbdeep.normalize(seen, *STARDIST_PERCENTILES, axis=(0, 1))
        labels, _ = self.model.predict_instances(scaled, show_tile_progress=False)
        return labels


NETWORKS = {"cellpose": Cellpose, "instanseg": InstanSeg, "stardist": StarDist}


def load_network(method: str, file: Path, device: str, name: str) -> Any:
    """Load a model.

    Parameters
    ----------
    method
        A key of `NETWORKS`.
    file
        The model's file.
    device
        `cpu` or `cuda`.
    name
        What the config calls the model, for messages.

    Raises
    ------
    InputError
        If the file is not a model of the method.
    """
    try:
        return NETWORKS[method](file, device)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise InputError(
            f"network.model: {name} cannot be loaded as a model of {method} "
            f"{metadata.version(PACKAGES[method])} ({type(error).__name__}: {reason})."
        ) from error


def choose_device(method: str) -> str:
    """Return `cuda` if torch can use a GPU, and `cpu` otherwise; StarDist's environment is for CPUs."""
    if method == "stardist":
        return "cpu"
    return "cuda" if import_package("torch").cuda.is_available() else "cpu"


def drop_small(labels: np.ndarray, smallest: int) -> np.ndarray:
    """Return labels without objects of fewer than `smallest` pixels; the others keep their numbers."""
    labels = labels.astype(np.int64)
    sizes = np.bincount(labels.ravel())
    return np.where(sizes[labels] >= smallest, labels, 0)
