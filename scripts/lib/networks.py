"""Networks that turn crops into features: the file that describes one, and how it is run.

A network's folder holds `network.json` (what it is), `network.onnx`, and, unless the user brought an
ONNX file, `weights.safetensors` for timm. On a CPU the ONNX file is run (onnxruntime is twice as fast as
torch there, and each thread runs batches of its own, so that the number of threads changes no value); on
a GPU timm's model is, in mixed precision. torch is imported only where it is needed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

ABOUT = "network.json"
ONNX = "network.onnx"
WEIGHTS = "weights.safetensors"
# Cells in a batch: the crops of one stay in a CPU's cache, those of many keep a GPU busy.
ON_CPU, ON_GPU = 1, 64


def read_about(folder: str | Path) -> dict[str, Any]:
    """What a network's folder says that it is."""
    return json.loads(Path(folder, ABOUT).read_text())


def planes(about: Mapping[str, Any]) -> int:
    """How many planes the network looks at at once: all channels stacked, or one channel three times."""
    return about["channels"] if about["stacked"] else 3


def normalized(crops: np.ndarray, about: Mapping[str, Any]) -> np.ndarray:
    """Crops (cells x channels x size x size) as the network's input, normalised by its mean and std.

    Per channel: (cells x channels) x 3 x size x size; stacked: cells x channels x size x size.
    """
    shape = crops.shape
    if not about["stacked"]:
        crops = crops.reshape(-1, 1, *shape[2:])
    scale = 1 / np.asarray(about["std"], dtype=np.float32)
    shift = -np.asarray(about["mean"], dtype=np.float32) * scale
    return crops * scale[:, None, None] + shift[:, None, None]


class OnnxNetwork:
    """The network on a CPU, by onnxruntime; may be called from several threads at once."""

    device = "cpu"
    precision = "float32"

    def __init__(self, folder: str | Path, about: Mapping[str, Any]):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.about = about
        self.session = onnxruntime.InferenceSession(
            str(Path(folder, ONNX)), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Features of crops: cells x (channels x features), float32."""
        found = self.session.run(None, {self.input: normalized(crops, self.about)})[0]
        return found.reshape(len(crops), -1)


class TorchNetwork:
    """The network by torch, on a GPU in mixed precision (float16), or on a CPU in float32."""

    def __init__(self, folder: str | Path, about: Mapping[str, Any], device: str):
        import torch

        self.torch, self.about, self.device = torch, about, device
        self.precision = "float16 (mixed)" if device == "cuda" else "float32"
        model = timm_model(about)
        from safetensors.torch import load_file

        model.load_state_dict(load_file(Path(folder, WEIGHTS)))
        self.model = model.eval().to(device, memory_format=torch.channels_last)
        shape = (1, -1, 1, 1)
        std = torch.tensor(about["std"], dtype=torch.float32, device=device).reshape(shape)
        mean = torch.tensor(about["mean"], dtype=torch.float32, device=device).reshape(shape)
        self.scale, self.shift = 1 / std, -mean / std
        if device == "cuda":
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Features of crops: cells x (channels x features), float32."""
        torch = self.torch
        batch = torch.from_numpy(crops)
        if self.device == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        if not self.about["stacked"]:
            batch = batch.reshape(-1, 1, *batch.shape[2:])
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self.device == "cuda"):
            batch = (batch * self.scale + self.shift).contiguous(memory_format=torch.channels_last)
            found = self.model(batch)
        return found.float().cpu().numpy().reshape(len(crops), -1)


def timm_model(about: Mapping[str, Any], **options: Any):
    """timm's model without its last layer, with as many input planes as the network looks at."""
    import timm

    return timm.create_model(about["model"], num_classes=0, in_chans=planes(about), **options)


def load_network(folder: str | Path) -> tuple[OnnxNetwork | TorchNetwork, int]:
    """The network, and how many cells make a batch: on a GPU where there is one.

    A user's own ONNX file has no weights for torch; it is run on the CPU.
    """
    about = read_about(folder)
    if Path(folder, WEIGHTS).exists() and has_gpu():
        return TorchNetwork(folder, about, "cuda"), ON_GPU
    return OnnxNetwork(folder, about), ON_CPU


def has_gpu() -> bool:
    """Whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available()
