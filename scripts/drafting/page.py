"""Write the page of a drafted experiment: what was found, what is left to do, an image of each channel."""

import html
import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lib.channel_guess import NO_STAIN, NUCLEI
from lib.errors import join_names, number_of
from lib.illumination import RECOMMENDED_IMAGES
from lib.name_parts import LETTERS, is_channel
from lib.pictures import (
    STAINS,
    Montage,
    Tile,
    choose_colors,
    compose,
    crop_center,
    draw_montage,
    find_contrast,
    resize_to_tile,
    stretch,
)
from lib.surveys import Survey, get_map_name

TILE = 360
# A number that no letter just before it explains, and the word before that, if there is one.
PLAIN_CHANNEL = re.compile(
    r"(?:(?<![A-Za-z\\])(?P<word>[A-Za-z]+)[^A-Za-z0-9()]+|(?<![A-Za-z]))\(\?P<channel>\\d\+\)"
)
STYLE = (
    "body{font:16px sans-serif;max-width:70em;margin:2em auto}"
    "td,th{padding:.2em 1em;text-align:left}img{max-width:100%}"
)


def draw_composite(
    examples: Mapping[str, Sequence[np.ndarray]],
    config: Mapping[str, Any],
    plate: str,
    unstained: Collection[str],
) -> bytes:
    """Draw one image of each channel, and the composite of the stained ones, as PNG.

    Parameters
    ----------
    examples
        Images of each channel.
    config
        The drafted config.
    plate
        The plate's name.
    unstained
        The channels that show no stain.
    """
    assay = config["assay"]
    tiles, stained = [], {}
    for channel in assay["channels"]:
        name = channel["name"]
        if not examples.get(name):
            continue
        image = examples[name][0]
        gray = stretch(crop_center(image, min(image.shape)), find_contrast([image]))
        small = resize_to_tile(gray, TILE)
        tiles.append(Tile(small, [name, f"image: {channel['image']}"], len(gray) / len(small)))
        if name not in unstained:
            stained[name] = small
    # Nuclei are blue, whatever their channel is called.
    nuclei = assay["nuclei"]["channel"]
    channels = [
        {**each, "color": STAINS["DNA"]} if each["name"] == nuclei else each for each in assay["channels"]
    ]
    colors = {name: color for name, color in choose_colors(channels).items() if name in stained}
    if colors and len({stained[name].shape for name in colors}) == 1:
        tiles.insert(
            0,
            Tile(
                compose(stained, colors),
                ["composite", f"of {number_of(len(colors), 'channel')} with stains"],
                tiles[0].zoom,
            ),
        )
    montage = Montage(f"Plate {plate}", tiles, 4, config["images"].get("pixel_size"))
    buffer = BytesIO()
    draw_montage(montage).save(buffer, format="png")
    return buffer.getvalue()


def list_tasks(
    found: Survey,
    config: Mapping[str, Any],
    bits: int | None,
    unstained: Collection[str],
    unread: Collection[str] = (),
) -> list[str]:
    """Return what is left to fill in or to check, as sentences.

    Parameters
    ----------
    found
        What the folder of images contains.
    config
        The drafted config.
    bits
        The bits of the camera, if the images look like those of a camera of 10 to 14 bits.
    unstained
        The channels that show no stain.
    unread
        The channels of which no image could be read.
    """
    tasks = [
        *get_table_tasks(found),
        *get_name_tasks(found),
        *get_channel_tasks(config["assay"], unstained, unread),
        get_segmentation_task(config["assay"]),
        *get_image_tasks(found, config, bits),
    ]
    if found.ignored:
        tasks.append(
            f"{number_of(len(found.ignored), 'file')} in the folder "
            f"{'is' if len(found.ignored) == 1 else 'are'} not used: {join_names(found.ignored, 5)}."
        )
    return tasks


def get_table_tasks(found: Survey) -> list[str]:
    """Return what is left to do in the plate map and the sample sheet."""
    maps = join_names(dict.fromkeys(map(get_map_name, found.plates)))
    tasks = [
        f"{maps}: write what is in each well into `broad_sample` (the same name for replicates), and "
        "`negcon` into `control_type` for the negative controls. A well without a `broad_sample` is empty. "
        "Plates with other layouts need plate maps of their own: copy the file, and name it in `plates.tsv`.",
        "plates.tsv: check the names of the plates, and fill in `perturbation` (compound, crispr, orf), "
        "`cell_line` and `timepoint` (hours).",
    ]
    of_guessed_format = [plate for plate in found.plates if plate.is_guessed]
    if of_guessed_format:
        rows, columns = of_guessed_format[0].shape
        tasks.append(
            f"{get_map_name(of_guessed_format[0])}: the plate format ({rows * columns} wells) was guessed "
            "from the wells with images. The other wells may or may not exist."
        )
    return tasks


def get_name_tasks(found: Survey) -> list[str]:
    """Return what is left to check in the names of files: repeated images, and numbers of channels."""
    if found.lost:
        return [
            f"config.yaml, images.pattern: the images of channel {join_names(found.lost)} are not in the "
            "folders of planes or time points, as the others are, and are not read. If MetaXpress wrote an "
            "index (.HTD), copy it beside the images, and draft again."
        ]
    repeated = next((plate for plate in found.plates if plate.repeated), None)
    if repeated:
        return [
            f"config.yaml, images.pattern: several files of plate {repeated.name} are one image by their "
            f"names, as are {join_names(repeated.repeated)}. Move the files that are not to be measured to "
            "another folder, or write a pattern that does not fit them."
        ]
    plain = PLAIN_CHANNEL.search(found.pattern)
    if not plain or (plain["word"] or "").lower() in LETTERS["channel"]:
        return []
    if all(is_channel(channel.label) for channel in found.channels):
        return []
    sites = "(?P<site>" in found.pattern
    return [
        "config.yaml, images.pattern: the names of the files do not say what their numbers are; "
        f"{join_names((channel.label for channel in found.channels), 6)} are taken for the channels"
        + (
            ". If all pictures on this page show one stain, exchange `channel` and `site` in the pattern."
            if sites
            else ". If they are the sites, write `site` instead of `channel` into the pattern."
        )
    ]


def get_channel_tasks(
    assay: Mapping[str, Any], unstained: Collection[str], unread: Collection[str]
) -> list[str]:
    """Return which channels have no images, lack a name, or are probably images of transmitted light."""
    tasks = []
    if unread:
        tasks.append(
            f"config.yaml, assay.channels: none of the examined images of {join_names(unread)} is there and "
            "can be read. Copy them, or remove the channel; without them, no site is complete."
        )
    unnamed = [channel for channel in assay["channels"] if channel["name"].startswith("Channel")]
    if unnamed:
        tasks.append(
            f"config.yaml, assay.channels: replace {join_names(channel['name'] for channel in unnamed)} with "
            f"the {'name of the stain' if len(unnamed) == 1 else 'names of the stains'}, here and under "
            "assay.nuclei and assay.cells. Features are named after channels."
        )
    even = [channel for channel in unstained if not NO_STAIN.search(channel)]
    if even:
        tasks.append(
            f"config.yaml, assay.channels: the images of {join_names(even)} are uniform, as those of "
            "transmitted light are. Name such a channel Brightfield (or BrightfieldHigh, ...), so that it "
            "is left out of composites. You may remove a channel that you do not need."
        )
    return tasks


def get_segmentation_task(assay: Mapping[str, Any]) -> str:
    """Return how nuclei and cells are found, to be checked in their outlines."""
    nuclei, cells = assay["nuclei"]["channel"], assay["cells"]
    guessed = "" if NUCLEI.search(nuclei) else ", guessed from what the images show,"
    return (
        f"config.yaml, assay: nuclei are found in {nuclei}{guessed} with diameters from "
        f"{assay['nuclei']['diameter'][0]} to {assay['nuclei']['diameter'][1]} pixels, and cells "
        + (
            f"in {cells['channel']}"
            if "channel" in cells
            else f"by growing nuclei by {cells['distance']} pixels"
        )
        + ". Look at the outlines first: run the target `segmentation_check`."
    )


def get_image_tasks(found: Survey, config: Mapping[str, Any], bits: int | None) -> list[str]:
    """Return what is left to do about illumination, pixel size, planes, time points and the camera's bits.

    `bits` are those of the camera, if the images look like those of a camera of 10 to 14 bits.
    """
    tasks = []
    if few := [plate for plate in found.plates if len(plate.wells) * plate.sites < RECOMMENDED_IMAGES]:
        images = len(few[0].wells) * few[0].sites
        tasks.append(
            f"config.yaml, assay: plate {few[0].name} has {number_of(images, 'image')} per channel. With "
            f"fewer than {RECOMMENDED_IMAGES}, an illumination function may show cells rather than the "
            "illumination. Add `illumination: {apply: None}`; or, if the images are unevenly lit, "
            "`illumination: {smoothing: Fit Polynomial}`."
        )
    if "pixel_size" not in config["images"]:
        tasks.append("config.yaml, images.pixel_size: the width of a pixel in micrometers, for scale bars.")
    if found.planes > 1:
        tasks.append(
            f"config.yaml, images.project: each image has up to {found.planes} planes, and their maximum is "
            "used; the alternatives are mean, sum, best_focus or a plane's number."
        )
    if len(found.timepoints) > 1:
        tasks.append(
            "config.yaml, images.timepoint: the images are of the time points "
            f"{join_names(found.timepoints, 8)}; one is measured."
        )
    if bits:
        tasks.append(
            f"config.yaml, images.maximum: the images look like those of a camera of {bits} bits; set it to "
            f"{2**bits - 1} if they are, so that an intensity of 1 is the brightest that it can record."
        )
    return tasks


def mark_code(text: str) -> str:
    """Return HTML in which each word between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def write_page(found: Survey, tasks: Sequence[str], picture: bytes, folder: Path) -> str:
    """Return the page of what was found and what is left to do, as HTML.

    Parameters
    ----------
    found
        What the folder of images contains.
    tasks
        What is left to do, in order.
    picture
        A PNG picture with one image of each channel.
    folder
        The folder of the drafted experiment.
    """
    rows = "".join(
        f"<tr><td>{html.escape(plate.name)}</td><td>{len(plate.wells)} of "
        f"{plate.shape[0] * plate.shape[1]}</td>"
        f"<td>{plate.sites}</td><td>{html.escape(str(plate.folder))}</td></tr>"
        for plate in found.plates
    )
    items = "".join(
        f"<li><label><input type=checkbox> {mark_code(html.escape(task))}</label></li>" for task in tasks
    )
    config = html.escape(str(folder / "config.yaml"))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Draft: {html.escape(folder.name)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(folder.name)}</h1>"
        f"<p>Found by {html.escape(found.how)}.</p>"
        f"<table><tr><th>plate</th><th>wells with images</th><th>sites per "
        f"well</th><th>folder</th></tr>{rows}</table>"
        f"<h2>What is left to do</h2><ol>{items}</ol>"
        f"<p>Then run:</p><pre>snakemake --cores N segmentation_check --configfile {config}\n"
        f"snakemake --cores N --configfile {config}</pre>"
        f'<img alt="One image of each channel" src="data:image/png;base64,{b64encode(picture).decode()}">'
        "</html>\n"
    )
