"""The code for a GPU (mixed precision, smaller batches if memory is short), run on the CPU by torch.

It runs in the environment of the deep networks and prints what the test checks.

    python tests/support/embeddings_mixed.py NETWORK
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import torch

from lib.errors import InputError
from lib.networks import TorchNetwork, read_about

CROPS = np.random.default_rng(0).random((5, 5, 64, 64), dtype=np.float32)
BATCHES = [CROPS[:2], CROPS[2:3], CROPS[3:]]


class Watched(torch.nn.Module):
    """A model with memory for `planes` input planes; it counts its calls and simultaneous users."""

    def __init__(self, model, planes):
        super().__init__()
        self.model, self.planes = model, planes
        self.inside, self.most_inside, self.sizes = 0, 0, []
        self.counting = threading.Lock()

    def forward(self, batch):
        """Return the model's features."""
        with self.counting:
            self.inside += 1
            self.most_inside = max(self.inside, self.most_inside)
        time.sleep(0.05)
        with self.counting:
            self.inside -= 1
        self.sizes.append(len(batch))
        if len(batch) > self.planes:
            raise torch.OutOfMemoryError("as a GPU says it")
        return self.model(batch)


class Event:
    """A stand-in for an event on a GPU; each batch takes 20 ms."""

    def __init__(self, enable_timing):
        self.timing, self.recorded = enable_timing, False

    def record(self):
        """Record the event."""
        self.recorded = True

    def synchronize(self):
        """Wait for the event."""
        assert self.recorded

    def elapsed_time(self, end):
        """Return the milliseconds until another event."""
        assert self.timing
        assert self.recorded
        assert end.recorded
        return 20.0


def relative(found, expected):
    """Return the largest difference, relative to the largest feature."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main(folder):
    """Print the differences and counts as JSON."""
    torch.set_num_threads(1)
    about = read_about(folder)
    exact = TorchNetwork(folder, about, "cpu", mixed=False)
    expected = exact(CROPS)
    mixed = TorchNetwork(folder, about, "cpu", mixed=True)
    found = mixed(CROPS)
    report = {
        "type": str(found.dtype),
        "apart": relative(found, expected),
        "same": bool((found == mixed(CROPS)).all()),
    }

    exact.model = watched = Watched(exact.model, 2 * 5)
    with ThreadPoolExecutor(3) as pool:
        threaded = np.concatenate(list(pool.map(exact, BATCHES)))
    report |= {
        "threaded": relative(threaded, expected),
        "at_once": watched.most_inside,
        "tried": max(watched.sizes),
    }
    exact.most, watched.sizes = sys.maxsize, []
    report |= {"halved": relative(exact(CROPS), expected), "halves": list(watched.sizes)}
    watched.planes = 4
    try:
        exact(CROPS[:1])
    except InputError as error:
        report["too_small"] = str(error)

    # The lines that only a GPU's batches reach, with stand-ins for torch's functions for a GPU.
    exact.model, exact.most, exact.on_gpu, exact.worked = watched.model, sys.maxsize, True, 0.0
    torch.cuda.Event, torch.Tensor.pin_memory = Event, lambda tensor: tensor
    with ThreadPoolExecutor(3) as pool:
        threaded = np.concatenate(list(pool.map(exact, BATCHES)))
    report |= {"as_on_gpu": relative(threaded, expected), "worked": exact.worked}

    # An input a hundred thousand times brighter is not finite in float16.
    loud = TorchNetwork(folder, {**about, "std": [value * 1e-5 for value in about["std"]]}, "cpu", mixed=True)
    in_float16 = loud.features(CROPS[:1], True)
    report |= {
        "overflows": not bool(np.isfinite(in_float16).all()),
        "then_finite": bool(np.isfinite(loud(CROPS[:1])).all()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
