"""What the workflow's figures share: their look, their colours, and how they are written."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from lib.tables import whole

# Okabe and Ito's palette, distinct for every common kind of colour blindness, by its cold and warm half
BLUES = ("#0072B2", "#56B4E9", "#009E73")
REDS = ("#D55E00", "#CC79A7", "#E69F00")
GREY = "#666666"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "platewise",
}


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path, in the format of its suffix, whole or not at all."""
    for path in paths:
        suffix = Path(path).suffix.lstrip(".")
        with whole(path) as part:
            date = {"Date": None} if suffix == "svg" else None
            figure.savefig(part, format=suffix, dpi=200, metadata=date)
    plt.close(figure)
