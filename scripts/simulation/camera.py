"""What a simulated microscope adds to the light of cells: debris, uneven illumination, the camera's noise."""

import numpy as np
from scipy.ndimage import gaussian_filter

from simulation.cells import CHANNELS, get_generator
from simulation.light import draw_spots

# Camera counts without light, electrons per count, read noise and stray light.
OFFSET = 200.0
ELECTRONS_PER_COUNT = 0.5
READ_NOISE = 8.0
STRAY_LIGHT = 60.0
DEBRIS_LIGHT = 25000.0  # camera counts of a fluorescent fiber in every channel


def add_debris(rng: np.random.Generator, light: dict[str, np.ndarray], size: int) -> None:
    """Add debris to a field: specks smaller than a nucleus and, sometimes, a fiber."""
    everywhere = np.ones((size, size), dtype=bool)
    for _ in range(rng.poisson(2 * size**2 / 240**2)):
        place = rng.uniform(0, size, (1, 2))
        width = rng.uniform(0.8, 1.6)
        for channel, share in (("DNA", 1.0), ("AGP", 0.6), ("RNA", 0.15)):
            height = np.array([rng.uniform(1500, 5000) * share])
            light[channel] += draw_spots(place, height, size, width, everywhere)
    if rng.random() < 0.1:
        start, angle = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
        bend = angle + np.cumsum(rng.normal(0, 0.05, 60))
        fiber = start + np.cumsum(np.stack([np.sin(bend), np.cos(bend)], axis=1), axis=0)
        light["AGP"] += draw_spots(fiber, np.full(60, 350.0), size, 0.9, everywhere)


def add_fibers(rng: np.random.Generator, light: dict[str, np.ndarray], size: int) -> None:
    """Add a tangle of bright, thick fibers that are visible in every channel."""
    everywhere = np.ones((size, size), dtype=bool)
    tangle = np.zeros((size, size))
    for _ in range(4):
        start, angle = rng.uniform(0.3 * size, 0.7 * size, 2), rng.uniform(0, 2 * np.pi)
        bend = angle + np.cumsum(rng.normal(0, 0.04, size))
        fiber = start + 0.5 * np.cumsum(np.stack([np.sin(bend), np.cos(bend)], axis=1), axis=0)
        tangle += draw_spots(fiber, np.full(size, 1.0), size, 2.5, everywhere)
    for channel in CHANNELS:
        light[channel] += DEBRIS_LIGHT * rng.uniform(0.6, 1.0) * np.minimum(tangle / 20, 1)


def draw_illumination(seed: int, plate: str, channel: str, size: int) -> np.ndarray:
    """Return the illumination of a plate's channel: (size, size), mean 1, brightest off the center.

    Parameters
    ----------
    seed : the experiment's seed.
    plate, channel : names; each pair has an illumination of its own.
    size : side of the image in pixels.
    """
    rng = get_generator(seed, plate, "illumination", channel)
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    row, column = rng.uniform(-0.15, 0.15, 2)
    vignette = 1 - rng.uniform(0.5, 0.8) * ((rows - row) ** 2 + (columns - column) ** 2)
    tilt = 1 + rng.uniform(-0.15, 0.15) * rows + rng.uniform(-0.15, 0.15) * columns
    lit = vignette * tilt
    return lit / lit.mean()


def expose(rng: np.random.Generator, light: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Return the camera's image, (size, size) uint16, of `light` under the illumination `lit`.

    It has the blur and haze of the optics, stray light, shot noise of the electrons, read noise and an
    offset.
    """
    sharp = gaussian_filter(light, 0.7)
    haze = gaussian_filter(light, 10.0)
    electrons = rng.poisson((0.95 * sharp + 0.05 * haze + STRAY_LIGHT) * lit * ELECTRONS_PER_COUNT)
    counts = OFFSET + electrons / ELECTRONS_PER_COUNT + rng.normal(0, READ_NOISE, light.shape)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
