"""How the workflow's figures look, and how they are saved."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from lib.tables import whole

# Okabe and Ito's palette: distinct for every common kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Its cold and its warm half, where two kinds of things are told apart.
BLUES = ("#0072B2", "#56B4E9", "#009E73")
REDS = ("#D55E00", "#CC79A7", "#E69F00")
# Beside its colour each class has a mark of its own, for eyes and printers without colour.
MARKS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "0.72"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "platewise",
}
DOTS_PER_INCH = 150


def use_style() -> None:
    """Draw from here on in the style of all figures."""
    plt.rcParams.update(STYLE)


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all, and forget it."""
    save(figure, [path], DOTS_PER_INCH)


def save(figure: Figure, paths: Sequence[str | Path], dots_per_inch: int = 200) -> None:
    """Write a figure to each path, in the format of its suffix (png, svg), and forget it.

    The same figure gives the same bytes: no date stands in them.
    """
    for path in paths:
        suffix = Path(path).suffix.lstrip(".")
        with whole(path) as part:
            date = {"Date": None} if suffix == "svg" else None
            figure.savefig(part, format=suffix, dpi=dots_per_inch, metadata=date)
    plt.close(figure)


def nothing_to_draw(why: str) -> Figure:
    """A figure that says why there is none."""
    figure = plt.figure(figsize=(6, 1.2))
    figure.text(0.5, 0.5, why, ha="center", va="center", wrap=True)
    return figure


def shortened(name: object, length: int = 24) -> str:
    """A name for a label: the middle of a long one left out; a dollar sign starts no formula."""
    text = str(name)
    half = (length - 1) // 2
    text = text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
    return text.replace("$", r"\$")
