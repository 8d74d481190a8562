"""Draw the SIMULATED images of one plate of the default experiment, and write the truth beside them.

These are not images of real cells: each field is a drawing of cells with the five stains of Cell
Painting, seen through a simple microscope (uneven illumination, camera offset, shot and read noise).
The effects of perturbations on the cells are read from a table, so that the results of the workflow
can be compared with the truth.

The drawing. A cell is a deformed ellipse around an elliptic nucleus; where cells meet, they share a
straight border. DNA: nuclei with chromatin texture. ER: a reticulum, densest around the nucleus.
RNA: cytoplasm and nucleoli. AGP: cell edge, Golgi beside the nucleus, granules. Mito: filaments.
Cells differ from one another (size, shape, stain, cell cycle, response to the perturbation), wells
and plates differ mildly (density, staining); there is debris, and some fields have no cells. The
position of a well has no effect.

Names, channel numbers and the table of stains follow the images of CPJUMP1 (Chandrasekaran et al.,
Nature Methods 2024) taken with the Opera Phenix. The sizes are about half of theirs: nuclei
16 pixels wide, cells 40.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy.ndimage import gaussian_filter

from lib.errors import InputError, listed
from lib.logs import logged
from lib.simulated_cells import (
    CHANNELS,
    PARAMETERS,
    Cells,
    count_inside,
    grow_cells,
    paint_cells,
    random,
    scatter,
    spots,
)
from lib.tables import whole
from lib.wells import well_place

EFFECTS = ("none", "weak", "strong")

# The microscope: camera counts without light, electrons per count, read noise and stray light.
OFFSET = 200.0
ELECTRONS_PER_COUNT = 0.5
READ_NOISE = 8.0
STRAY_LIGHT = 60.0

EMPTY_FIELDS = 0.03  # fraction of a plate's fields without cells

# Planted faults of the microscope or the bench, to test quality control.
DEFOCUS = 4.0  # width of the blur of a field out of focus, in pixels
OVEREXPOSURE = 25.0  # exposure of a saturated field, relative to the normal one
UNDERSTAINED = 0.6  # stain in a shifted column, relative to the normal one
DEBRIS_LIGHT = 25000.0  # camera counts of a fluorescent fiber in every channel
COLUMN_FAULTS = ("shifted",)


# ------------------------------------------------------------------------------------- microscope


def add_debris(rng: np.random.Generator, light: dict[str, np.ndarray], size: int) -> None:
    """Add debris to a field: specks smaller than a nucleus and, sometimes, a fiber."""
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
        fiber = start + np.cumsum(np.stack([np.sin(bend), np.cos(bend)], axis=1), axis=0)
        light["AGP"] += spots(fiber, np.full(60, 350.0), size, 0.9, everywhere)


def add_fibers(rng: np.random.Generator, light: dict[str, np.ndarray], size: int) -> None:
    """Add a tangle of bright, thick fibers that are visible in every channel."""
    everywhere = np.ones((size, size), dtype=bool)
    tangle = np.zeros((size, size))
    for _ in range(4):
        start, angle = rng.uniform(0.3 * size, 0.7 * size, 2), rng.uniform(0, 2 * np.pi)
        bend = angle + np.cumsum(rng.normal(0, 0.04, size))
        fiber = start + 0.5 * np.cumsum(np.stack([np.sin(bend), np.cos(bend)], axis=1), axis=0)
        tangle += spots(fiber, np.full(size, 1.0), size, 2.5, everywhere)
    for channel in CHANNELS:
        light[channel] += DEBRIS_LIGHT * rng.uniform(0.6, 1.0) * np.minimum(tangle / 20, 1)


def illumination(seed: int, plate: str, channel: str, size: int) -> np.ndarray:
    """Return the illumination of a plate's channel: (size, size), mean 1, brightest off the center.

    Parameters
    ----------
    seed : the experiment's seed.
    plate, channel : names; each pair has an illumination of its own.
    size : side of the image in pixels.
    """
    rng = random(seed, plate, "illumination", channel)
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


def draw_field(
    seed: int,
    plate: str,
    well: str,
    site: int,
    size: int,
    effect: Mapping[str, float],
    empty: bool,
    faults: Iterable[str] = (),
) -> tuple[dict[str, np.ndarray], Cells | None]:
    """Draw one field; the same arguments give the same bytes, whatever else is drawn.

    Parameters
    ----------
    seed
        Seed of the experiment.
    plate, well, site
        The field's place.
    size
        Width and height in pixels.
    effect
        The factor of each of `PARAMETERS`.
    empty
        Whether the field has no cells.
    faults
        Planted faults: blurred, saturated, debris, shifted.

    Returns
    -------
    The image of each channel, (size, size) uint16, and the cells (None in an empty field).
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
    if "debris" in faults:
        add_fibers(random(seed, plate, well, site, "debris"), light, size)
    if "blurred" in faults:
        light = {channel: gaussian_filter(image, DEFOCUS) for channel, image in light.items()}
    exposure = OVEREXPOSURE if "saturated" in faults else UNDERSTAINED if "shifted" in faults else 1.0
    return {
        channel: expose(
            rng, exposure * gains[channel] * light[channel], illumination(seed, plate, channel, size)
        )
        for channel in CHANNELS
    }, cells


# ------------------------------------------------------------------------------------------ plate


def read_table(path: str | Path, needed: Iterable[str]) -> pd.DataFrame:
    """Read a tab-separated table of strings with the columns `needed`."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(f"{path} has no column {listed(missing)}; it must be tab-separated.")
    return table


def read_effects(path: str | Path) -> pd.DataFrame:
    """Read the table of effects, one row per broad_sample: `gene`, `effect` and the factors as floats."""
    effects = read_table(path, ["broad_sample", "gene", "effect", *PARAMETERS])
    doubled = effects.loc[effects["broad_sample"].duplicated(), "broad_sample"]
    if len(doubled):
        raise InputError(f"{path} names {listed(doubled)} more than once; keep one row of each.")
    strange = effects.loc[~effects["effect"].isin(EFFECTS), "broad_sample"]
    if len(strange):
        raise InputError(
            f"{path}: the effect of {listed(strange)} is not one of {listed(EFFECTS)}; correct it."
        )
    for name in PARAMETERS:
        factors = pd.to_numeric(effects[name], errors="coerce")
        wrong = effects.loc[~(factors > 0), "broad_sample"]
        if len(wrong):
            raise InputError(f"{path}: {name} of {listed(wrong)} is not a number above 0; correct it.")
        effects[name] = factors.astype(float)
    return effects


def plan_wells(
    plate: str, plate_map: str | Path, annotation: str | Path, effects: str | Path
) -> pd.DataFrame:
    """List the plate's wells in the plate map's order, with annotation and effect (as in the truth).

    Parameters
    ----------
    plate : for the column and for messages.
    plate_map, annotation, effects : the tables of the simulation.

    Returns
    -------
    One row per well.

    Raises
    ------
    InputError
        For a `broad_sample` of the plate map that another table lacks.
    """
    layout = read_table(plate_map, ["well_position", "broad_sample"])
    about = read_table(annotation, ["broad_sample", "pert_type", "control_type"])
    known = read_effects(effects)
    for path, table in ((annotation, about), (effects, known)):
        missing = sorted(set(layout["broad_sample"]) - set(table["broad_sample"]))
        if missing:
            raise InputError(
                f"Plate {plate}: {listed(missing)} is in {plate_map} but not in {path}; "
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
    """Choose the fields (well, site) without cells, a fraction of `EMPTY_FIELDS` of the plate.

    They are in wells without an effect, one field per well, so that they test the workflow without changing
    the truth.

    Parameters
    ----------
    seed : the experiment's seed.
    plate : the plate's name.
    wells : one row per well, as `plan_wells` returns them.
    fields : number of sites per well.
    """
    plain = wells.loc[wells["effect"] == "none", "well"]
    count = min(len(plain), round(EMPTY_FIELDS * len(wells) * fields))
    rng = random(seed, plate, "empty fields")
    chosen = rng.choice(plain.to_numpy(dtype=object), count, replace=False)
    return {(str(well), int(rng.integers(1, fields + 1))) for well in chosen}


def faults_of(
    planted: Iterable[Mapping[str, object]], plate: str, wells: Iterable[str], fields: int
) -> dict[tuple[str, int], set[str]]:
    """Return the planted faults of each field (well, site) of a plate.

    Parameters
    ----------
    planted : each with `fault` and either `well` (and `site`, or all of its sites) or `column`.
    plate : for messages.
    wells : the plate's wells.
    fields : number of sites per well.

    Raises
    ------
    InputError
        For a fault whose well, site or column the plate does not have.
    """
    found: dict[tuple[str, int], set[str]] = {}
    wells = list(wells)
    for fault in planted:
        kind, place = str(fault["fault"]), "column" if fault["fault"] in COLUMN_FAULTS else "well"
        if place not in fault:
            raise InputError(f"simulate.faults: plate {plate}, {kind}: name its `{place}`.")
        sites = [int(fault["site"])] if "site" in fault else list(range(1, fields + 1))
        hit = [w for w in wells if (w if place == "well" else well_place(w)[1]) == fault[place]]
        if not hit or max(sites) > fields:
            raise InputError(
                f"simulate.faults: plate {plate} has no {place} {fault[place]}, site {max(sites)}."
            )
        for well in hit:
            for site in sites:
                found.setdefault((well, site), set()).add(kind)
    return found


def file_name(well: str, site: int, channel: str) -> str:
    """Name an image like the Opera Phenix: `B03`, site 1, DNA is r02c03f01p01-ch5sk1fk1fl1.tiff."""
    row, column = well_place(well)
    return f"r{row:02d}c{column:02d}f{site:02d}p01-ch{CHANNELS[channel]}sk1fk1fl1.tiff"


def readme(plate: Mapping[str, str], seed: int) -> str:
    """Write the text of the README.txt beside the images."""
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
    faults: Iterable[Mapping[str, object]] = (),
) -> None:
    """Draw a plate's images and write its truth.

    Parameters
    ----------
    plate
        Its row of the sample sheet.
    plate_map, annotation, effects
        The tables of the wells, of the reagents and of their effects.
    images
        The folder of the images.
    truth
        The table of the truth, one row per well: the effect; `cells` and `nuclei_inside`, the numbers of
        cells and of those whose nucleus does not touch the border; `empty_fields`; and the `faults`, each
        with its site.
    seed
        Seed of the experiment.
    size
        Width and height of a field in pixels.
    fields
        Number of fields per well.
    faults
        Planted faults, see `faults_of`.
    """
    wells = plan_wells(plate["plate"], plate_map, annotation, effects)
    empty = empty_fields(seed, plate["plate"], wells, fields)
    planted = faults_of(faults, plate["plate"], wells["well"], fields)
    empty |= {field for field, kinds in planted.items() if "empty" in kinds}
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
            wrong = planted.get((well.well, site), set())
            field, cells = draw_field(seed, plate["plate"], well.well, site, size, effect, nothing, wrong)
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
    wells["faults"] = [
        " ".join(
            f"{kind}:{site}"
            for (place, site), kinds in sorted(planted.items())
            for kind in sorted(kinds)
            if place == well
        )
        for well in wells["well"]
    ]
    with whole(truth) as part:
        wells.to_csv(part, index=False)


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
            faults=snakemake.params.faults,
        )
