"""Cells of the page's tables."""

import numpy as np
import pytest

from report_page.tables import make_cell

pytestmark = pytest.mark.unit


def test_cells_sort_by_value_and_read_as_words():
    assert make_cell(1234.5).text == "1,234" or make_cell(1234.5).text == "1,234.5"
    assert make_cell(float("nan")).text == ""
    assert make_cell(True).text == "yes"
    assert make_cell("0012").text == "0012"
    assert not make_cell("0012").number
    assert make_cell(np.float64(0.00012345)).sort == "0.00012345"
