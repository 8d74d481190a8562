"""Published profiles enter with the notices of how they were read; clean ones have none."""

import logging

import pandas as pd
import pytest

from cases.profiles import PLATE, make_profiles
from import_profiles import main
from lib.config import complete_config
from lib.tables import read_profiles, read_provenance
from small_config import SMALL

pytestmark = pytest.mark.unit

CONFIG = complete_config(SMALL, "config.yaml")
PARAMETERS = {
    "gene": None,
    "missing": {name: CONFIG[name] for name in ("missing_values", "controls", "plate_maps")},
    "metadata": [],
    "sharing": ["P1"],
    "unwanted": [],
    "identifiers": [],
    "minimum_cells": 1,
    "outlier_cutoff": 1000,
}


def get_notices(folder, profiles: pd.DataFrame, annotation: str = "") -> list[str]:
    """Import profiles with an annotation, and return the notices in the provenance."""
    profiles.to_csv(folder / "p.csv", index=False)
    (folder / "known.csv").write_text(annotation)
    known = str(folder / "known.csv") if annotation else ""
    main(str(folder / "p.csv"), known, str(folder / "out.parquet"), PLATE, PARAMETERS)
    assert len(read_profiles(folder / "out.parquet")) == len(profiles)
    return read_provenance(folder / "out.parquet").get("notices", [])


def test_clean_profiles_have_no_notice(tmp_path):
    assert get_notices(tmp_path, make_profiles()) == []
    assert get_notices(tmp_path, make_profiles(), "broad_sample,gene\nx,TP53\ny,MDM2\nDMSO,\n") == []


def test_documented_names_of_wells_and_plates_are_no_notice(tmp_path):
    names = {"Metadata_Well": "Metadata_well_position", "Metadata_Plate": "Metadata_Assay_Plate_Barcode"}
    assert get_notices(tmp_path, make_profiles().rename(columns=names)) == []
    others = make_profiles().assign(Row="A", passage=3)
    assert get_notices(tmp_path, others) == ["not features, and kept as metadata: Row, passage"]


def test_what_is_read_differently_is_in_the_notices_and_in_the_log(tmp_path, caplog):
    profiles = make_profiles().assign(Metadata_gene=["TP53", "n/a", "", "TP53", "n/a", ""])
    with caplog.at_level(logging.WARNING):
        notices = get_notices(tmp_path, profiles, "broad_sample,moa\nx,NULL\ny,b\nDMSO,\n")
    assert notices == [
        "taken as empty: n/a in 2 rows of Metadata_gene",
        "known.csv: taken as empty: NULL in 1 rows of moa",
    ]
    assert "p.csv: taken as empty: n/a in 2 rows" in caplog.text


def test_notices_do_not_name_the_plate_so_that_those_of_all_plates_are_alike(tmp_path):
    profiles = make_profiles().assign(Metadata_cell_line="U2OS")
    profiles.to_csv(tmp_path / "p.csv", index=False)
    plate = {**PLATE, "cell_line": "A549"}
    main(str(tmp_path / "p.csv"), "", str(tmp_path / "out.parquet"), plate, PARAMETERS)
    (notice,) = read_provenance(tmp_path / "out.parquet")["notices"]
    assert notice.startswith("the sample sheet says A549 for Metadata_cell_line")
