"""The sample sheets of config/cpjump1: the 51 plates of the paper and the 40 of its benchmark."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from lib.levels import LEVELS
from lib.plates import read_plates
from workflow import PROJECT, SHARED

pytestmark = pytest.mark.unit

ROOT = PROJECT
FOLDER = ROOT / "config" / "cpjump1"
METADATA = SHARED / "cpjump1" / "metadata"
BATCH = "2020_11_04_CPJUMP1"
GALLERY = "s3://cellpainting-gallery/cpg0000-jump-pilot/source_4"

# The column of the sheet: the column of the paper's experiment-metadata.tsv.
PUBLISHED = {
    "batch": "Batch",
    "plate": "Assay_Plate_Barcode",
    "perturbation": "Perturbation",
    "cell_line": "Cell_type",
    "timepoint": "Time",
    "density": "Density",
    "antibiotics": "Antibiotics",
    "cell_line_variant": "Cell_line",
    "time_delay": "Time_delay",
    "times_imaged": "Times_imaged",
    "anomaly": "Anomaly",
}
# Plates of each benchmark condition, as the paper's percent-replicating notebook lists them.
CONDITIONS = {
    "compound A549 24": "BR00116991 BR00116992 BR00116993 BR00116994",
    "compound A549 48": "BR00117015 BR00117016 BR00117017 BR00117019",
    "compound U2OS 24": "BR00116995 BR00117024 BR00117025 BR00117026",
    "compound U2OS 48": "BR00117010 BR00117011 BR00117012 BR00117013",
    "crispr A549 96": "BR00118041 BR00118042 BR00118043 BR00118044",
    "crispr A549 144": "BR00117000 BR00117003 BR00117004 BR00117005",
    "crispr U2OS 96": "BR00118045 BR00118046 BR00118047 BR00118048",
    "crispr U2OS 144": "BR00116996 BR00116997 BR00116998 BR00116999",
    "orf A549 48": "BR00117020 BR00117021",
    "orf A549 96": "BR00117006 BR00118050",
    "orf U2OS 48": "BR00117022 BR00117023",
    "orf U2OS 96": "BR00118039 BR00118040",
}


@pytest.fixture(scope="module", name="every")
def every_plate() -> list[dict[str, str]]:
    return read_plates(FOLDER / "plates.tsv", LEVELS)


@pytest.fixture(scope="module", name="profiled")
def profiled_plates() -> list[dict[str, str]]:
    return read_plates(FOLDER / "profiles_only" / "plates.tsv", LEVELS)


def conditions(plates: list[dict[str, str]]) -> dict[str, str]:
    """The sorted plates of each condition, in the form of CONDITIONS."""
    found: dict[str, list[str]] = {}
    for plate in plates:
        condition = " ".join(plate[name] for name in ("perturbation", "cell_line", "timepoint"))
        found.setdefault(condition, []).append(plate["plate"])
    return {condition: " ".join(sorted(names)) for condition, names in found.items()}


def metadata(path: str, delimiter: str) -> list[dict[str, str]]:
    """A table of the paper's metadata, or a skipped test if it is not available."""
    if not METADATA.is_dir():
        pytest.skip(f"the published metadata are not at {METADATA}")
    with (METADATA / path).open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def test_the_batch_has_51_plates_each_once(every):
    assert len({plate["plate"] for plate in every}) == len(every) == 51
    assert {plate["batch"] for plate in every} == {BATCH}
    assert all(re.fullmatch(r"BR0011[678]\d{3}", plate["plate"]) for plate in every)


def test_the_benchmark_is_the_papers_40_plates_in_12_conditions(every):
    judged = [plate for plate in every if plate["benchmark"] == "yes"]
    assert len(judged) == 40
    assert conditions(judged) == CONDITIONS
    assert Counter(plate["benchmark"] for plate in every) == {"yes": 40, "no": 11}


def test_the_benchmark_follows_the_papers_rule(every):
    for plate in every:
        usual = plate["density"] == "100" and plate["antibiotics"] == "absent"
        cas9_compound = (plate["perturbation"], plate["cell_line_variant"]) == ("compound", "Cas9")
        judged = "yes" if usual and not cas9_compound else "no"
        assert plate["benchmark"] == judged, plate["plate"]
        assert (plate["time_delay"], plate["times_imaged"]) == ("Day0", "1")


@pytest.mark.data
def test_every_column_is_as_published(every):
    published = [row for row in metadata("experiment-metadata.tsv", "\t") if row["Batch"] == BATCH]
    expected = {
        # An anomaly of `none` is a word for a missing value, which is read as an empty cell.
        row["Assay_Plate_Barcode"]: {
            name: row[theirs].replace("none", "") for name, theirs in PUBLISHED.items()
        }
        for row in published
    }
    assert len(expected) == 51
    ours = {plate["plate"]: {name: plate[name] for name in PUBLISHED} for plate in every}
    assert ours == expected


@pytest.mark.data
def test_every_plate_has_its_published_plate_map(every):
    maps = metadata(f"platemaps/{BATCH}/barcode_platemap.csv", ",")
    expected = {row["Assay_Plate_Barcode"]: row["Plate_Map_Name"] for row in maps}
    assert {plate["plate"]: Path(plate["plate_map"]).stem for plate in every} == expected
    platemaps = METADATA / "platemaps" / BATCH / "platemap"
    assert all((platemaps / Path(plate["plate_map"]).name).is_file() for plate in every)


def test_addresses_lie_where_the_gallery_keeps_them(every):
    for plate in every:
        name = plate["plate"]
        assert plate["images"] == f"{GALLERY}/images/{BATCH}/images/{name}__*/Images/"
        assert plate["plate_map"] == (
            f"{GALLERY}/workspace/metadata/platemaps/{BATCH}/platemap/"
            f"JUMP-Target-1_{plate['perturbation']}_platemap.txt"
        )


def test_profiles_only_has_the_same_40_plates_without_images(every, profiled):
    shared = [*PUBLISHED, "plate_map", "benchmark"]
    judged = [plate for plate in every if plate["benchmark"] == "yes"]
    assert [{name: plate[name] for name in shared} for plate in profiled] == [
        {name: plate[name] for name in shared} for plate in judged
    ]
    assert not any("images" in plate for plate in profiled)


def test_the_profiles_file_name_says_its_level(profiled):
    for plate in profiled:
        name = plate["plate"]
        assert plate["level"] == "normalized_feature_select_negcon_batch"
        assert plate["profiles"] == (
            f"{GALLERY}/workspace/profiles/{BATCH}/{name}/{name}{LEVELS[plate['level']].suffix}.csv.gz"
        )


@pytest.mark.data
def test_the_shared_profiles_bear_the_sheets_file_names(profiled):
    folder = METADATA.parent / "profiles"
    if not folder.is_dir():
        pytest.skip(f"no published profiles at {folder}")
    named = {Path(plate["profiles"]).name for plate in profiled}
    files = {path.name for path in folder.glob("*.csv.gz")}
    assert files
    assert files <= named
