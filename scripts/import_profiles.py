"""Bring a plate's published profiles into the results, at the level where they enter the chain.

A file may hold several plates; the rows of this plate are taken. CellProfiler's own prefix
`Image_Metadata_` is read as `Metadata_`, wells become `A01`, and a barcode of digits is found where the file
holds it as a number.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lib.errors import InputError, listed
from lib.experiment import same_number
from lib.logs import logged
from lib.plates import KNOWN
from lib.tables import feature_columns, provenance, read_profiles, write_profiles
from lib.wells import well_name


def published_profiles(path: str | Path, plate: Mapping[str, str]) -> pd.DataFrame:
    """The rows of `plate` in a published profile, with the sample sheet's columns as metadata.

    Raises:
        InputError: when the file has no well of the plate, a well twice, or no feature.
    """
    profiles = read_profiles(path)
    name = plate["plate"]
    if "Metadata_Plate" in profiles:
        listed_plates = profiles["Metadata_Plate"].dropna().unique().tolist()
        meant = [name] if name in listed_plates else same_number(name, listed_plates)
        if len(meant) != 1:
            raise InputError(
                f"{path} has no well of plate {name}; it has {listed(listed_plates, 5)}. The sample sheet's "
                "`plate` is the file's Metadata_Plate."
            )
        profiles = profiles[profiles["Metadata_Plate"] == meant[0]].reset_index(drop=True)
    features = feature_columns(profiles)
    if not features:
        raise InputError(f"{path}: no feature column; every column starts with Metadata_.")
    try:
        profiles["Metadata_Well"] = [well_name(well) for well in profiles["Metadata_Well"]]
    except InputError as error:
        raise InputError(f"{path}, plate {name}: {error}") from error
    twice = profiles["Metadata_Well"][profiles["Metadata_Well"].duplicated()].unique()
    if len(twice):
        raise InputError(f"{path}, plate {name}: well {listed(twice)} stands there more than once.")
    constant = {"Metadata_Batch": plate["batch"], "Metadata_Plate": name}
    constant |= {
        f"Metadata_{column}": value or pd.NA
        for column, value in plate.items()
        if (column not in KNOWN or column in ("perturbation", "cell_line", "timepoint"))
        and (value or f"Metadata_{column}" not in profiles)
    }
    of_plate = pd.DataFrame(constant, index=profiles.index, dtype="str")
    rest = profiles.drop(columns=[column for column in of_plate if column in profiles])
    return pd.concat([of_plate, rest], axis=1)


def main() -> None:
    """Write the plate's profiles as Parquet."""
    plate = snakemake.params.plate
    profiles = published_profiles(snakemake.input.profiles, plate)
    made_by = provenance({"plate": plate}, [snakemake.input.profiles])
    write_profiles(profiles, snakemake.output.profiles, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
