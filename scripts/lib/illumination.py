"""Correct images with the illumination functions that CellProfiler wrote; numpy only."""

from pathlib import Path

import numpy as np

# With fewer than 50 images, a filtered mean follows cells rather than the light; with fewer than half of
# that, it is reported even if no cell stands out.
RECOMMENDED_IMAGES, FEWEST_IMAGES = 50, 25


def read_function(path: str | Path) -> np.ndarray:
    """Read an illumination function (rows, columns)."""
    return np.load(path, allow_pickle=False)


def correct(image: np.ndarray, function: np.ndarray | None, apply: str) -> np.ndarray:
    """Correct an image with its illumination function by `Divide`, `Subtract` or `None`."""
    if function is None or apply == "None":
        return image
    corrected = image / function if apply == "Divide" else image - function
    return np.clip(corrected, 0, 1).astype(np.float32)
