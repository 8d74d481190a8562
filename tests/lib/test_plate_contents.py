"""What names the content of a well: broad_sample, a column of the config, or that of the replicates."""

from dataclasses import replace

import pandas as pd
import pytest

from lib.config import name_columns
from lib.controls import find_control_kinds
from lib.errors import InputError
from lib.plate_contents import join_annotation, read_annotation, read_known_wells, read_plate_map
from lib.values import MissingValues

pytestmark = pytest.mark.unit

# A published plate map of a lab without broad_sample.
ROWS = [
    "cell_line,row,column,well,seeding_density,condition",
    "U2OS,A,1,A01,1000,DMSO",
    "U2OS,A,2,A02,1000,drug X",
    "U2OS,B,1,B01,2000,untreated",
    "U2OS,B,2,B02,2000,",
]


def missing(sample: str = "", group: str = "broad_sample", control=None) -> MissingValues:
    return MissingValues(control=control, samples=(sample, group))


@pytest.fixture
def plate_map(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("\n".join(ROWS))
    return file


def test_a_named_column_says_what_is_in_each_well(plate_map):
    found = read_plate_map(plate_map, missing=missing("condition"))
    assert found["broad_sample"].tolist() == ["DMSO", "drug X", "", ""]
    assert found["seeding_density"].tolist() == ["1000", "1000", "2000", "2000"]
    assert found["condition"].tolist() == ["DMSO", "drug X", "", ""]


def test_without_one_it_is_the_column_that_replicates_share(plate_map):
    found = read_plate_map(plate_map, missing=missing(group="condition"))
    assert found["broad_sample"].tolist() == ["DMSO", "drug X", "", ""]


def test_a_control_may_be_called_untreated(plate_map):
    found = read_plate_map(plate_map, missing=missing("condition", control=("condition", "untreated|DMSO")))
    assert found["condition"].tolist() == ["DMSO", "drug X", "untreated", ""]


def test_no_such_column_is_answered_with_the_key(plate_map):
    with pytest.raises(InputError, match=r"as in plate_maps: \{sample: condition\}"):
        read_plate_map(plate_map, missing=missing())


def test_the_named_column_has_priority_and_loses_nothing(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("well,broad_sample,compound\nA01,BRD-1,x\nA02,BRD-2,y\n")
    found = read_plate_map(file, missing=missing("compound"))
    assert found["broad_sample"].tolist() == ["x", "y"]
    assert found["table_broad_sample"].tolist() == ["BRD-1", "BRD-2"]
    # the last resort does not replace it
    found = read_plate_map(file, missing=missing(group="compound"))
    assert found["broad_sample"].tolist() == ["BRD-1", "BRD-2"]


@pytest.mark.parametrize("name", ["condition", "broad_sample", "Metadata_condition"])
def test_reagents_are_joined_by_it(plate_map, tmp_path, name):
    file = tmp_path / "reagents.csv"
    file.write_text(f"{name},target\nDMSO,\ndrug X,EGFR\n")
    annotation = read_annotation(file, "target", missing("condition"))
    known = join_annotation(read_plate_map(plate_map, missing=missing("condition")), annotation)
    assert known["gene"].fillna("").tolist() == ["", "EGFR", "", ""]
    assert list(known).count("condition") == 1
    file.write_text("name,target\nDMSO,\n")
    with pytest.raises(InputError, match=r"lacks the column condition \(plate_maps.sample\) or broad_sample"):
        read_annotation(file, "target", missing("condition"))


def test_several_values_mark_negative_controls():
    values = pd.Series(["DMSO", "dmso", "H2O", "x", "y", "z", ""], name="Metadata_condition")
    kinds = find_control_kinds(values, "DMSO|H2O")
    assert kinds.tolist() == [*["DMSO|H2O"] * 3, "", "", "", ""]


def test_the_config_writes_a_list():
    config = {
        "benchmark": {
            "group": ["condition", "dose"],
            "gene": "g",
            "different": None,
            "clinical_phase": "c",
            "rankings": {},
        },
        "controls": {"column": "condition", "negcon": ["DMSO", "H2O"]},
        "judge": {"batch": "Plate"},
        "annotation": {},
        "plate_maps": {"sample": "Metadata_condition"},
        "missing_values": {"words": [], "names": {}},
    }
    named = name_columns(config)
    assert named["controls"]["negcon"] == "DMSO|H2O"
    found = MissingValues.of_config(named)
    assert found.samples == ("condition", "condition")


def test_plate_map_and_annotation_may_name_their_key_differently(tmp_path):
    plate_map, reagents = tmp_path / "map.csv", tmp_path / "reagents.csv"
    plate_map.write_text(
        "cell_line,row,column,well,seeding_density,condition\nA,B,2,B02,500,d1\nA,B,3,B03,500,DMSO\n"
    )
    reagents.write_text("compound_id,target,condition_of_use\nd1,GENE1,x\nDMSO,,y\n")
    config = {"plate_maps": {"sample": ["Metadata_condition", "compound_id"]}}
    config |= {"benchmark": {"group": "broad_sample", "gene": "g", "different": None, "clinical_phase": "c"}}
    config["benchmark"]["rankings"] = {}
    config |= {
        "controls": {"column": "condition", "negcon": "DMSO"},
        "judge": {"batch": "Plate"},
        "annotation": {},
    }
    config |= {"missing_values": {"words": [], "names": {}}}
    missing = MissingValues.of_config(name_columns(config))
    assert missing.samples == ("condition", "compound_id", "broad_sample")
    known = read_known_wells(plate_map, reagents, "target", "P1", missing)
    assert known["broad_sample"].tolist() == ["d1", "DMSO"]
    assert known["gene"].tolist() == ["GENE1", ""]
    assert known["condition"].tolist() == ["d1", "DMSO"]
    with pytest.raises(InputError, match=r"lacks the column condition \(plate_maps.sample\)"):
        read_known_wells(plate_map, reagents, "target", "P1", replace(missing, samples=("condition", "")))
