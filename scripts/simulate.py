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
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy.ndimage import gaussian_filter

from lib.errors import InputError
from lib.logs import log_to
from lib.tables import write_whole
from lib.wells import get_well_place
from simulation.camera import add_debris, add_fibers, draw_illumination, expose
from simulation.cells import CHANNELS, PARAMETERS, Cells, count_inside, get_generator, grow_cells, scatter
from simulation.light import paint_cells
from simulation.wells import plan_wells

EMPTY_FIELDS = 0.03  # fraction of a plate's fields without cells

# Planted faults of the microscope or the bench, to test quality control.
DEFOCUS = 4.0  # width of the blur of a field out of focus, in pixels
OVEREXPOSURE = 25.0  # exposure of a saturated field, relative to the normal one
UNDERSTAINED = 0.6  # stain in a shifted column, relative to the normal one
COLUMN_FAULTS = ("shifted",)


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
    plate_rng, well_rng = get_generator(seed, plate, "plate"), get_generator(seed, plate, well, "well")
    density = scatter(plate_rng, 0.06) * scatter(well_rng, 0.04)
    gains = {c: scatter(plate_rng, 0.08) * scatter(well_rng, 0.02) for c in CHANNELS}
    rng = get_generator(seed, plate, well, site)
    if empty:
        cells, light = None, {channel: np.zeros((size, size)) for channel in CHANNELS}
    else:
        cells = grow_cells(rng, effect, size, density)
        light = paint_cells(rng, cells, size)
    add_debris(rng, light, size)
    if "debris" in faults:
        add_fibers(get_generator(seed, plate, well, site, "debris"), light, size)
    if "blurred" in faults:
        light = {channel: gaussian_filter(image, DEFOCUS) for channel, image in light.items()}
    exposure = OVEREXPOSURE if "saturated" in faults else UNDERSTAINED if "shifted" in faults else 1.0
    return {
        channel: expose(
            rng, exposure * gains[channel] * light[channel], draw_illumination(seed, plate, channel, size)
        )
        for channel in CHANNELS
    }, cells


def choose_empty_fields(seed: int, plate: str, wells: pd.DataFrame, fields: int) -> set[tuple[str, int]]:
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
    rng = get_generator(seed, plate, "empty fields")
    chosen = rng.choice(plain.to_numpy(dtype=object), count, replace=False)
    return {(str(well), int(rng.integers(1, fields + 1))) for well in chosen}


def get_faults(
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
        hit = [w for w in wells if (w if place == "well" else get_well_place(w)[1]) == fault[place]]
        if not hit or max(sites) > fields:
            raise InputError(
                f"simulate.faults: plate {plate} has no {place} {fault[place]}, site {max(sites)}."
            )
        for well in hit:
            for site in sites:
                found.setdefault((well, site), set()).add(kind)
    return found


def name_file(well: str, site: int, channel: str) -> str:
    """Name an image like the Opera Phenix: `B03`, site 1, DNA is r02c03f01p01-ch5sk1fk1fl1.tiff."""
    row, column = get_well_place(well)
    return f"r{row:02d}c{column:02d}f{site:02d}p01-ch{CHANNELS[channel]}sk1fk1fl1.tiff"


def write_readme(plate: Mapping[str, str], seed: int) -> str:
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


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image as a TIFF file whose description says that it is simulated."""
    tifffile.imwrite(
        path, image, compression="zlib", description="SIMULATED", metadata=None, software="Platewise"
    )


def list_faults(planted: Mapping[tuple[str, int], Collection[str]], well: str) -> str:
    """Return the faults of a well as text, each with its site: `kind:site`, separated by blanks."""
    return " ".join(
        f"{kind}:{site}"
        for (place, site), kinds in sorted(planted.items())
        for kind in sorted(kinds)
        if place == well
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
        Planted faults, see `get_faults`.
    """
    wells = plan_wells(plate["plate"], plate_map, annotation, effects)
    empty = choose_empty_fields(seed, plate["plate"], wells, fields)
    planted = get_faults(faults, plate["plate"], wells["well"], fields)
    empty |= {field for field, kinds in planted.items() if "empty" in kinds}
    images = Path(images)
    shutil.rmtree(images, ignore_errors=True)
    images.mkdir(parents=True)
    (images / "README.txt").write_text(write_readme(plate, seed))
    counts = []
    for well in wells.itertuples():
        effect = {name: getattr(well, name) for name in PARAMETERS}
        drawn = inside = 0
        for site in range(1, fields + 1):
            nothing = (well.well, site) in empty
            kinds = planted.get((well.well, site), set())
            field, cells = draw_field(seed, plate["plate"], well.well, site, size, effect, nothing, kinds)
            for channel, image in field.items():
                write_image(images / name_file(well.well, site, channel), image)
            if cells is not None:
                drawn += len(cells.row)
                inside += count_inside(cells, size)
        counts.append((drawn, inside, sum(place == well.well for place, _ in empty)))
    wells[["cells", "nuclei_inside", "empty_fields"]] = counts
    wells["faults"] = [list_faults(planted, well) for well in wells["well"]]
    with write_whole(truth) as part:
        wells.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
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
