"""The cells of a simulated field: where they are, and how they are shaped under a perturbation's effect.

Each cell has a nucleus and a body; the factors of the effect multiply their properties.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# The channels with their numbers in file names, as in CPJUMP1.
CHANNELS = {"Mito": 1, "AGP": 2, "RNA": 3, "ER": 4, "DNA": 5}

# The properties that a perturbation multiplies by a factor; with 1, cells are like the negative controls.
PARAMETERS = (
    "cell_count",
    "cell_size",
    "nucleus_size",
    "nucleus_elongation",
    "dna_intensity",
    "er_intensity",
    "rna_intensity",
    "nucleoli",
    "agp_intensity",
    "agp_granules",
    "mito_intensity",
    "mito_length",
)

# Untreated cells: cells per square pixel of the field, radii in pixels.
DENSITY = 9.5 / 200**2
NUCLEUS_RADIUS = 8.0
CELL_RADIUS = 20.0


@dataclass(frozen=True)
class Cells:
    """The cells of one field; every array has one entry per cell, lengths in pixels, angles in radians."""

    row: np.ndarray
    column: np.ndarray
    radius: np.ndarray
    waves: np.ndarray  # (cells, 3, 2): cosine and sine of the outline's waves of order 2, 3 and 4
    nucleus_row: np.ndarray
    nucleus_column: np.ndarray
    nucleus_radius: np.ndarray
    nucleus_aspect: np.ndarray
    nucleus_angle: np.ndarray
    factors: dict[str, np.ndarray]  # the factor of each parameter, for each cell
    stains: dict[str, np.ndarray]  # the relative brightness of each channel, around 1


def get_generator(seed: int, *names: object) -> np.random.Generator:
    """Return an independent random generator for a plate, well, site, channel, ..."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def scatter(rng: np.random.Generator, sigma: float, size: int | None = None) -> np.ndarray | float:
    """Draw log-normal factors around 1; `sigma` is their standard deviation on the log scale."""
    return np.exp(rng.normal(0.0, sigma, size))


def place_cells(rng: np.random.Generator, radii: np.ndarray, size: int) -> np.ndarray:
    """Place cells with these radii: centers (cells, 2) as row and column, some of them outside the field.

    More than half of the cells touch another one; two centers are never closer than their nuclei allow. A
    cell that cannot be placed in 200 trials is left out.
    """
    centers: list[np.ndarray] = []
    for index, radius in enumerate(radii):
        for _ in range(200):
            if centers and rng.random() < 0.6:
                other = rng.integers(len(centers))
                angle = rng.uniform(0, 2 * np.pi)
                away = (radius + radii[other]) * rng.uniform(0.75, 0.95)
                center = centers[other] + away * np.array([np.sin(angle), np.cos(angle)])
            else:
                center = rng.uniform(-6, size + 6, 2)
            inside = np.all((center > -6) & (center < size + 6))
            gaps = [np.hypot(*(center - place)) for place in centers]
            needed = 0.72 * (radius + radii[:index][: len(gaps)])
            if inside and np.all(np.array(gaps) >= np.maximum(needed, 20.0)):
                centers.append(center)
                break
        else:
            return np.array(centers).reshape(-1, 2)
    return np.array(centers).reshape(-1, 2)


def grow_cells(rng: np.random.Generator, effect: Mapping[str, float], size: int, density: float) -> Cells:
    """Grow the cells of a field under the effect of a perturbation.

    Cells respond to the perturbation to different degrees: the logarithm of a cell's factors is multiplied by
    a number around 1.

    Parameters
    ----------
    rng
        A random generator.
    effect
        The factor of each of `PARAMETERS`.
    size
        Width of the field in pixels.
    density
        Density of the plate and well, relative to `DENSITY`.

    Returns
    -------
    The cells.
    """
    expected = DENSITY * size**2 * density * effect["cell_count"]
    count = max(3, round(expected + rng.normal(0, 1.0)))
    response = np.clip(rng.normal(1.0, 0.15, count), 0.4, 1.6)
    factors = {name: effect[name] ** response for name in PARAMETERS}
    # A fifth of the cells are about to divide: twice the DNA in a larger nucleus.
    cycle = np.where(rng.random(count) < 0.2, rng.uniform(1.2, 1.5, count), 1.0)

    radius = CELL_RADIUS * np.sqrt(factors["cell_size"] * cycle**0.5) * scatter(rng, 0.08, count)
    centers = place_cells(rng, radius, size)
    count = len(centers)
    factors = {name: values[:count] for name, values in factors.items()}
    cycle, radius = cycle[:count], radius[:count]

    nucleus_radius = NUCLEUS_RADIUS * np.sqrt(factors["nucleus_size"] * cycle)
    nucleus_radius = np.minimum(nucleus_radius * scatter(rng, 0.06, count), 0.65 * radius)
    away = rng.uniform(0, 0.15, count) * radius
    towards = rng.uniform(0, 2 * np.pi, count)
    aspect = 1 + np.abs(rng.normal(0.22, 0.08, count))
    common = scatter(rng, 0.06, count)  # a brightly stained cell is bright in every channel
    amplitudes = np.array([0.10, 0.04, 0.03])[:, None]
    return Cells(
        row=centers[:, 0],
        column=centers[:, 1],
        radius=radius,
        waves=rng.normal(0, 1, (count, 3, 2)) * amplitudes,
        nucleus_row=centers[:, 0] + away * np.sin(towards),
        nucleus_column=centers[:, 1] + away * np.cos(towards),
        nucleus_radius=nucleus_radius,
        nucleus_aspect=aspect * factors["nucleus_elongation"],
        nucleus_angle=rng.uniform(0, np.pi, count),
        factors=factors,
        stains={channel: common * scatter(rng, 0.07, count) for channel in CHANNELS},
    )


def count_inside(cells: Cells, size: int) -> int:
    """Count the nuclei that are entirely in the field."""
    reach = cells.nucleus_radius * np.sqrt(cells.nucleus_aspect)
    low = np.minimum(cells.nucleus_row, cells.nucleus_column) - reach
    high = np.maximum(cells.nucleus_row, cells.nucleus_column) + reach
    return int(np.sum((low > 0) & (high < size - 1)))
