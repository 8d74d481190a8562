"""Write a plate's results as the Cell Painting Gallery stores them, ready to be uploaded.

The image tables name images by their URL in the dataset, CellProfiler's tables are CSV files in a folder per
site, and profiles are gzipped CSV.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from export import write_csv
from lib.files import write_whole_folder
from lib.gallery_tables import add_urls, divide_by_site, find_images_folder
from lib.logs import log_to
from lib.tables import EMPTY_IS_MISSING, read_profiles


def write_image_tables(
    tables: Sequence[Path], images: Path, prefix: str, batch: str, plate: str, folder: Path
) -> None:
    """Write image tables, with and without illumination functions, with URLs.

    Parameters
    ----------
    tables
        The image tables of the results.
    images
        The plate's folder of images, or the user's image table.
    prefix
        The dataset's address.
    batch, plate
        The plate.
    folder
        The folder to write.
    """
    with write_whole_folder(folder) as part:
        for path in tables:
            table = pd.read_csv(path, dtype=str, **EMPTY_IS_MISSING)
            place = find_images_folder(images, table)
            add_urls(table, place, prefix, batch, plate).to_csv(part / path.name, index=False)


def write_analysis(chunks: Sequence[Path], plate: str, folder: Path) -> None:
    """Write CellProfiler's tables of each site, as `analysis/{plate}-{well}-{site}/{table}.csv`."""
    with write_whole_folder(folder) as part:
        for chunk in chunks:
            for well, site, tables in divide_by_site(chunk):
                of_site = part / "analysis" / f"{plate}-{well}-{site}"
                of_site.mkdir(parents=True)
                for name, table in tables.items():
                    table.write_csv(of_site / f"{name}.csv")


def write_profiles(profiles: Sequence[Path], folder: Path) -> None:
    """Write every level of a plate's profiles as gzipped CSV."""
    with write_whole_folder(folder) as part:
        for path in profiles:
            write_csv(read_profiles(path), part / f"{path.stem}.csv.gz")


def main(
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
    plate: Mapping[str, str],
    images: str,
    prefix: str,
) -> None:
    """Write the plate's folders.

    Parameters
    ----------
    inputs
        Paths of the two image tables (`load_data`), CellProfiler's `tables` (folders of chunks), `profiles`
        and illumination `functions`.
    outputs
        The folders to write: `load_data`, `analysis`, `profiles` and `illum`.
    plate
        The plate's row of the sample sheet.
    images
        The folder of the plate's images.
    prefix
        The address of the dataset (`gallery.prefix`).
    """
    batch, name = plate["batch"], plate["plate"]
    tables = [Path(path) for path in inputs["load_data"]]
    write_image_tables(tables, Path(images), prefix, batch, name, Path(outputs["load_data"]))
    write_analysis([Path(chunk) for chunk in inputs["tables"]], name, Path(outputs["analysis"]))
    write_profiles([Path(path) for path in inputs["profiles"]], Path(outputs["profiles"]))
    with write_whole_folder(Path(outputs["illum"])) as part:
        for function in inputs["functions"]:
            shutil.copy(function, part)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            {
                "load_data": [snakemake.input.load_data, snakemake.input.with_illum],
                **{name: list(snakemake.input[name]) for name in ("tables", "profiles", "functions")},
            },
            {name: snakemake.output[name] for name in ("load_data", "analysis", "profiles", "illum")},
            snakemake.params.plate,
            snakemake.params.images,
            snakemake.params.prefix,
        )
