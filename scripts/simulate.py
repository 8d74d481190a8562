"""Draw the SIMULATED images of one plate of the default experiment, and write its truth beside them.

Nothing here was ever alive: each field is a drawing of cells with the five stains of Cell Painting,
seen through a simple microscope (uneven illumination, camera offset, shot and read noise). What a
perturbation does to the cells is read from a table of effects, so the workflow can be judged
against what is known to be true.

The picture. A cell is a deformed ellipse around an elliptic nucleus; where cells meet, they share a
straight border. DNA: nuclei with chromatin texture. ER: a reticulum, densest around the nucleus.
RNA: cytoplasm and nucleoli. AGP: cell edge, Golgi beside the nucleus, granules. Mito: filaments.
Cells differ from one another (size, shape, stain, cell cycle, response to the perturbation), wells
and plates differ mildly (density, staining); debris lies about, and some fields hold no cell. A
well's position has no effect of its own.

Names, channel numbers and the table of stains follow the images of CPJUMP1 (Chandrasekaran et al.,
Nature Methods 2024) taken with the Opera Phenix. The sizes are about half of theirs: nuclei
16 pixels wide, cells 40.
"""

import shutil
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from lib.errors import InputError, listed
from lib.logs import logged
from lib.tables import whole
from scipy.ndimage import gaussian_filter

# Channel: its number in the file name, as in CPJUMP1.
CHANNELS = {"Mito": 1, "AGP": 2, "RNA": 3, "ER": 4, "DNA": 5}

# What a perturbation multiplies; 1 leaves the cells as the negative controls are.
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
EFFECTS = ("none", "weak", "strong")

# Untreated cells: cells a square pixel of the field, radii in pixels.
DENSITY = 9.5 / 200**2
NUCLEUS_RADIUS = 8.0
CELL_RADIUS = 20.0

# The microscope: camera counts without light, electrons a count, read noise and stray light.
OFFSET = 200.0
ELECTRONS_PER_COUNT = 0.5
READ_NOISE = 8.0
STRAY_LIGHT = 60.0

EMPTY_FIELDS = 0.03  # share of a plate's fields that hold no cell


@dataclass(frozen=True)
class Cells:
    """The cells of one field; every array has one entry a cell, lengths in pixels, angles in rad."""

    row: np.ndarray
    column: np.ndarray
    radius: np.ndarray
    waves: np.ndarray  # (cells, 3, 2): cosine and sine of the outline's waves of order 2, 3 and 4
    nucleus_row: np.ndarray
    nucleus_column: np.ndarray
    nucleus_radius: np.ndarray
    nucleus_aspect: np.ndarray
    nucleus_angle: np.ndarray
    factors: dict[str, np.ndarray]  # parameter: what it is multiplied by, cell by cell
    stains: dict[str, np.ndarray]  # channel: brightness of this cell's stain about 1


def random(seed: int, *names: object) -> np.random.Generator:
    """A random stream of its own for what `names` name (plate, well, site, channel, ...)."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def scatter(rng: np.random.Generator, sigma: float, size: int | None = None) -> np.ndarray | float:
    """Log-normal factors about 1: `sigma` is their standard deviation on the log scale."""
    return np.exp(rng.normal(0.0, sigma, size))


# ---------------------------------------------------------------------------------------- biology


def place_cells(rng: np.random.Generator, radii: np.ndarray, size: int) -> np.ndarray:
    """Centres (row, column) of cells with `radii`, (cells, 2), some of them outside the field.

    More than half of the cells lie against another one, so that they touch; two centres are never
    nearer than nuclei need. A cell that finds no place in 200 trials is left out.
    """
    centres: list[np.ndarray] = []
    for index, radius in enumerate(radii):
        for _ in range(200):
            if centres and rng.random() < 0.6:
                other = rng.integers(len(centres))
                angle = rng.uniform(0, 2 * np.pi)
                away = (radius + radii[other]) * rng.uniform(0.75, 0.95)
                centre = centres[other] + away * np.array([np.sin(angle), np.cos(angle)])
            else:
                centre = rng.uniform(-6, size + 6, 2)
            inside = np.all((centre > -6) & (centre < size + 6))
            gaps = [np.hypot(*(centre - place)) for place in centres]
            needed = 0.72 * (radius + radii[:index][: len(gaps)])
            if inside and np.all(np.array(gaps) >= np.maximum(needed, 20.0)):
                centres.append(centre)
                break
        else:
            return np.array(centres).reshape(-1, 2)
    return np.array(centres).reshape(-1, 2)


def grow_cells(rng: np.random.Generator, effect: Mapping[str, float], size: int, density: float) -> Cells:
    """The cells of a field `size` pixels wide, under a perturbation's `effect` (parameter: factor).

    `density` is the plate's and well's own share of the untreated density. A cell answers to the
    perturbation more or less: the log of its factors is scaled by a number about 1.
    """
    expected = DENSITY * size**2 * density * effect["cell_count"]
    count = max(3, round(expected + rng.normal(0, 1.0)))
    response = np.clip(rng.normal(1.0, 0.15, count), 0.4, 1.6)
    factors = {name: effect[name] ** response for name in PARAMETERS}
    # A fifth of the cells is before division: twice the DNA in a larger nucleus.
    cycle = np.where(rng.random(count) < 0.2, rng.uniform(1.2, 1.5, count), 1.0)

    radius = CELL_RADIUS * np.sqrt(factors["cell_size"] * cycle**0.5) * scatter(rng, 0.08, count)
    centres = place_cells(rng, radius, size)
    count = len(centres)
    factors = {name: values[:count] for name, values in factors.items()}
    cycle, radius = cycle[:count], radius[:count]

    nucleus_radius = NUCLEUS_RADIUS * np.sqrt(factors["nucleus_size"] * cycle)
    nucleus_radius = np.minimum(nucleus_radius * scatter(rng, 0.06, count), 0.65 * radius)
    away = rng.uniform(0, 0.15, count) * radius
    towards = rng.uniform(0, 2 * np.pi, count)
    aspect = 1 + np.abs(rng.normal(0.22, 0.08, count))
    common = scatter(rng, 0.06, count)  # a brightly stained cell is so in every channel
    amplitudes = np.array([0.10, 0.04, 0.03])[:, None]
    return Cells(
        row=centres[:, 0],
        column=centres[:, 1],
        radius=radius,
        waves=rng.normal(0, 1, (count, 3, 2)) * amplitudes,
        nucleus_row=centres[:, 0] + away * np.sin(towards),
        nucleus_column=centres[:, 1] + away * np.cos(towards),
        nucleus_radius=nucleus_radius,
        nucleus_aspect=aspect * factors["nucleus_elongation"],
        nucleus_angle=rng.uniform(0, np.pi, count),
        factors=factors,
        stains={channel: common * scatter(rng, 0.07, count) for channel in CHANNELS},
    )


# ---------------------------------------------------------------------------------------- picture


def cell_distance(cells: Cells, size: int) -> np.ndarray:
    """(cells, size, size): 0 in a cell's centre, 1 on its outline, more outside."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    down = rows - cells.row[:, None, None]
    right = columns - cells.column[:, None, None]
    angle = np.arctan2(down, right)
    outline = np.ones_like(angle)
    for index, order in enumerate((2, 3, 4)):
        cosine, sine = cells.waves[:, index, :, None, None].transpose(1, 0, 2, 3)
        outline += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
    return np.hypot(down, right) / (cells.radius[:, None, None] * np.maximum(outline, 0.5))


def nucleus_distance(cells: Cells, size: int) -> np.ndarray:
    """(cells, size, size): 0 in a nucleus' centre, 1 on its outline, more outside."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    down = rows - cells.nucleus_row[:, None, None]
    right = columns - cells.nucleus_column[:, None, None]
    cosine = np.cos(cells.nucleus_angle)[:, None, None]
    sine = np.sin(cells.nucleus_angle)[:, None, None]
    stretch = np.sqrt(cells.nucleus_aspect)[:, None, None]
    along, across = right * cosine + down * sine, down * cosine - right * sine
    return np.hypot(along / stretch, across * stretch) / cells.nucleus_radius[:, None, None]


def texture(rng: np.random.Generator, size: int, fine: float, coarse: float) -> np.ndarray:
    """(size, size) of noise with structures between `fine` and `coarse` pixels, mean 0, sd 1."""
    white = rng.normal(0, 1, (size, size))
    band = gaussian_filter(white, fine) - gaussian_filter(white, coarse)
    return (band - band.mean()) / band.std()


def spots(places: np.ndarray, heights: np.ndarray, size: int, sigma: float, within: np.ndarray) -> np.ndarray:
    """Round spots of peak `heights` and width `sigma` at `places` (n, 2) that lie in `within`."""
    image = np.zeros((size, size))
    nearest = np.rint(places).astype(int).reshape(-1, 2)
    inside = np.all((nearest >= 0) & (nearest < size), axis=1)
    rows, columns = nearest[inside].T
    lit = within[rows, columns]
    np.add.at(image, (rows[lit], columns[lit]), np.asarray(heights)[inside][lit])
    return gaussian_filter(image, sigma) * 2 * np.pi * sigma**2


def filaments(rng: np.random.Generator, cells: Cells, cell: int) -> np.ndarray:
    """Points (n, 2), half a pixel apart, of one cell's mitochondria: the same number of points in
    few long filaments or in many short ones (`mito_length`)."""
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


def around(
    rng: np.random.Generator, row: float, column: float, low: float, high: float, count: int
) -> np.ndarray:
    """`count` places (row, column) at a distance of `low` to `high` from a centre."""
    angle = rng.uniform(0, 2 * np.pi, count)
    away = np.sqrt(rng.uniform(low**2, high**2, count))
    return np.stack([row + away * np.sin(angle), column + away * np.cos(angle)], axis=1)


def paint_cells(rng: np.random.Generator, cells: Cells, size: int) -> dict[str, np.ndarray]:
    """The light of the cells, channel by channel: (size, size) in camera counts."""
    light = {channel: np.zeros((size, size)) for channel in CHANNELS}
    if len(cells.row) == 0:
        return light
    grain = {channel: texture(rng, size, 1.0, 3.0) for channel in CHANNELS}
    distances, nuclei = cell_distance(cells, size), nucleus_distance(cells, size)
    owner = np.where(nuclei.min(axis=0) < 1, nuclei.argmin(axis=0), distances.argmin(axis=0))
    for cell in range(len(cells.row)):
        own = owner == cell
        others = np.delete(distances, cell, axis=0).min(axis=0, initial=np.inf)
        # Where two cells meet, the shared border is as far out as the free one.
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
    """A nucleus with chromatin texture."""
    return 6000 * factor["dna_intensity"] * nucleus * np.clip(1 + 0.15 * grain, 0.3, None)


def paint_er(
    cytoplasm: np.ndarray,
    nucleus: np.ndarray,
    distance: np.ndarray,
    grain: np.ndarray,
    factor: Mapping[str, float],
) -> np.ndarray:
    """A reticulum that thins out towards the cell's edge; little of it above the nucleus."""
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
    """A cytoplasm that thins out at its border, a darker nucleus and two to four nucleoli in it."""
    count = rng.integers(2, 5)
    radius = cells.nucleus_radius[cell] / np.sqrt(cells.nucleus_aspect[cell])
    row, column = cells.nucleus_row[cell], cells.nucleus_column[cell]
    places = around(rng, row, column, 0, 0.55 * radius, count)
    heights = 3200 * factor["nucleoli"] * scatter(rng, 0.15, count)
    nucleoli = spots(places, heights, len(nucleus), 1.3, nucleus > 0)
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
    """Actin along the cell's edge, a Golgi beside the nucleus, granules in the cytoplasm."""
    size = len(body)
    edge = body * np.exp(-(((distance - 0.92) / 0.1) ** 2))
    row, column = cells.nucleus_row[cell], cells.nucleus_column[cell]
    nucleus = cells.nucleus_radius[cell]
    [golgi] = around(rng, row, column, nucleus + 2, nucleus + 4, 1)
    stacks = golgi + rng.normal(0, 1.8, (9, 2))
    golgi_light = spots(stacks, np.full(9, 900.0), size, 1.3, body > 0)
    count = rng.poisson(10 * factor["agp_granules"])
    places = around(rng, row, column, nucleus, 0.85 * cells.radius[cell], count)
    granules = spots(places, 1500 * scatter(rng, 0.2, count), size, 0.9, inside)
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
    """Filaments or fragments of mitochondria in the cytoplasm, over a faint haze."""
    points = filaments(rng, cells, cell)
    network = spots(points, np.full(len(points), 520.0), len(body), 0.9, inside)
    return factor["mito_intensity"] * (350 * body + network)


# ------------------------------------------------------------------------------------- microscope


def add_debris(rng: np.random.Generator, light: dict[str, np.ndarray], size: int) -> None:
    """Add what lies about in a field: specks too small for a nucleus, now and then a fibre."""
    everywhere = np.ones((size, size), dtype=bool)
    for _ in range(rng.poisson(2 * size**2 / 240**2)):
        place = rng.uniform(0, size, (1, 2))
        width = rng.uniform(0.8, 1.6)
        for channel, share in (("DNA", 1.0), ("AGP", 0.6), ("RNA", 0.15)):
            height = np.array([rng.uniform(1500, 5000) * share])
            light[channel] += spots(place, height, size, width, everywhere)
    if rng.random() < 0.1:
        start, angle = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
        bend = angle + np.cumsum(rng.normal(0, 0.05, 60))
        fibre = start + np.cumsum(np.stack([np.sin(bend), np.cos(bend)], axis=1), axis=0)
        light["AGP"] += spots(fibre, np.full(60, 350.0), size, 0.9, everywhere)


def illumination(seed: int, plate: str, channel: str, size: int) -> np.ndarray:
    """(size, size), mean 1: how one plate's channel is lit; brightest off the middle of the field."""
    rng = random(seed, plate, "illumination", channel)
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    row, column = rng.uniform(-0.15, 0.15, 2)
    vignette = 1 - rng.uniform(0.5, 0.8) * ((rows - row) ** 2 + (columns - column) ** 2)
    tilt = 1 + rng.uniform(-0.15, 0.15) * rows + rng.uniform(-0.15, 0.15) * columns
    lit = vignette * tilt
    return lit / lit.mean()


def expose(rng: np.random.Generator, light: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """What the camera reads, (size, size) uint16, of `light` under the illumination `lit`.

    Blur and haze of the optics, stray light, shot noise of the electrons, read noise, offset.
    """
    sharp = gaussian_filter(light, 0.7)
    haze = gaussian_filter(light, 10.0)
    electrons = rng.poisson((0.95 * sharp + 0.05 * haze + STRAY_LIGHT) * lit * ELECTRONS_PER_COUNT)
    counts = OFFSET + electrons / ELECTRONS_PER_COUNT + rng.normal(0, READ_NOISE, light.shape)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def draw_field(
    seed: int, plate: str, well: str, site: int, size: int, effect: Mapping[str, float], empty: bool
) -> tuple[dict[str, np.ndarray], Cells | None]:
    """One field: channel to image (size, size) uint16, and its cells (None in an empty field).

    The same arguments give the same bytes, whatever else is drawn.
    """
    plate_rng, well_rng = random(seed, plate, "plate"), random(seed, plate, well, "well")
    density = scatter(plate_rng, 0.06) * scatter(well_rng, 0.04)
    gains = {c: scatter(plate_rng, 0.08) * scatter(well_rng, 0.02) for c in CHANNELS}
    rng = random(seed, plate, well, site)
    if empty:
        cells, light = None, {channel: np.zeros((size, size)) for channel in CHANNELS}
    else:
        cells = grow_cells(rng, effect, size, density)
        light = paint_cells(rng, cells, size)
    add_debris(rng, light, size)
    return {
        channel: expose(rng, gains[channel] * light[channel], illumination(seed, plate, channel, size))
        for channel in CHANNELS
    }, cells


# ------------------------------------------------------------------------------------------ plate


def read_table(path: str | Path, needed: Iterable[str]) -> pd.DataFrame:
    """Read a tab-separated table of strings that must have the columns `needed`."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(f"{path} has no column {listed(missing)}; it must be tab-separated.")
    return table


def read_effects(path: str | Path) -> pd.DataFrame:
    """The table of effects, one row a broad_sample: `gene`, `effect` and the factors as floats."""
    effects = read_table(path, ["broad_sample", "gene", "effect", *PARAMETERS])
    doubled = effects.loc[effects["broad_sample"].duplicated(), "broad_sample"]
    if len(doubled):
        raise InputError(f"{path} names {listed(doubled)} more than once; keep one row of each.")
    strange = effects.loc[~effects["effect"].isin(EFFECTS), "broad_sample"]
    if len(strange):
        raise InputError(f"{path}: the effect of {listed(strange)} is none of {listed(EFFECTS)}; correct it.")
    for name in PARAMETERS:
        factors = pd.to_numeric(effects[name], errors="coerce")
        wrong = effects.loc[~(factors > 0), "broad_sample"]
        if len(wrong):
            raise InputError(f"{path}: {name} of {listed(wrong)} is no number above 0; correct it.")
        effects[name] = factors.astype(float)
    return effects


def plan_wells(
    plate: str, plate_map: str | Path, annotation: str | Path, effects: str | Path
) -> pd.DataFrame:
    """The plate's wells, in the plate map's order, with annotation and effect: the truth's columns."""
    layout = read_table(plate_map, ["well_position", "broad_sample"])
    about = read_table(annotation, ["broad_sample", "pert_type", "control_type"])
    known = read_effects(effects)
    for path, table in ((annotation, about), (effects, known)):
        missing = sorted(set(layout["broad_sample"]) - set(table["broad_sample"]))
        if missing:
            raise InputError(
                f"Plate {plate}: {listed(missing)} stands in {plate_map} but not in {path}; "
                "add a row for each there."
            )
    about = about[["broad_sample", "pert_type", "control_type"]].drop_duplicates("broad_sample")
    wells = layout.rename(columns={"well_position": "well"})[["well", "broad_sample"]]
    wells.insert(0, "plate", plate)
    return (
        wells.merge(about, on="broad_sample")
        .merge(known, on="broad_sample")[
            [
                "plate",
                "well",
                "broad_sample",
                "gene",
                "pert_type",
                "control_type",
                "effect",
                *PARAMETERS,
            ]
        ]
        .set_index(wells.index)
    )


def empty_fields(seed: int, plate: str, wells: pd.DataFrame, fields: int) -> set[tuple[str, int]]:
    """The fields (well, site) without a cell: `EMPTY_FIELDS` of the plate's.

    They lie in wells without an effect, one field a well, so that they try the workflow and not the
    truth that it is judged by.
    """
    plain = wells.loc[wells["effect"] == "none", "well"]
    count = min(len(plain), round(EMPTY_FIELDS * len(wells) * fields))
    rng = random(seed, plate, "empty fields")
    chosen = rng.choice(plain.to_numpy(dtype=object), count, replace=False)
    return {(str(well), int(rng.integers(1, fields + 1))) for well in chosen}


def file_name(well: str, site: int, channel: str) -> str:
    """The Opera Phenix's name of an image: `B03`, site 1, DNA is r02c03f01p01-ch5sk1fk1fl1.tiff."""
    row, column = ord(well[0]) - ord("A") + 1, int(well[1:])
    return f"r{row:02d}c{column:02d}f{site:02d}p01-ch{CHANNELS[channel]}sk1fk1fl1.tiff"


def readme(plate: Mapping[str, str], seed: int) -> str:
    """The text of the README.txt that lies among the images."""
    numbers = "\n".join(f"  ch{number}  {channel}" for channel, number in CHANNELS.items())
    return (
        "SIMULATED IMAGES. These are drawings made by a program; no cell was grown, no compound,\n"
        "guide or ORF exists. Do not use them for anything but trying the workflow.\n\n"
        f"Plate {plate['plate']} of batch {plate['batch']} ({plate['perturbation']}), seed {seed}.\n"
        f"Drawn by scripts/simulate.py; the truth is in ../../truth/{plate['plate']}.csv.\n\n"
        "r{row}c{column}f{field}p01-ch{channel}sk1fk1fl1.tiff, 16 bit, with the channels\n"
        f"{numbers}\n"
    )


def main(
    plate: Mapping[str, str],
    plate_map: str | Path,
    annotation: str | Path,
    effects: str | Path,
    images: str | Path,
    truth: str | Path,
    seed: int,
    size: int,
    fields: int,
) -> None:
    """Draw a plate's images into the folder `images` and write its `truth`, one row a well.

    `plate` is its row of the sample sheet; `size` the fields' width in pixels; `fields` their number
    a well. The truth holds `cells` and `nuclei_inside` besides the effect: how many cells were drawn
    in the well, and how many of them with a nucleus that touches no border.
    """
    wells = plan_wells(plate["plate"], plate_map, annotation, effects)
    empty = empty_fields(seed, plate["plate"], wells, fields)
    images = Path(images)
    shutil.rmtree(images, ignore_errors=True)
    images.mkdir(parents=True)
    (images / "README.txt").write_text(readme(plate, seed))
    counts = []
    for well in wells.itertuples():
        effect = {name: getattr(well, name) for name in PARAMETERS}
        drawn = inside = 0
        for site in range(1, fields + 1):
            nothing = (well.well, site) in empty
            field, cells = draw_field(seed, plate["plate"], well.well, site, size, effect, nothing)
            for channel, image in field.items():
                tifffile.imwrite(
                    images / file_name(well.well, site, channel),
                    image,
                    compression="zlib",
                    description="SIMULATED",
                    metadata=None,
                    software="Platewise",
                )
            if cells is not None:
                drawn += len(cells.row)
                inside += count_inside(cells, size)
        counts.append((drawn, inside, sum(place == well.well for place, _ in empty)))
    wells[["cells", "nuclei_inside", "empty_fields"]] = counts
    with whole(truth) as part:
        wells.to_csv(part, index=False)


def count_inside(cells: Cells, size: int) -> int:
    """How many nuclei lie wholly in the field."""
    reach = cells.nucleus_radius * np.sqrt(cells.nucleus_aspect)
    low = np.minimum(cells.nucleus_row, cells.nucleus_column) - reach
    high = np.maximum(cells.nucleus_row, cells.nucleus_column) + reach
    return int(np.sum((low > 0) & (high < size - 1)))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            plate=snakemake.params.plate,
            plate_map=snakemake.input.plate_map,
            annotation=snakemake.input.annotation,
            effects=snakemake.input.effects,
            images=snakemake.output.images,
            truth=snakemake.output.truth,
            seed=snakemake.params.seed,
            size=snakemake.params.size,
            fields=snakemake.params.fields,
        )
