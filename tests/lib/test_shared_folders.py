"""Two plates that start from one folder."""

import pytest

from cases.case import case
from lib.errors import InputError
from lib.shared_folders import check_shared_folders
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit


def check(*plates, **config):
    """Check an experiment of these plates."""
    named = [{"plate": f"P{number}", **plate} for number, plate in enumerate(plates, start=1)]
    check_shared_folders(build_experiment(named, "/experiment", **config))


@case(
    "images",
    kind="two plates of the sample sheet that name one folder of images, or of CellProfiler's tables",
    comes_from="a row that was copied: every well was its own replicate",
    says="Several plates start from one folder, so that each well would be its own replicate: images: "
    "/experiment/i: P1 (batch B), P2 (batch B) Correct /experiment/...",
    happens="nothing runs; an image table with Metadata_Plate, or a group `plate` in images.pattern, serves "
    "several plates",
)
def test_one_folder_for_two_plates():
    check({"images": "i"}, {"images": "j"}, {"cellprofiler": "i"})
    with pytest.raises(InputError, match=r"cellprofiler: /experiment/t: P1 .*, P3"):
        check({"cellprofiler": "t"}, {"images": "j"}, {"cellprofiler": "./t/"})
    with pytest.raises(InputError, match="s3://b/i: P1"):
        check({"images": "s3://b/i/"}, {"images": "s3://b/i"})
    with pytest.raises(InputError) as error:
        check({"images": "i"}, {"images": "j/../i"})
    return str(error.value)


def test_what_may_be_shared():
    check({"images": "load_data.csv"}, {"images": "load_data.csv"})
    check({"profiles": "p.csv", "level": "augmented"}, {"profiles": "p.csv", "level": "augmented"})
    pattern = r"(?P<plate>\w+)_(?P<well>[A-P]\d\d)_(?P<channel>\d)\.tif"
    check({"images": "i"}, {"images": "i"}, images={"pattern": pattern})
    check({"images": "i"}, {"images": "i"}, images={"pattern": "index"})
