"""Bring a plate's published profiles into the results, at the level where they enter the chain.

A file may hold several plates; the rows of this plate are taken. CellProfiler's own prefix
`Image_Metadata_` is read as `Metadata_`, wells become `A01`, and a barcode of digits is found where the file
holds it as a number. What the profiles do not say of their reagents (genes, targets, controls) comes from the
annotation table of the perturbation type, where the config names one.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lib.errors import InputError, listed
from lib.layouts import SAMPLE_COLUMNS
from lib.logs import logged
from lib.plate_contents import known_wells, read_annotation
from lib.plates import KNOWN, same_number
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


def described(profiles: pd.DataFrame, annotation: pd.DataFrame) -> pd.DataFrame:
    """`profiles` with the annotation's columns that they lack, joined by `broad_sample` (JUMP: JCP2022)."""
    name = next((name for name in SAMPLE_COLUMNS if f"Metadata_{name}" in profiles), None)
    if name is None:
        logging.warning(
            "the profiles have no column %s: nothing of the annotation is joined to them",
            listed(f"Metadata_{name}" for name in SAMPLE_COLUMNS),
        )
        return profiles
    features = feature_columns(profiles)
    of_wells = profiles.drop(columns=features).rename(columns=lambda column: column.removeprefix("Metadata_"))
    of_wells = of_wells.assign(broad_sample=of_wells[name].fillna(""))
    if unknown := sorted(set(of_wells["broad_sample"]) - set(annotation["broad_sample"]) - {""}):
        logging.warning("the annotation does not know %d broad_sample: %s", len(unknown), listed(unknown, 20))
    known = known_wells(of_wells, annotation).replace("", pd.NA).add_prefix("Metadata_")
    joined = known[[column for column in known if column not in profiles]].set_axis(profiles.index)
    return pd.concat([profiles.drop(columns=features), joined, profiles[features]], axis=1)


def main() -> None:
    """Write the plate's profiles as Parquet."""
    plate, gene = snakemake.params.plate, snakemake.params.gene
    profiles = published_profiles(snakemake.input.profiles, plate)
    inputs = [snakemake.input.profiles]
    if snakemake.input.annotation:
        profiles = described(profiles, read_annotation(snakemake.input.annotation, gene))
        inputs.append(snakemake.input.annotation)
    write_profiles(profiles, snakemake.output.profiles, provenance({"plate": plate, "gene": gene}, inputs))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
