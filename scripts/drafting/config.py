"""Write the config of a drafted experiment: what was found in the folder of images, and usual settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lib.channel_guess import NO_STAIN, WHOLE_CELLS, find_unstained, guess_diameters, guess_nuclei
from lib.surveys import Survey, SurveyedPlate

# Sites per CellProfiler job, at most.
SITES_PER_CHUNK = 300
# Wells of a plate with which normalization to a few negative controls makes sense.
FEW_WELLS = 16
COMMENTS = {
    "results": "Where the results go; paths are relative to this file.",
    "plates": "The sample sheet, one row per plate.",
    "images": "How the images were found and are read; sites with faulty images are left out, and listed.",
    "plate_size": "The plate's size, from which the memory and time that jobs request are calculated.",
    "cellprofiler": "CellProfiler jobs per plate.",
    "assay": "The channels, and how nuclei and cells are found. Check this with the target "
    "segmentation_check.",
    "controls": "Which wells are negative controls: those with this value in this column of the plate map.",
    "normalize": "A plate with few wells is normalized to all of them; remove this with a full plate.",
    "feature_select": "",
    "benchmark": "",
}


def get_reading(found: Survey) -> tuple[str | None, int | None, str]:
    """Return the keys of `images` that say how files are read: project, timepoint, channels_in."""
    time = int(found.timepoints[0]) if len(found.timepoints) > 1 else None
    return "max" if found.planes > 1 else None, time, found.channels_in


def choose_chunks(plates: Sequence[SurveyedPlate], cores: int) -> int:
    """Return the number of CellProfiler jobs per plate: one per core, more for large plates."""
    sites = max(len(plate.wells) * plate.sites for plate in plates)
    return max(1, min(sites, max(min(cores, sites // 4), -(-sites // SITES_PER_CHUNK))))


def describe_images(found: Survey) -> dict[str, Any]:
    """Return the config's `images`: how images are found and read."""
    project, timepoint, channels_in = get_reading(found)
    return {
        "pattern": found.pattern,
        **({"channels_in": channels_in} if channels_in != "names" else {}),
        **({"project": project} if project else {}),
        **({"timepoint": timepoint} if timepoint is not None else {}),
        "bad_sites": "drop",
        **({"pixel_size": round(found.pixel_size, 5)} if found.pixel_size else {}),
    }


def describe_channels(
    found: Survey, names: Mapping[str, str], examples: Mapping[str, Any], largest: int
) -> list[dict[str, Any]]:
    """Return the config's `assay.channels`.

    Parameters
    ----------
    found
        The survey.
    names
        Names of the channels by their labels.
    examples
        Images of each channel, by name.
    largest
        The height in pixels of the largest images; those of other channels are scaled to it.
    """
    names_of_labels = {channel.label: channel.name for channel in found.channels}
    channels = []
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
    return channels


def choose_nuclei(names: Sequence[str], examples: Mapping[str, Any]) -> str:
    """Return the channel in which nuclei are found: DNA, or the stained channel that looks most like it."""
    unstained = find_unstained(examples)
    stained = {
        name: examples[name]
        for name in names
        if name in examples and name not in unstained and not NO_STAIN.search(name)
    }
    nuclei = "DNA" if "DNA" in names or not stained else guess_nuclei(stained)
    return nuclei if nuclei in names else names[0]


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
    largest = max((image.shape[0] for each in examples.values() for image in each[:1]), default=1080)
    nuclei = choose_nuclei(list(names.values()), examples)
    smallest, widest = guess_diameters(examples.get(nuclei, []))
    otsu = {"method": "Otsu", "classes": 2, "correction": 1, "bounds": [0, 1]}
    whole_cells = next((name for name in WHOLE_CELLS if name in names.values()), None)
    cells: dict[str, Any] = {"method": "Distance - N", "distance": max(3, round(0.3 * widest))}
    if whole_cells:
        cells = {"channel": whole_cells, "method": "Propagation", "threshold": dict(otsu)}
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "images": describe_images(found),
        "plate_size": {
            "wells": max(len(plate.wells) for plate in found.plates),
            "sites": max(plate.sites for plate in found.plates),
            "image_size": largest,
        },
        "cellprofiler": {"chunks": choose_chunks(found.plates, cores)},
        "assay": {
            "channels": describe_channels(found, names, examples, largest),
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


def write_config(config: Mapping[str, Any], found: Survey) -> str:
    """Return the config as YAML, with a comment above each block."""
    parts = [f"# Drafted from {found.how}. All keys are in config/README.md.\n"]
    for key, value in config.items():
        comment = COMMENTS.get(key)
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=110)
        parts.append(f"\n# {comment}\n{text}" if comment else text)
    return "".join(parts)
