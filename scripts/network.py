"""Prepare the network that turns crops into features, once per experiment, before any plate.

The network is a model of timm with pretrained weights from the hub, with packaged ImageNet weights, with
weights from a file, or with a seeded random initialization (for tests: such features carry no knowledge of
images); or it is an ONNX file. The output folder contains network.json, network.onnx and, for timm,
weights.safetensors, so that the jobs of the plates need no network connection. Weights are read as numbers
only: no file can run code.
"""

import argparse
import copy
import difflib
import importlib.metadata
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import InputError, join_names
from lib.files import write_whole_folder
from lib.logs import log_to
from lib.networks import (
    ABOUT,
    ONNX,
    WEIGHTS,
    OnnxNetwork,
    TorchNetwork,
    count_planes,
    save_weights,
    write_onnx,
)
from lib.provenance import digest
from network_weights import (
    IMAGENET,
    PACKAGED,
    PRETRAINED,
    RANDOM,
    initialize_randomly,
    load_file,
    load_packaged,
    load_pretrained,
    make_noise_crops,
    require_file,
)

logger = logging.getLogger("platewise")

# Largest difference between ONNX and torch, relative to the largest feature, with which a network is used.
AGREEMENT = 1e-4


def check_model(name: str) -> None:
    """Raise an InputError with the nearest names if timm does not have a model."""
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise InputError(
            f"embeddings.model: timm has no model `{name}`; similar names: {join_names(near) or 'none'}."
        )


def check_size(name: str, size: int) -> None:
    """Raise an InputError if a model requires another size of crops."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size and config.input_size[-1] != size:
        only = config.input_size[-1]
        raise InputError(
            f"embeddings.size: {name} requires crops of {only} x {only} pixels, not {size} x {size}. "
            f"Set embeddings.size: {only}; crops are resized to it from embeddings.box."
        )


def check_onnx(path: Path, about: dict[str, Any], size: int) -> None:
    """Check the input of a user's own ONNX network.

    Raises
    ------
    InputError
        If it cannot be read, or its input is not crops of this shape.
    """
    import onnxruntime

    require_file(path)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as an ONNX network ({type(error).__name__}: {error})."
        ) from error
    inputs = session.get_inputs()
    shape = inputs[0].shape
    wanted = [1, count_planes(about), size, size]
    fits = len(inputs) == 1 and len(shape) == 4
    fits = fits and all(
        not isinstance(given, int) or given == want for given, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        raise InputError(
            f"{path} takes {join_names(f'{part.name} {part.shape}' for part in inputs)}; it must take one "
            f"input, crops of 1 or any number x {count_planes(about)} planes x {size} x {size}. Export it "
            "with a dynamic first dimension, or set embeddings.stacked, channels or size to match it."
        )


def prepare(
    model: str,
    weights: str,
    seed: int,
    channels: int,
    stacked: bool,
    size: int,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    folder: Path,
) -> dict[str, Any]:
    """Write the network's files.

    Parameters
    ----------
    model
        The model's name in timm; with an ONNX file, only a name.
    weights
        `pretrained`, `packaged`, `random`, or a file (.onnx, .safetensors, or a torch state dict).
    seed
        Seed of the random initialization.
    channels
        Number of channels of a cell.
    stacked
        Whether the network sees all channels at once, or each one three times.
    size
        Side length of a crop in pixels.
    mean, std
        Values with which its input was normalized in training; None takes timm's, or ImageNet's.
    folder
        An empty folder.

    Returns
    -------
    The description of the network, as in network.json.

    Raises
    ------
    InputError
        If the network cannot be used, or its features are not finite.
    """
    about: dict[str, Any] = {"model": model, "channels": channels, "stacked": stacked}
    file = Path(weights)
    config: Mapping[str, Any] = {}
    if file.suffix.lower() == ".onnx":
        check_onnx(file, about, size)
        shutil.copyfile(file, folder / ONNX)
        about |= {"weights": file.name, "digest": digest(file)}
    else:
        check_model(model)
        check_size(model, size)
        if weights == PRETRAINED:
            network, about["weights"] = load_pretrained(about)
        elif weights == PACKAGED:
            network, about["weights"] = load_packaged(about)
        elif weights == RANDOM:
            network, about["weights"] = initialize_randomly(about, size, seed)
        else:
            network, about["weights"] = load_file(about, file)
        network = network.eval()
        config = network.pretrained_cfg
        save_weights(network, folder / WEIGHTS)
        write_onnx(copy.deepcopy(network), folder / ONNX, size, about)
        about["digest"] = digest(folder / WEIGHTS if weights in (PRETRAINED, PACKAGED, RANDOM) else file)
    about["mean"] = get_normalization("mean", mean, config, about)
    about["std"] = get_normalization("std", std, config, about)
    crops = make_noise_crops(4, channels, size, seed)
    features = OnnxNetwork(folder, about)(crops)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError(f"{model} with the weights {about['weights']} returns features that are not finite.")
    if (folder / WEIGHTS).exists():
        by_torch = TorchNetwork(folder, about, "cpu", mixed=False)(crops)
        difference = float(np.abs(features - by_torch).max() / np.abs(by_torch).max())
        logger.info("ONNX and torch differ by %.1e of the largest feature", difference)
        if difference > AGREEMENT:
            raise InputError(
                f"{model} cannot be used: its features in ONNX and in torch differ by {difference:.1e}."
            )
    about["features"] = features.shape[1] if stacked else features.shape[1] // channels
    return about


def get_normalization(
    name: str, given: Sequence[float] | None, config: Mapping[str, Any], about: Mapping[str, Any]
) -> list[float]:
    """Return the mean or std of each input plane: one value for all, unless the planes are colors.

    Parameters
    ----------
    name : `mean` or `std`.
    given : the config's values, or None.
    config : what the weights' file says.
    about : the description of the network.

    Raises
    ------
    InputError
        If the number of values fits neither one plane nor all.
    """
    values = [float(value) for value in given or config.get(name) or IMAGENET[name]]
    if len(values) == count_planes(about):
        return values
    if given and len(values) != 1:
        raise InputError(
            f"embeddings.{name} has {len(values)} values; it must have 1 or {count_planes(about)}."
        )
    return [sum(values) / len(values)] * count_planes(about)


def main(options: argparse.Namespace) -> None:
    """Prepare the network in a temporary folder, and move it to the output."""
    with write_whole_folder(Path(options.output)) as part:
        about = prepare(
            options.model,
            options.weights,
            options.seed,
            options.channels,
            options.stacked,
            options.size,
            options.mean,
            options.std,
            part,
        )
        # The environment of an ONNX file has no torch.
        names = ("onnx", "onnxruntime", "timm", "torch") if (part / WEIGHTS).exists() else ("onnxruntime",)
        about["libraries"] = {name: importlib.metadata.version(name) for name in names}
        text = json.dumps(about, indent=1)
        (part / ABOUT).write_text(text + "\n")
        logger.info("%s", text)


def define_options() -> argparse.ArgumentParser:
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", required=True, help="pretrained, packaged, random, or a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--channels", type=int, required=True, help="number of channels of a cell")
    parser.add_argument("--stacked", action="store_true")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--mean", type=float, nargs="+")
    parser.add_argument("--std", type=float, nargs="+")
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the folder to write")
    return parser


if __name__ == "__main__":
    arguments = define_options().parse_args()
    # Sums must not depend on the number of threads; torch reads both when it is imported.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with log_to(arguments.log):
        main(arguments)
