"""Where a cell lies in its image, whatever its compartments are called."""

import pytest

from lib.cell_positions import POSITION, find_position_columns

pytestmark = pytest.mark.unit


def columns(*names):
    return [f"{name}_{axis}" for name in names for axis in "XY"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (columns("Cells_Location_Center", "Nuclei_Location_Center"), "Nuclei_Location_Center"),
        (columns("Nuclei_AreaShape_Center", "Cells_Location_Center"), "Nuclei_AreaShape_Center"),
        (columns("Cells_AreaShape_Center"), "Cells_AreaShape_Center"),
        (columns("Filtered_Nuclei_Location_Center"), "Filtered_Nuclei_Location_Center"),
    ],
)
def test_the_center_of_the_nucleus_or_of_another_compartment(names, expected):
    assert find_position_columns(["Metadata_Well", *names]) == dict(
        zip(POSITION, columns(expected), strict=True)
    )


def test_no_position_or_half_of_one():
    assert find_position_columns(["Nuclei_AreaShape_Area"]) == {}
    assert find_position_columns(["Nuclei_Location_Center_X"]) == {}
