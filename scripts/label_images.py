"""Number the objects of label images as CellProfiler does, and count how nuclei and cells belong together.

Label images of another program replace CellProfiler's segmentation. Their objects keep their pixels and get
the numbers 1, 2, 3, ...; a nucleus and its cell have the same one. Nuclei and cells without a partner are
also measured, but the single-cell table lacks them; the table of this step counts and names them per site.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from lib.errors import InputError, join_names
from lib.files import write_whole_folder
from lib.image_changes import write_digests
from lib.label_files import SiteKey
from lib.label_images import (
    LabelError,
    Labels,
    name_numbered_labels,
    number_objects,
    pair_labels,
    read_pixels,
    write_labels,
)
from lib.logs import log_to
from lib.tables import EMPTY_IS_MISSING, write_whole

# The kinds of objects without a partner, as `Relations` names them.
UNPAIRED = ("nuclei_outside", "further_nuclei", "cells_without_nucleus", "cells_inside_nuclei")
# The share of cells or nuclei without a partner above which there is a warning.
MANY = 0.5


def read_labels(path: Path, mask: bool | None, plate: str) -> Labels:
    """Read one label image; an error names the plate and the file."""
    try:
        return number_objects(read_pixels(path), mask)
    except LabelError as error:
        raise InputError(f"Plate {plate}: the label image {path} {error}.") from error


def number_site(
    files: Mapping[str, Path],
    masks: Mapping[str, bool | None],
    site: SiteKey,
    options: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Number the objects of one site, and write its label images.

    Parameters
    ----------
    files
        The label image of each kind of object (Nuclei, Cells).
    masks
        For each kind, whether the file is black and white; None for labels that this workflow made.
    site
        The well and the site.
    options
        `plate` (its name) and `cytoplasm` (whether it is measured).
    folder
        Where the label images are written.

    Returns
    -------
    The row of the site: its counts, and the objects without a partner.
    """
    labels = {name: read_labels(path, masks[name], options["plate"]) for name, path in files.items()}
    row: dict[str, Any] = {
        "Metadata_Plate": options["plate"],
        "Metadata_Well": site[0],
        "Metadata_Site": site[1],
    }
    pixels = {name: each.pixels for name, each in labels.items()}
    row |= {f"{name.lower()}": len(each) for name, each in labels.items()}
    row |= {f"unused_numbers_{name.lower()}": each.gaps for name, each in labels.items()}
    if {"Nuclei", "Cells"} <= set(pixels):
        shapes = {name: each.shape for name, each in pixels.items()}
        if len(set(shapes.values())) > 1:
            raise InputError(
                f"Plate {options['plate']}, well {site[0]}, site {site[1]}: the label images of nuclei and "
                f"cells differ in size: {shapes['Nuclei']} and {shapes['Cells']}."
            )
        relations = pair_labels(pixels["Nuclei"], pixels["Cells"], options["cytoplasm"])
        pixels = {"Nuclei": relations.nuclei, "Cells": relations.cells}
        row["pairs"] = relations.pairs
        for kind in UNPAIRED:
            numbers = getattr(relations, kind)
            row[kind] = len(numbers)
            row[f"{kind}_numbers"] = " ".join(map(str, numbers))
    for name, each in pixels.items():
        write_labels(each, folder / name_numbered_labels(*site, name))
    return row


def warn_about_unpaired(table: pd.DataFrame, plate: str) -> None:
    """Report the objects of a plate that have no partner, and the sites with most of them."""
    if "pairs" not in table:
        return
    for kind in UNPAIRED:
        if number := int(table[kind].sum()):
            most = table.sort_values(kind, ascending=False).head(3)
            where = [f"{row.Metadata_Well} site {row.Metadata_Site}" for row in most.itertuples()]
            words = kind.replace("_", " ")
            logging.info("plate %s: %d %s, most of them in %s", plate, number, words, join_names(where))
    for kind in ("nuclei", "cells"):
        total = int(table[kind].sum())
        alone = total - int(table["pairs"].sum())
        if total and alone > MANY * total:
            logging.warning(
                "plate %s: %d of %d %s have no partner, so that the single-cell table lacks them. Do the "
                "label images belong to these sites, and is each object numbered?",
                plate,
                alone,
                total,
                kind,
            )


def main(
    sites: Iterable[tuple[SiteKey, Mapping[str, Path]]],
    masks: Mapping[str, bool | None],
    options: Mapping[str, Any],
    outputs: Mapping[str, str | Path],
    threads: int,
) -> None:
    """Number the objects of all sites.

    Parameters
    ----------
    sites
        Each site with the label image of each kind of object.
    masks
        For each kind, whether the files are black and white; None for labels that this workflow made.
    options
        `plate` and `cytoplasm`.
    outputs
        The folder `labels` and the table `relations`.
    threads
        Number of sites at once.
    """
    with write_whole_folder(Path(outputs["labels"])) as folder, ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(lambda each: number_site(each[1], masks, each[0], options, folder), sites))
    table = pd.DataFrame(rows)
    warn_about_unpaired(table, options["plate"])
    with write_whole(outputs["relations"]) as part:
        table.to_csv(part, index=False)


def find_files(table: pd.DataFrame, objects: Sequence[str], folders: Sequence[str]) -> list[dict[str, Path]]:
    """Return each site's label images: those of the image table, or those that are in `folders`."""
    written = {path.name: path for folder in folders for path in Path(folder).glob("*.tiff")}
    files = []
    for row in table.to_dict("records"):
        found = {}
        for name in objects:
            if f"FileName_Labels{name}" in table:
                found[name] = Path(row[f"PathName_Labels{name}"], row[f"FileName_Labels{name}"])
            else:
                found[name] = written[name_numbered_labels(row["Metadata_Well"], row["Metadata_Site"], name)]
        files.append(found)
    return files


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        params, inputs = snakemake.params, snakemake.input
        images = pd.read_csv(inputs.load_data, dtype=str, **EMPTY_IS_MISSING)
        keys = ["Metadata_Well", "Metadata_Site"]
        if inputs.chosen:
            chosen = pd.read_csv(inputs.chosen, dtype=str, **EMPTY_IS_MISSING)[keys]
            images = chosen.merge(images, on=keys)
        label_files = find_files(images, list(params.masks), list(inputs.segmented))
        site_keys = list(zip(*(images[key] for key in keys), strict=True))
        main(
            zip(site_keys, label_files, strict=True),
            params.masks,
            {"plate": params.plate, "cytoplasm": params.cytoplasm},
            {"labels": snakemake.output.labels, "relations": snakemake.output.relations},
            snakemake.threads,
        )
        # The segmentation check, which has only some sites, records no digests.
        for source, record in zip(params.sources, snakemake.output.get("digests", []), strict=False):
            write_digests(Path(source["folder"]), source["pattern"], record, snakemake.threads)
