"""Run networks that turn crops into features.

A network's folder contains `network.json` (its description), `network.onnx` and, unless the user supplied an
ONNX file, `weights.safetensors` for timm. On a CPU, the ONNX file is used (onnxruntime is twice as fast as
torch there, and each thread processes its own batches, so that the number of threads does not change any
value); on a GPU, timm's model is used in mixed precision. torch is only imported if there is a GPU.
"""

import contextlib
import ctypes
import json
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import InputError

logger = logging.getLogger("platewise")

ABOUT = "network.json"
ONNX = "network.onnx"
WEIGHTS = "weights.safetensors"
# Cells per batch: on a CPU, a network processes one crop at a time in any case; a GPU needs many to be busy.
ON_CPU, ON_GPU = 1, 64


def read_about(folder: str | Path) -> dict[str, Any]:
    """Read the description of a network from its folder."""
    return json.loads(Path(folder, ABOUT).read_text())


def count_planes(about: Mapping[str, Any]) -> int:
    """Count the network's input planes: all channels stacked, or one channel three times."""
    return about["channels"] if about["stacked"] else 3


def normalize_crops(crops: np.ndarray, about: Mapping[str, Any]) -> np.ndarray:
    """Turn crops (cells, channels, size, size) into the network's input, normalized by its mean and std.

    The input is (cells x channels, 3, size, size) or, with stacked channels, (cells, channels, size, size).
    """
    shape = crops.shape
    if not about["stacked"]:
        crops = crops.reshape(-1, 1, *shape[2:])
    scale = 1 / np.asarray(about["std"], dtype=np.float32)
    shift = -np.asarray(about["mean"], dtype=np.float32) * scale
    return crops * scale[:, None, None] + shift[:, None, None]


class OnnxNetwork:
    """A network on a CPU, run by onnxruntime; several threads may call it at the same time."""

    device = "cpu"
    precision = "float32"
    worked = None

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
        """Compute the features of crops: (cells, channels x features), float32.

        One crop at a time, so that the data between two layers fit into the CPU's cache.
        """
        inputs = normalize_crops(crops, self.about)
        features = [self.session.run(None, {self.input: one[None]})[0] for one in inputs]
        return np.concatenate(features).reshape(len(crops), -1)


class TorchNetwork:
    """A network run by torch: on a GPU in mixed precision, on a CPU to check ONNX.

    Several threads may call it. Only one thread at a time uses the device, so that the GPU's memory holds the
    activations of a single batch; meanwhile, the others cut crops, copy them or wait for their features. A
    batch that does not fit into the memory is halved.

    Parameters
    ----------
    folder
        The network's folder.
    about
        Its description.
    device
        `cuda` or `cpu`.
    mixed
        Whether convolutions and products are computed in float16.
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any], device: str, mixed: bool):
        import torch
        from safetensors.torch import load_file

        self.torch, self.about, self.device, self.mixed = torch, about, device, mixed
        self.on_gpu = device == "cuda"
        self.precision = "float16 (mixed)" if mixed else "float32"
        model = create_model(about)
        model.load_state_dict(load_file(Path(folder, WEIGHTS)))
        self.model = model.eval().to(device, memory_format=torch.channels_last)
        shape = (1, -1, 1, 1)
        std = torch.tensor(about["std"], dtype=torch.float32, device=device).reshape(shape)
        mean = torch.tensor(about["mean"], dtype=torch.float32, device=device).reshape(shape)
        self.scale, self.shift = 1 / std, -mean / std
        self.lock = threading.Lock()
        self.most = sys.maxsize
        self.worked = 0.0 if self.on_gpu else None
        if self.on_gpu:
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Compute the features of crops: (cells, channels x features), float32.

        Raises
        ------
        InputError
            If not even one cell fits into the memory.
        """
        parts, at = [], 0
        while at < len(crops):
            part = crops[at : at + self.most]
            features = self.try_to_compute(part, self.mixed)
            if features is not None and self.mixed and not np.isfinite(features).all():
                logger.warning("%d cells overflow float16 and are computed in float32", len(part))
                features = self.try_to_compute(part, False)
            if features is None:
                self.take_fewer(len(part))
            else:
                parts.append(features)
                at += len(part)
        return np.concatenate(parts)

    def try_to_compute(self, crops: np.ndarray, mixed: bool) -> np.ndarray | None:
        """Compute the features of crops, or return None if they do not fit into the memory."""
        try:
            return self.features(crops, mixed)
        except self.torch.OutOfMemoryError:
            return None

    def take_fewer(self, cells: int) -> None:
        """Limit the number of cells at a time to half of `cells`."""
        if cells == 1:
            raise InputError(
                f"The GPU's memory is full, or too small for one cell with {self.about['model']}. "
                "Use the CPU instead (CUDA_VISIBLE_DEVICES=), or a smaller network."
            )
        self.most = min(self.most, cells // 2)
        logger.warning(
            "the GPU's memory is too small for %d cells: continuing with %d at a time", cells, self.most
        )
        if self.on_gpu:
            self.torch.cuda.empty_cache()

    def features(self, crops: np.ndarray, mixed: bool) -> np.ndarray:
        """Compute the features of crops, all at once."""
        torch = self.torch
        batch = torch.from_numpy(crops)
        if not self.about["stacked"]:
            batch = batch.reshape(-1, 1, *batch.shape[2:])
        if self.on_gpu:
            batch = batch.pin_memory()
        with self.lock, torch.inference_mode(), torch.autocast(self.device, torch.float16, enabled=mixed):
            started = self.event()
            batch = batch.to(self.device, non_blocking=True) * self.scale + self.shift
            found = self.model(batch.contiguous(memory_format=torch.channels_last))
            # On a GPU, the features are complete when `ended` is reached; wait for it outside of the lock.
            found = found.float().to("cpu", non_blocking=True)
            ended = self.event()
        if self.on_gpu:
            ended.synchronize()
            with self.lock:
                self.worked += started.elapsed_time(ended) / 1000
        return found.numpy().reshape(len(crops), -1)

    def event(self) -> Any:
        """Record an event with its time on the GPU, or return None on a CPU."""
        if not self.on_gpu:
            return None
        mark = self.torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark


def create_model(about: Mapping[str, Any], **options: Any):
    """Create timm's model without its last layer, with the network's number of input planes."""
    import timm

    return timm.create_model(about["model"], num_classes=0, in_chans=count_planes(about), **options)


def load_network(folder: str | Path) -> tuple[OnnxNetwork | TorchNetwork, int]:
    """Load the network, on a GPU if there is one, and return it with the number of cells per batch.

    A user's own ONNX file has no weights for torch, so it is run on the CPU.
    """
    about = read_about(folder)
    if Path(folder, WEIGHTS).exists() and has_gpu():
        return TorchNetwork(folder, about, "cuda", mixed=True), ON_GPU
    return OnnxNetwork(folder, about), ON_CPU


def has_gpu() -> bool:
    """Return whether torch can use a GPU; if there is a GPU that it cannot use, warn with the reason.

    Importing torch takes seconds, so it is only done if a driver finds a GPU.
    """
    if not has_gpu_driver():
        return False
    import torch

    if torch.cuda.is_available():
        return True
    try:
        torch.cuda.init()
        reason = "it gives no reason"
    except Exception as error:
        reason = str(error)
    logger.warning("There is a GPU, but torch %s cannot use it: %s", torch.__version__, reason)
    print(f"There is a GPU, but torch {torch.__version__} cannot use it: {reason}", file=sys.stderr)
    return False


def has_gpu_driver() -> bool:
    """Return whether NVIDIA's driver finds a GPU (CUDA_VISIBLE_DEVICES may hide it) or AMD's is loaded."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    count = ctypes.c_int()
    return not driver.cuInit(0) and not driver.cuDeviceGetCount(ctypes.byref(count)) and count.value > 0


def write_onnx(model: Any, path: Path, size: int, about: Mapping[str, Any]) -> None:
    """Write a timm model as an ONNX file.

    Parameters
    ----------
    model : the timm model.
    path : the file to write.
    size : side of a crop in pixels.
    about : the description of the network.
    """
    import torch

    example = torch.zeros((2, count_planes(about), size, size))
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


def save_weights(network: Any, path: Path) -> None:
    """Write a model's weights as safetensors."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    path.chmod(0o644)
