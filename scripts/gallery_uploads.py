"""Write the table of what is uploaded to the Cell Painting Gallery: each folder, and its address there."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib.files import write_whole
from lib.gallery_tables import find_images_folder, get_full_name
from lib.logs import log_to
from lib.plates import is_address, is_image_table
from lib.tables import EMPTY_IS_MISSING


def list_uploads(plates: Sequence[Mapping[str, str]], folders: Sequence[Path], prefix: str) -> pd.DataFrame:
    """Return the folders of raw images and their addresses, after those of the results.

    Parameters
    ----------
    plates
        Rows of the sample sheet with `batch`, `plate` and `images`.
    folders
        The folder of each plate's images, or its image table.
    prefix
        The dataset's address.
    """
    rows = [
        ("gallery/images", f"{prefix}/images"),
        ("gallery/workspace", f"{prefix}/workspace"),
        ("gallery/workspace_dl", f"{prefix}/workspace_dl"),
    ]
    rows = [row for row in rows if Path(row[0]).is_dir()]
    for plate, images in zip(plates, folders, strict=True):
        if is_address(plate["images"]):
            continue
        if is_image_table(images.name):
            table = Path("workspace/load_data_csv", plate["batch"], plate["plate"], "load_data.csv")
            images = find_images_folder(images, pd.read_csv(table, dtype=str, **EMPTY_IS_MISSING))
        folder, name = get_full_name(images, plate["plate"])
        rows.append((str(folder), f"{prefix}/images/{plate['batch']}/images/{name}"))
    return pd.DataFrame(rows, columns=["folder", "address"])


def main(plates: Sequence[Mapping[str, str]], folders: Sequence[str], prefix: str, output: str) -> None:
    """Write the table of uploads.

    Parameters
    ----------
    plates
        The plates that start with images: batch, name and images.
    folders
        The folder of each plate's images.
    prefix
        The address of the dataset (`gallery.prefix`).
    output
        The table (csv).
    """
    table = list_uploads(plates, [Path(folder) for folder in folders], prefix)
    with write_whole(output) as part:
        table.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.params.plates,
            snakemake.params.folders,
            snakemake.params.prefix,
            snakemake.output.uploads,
        )
