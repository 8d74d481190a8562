"""Write the plate maps of a batch as the Cell Painting Gallery stores them, with `barcode_platemap.csv`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib.errors import InputError
from lib.files import write_whole_folder
from lib.gallery_tables import get_map_names, read_gallery_map
from lib.logs import log_to


def write_metadata(plates: Sequence[Mapping[str, str]], maps: Sequence[Path], folder: Path) -> None:
    """Write the plate maps of a batch and the table of which plate has which.

    Parameters
    ----------
    plates
        The batch's rows of the sample sheet.
    maps
        The plate map of each.
    folder
        The folder to write.

    Raises
    ------
    InputError
        If two plate maps with one name differ.
    """
    names = get_map_names(plates, maps)
    with write_whole_folder(folder) as part:
        barcodes = {"Assay_Plate_Barcode": [p["plate"] for p in plates], "Plate_Map_Name": names}
        pd.DataFrame(barcodes).to_csv(part / "barcode_platemap.csv", index=False)
        (part / "platemap").mkdir()
        for plate, path, name in zip(plates, maps, names, strict=True):
            text = read_gallery_map(path, name, plate["plate"]).to_csv(sep="\t", index=False)
            file = part / "platemap" / f"{name}.txt"
            if file.exists() and file.read_text() != text:
                raise InputError(f"{path}: another plate map of the batch has the name {name}; rename one.")
            file.write_text(text)


def main(plates: Sequence[Mapping[str, str]], maps: Sequence[str], output: str) -> None:
    """Write the folder of a batch, from the plate maps of its plates in the same order."""
    write_metadata(plates, [Path(path) for path in maps], Path(output))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.params.plates, snakemake.params.maps, snakemake.output.metadata)
