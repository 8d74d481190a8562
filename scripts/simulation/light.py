"""The light of simulated cells in each channel, with the textures of Cell Painting."""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from simulation.cells import CELL_RADIUS, CHANNELS, Cells, scatter


def compute_cell_distance(cells: Cells, size: int) -> np.ndarray:
    """Return the distance from each cell (cells, size, size): 0 in its center, 1 on its outline."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    down = rows - cells.row[:, None, None]
    right = columns - cells.column[:, None, None]
    angle = np.arctan2(down, right)
    outline = np.ones_like(angle)
    for index, order in enumerate((2, 3, 4)):
        cosine, sine = cells.waves[:, index, :, None, None].transpose(1, 0, 2, 3)
        outline += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
    return np.hypot(down, right) / (cells.radius[:, None, None] * np.maximum(outline, 0.5))


def compute_nucleus_distance(cells: Cells, size: int) -> np.ndarray:
    """Return the distance from each nucleus (cells, size, size): 0 in its center, 1 on its outline."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    down = rows - cells.nucleus_row[:, None, None]
    right = columns - cells.nucleus_column[:, None, None]
    cosine = np.cos(cells.nucleus_angle)[:, None, None]
    sine = np.sin(cells.nucleus_angle)[:, None, None]
    stretch = np.sqrt(cells.nucleus_aspect)[:, None, None]
    along, across = right * cosine + down * sine, down * cosine - right * sine
    return np.hypot(along / stretch, across * stretch) / cells.nucleus_radius[:, None, None]


def draw_texture(rng: np.random.Generator, size: int, fine: float, coarse: float) -> np.ndarray:
    """Return noise (size, size) with structures between `fine` and `coarse` pixels, mean 0, SD 1.

    Parameters
    ----------
    rng : the source of chance.
    size : side of the image in pixels.
    fine, coarse : standard deviations, in pixels, of the two Gaussian filters between which structures stay.
    """
    white = rng.normal(0, 1, (size, size))
    band = gaussian_filter(white, fine) - gaussian_filter(white, coarse)
    return (band - band.mean()) / band.std()


def draw_spots(
    places: np.ndarray, heights: np.ndarray, size: int, sigma: float, within: np.ndarray
) -> np.ndarray:
    """Draw round spots with peak `heights` and width `sigma` at the `places` (n, 2) in `within`.

    Parameters
    ----------
    places : (n, 2) rows and columns in pixels.
    heights : (n,) peak of each spot.
    size : side of the image in pixels.
    sigma : standard deviation of a spot in pixels.
    within : (size, size) booleans; a spot elsewhere is not drawn.

    Returns
    -------
    (size, size) floats.
    """
    image = np.zeros((size, size))
    nearest = np.rint(places).astype(int).reshape(-1, 2)
    inside = np.all((nearest >= 0) & (nearest < size), axis=1)
    rows, columns = nearest[inside].T
    lit = within[rows, columns]
    np.add.at(image, (rows[lit], columns[lit]), np.asarray(heights)[inside][lit])
    return gaussian_filter(image, sigma) * 2 * np.pi * sigma**2


def draw_filaments(rng: np.random.Generator, cells: Cells, cell: int) -> np.ndarray:
    """Return points (n, 2), half a pixel apart, of one cell's mitochondria.

    The same number of points forms few long filaments or many short ones (`mito_length`).
    """
    points = int(280 * (cells.radius[cell] / CELL_RADIUS) ** 2)
    steps = max(4, round(26 * cells.factors["mito_length"][cell]))
    count = max(1, points // steps)
    around = rng.uniform(0, 2 * np.pi, count)
    nucleus = cells.nucleus_radius[cell] * np.sqrt(cells.nucleus_aspect[cell])
    away = nucleus + (0.85 * cells.radius[cell] - nucleus) * rng.random(count)
    turns = np.cumsum(rng.normal(0, 0.18, (count, steps)), axis=1)
    heading = around[:, None] + rng.choice([0.0, np.pi / 2], (count, 1)) + turns
    rows = cells.nucleus_row[cell] + away * np.sin(around)
    columns = cells.nucleus_column[cell] + away * np.cos(around)
    walk = 0.5 * np.stack([np.sin(heading), np.cos(heading)], axis=-1)
    return (np.stack([rows, columns], axis=-1)[:, None] + np.cumsum(walk, axis=1)).reshape(-1, 2)


def draw_around(
    rng: np.random.Generator, row: float, column: float, low: float, high: float, count: int
) -> np.ndarray:
    """Draw `count` places (row, column) at a distance of `low` to `high` from a center.

    Parameters
    ----------
    rng : the source of chance.
    row, column : the center, in pixels.
    low, high : smallest and largest distance, in pixels.
    count : number of places.

    Returns
    -------
    (count, 2) rows and columns.
    """
    angle = rng.uniform(0, 2 * np.pi, count)
    away = np.sqrt(rng.uniform(low**2, high**2, count))
    return np.stack([row + away * np.sin(angle), column + away * np.cos(angle)], axis=1)


def paint_cells(rng: np.random.Generator, cells: Cells, size: int) -> dict[str, np.ndarray]:
    """Paint the light of the cells in each channel: (size, size), in camera counts."""
    light = {channel: np.zeros((size, size)) for channel in CHANNELS}
    if len(cells.row) == 0:
        return light
    grain = {channel: draw_texture(rng, size, 1.0, 3.0) for channel in CHANNELS}
    distances, nuclei = compute_cell_distance(cells, size), compute_nucleus_distance(cells, size)
    owner = np.where(nuclei.min(axis=0) < 1, nuclei.argmin(axis=0), distances.argmin(axis=0))
    for cell in range(len(cells.row)):
        own = owner == cell
        others = np.delete(distances, cell, axis=0).min(axis=0, initial=np.inf)
        # Where two cells meet, the shared border is treated like a free one.
        distance = np.maximum(distances[cell], 1 - (others - distances[cell]))
        nuclear = nuclei[cell]
        body = own * np.clip((1.1 - distance) / 0.15, 0, 1)
        nucleus = own * np.clip((1.08 - nuclear) / 0.2, 0, 1)
        body = np.maximum(body, nucleus)
        cytoplasm = body - nucleus
        inside = own & (distance < 0.95) & (nuclear > 1.05)
        factor = {name: values[cell] for name, values in cells.factors.items()}
        painted = {
            "DNA": paint_dna(nucleus, grain["DNA"], factor),
            "ER": paint_er(cytoplasm, nucleus, distance, grain["ER"], factor),
            "RNA": paint_rna(rng, cells, cell, cytoplasm, nucleus, distance, grain["RNA"], factor),
            "AGP": paint_agp(rng, cells, cell, body, distance, inside, grain["AGP"], factor),
            "Mito": paint_mito(rng, cells, cell, body, inside, factor),
        }
        for channel, image in painted.items():
            light[channel] += cells.stains[channel][cell] * image
    return light


def paint_dna(nucleus: np.ndarray, grain: np.ndarray, factor: Mapping[str, float]) -> np.ndarray:
    """Paint a nucleus with chromatin texture."""
    return 6000 * factor["dna_intensity"] * nucleus * np.clip(1 + 0.15 * grain, 0.3, None)


def paint_er(
    cytoplasm: np.ndarray,
    nucleus: np.ndarray,
    distance: np.ndarray,
    grain: np.ndarray,
    factor: Mapping[str, float],
) -> np.ndarray:
    """Paint a reticulum that becomes thinner toward the cell's edge, with little of it over the nucleus.

    Parameters
    ----------
    cytoplasm : (size, size) 1 in the cell's cytoplasm, 0 elsewhere.
    nucleus : (size, size) 1 in the cell's nucleus, 0 elsewhere.
    distance : (size, size) distance from the cell's center, 1 at its edge.
    grain : (size, size) noise with mean 0 and SD 1.
    factor : the treatment's factors by name; 1 leaves the cell as it is.

    Returns
    -------
    (size, size) intensities in gray levels of 16 bits.
    """
    reticulum = np.clip(1 + 0.3 * grain, 0.1, None) * np.exp(-1.2 * np.minimum(distance, 2))
    return 5000 * factor["er_intensity"] * reticulum * (cytoplasm + 0.35 * nucleus)


def paint_rna(
    rng: np.random.Generator,
    cells: Cells,
    cell: int,
    cytoplasm: np.ndarray,
    nucleus: np.ndarray,
    distance: np.ndarray,
    grain: np.ndarray,
    factor: Mapping[str, float],
) -> np.ndarray:
    """Paint a cytoplasm that becomes thinner at its border, and a nucleus with two to four nucleoli.

    Parameters
    ----------
    rng : the source of chance.
    cells : the shapes of all cells of the field.
    cell : the cell's number in `cells`.
    cytoplasm : (size, size) 1 in the cell's cytoplasm, 0 elsewhere.
    nucleus : (size, size) 1 in the cell's nucleus, 0 elsewhere.
    distance : (size, size) distance from the cell's center, 1 at its edge.
    grain : (size, size) noise with mean 0 and SD 1.
    factor : the treatment's factors by name; 1 leaves the cell as it is.

    Returns
    -------
    (size, size) intensities in gray levels of 16 bits.
    """
    count = rng.integers(2, 5)
    radius = cells.nucleus_radius[cell] / np.sqrt(cells.nucleus_aspect[cell])
    row, column = cells.nucleus_row[cell], cells.nucleus_column[cell]
    places = draw_around(rng, row, column, 0, 0.55 * radius, count)
    heights = 3200 * factor["nucleoli"] * scatter(rng, 0.15, count)
    nucleoli = draw_spots(places, heights, len(nucleus), 1.3, nucleus > 0)
    thickness = 1 - 0.4 * np.minimum(distance, 1) ** 3
    even = (2600 * cytoplasm * thickness + 1700 * nucleus) * np.clip(1 + 0.12 * grain, 0.3, None)
    return factor["rna_intensity"] * (even + nucleoli * nucleus)


def paint_agp(
    rng: np.random.Generator,
    cells: Cells,
    cell: int,
    body: np.ndarray,
    distance: np.ndarray,
    inside: np.ndarray,
    grain: np.ndarray,
    factor: Mapping[str, float],
) -> np.ndarray:
    """Paint actin along the cell's edge, a Golgi apparatus beside the nucleus, granules in the cytoplasm.

    Parameters
    ----------
    rng : the source of chance.
    cells : the shapes of all cells of the field.
    cell : the cell's number in `cells`.
    body : (size, size) 1 in the cell, 0 elsewhere.
    distance : (size, size) distance from the cell's center, 1 at its edge.
    inside : (size, size) booleans: where granules and filaments may be.
    grain : (size, size) noise with mean 0 and SD 1.
    factor : the treatment's factors by name; 1 leaves the cell as it is.

    Returns
    -------
    (size, size) intensities in gray levels of 16 bits.
    """
    size = len(body)
    edge = body * np.exp(-(((distance - 0.92) / 0.1) ** 2))
    row, column = cells.nucleus_row[cell], cells.nucleus_column[cell]
    nucleus = cells.nucleus_radius[cell]
    [golgi] = draw_around(rng, row, column, nucleus + 2, nucleus + 4, 1)
    stacks = golgi + rng.normal(0, 1.8, (9, 2))
    golgi_light = draw_spots(stacks, np.full(9, 900.0), size, 1.3, body > 0)
    count = rng.poisson(10 * factor["agp_granules"])
    places = draw_around(rng, row, column, nucleus, 0.85 * cells.radius[cell], count)
    granules = draw_spots(places, 1500 * scatter(rng, 0.2, count), size, 0.9, inside)
    even = 900 * body * np.clip(1 + 0.15 * grain, 0.3, None)
    return factor["agp_intensity"] * (even + 1800 * edge + golgi_light + granules)


def paint_mito(
    rng: np.random.Generator,
    cells: Cells,
    cell: int,
    body: np.ndarray,
    inside: np.ndarray,
    factor: Mapping[str, float],
) -> np.ndarray:
    """Paint filaments or fragments of mitochondria in the cytoplasm, over a faint haze.

    Parameters
    ----------
    rng : the source of chance.
    cells : the shapes of all cells of the field.
    cell : the cell's number in `cells`.
    body : (size, size) 1 in the cell, 0 elsewhere.
    inside : (size, size) booleans: where granules and filaments may be.
    factor : the treatment's factors by name; 1 leaves the cell as it is.

    Returns
    -------
    (size, size) intensities in gray levels of 16 bits.
    """
    points = draw_filaments(rng, cells, cell)
    network = draw_spots(points, np.full(len(points), 520.0), len(body), 0.9, inside)
    return factor["mito_intensity"] * (350 * body + network)
