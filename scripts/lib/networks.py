"""Networks that turn crops into features: the file that describes one, and how it is run.

A network's folder holds `network.json` (what it is), `network.onnx`, and, unless the user brought an
ONNX file, `weights.safetensors` for timm. On a CPU the ONNX file is run (onnxruntime is twice as fast as
torch there, and each thread runs batches of its own, so that the number of threads changes no value); on
a GPU timm's model is, in mixed precision. torch is imported only where there is a GPU.
"""

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
# Cells in a batch: on a CPU a network takes one crop at a time, whatever the batch; many keep a GPU busy.
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
        """Features of crops: cells x (channels x features), float32.

        One crop at a time: what a layer passes to the next stays in the CPU's cache.
        """
        inputs = normalized(crops, self.about)
        found = [self.session.run(None, {self.input: one[None]})[0] for one in inputs]
        return np.concatenate(found).reshape(len(crops), -1)


class TorchNetwork:
    """The network by torch, called from several threads: on a GPU in mixed precision, on a CPU to check ONNX.

    One thread at a time hands its work to the device, so that no more than one batch's activations lie in a
    GPU's memory; the others meanwhile cut crops, copy them or wait for their features. What does not fit
    into the memory is tried again in halves.

    Args:
        folder: the network's folder.
        about: what it says.
        device: `cuda` or `cpu`.
        mixed: whether convolutions and products are computed in float16.
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any], device: str, mixed: bool):
        import torch
        from safetensors.torch import load_file

        self.torch, self.about, self.device, self.mixed = torch, about, device, mixed
        self.on_gpu = device == "cuda"
        self.precision = "float16 (mixed)" if mixed else "float32"
        model = timm_model(about)
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
        """Features of crops: cells x (channels x features), float32.

        Raises:
            InputError: when not even one cell fits into the memory.
        """
        found, at = [], 0
        while at < len(crops):
            part = crops[at : at + self.most]
            features = self.features_if_they_fit(part, self.mixed)
            if features is not None and self.mixed and not np.isfinite(features).all():
                logger.warning("%d cells overflow float16 and are computed in float32", len(part))
                features = self.features_if_they_fit(part, False)
            if features is None:
                self.take_fewer(len(part))
            else:
                found.append(features)
                at += len(part)
        return np.concatenate(found)

    def features_if_they_fit(self, crops: np.ndarray, mixed: bool) -> np.ndarray | None:
        """Features of crops; None where the memory is too small for them."""
        try:
            return self.features(crops, mixed)
        except self.torch.OutOfMemoryError:
            return None

    def take_fewer(self, cells: int) -> None:
        """From now on no more than half of `cells` at a time."""
        if cells == 1:
            raise InputError(
                f"The GPU's memory is too small for {self.about['model']} on one cell, or full. "
                "Hide the GPU (CUDA_VISIBLE_DEVICES=) to run on the CPU, or take a smaller network."
            )
        self.most = min(self.most, cells // 2)
        logger.warning("the GPU's memory is too small for %d cells: %d at a time", cells, self.most)
        if self.on_gpu:
            self.torch.cuda.empty_cache()

    def features(self, crops: np.ndarray, mixed: bool) -> np.ndarray:
        """Features of crops, all at once."""
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
            # Of a GPU, the numbers are there when `ended` is reached; nothing waits for it in here.
            found = found.float().to("cpu", non_blocking=True)
            ended = self.event()
        if self.on_gpu:
            ended.synchronize()
            with self.lock:
                self.worked += started.elapsed_time(ended) / 1000
        return found.numpy().reshape(len(crops), -1)

    def event(self) -> Any:
        """A mark in the GPU's work, with its time; None on a CPU."""
        if not self.on_gpu:
            return None
        mark = self.torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark


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
        return TorchNetwork(folder, about, "cuda", mixed=True), ON_GPU
    return OnnxNetwork(folder, about), ON_CPU


def has_gpu() -> bool:
    """Whether torch can use a GPU; a warning says why not where there is one.

    torch takes seconds to import, so it is asked only where a driver knows of a GPU.
    """
    if not driver_finds_gpu():
        return False
    import torch

    if torch.cuda.is_available():
        return True
    try:
        torch.cuda.init()
        reason = "it does not say why"
    except Exception as error:
        reason = str(error)
    logger.warning("There is a GPU, but torch %s cannot use it: %s", torch.__version__, reason)
    print(f"There is a GPU, but torch {torch.__version__} cannot use it: {reason}", file=sys.stderr)
    return False


def driver_finds_gpu() -> bool:
    """Whether NVIDIA's driver shows a GPU (CUDA_VISIBLE_DEVICES may hide it), or AMD's driver is there."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    count = ctypes.c_int()
    return not driver.cuInit(0) and not driver.cuDeviceGetCount(ctypes.byref(count)) and count.value > 0
