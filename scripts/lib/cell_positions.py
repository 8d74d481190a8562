"""The columns of a single-cell table that say where a cell lies in its image."""

from collections.abc import Sequence

POSITION = ("Metadata_Position_X", "Metadata_Position_Y")
# The compartments whose center stands for the cell, first to last; others follow in the order of the table.
USUAL = ("Nuclei", "Cells", "Cytoplasm")
MEASURES = ("Location_Center", "AreaShape_Center")


def find_position_columns(names: Sequence[str]) -> dict[str, str]:
    """Find the columns with a cell's center in pixels (0 is the middle of the first pixel).

    Returns
    -------
    `Metadata_Position_X` and `_Y` with their columns; empty if no compartment has both.
    """
    there = set(names)
    compartments = [name.partition(f"_{measure}_X")[0] for name in names for measure in MEASURES]
    for compartment in dict.fromkeys([*USUAL, *compartments]):
        for measure in MEASURES:
            columns = [f"{compartment}_{measure}_{axis}" for axis in "XY"]
            if set(columns) <= there:
                return dict(zip(POSITION, columns, strict=True))
    return {}
