"""Write an experiment folder from a folder of images: sample sheet, config, plate maps, and a page of what is
missing.

The folder is looked into (`lib.surveys`), an image of each channel is read, and what was found is written
down; what the images cannot tell (what is in the wells) is left for the user. Files that exist are never
overwritten.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from drafting.page import draw_composite, list_tasks, write_page
from lib.channel_guess import (
    NO_STAIN,
    WHOLE_CELLS,
    find_unstained,
    guess_diameters,
    guess_nuclei,
    name_channels,
)
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

#: Sites per CellProfiler job, at most.
SITES_PER_CHUNK = 150
#: Images of a channel that are looked at.
LOOKED_AT = 3
#: Wells of a plate with which normalization to a few negative controls makes sense.
FEW_WELLS = 16
CAMERA_BITS = (10, 12, 14)
#: Of a plate whose images were not looked at.
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
        at = np.unique(np.linspace(0, len(of_channel) - 1, LOOKED_AT).astype(int))
        for path in (of_channel[number] for number in at):
            try:
                chosen.setdefault(name, []).append(read_image(path))
            except InputError as error:
                logging.warning("%s", error)
    return chosen


def get_reading(found: Survey) -> tuple[str | None, int | None, str]:
    """Return the keys of `images` that say how files are read: project, timepoint, channels_in."""
    time = int(found.timepoints[0]) if len(found.timepoints) > 1 else None
    return "max" if found.planes > 1 else None, time, found.channels_in


# --- the config -------------------------------------------------------------------------------------


def choose_chunks(plates: Sequence[SurveyedPlate], cores: int) -> int:
    """Return the number of CellProfiler jobs per plate: one per core, more for large plates."""
    sites = max(len(plate.wells) * plate.sites for plate in plates)
    return max(1, min(sites, max(min(cores, sites // 4), -(-sites // SITES_PER_CHUNK))))


def make_config(found: Survey, names: Mapping[str, str], examples: Mapping[str, Any], cores: int) -> dict:
    """Return the config of the experiment.

    Parameters
    ----------
    found
        The survey.
    names
        Names of the channels by their labels.
    examples
        Images of each channel, by name.
    cores
        Cores of this machine.
    """
    project, timepoint, channels_in = get_reading(found)
    names_of_labels = {channel.label: channel.name for channel in found.channels}
    images = {
        "pattern": found.pattern,
        **({"channels_in": channels_in} if channels_in != "names" else {}),
        **({"project": project} if project else {}),
        **({"timepoint": timepoint} if timepoint is not None else {}),
        "bad_sites": "drop",
        **({"pixel_size": round(found.pixel_size, 5)} if found.pixel_size else {}),
    }
    channels = []
    largest = max((image.shape[0] for each in examples.values() for image in each[:1]), default=1080)
    for label, name in names.items():
        channel = {
            "name": name,
            "stain": names_of_labels[label] if names_of_labels[label] != name else "",
            "image": label,
        }
        sides = [image.shape[0] for image in examples.get(name, [])[:1]]
        if sides and sides[0] != largest:
            channel["scale"] = round(largest / sides[0], 6)
        channels.append(channel)
    unstained = find_unstained(examples)
    stained = {
        name: examples[name]
        for name in names.values()
        if name in examples and name not in unstained and not NO_STAIN.search(name)
    }
    nuclei = "DNA" if "DNA" in names.values() or not stained else guess_nuclei(stained)
    nuclei = nuclei if nuclei in names.values() else next(iter(names.values()))
    smallest, widest = guess_diameters(examples.get(nuclei, []))
    otsu = {"method": "Otsu", "classes": 2, "correction": 1, "bounds": [0, 1]}
    whole_cells = next((name for name in WHOLE_CELLS if name in names.values()), None)
    cells: dict[str, Any] = {"method": "Distance - N", "distance": max(3, round(0.3 * widest))}
    if whole_cells:
        cells = {"channel": whole_cells, "method": "Propagation", "threshold": dict(otsu)}
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "images": images,
        "plate_size": {
            "wells": max(len(plate.wells) for plate in found.plates),
            "sites": max(plate.sites for plate in found.plates),
            "image_size": largest,
        },
        "cellprofiler": {"chunks": choose_chunks(found.plates, cores)},
        "assay": {
            "channels": channels,
            "nuclei": {"channel": nuclei, "diameter": [smallest, widest], "threshold": dict(otsu)},
            "cells": cells,
        },
        "controls": {"column": "control_type", "negcon": "negcon"},
    }
    if max(len(plate.wells) for plate in found.plates) < FEW_WELLS:
        config |= {
            "normalize": {"to": ["all"], "minimum_wells": 2},
            "feature_select": {"reference": "all"},
            "benchmark": {"feature_sets": ["normalized_feature_select_plate"]},
        }
    return config


COMMENTS = {
    "results": "Where the results go; paths are relative to this file.",
    "plates": "The sample sheet, one row per plate.",
    "images": "How the images were found and are read; sites with faulty images are left out, and listed.",
    "plate_size": "From which the memory and time that jobs ask for are calculated.",
    "cellprofiler": "CellProfiler jobs per plate.",
    "assay": "The channels, and how nuclei and cells are found. Check this with the target "
    "segmentation_check.",
    "controls": "Which wells are negative controls: those with this value in this column of the plate map.",
    "normalize": "A plate with few wells is normalized to all of them; remove this with a full plate.",
    "feature_select": "",
    "benchmark": "",
}


def write_config(config: Mapping[str, Any], found: Survey) -> str:
    """Return the config as YAML, with a comment above each block."""
    parts = [f"# Drafted from {found.how}. All keys are in config/README.md.\n"]
    for key, value in config.items():
        comment = COMMENTS.get(key)
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=110)
        parts.append(f"\n# {comment}\n{text}" if comment else text)
    return "".join(parts)


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
    if not examples:
        raise InputError(f"{images}: none of the examined images can be read; the log gives the reasons.")
    config = make_config(found, names, examples, cores)
    unstained = find_unstained(examples)
    tasks = list_tasks(found, config, find_bits(found, names), unstained)
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
