"""Prepare the network that turns crops into features: once an experiment, before any plate.

The network is a model of timm with its pretrained weights from the hub, with weights from a file, or with
a seeded random initialisation (for tests: its features know nothing of images), or it is an ONNX file.
The folder that is written holds network.json, network.onnx and timm's weights.safetensors, so that the
plates' jobs need no network connection. Weights are read as numbers only: no file can run code.
"""

import argparse
import contextlib
import copy
import difflib
import importlib.metadata
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.crops import resized
from lib.errors import InputError, listed
from lib.files import whole_folder
from lib.logs import logged
from lib.networks import ABOUT, ONNX, WEIGHTS, OnnxNetwork, TorchNetwork, planes, timm_model
from lib.provenance import digest

logger = logging.getLogger("platewise")

PRETRAINED, RANDOM = "pretrained", "random"
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
# ONNX and torch must agree this closely, relative to the features' size, before a network is used.
AGREEMENT = 1e-4


def checked_model(name: str) -> None:
    """Raises InputError, with the nearest names, when timm has no such model."""
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise InputError(f"embeddings.model: timm has no model `{name}`; near are {listed(near) or 'none'}.")


def checked_size(name: str, size: int) -> None:
    """Raises InputError when a model takes crops of one size alone, and it is another."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size and config.input_size[-1] != size:
        only = config.input_size[-1]
        raise InputError(
            f"embeddings.size: {name} takes crops of {only} x {only} pixels alone, not of {size} x {size}. "
            f"Set embeddings.size: {only}; crops are resized to it from embeddings.box."
        )


def pretrained(about: Mapping[str, Any]):
    """The model with its pretrained weights from the hub, and where they are from."""
    import timm

    config = timm.get_pretrained_cfg(about["model"])
    if config is None or not config.has_weights:
        raise InputError(
            f"embeddings.weights: timm has no pretrained weights for {about['model']}; name a file of yours."
        )
    try:
        model = timm_model(about, pretrained=True)
    except Exception as error:
        raise InputError(
            f"The pretrained weights of {about['model']} cannot be fetched ({type(error).__name__}: {error})."
            f" On a machine with a network, `hf download {config.hf_hub_id} model.safetensors --local-dir "
            "FOLDER` gets them; copy that file here and set embeddings.weights to its path. Or run this one "
            "step, `snakemake --until network`, where there is a network."
        ) from error
    return model, f"{config.hf_hub_id} (pretrained, from the hub)"


def from_file(about: Mapping[str, Any], path: Path):
    """The model with weights from a file: safetensors, or a state dict that torch saved.

    Raises:
        InputError: when the file is missing, is no file of weights, or is one of another model.
    """
    import timm.models

    existing(path)
    try:
        state = timm.models.load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}: {error}). It must be a safetensors "
            "file, or a state dict saved by torch.save(model.state_dict(), file); a whole pickled model is "
            "not read."
        ) from error
    model = timm_model(about)
    expected = model.state_dict()
    head = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{name}." for name in ([head] if isinstance(head, str) else head))
    given = {name: value for name, value in state.items() if not name.startswith(heads or ("\0",))}
    wrong = [f"lacks {listed(lacking, 3)}"] if (lacking := sorted(set(expected) - set(given))) else []
    wrong += [f"has {listed(more, 3)} too much"] if (more := sorted(set(given) - set(expected))) else []
    wrong += [
        f"{name} is {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in given and given[name].shape != expected[name].shape
    ][:3]
    if wrong:
        raise InputError(
            f"{path} holds no weights of {about['model']} with {planes(about)} input planes: it "
            f"{'; '.join(wrong)}. Name the model that these weights are of in embeddings.model"
            " (and whether its channels are stacked in embeddings.stacked)."
        )
    model.load_state_dict(given)
    return model, path.name


def existing(path: Path) -> None:
    """Raises InputError, saying how to get weights, when a file of weights is missing."""
    if not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. Copy the file there (timm's are at "
            "https://huggingface.co/timm, model.safetensors of each model), or set embeddings.weights to "
            "pretrained on a machine with a network."
        )


def random(about: Mapping[str, Any], size: int, seed: int):
    """The model with a seeded random initialisation, and what to call its weights.

    Batch normalisation gets its statistics from seeded noise that is as dark and as coarse as images of
    cells; with those that a new model has, mean 0 and variance 1, signals fade from layer to layer.
    """
    import torch

    torch.manual_seed(seed)
    model = timm_model(about)
    channels = planes(about) if about["stacked"] else 1
    noise = noise_crops(16, channels, size, seed).repeat(planes(about) // channels, axis=1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics of this batch alone
    model.train()
    with torch.no_grad():
        model(torch.from_numpy((noise - np.mean(IMAGENET["mean"])) / np.mean(IMAGENET["std"])).float())
    return model.eval(), f"random initialisation, seed {seed} (not trained on anything)"


def noise_crops(number: int, channels: int, size: int, seed: int) -> np.ndarray:
    """Seeded crops of noise from 0 to 1: coarse and fine grains in sum, most of it dark."""
    generator = np.random.default_rng(seed)
    made = []
    for at in range(number):
        crop = np.zeros((channels, size, size), dtype=np.float32)
        for grain in (4, 14, 56, size):
            noise = generator.random((channels, grain, grain), dtype=np.float32)
            crop += np.float32(generator.random() ** 2) * resized(noise, size)
        made.append(((crop - crop.min()) / np.ptp(crop)) ** (1 + at % 4))
    return np.stack(made)


def write_onnx(model: Any, path: Path, size: int, about: Mapping[str, Any]) -> None:
    """Write a timm model as ONNX."""
    import torch

    example = torch.zeros((2, planes(about), size, size))
    with contextlib.redirect_stdout(None):
        torch.onnx.export(
            model,
            (example,),
            str(path),
            input_names=["crops"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("crops")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def describe_onnx(path: Path, about: dict[str, Any], size: int) -> None:
    """Note what a user's own ONNX network is.

    Raises:
        InputError: when it takes or gives something else than crops and features.
    """
    import onnxruntime

    existing(path)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as an ONNX network ({type(error).__name__}: {error})."
        ) from error
    inputs = session.get_inputs()
    shape = inputs[0].shape
    wanted = [1, planes(about), size, size]
    fits = len(inputs) == 1 and len(shape) == 4
    fits = fits and all(
        not isinstance(given, int) or given == want for given, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        raise InputError(
            f"{path} takes {listed(f'{part.name} {part.shape}' for part in inputs)}; needed is one input, "
            f"crops of 1 or any number x {planes(about)} planes x {size} x {size}. Export it with a free "
            "first dimension, or set embeddings.stacked, channels or size to what it was made for."
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
    """Write the network's folder; what its network.json says.

    Args:
        model: timm's name of it; with an ONNX file, only a name.
        weights: `pretrained`, `random`, or a file (.onnx, .safetensors, or a state dict of torch).
        seed: of the random initialisation.
        channels: how many channels a cell has.
        stacked: whether the network looks at all channels at once, or at each one three times.
        size: side of a crop in pixels.
        mean, std: what its input was normalised with in training; None takes timm's, or ImageNet's.
        folder: an empty folder.
    """
    about: dict[str, Any] = {"model": model, "channels": channels, "stacked": stacked}
    file = Path(weights)
    config: Mapping[str, Any] = {}
    if file.suffix == ".onnx":
        describe_onnx(file, about, size)
        shutil.copyfile(file, folder / ONNX)
        about |= {"weights": file.name, "digest": digest(file)}
    else:
        checked_model(model)
        checked_size(model, size)
        if weights == PRETRAINED:
            network, about["weights"] = pretrained(about)
        elif weights == RANDOM:
            network, about["weights"] = random(about, size, seed)
        else:
            network, about["weights"] = from_file(about, file)
        network = network.eval()
        config = network.pretrained_cfg
        save_weights(network, folder / WEIGHTS)
        write_onnx(copy.deepcopy(network), folder / ONNX, size, about)
        about["digest"] = digest(folder / WEIGHTS if weights in (PRETRAINED, RANDOM) else file)
    about["mean"] = normalisation("mean", mean, config, about)
    about["std"] = normalisation("std", std, config, about)
    crops = noise_crops(4, channels, size, seed)
    found = OnnxNetwork(folder, about)(crops)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise InputError(f"{model} with the weights {about['weights']} gives features that are no numbers.")
    if (folder / WEIGHTS).exists():
        by_torch = TorchNetwork(folder, about, "cpu", mixed=False)(crops)
        apart = float(np.abs(found - by_torch).max() / np.abs(by_torch).max())
        logger.info("ONNX and torch differ by %.1e of the largest feature", apart)
        if apart > AGREEMENT:
            raise InputError(
                f"{model} cannot be used: as ONNX its features differ by {apart:.1e} from torch's."
            )
    about["features"] = found.shape[1] if stacked else found.shape[1] // channels
    return about


def save_weights(network: Any, path: Path) -> None:
    """Write a model's weights as safetensors."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    path.chmod(0o644)


def normalisation(
    name: str, given: Sequence[float] | None, config: Mapping[str, Any], about: Mapping[str, Any]
) -> list[float]:
    """Mean or std of each input plane; one value for all where planes are not colours."""
    values = [float(value) for value in given or config.get(name) or IMAGENET[name]]
    if len(values) == planes(about):
        return values
    if given and len(values) != 1:
        raise InputError(f"embeddings.{name} has {len(values)} values; give 1 or {planes(about)}.")
    return [sum(values) / len(values)] * planes(about)


def main(options: argparse.Namespace) -> None:
    """Prepare the network in a folder beside the output, and put it in place."""
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
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", required=True, help="pretrained, random, or a file")
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
    # Sums must not depend on the number of threads; both are read when torch is imported.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with logged(arguments.log):
        main(arguments)
