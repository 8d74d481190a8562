"""The style of the workflow's figures, and how they are saved."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.figure import Figure

from lib.tables import write_whole

# Okabe and Ito's palette: distinct for every common kind of color blindness.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Its cold and its warm half, to distinguish two kinds of things.
BLUES = ("#0072B2", "#56B4E9", "#009E73")
REDS = ("#D55E00", "#CC79A7", "#E69F00")
# Besides its color each class has its own marker, for color-blind people and black-and-white printers.
MARKS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "0.72"
# Fonts with Chinese, Japanese and Korean characters; the first one installed draws what DejaVu Sans lacks.
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Source Han Sans SC",
    "Droid Sans Fallback",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Unifont",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "MS Gothic",
    "Malgun Gothic",
)
STYLE = {
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
LONGEST = 15_000  # pixels of the longer side of a picture; WebP, in the report, has at most 16,383


def refresh_fonts() -> None:
    """Make the fonts known that Matplotlib's list of fonts, a file that it keeps for years, lacks.

    The list is older than a font that was installed since, and lacks Matplotlib's own fonts if it was written
    while Matplotlib itself was being installed.
    """
    manager = font_manager.fontManager
    known = {Path(font.fname).name for font in manager.ttflist}
    own = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for folder in (own, *font_manager.X11FontDirectories):
        for file in map(Path, font_manager.list_fonts(str(folder), ["ttf", "otf", "ttc"])):
            if file.name not in known:
                known.add(file.name)
                # As in Matplotlib's own search, a font that cannot be read is passed over.
                with suppress(OSError, RuntimeError, NotImplementedError):
                    manager.addfont(file)


def find_fonts() -> list[str]:
    """Find the fonts of figures: DejaVu Sans, and for the characters that it lacks one that is installed."""
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)][:2]


def use_style() -> None:
    """Set the style of all figures."""
    refresh_fonts()
    plt.rcParams.update(STYLE | {"font.family": find_fonts()})


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, complete or not at all, and close it."""
    save(figure, [path], DOTS_PER_INCH)


def save(figure: Figure, paths: Sequence[str | Path], dots_per_inch: int = 200) -> None:
    """Write a figure to each path, in the format of its suffix (png, svg), and close it.

    The same figure gives the same bytes, as they contain no date. A figure of hundreds of plates has fewer
    dots per inch if it would otherwise be too tall to be drawn.
    """
    dots_per_inch = min(dots_per_inch, int(LONGEST / max(figure.get_size_inches())))
    for path in paths:
        suffix = Path(path).suffix.lstrip(".")
        with write_whole(path) as part:
            date = {"Date": None} if suffix == "svg" else None
            figure.savefig(part, format=suffix, dpi=dots_per_inch, metadata=date)
    plt.close(figure)


def draw_nothing(why: str) -> Figure:
    """Return an empty figure with a message that explains why there is none."""
    figure = plt.figure(figsize=(6, 1.2))
    figure.text(0.5, 0.5, why, ha="center", va="center", wrap=True)
    return figure


def shorten_label(name: object, length: int = 24) -> str:
    """Return a name as a label: the middle of a long one is left out, and dollar signs are escaped."""
    text = str(name)
    half = (length - 1) // 2
    text = text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
    return text.replace("$", r"\$")
