"""The colors of the page's plots are distinct for readers who do not see red, green or blue."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import report_page

pytestmark = pytest.mark.unit

CHARTS = (Path(report_page.__file__).parent / "charts.js").read_text()
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SEEN = {
    "all colors": np.eye(3),
    "no red": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no green": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no blue": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
UNIFORM = {"viridis", "cividis", "blueorange"}


def get_lab(color, seen):
    """Return a color such as #0072B2 in CIE L*a*b* as it is seen."""
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.asarray(seen) @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", SEEN)
def test_classes_are_distinguished(vision):
    palette = re.findall("#[0-9A-Fa-f]{6}", re.search(r"PALETTE = \[(.*?)\]", CHARTS)[1])
    assert len(palette) == 7
    labs = [get_lab(color, SEEN[vision]) for color in palette]
    near = min(np.linalg.norm(a - b) for a, b in combinations(labs, 2))
    assert near > 10, "a difference of 2 can just be seen"


def test_numbers_have_scales_that_everybody_can_read():
    assert set(re.findall(r'"(\w+)"', " ".join(re.findall(r"scheme: ([^,}]+)", CHARTS)))) == UNIFORM
