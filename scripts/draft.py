"""Write an experiment from a folder of images: sample sheet, config, plate maps, and a page of open tasks.

The folder is surveyed (`lib.surveys`), a few images of each channel are read, and what was found is written
to the config. What the images cannot show (the contents of the wells) is left to the user. Existing files are
never overwritten.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from drafting.config import get_reading, make_config, write_config
from drafting.page import draw_composite, list_tasks, write_page
from lib.channel_guess import find_unstained, name_channels
from lib.errors import InputError, join_names, number_of
from lib.gallery_datasets import find_dataset
from lib.image_files import read_plane_and_scale
from lib.image_finding import Reading, combine_planes
from lib.logs import log_to
from lib.pictures import read_image
from lib.plates import is_address
from lib.surveys import Channel, Survey, SurveyedPlate, get_map_name, survey
from lib.wells import get_row_name
from load_data import find_images

# Images of a channel that are read.
MOST_EXAMPLES = 3
CAMERA_BITS = (10, 12, 14)
# Of a plate whose images are not read.
USUAL_WELLS, USUAL_SITES = 384, 9


def read_examples(found: Survey, names: Mapping[str, str]) -> dict[str, list[np.ndarray]]:
    """Read a few images of each channel, spread over the first plate, as the workflow will read them.

    Parameters
    ----------
    found
        The survey.
    names
        Names of the channels by their labels.
    """
    plate = found.plates[0]
    reading = Reading(*get_reading(found))
    images = find_images(plate.folder, found.pattern, dict(names), plate.name, reading)
    images, _ = combine_planes(images, reading)
    chosen: dict[str, list[np.ndarray]] = {}
    for name in names.values():
        of_channel = sorted(image.path for image in images if image.channel == name)
        at = np.unique(np.linspace(0, len(of_channel) - 1, MOST_EXAMPLES).astype(int))
        # The first plate may lack a channel.
        for path in (of_channel[number] for number in at if of_channel):
            try:
                chosen.setdefault(name, []).append(read_image(path))
            except InputError as error:
                logging.warning("%s", error)
    return chosen


# --- the sample sheet and the plate maps -------------------------------------------------------------


def write_plate_map(plates: Sequence[SurveyedPlate]) -> str:
    """Return an empty plate map: all wells of a format, first those with images on any of the plates."""
    rows, columns = plates[0].shape
    imaged = {well for plate in plates for well in plate.wells}
    wells = [
        f"{get_row_name(row)}{column:02d}" for row in range(1, rows + 1) for column in range(1, columns + 1)
    ]
    lines = ["well_position\tbroad_sample\tcontrol_type\timaged"]
    lines += [f"{well}\t\t\t{'yes' if well in imaged else 'no'}" for well in wells]
    return "\n".join(lines) + "\n"


def write_sample_sheet(plates: Sequence[SurveyedPlate], batch: str) -> str:
    """Return the sample sheet; cell line and time point are left empty."""
    columns = ("batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images")
    lines = ["\t".join(columns)]
    lines += [
        "\t".join([batch, plate.name, get_map_name(plate), "compound", "", "", str(plate.folder)])
        for plate in plates
    ]
    return "\n".join(lines) + "\n"


def find_bits(found: Survey, names: Mapping[str, str]) -> int | None:
    """Return the bits of a camera whose numbers stay below a power of two that its files do not name."""
    plate, reading = found.plates[0], Reading(*get_reading(found))
    images, _ = combine_planes(
        find_images(plate.folder, found.pattern, dict(names), plate.name, reading), reading
    )
    largest, scale = 0.0, 0.0
    for image in images[:: max(1, len(images) // 12)]:
        try:
            pixels, scale = read_plane_and_scale(image.path)
        except InputError:
            continue
        largest = max(largest, float(pixels.max()))
    if scale != 65535:
        return None
    return next((bits for bits in CAMERA_BITS if 2**bits * 0.9 < largest < 2**bits), None)


# --- all of it ---------------------------------------------------------------------------------------


def write_new(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder.

    Raises
    ------
    InputError
        If one of them exists; then none is written.
    """
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise InputError(
            f"{folder} already has {join_names(there)}, which this command did not write. Name another "
            "folder with --config images=FOLDER experiment=OTHER, or move these files away."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def draft(images: Path, experiment: Path, cores: int) -> list[str]:
    """Write the experiment folder of a folder of images.

    Parameters
    ----------
    images
        The folder of one or many plates.
    experiment
        The folder to write.
    cores
        Cores of this machine.

    Returns
    -------
    list of str
        What is left to do.

    Raises
    ------
    InputError
        If nothing is recognized, or a file would be overwritten.
    """
    found = survey(images)
    names = name_channels(found.channels)
    examples = read_examples(found, names)
    if not any(examples.values()):
        raise InputError(
            f"{images}: none of the examined images, which were found by {found.how}, can be read. The log "
            "logs/draft/draft.log gives the reason for each."
        )
    config = make_config(found, names, examples, cores)
    unstained = find_unstained(examples)
    unread = [name for name in names.values() if not examples.get(name)]
    tasks = list_tasks(found, config, find_bits(found, names), unstained, unread)
    maps: dict[str, list[SurveyedPlate]] = {}
    for plate in found.plates:
        maps.setdefault(get_map_name(plate), []).append(plate)
    picture = draw_composite(examples, config, found.plates[0].name, unstained)
    files = {
        "config.yaml": write_config(config, found),
        "plates.tsv": write_sample_sheet(found.plates, "batch1"),
        **{name: write_plate_map(plates) for name, plates in maps.items()},
        "draft.html": write_page(found, tasks, picture, experiment),
    }
    write_new(experiment, files)
    return tasks


def draft_dataset(prefix: str, batch: str, experiment: Path, cores: int) -> list[str]:
    """Write the experiment folder of a dataset in the form of the Cell Painting Gallery.

    Parameters
    ----------
    prefix
        The dataset's folder, or its address.
    batch
        Only this batch; empty for all.
    experiment
        The folder to write.
    cores
        Cores of this machine.

    Returns
    -------
    list of str
        What is left to do.
    """
    dataset = find_dataset(prefix, batch or None)
    plates = [
        SurveyedPlate(row["plate"], Path(row["images"]), [""] * USUAL_WELLS, USUAL_SITES, (16, 24))
        for row in dataset.rows
    ]
    channels = dataset.channels or [Channel("1", "DNA")]
    found = Survey(dataset.pattern, f"the dataset {prefix}", plates, channels)
    # Image tables have columns of these names.
    config = make_config(found, {channel.label: channel.name for channel in channels}, {}, cores)
    config |= {"fetch": True} if is_address(prefix) else {}
    lines = ["\t".join(dataset.rows[0]), *("\t".join(row.values()) for row in dataset.rows)]
    write_new(experiment, {"config.yaml": write_config(config, found), "plates.tsv": "\n".join(lines) + "\n"})
    reagents = join_names(dataset.reagents, 8) or "the dataset has none in external_metadata"
    tasks = [
        "plates.tsv: check `perturbation`, and fill in `cell_line` and `timepoint` (hours).",
        f"config.yaml, annotation: name the table of the reagents of each perturbation type ({reagents}), "
        "and controls.column.",
        "config.yaml, assay: check how nuclei and cells are found, with the target segmentation_check.",
    ]
    if dataset.without_map:
        tasks.append(
            f"plates.tsv lacks {number_of(len(dataset.without_map), 'plate')} of the dataset, without a "
            f"plate map in it: {join_names(dataset.without_map, 5)}."
        )
    return tasks


def main(experiment: Path, images: str, dataset: str, batch: str) -> None:
    """Write the folder of an experiment, and print what is left to do.

    Parameters
    ----------
    experiment
        The folder to write.
    images
        The folder of images; "" with a `dataset`.
    dataset, batch
        The address of a dataset in the form of the Gallery, and one of its batches; "" with `images`.
    """
    cores = os.cpu_count() or 1
    if dataset:
        tasks = draft_dataset(dataset, batch, experiment, cores)
    else:
        # A plate is called after its folder, which `..` does not name.
        tasks = draft(Path(os.path.normpath(Path.cwd() / images)), experiment, cores)
    print(f"\n{experiment} is drafted. What is left to do:")
    for number, task in enumerate(tasks, start=1):
        print(f"  {number}. {task}")


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            Path(snakemake.params.experiment),
            snakemake.params.images,
            snakemake.params.dataset,
            snakemake.params.batch,
        )
