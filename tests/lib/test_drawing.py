"""The style of figures: their fonts."""

import logging
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib import font_manager

import plot_contact_sheet
import plot_dropped_features
import plot_heatmaps
import plot_illumination
import plot_plate_maps
from lib.drawing import CJK_FONTS, LONGEST, find_fonts, refresh_fonts, save_png, shorten_label, use_style
from lib.pictures import MOST_KINDS, choose_wells

pytestmark = pytest.mark.unit


@pytest.fixture
def old_list(monkeypatch):
    """Matplotlib's list of fonts as one that was written before there were any."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [])
    manager._findfont_cached.cache_clear()
    yield manager
    manager._findfont_cached.cache_clear()


def test_fonts_that_the_list_lacks_are_found_without_a_warning(old_list, caplog):
    use_style()
    with caplog.at_level(logging.WARNING):
        for name in ("DejaVu Sans", "STIXGeneral", "STIXNonUnicode", "STIXSizeOneSym", "cmmi10", "cmex10"):
            assert font_manager.findfont(name, fallback_to_default=False)
    assert caplog.messages == []
    number = len(old_list.ttflist)
    refresh_fonts()
    assert len(old_list.ttflist) == number, "a font is added once"


def test_a_font_that_was_installed_since_is_found_and_a_broken_one_is_passed_over(
    old_list, monkeypatch, tmp_path
):
    (tmp_path / "broken.ttf").write_text("not a font")
    monkeypatch.setattr(font_manager, "X11FontDirectories", [str(tmp_path), str(tmp_path / "missing")])
    refresh_fonts()
    assert find_fonts() == ["DejaVu Sans"]
    entry = old_list.ttflist[0]
    monkeypatch.setattr(old_list, "ttflist", [*old_list.ttflist, replace(entry, name=CJK_FONTS[3])])
    assert find_fonts() == ["DejaVu Sans", CJK_FONTS[3]]


def test_labels_are_shortened_in_the_middle_and_dollars_are_text():
    assert shorten_label("a" * 12 + "b" * 13) == "a" * 11 + "…" + "b" * 11
    assert shorten_label("$x$") == r"\$x\$"


def test_a_figure_of_thousands_of_rows_is_drawn_with_fewer_dots_per_inch(tmp_path, monkeypatch):
    for inches, pixels in ((2, 300), (600, LONGEST)):
        save_png(plt.figure(figsize=(1, inches)), tmp_path / "tall.png")
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
        with PIL.Image.open(tmp_path / "tall.png") as picture:
            assert picture.size[1] == pixels


# --- the size of figures: no text is smaller than with the full number of dots per inch -----------

FULL_INCHES = LONGEST / 150


def get_title(axes: plt.Axes) -> str:
    """Return a panel's title, which is on the left in the style of the figures."""
    return axes.get_title("left") or axes.get_title()


@pytest.mark.parametrize(("plates", "bars"), [(1, 1), (81, 80), (2000, 80)])
def test_of_many_plates_those_that_keep_the_fewest_features_are_drawn(plates, bars):
    rows = [
        ("b", f"P{number:04d}", "plate", operation, value)
        for number in range(plates)
        for operation, value in (("kept", 1000 + (7 * number) % plates), ("blocklist", 3))
    ]
    columns = ["batch", "plate", "selection", "operation", "features"]
    figure = plot_dropped_features.plot_dropped_features(pd.DataFrame(rows, columns=columns))
    axes = figure.axes[0]
    assert len(axes.get_yticks()) == bars
    kept = axes.containers[0]
    assert max(bar.get_width() for bar in kept) == 1000 + bars - 1
    assert ("of 2,000" in get_title(axes)) == (plates == 2000)
    assert figure.get_figheight() < FULL_INCHES


@pytest.mark.parametrize(("channels", "types"), [(1, 1), (5, 3), (100, 12), (100, 1), (1, 12)])
def test_a_contact_sheet_of_many_channels_and_types_wraps(channels, types):
    site = type("Site", (), {"well": "A01", "site": "1", "numbers": [1]})()
    crops = [(site, 0, np.zeros((channels, 2, 2)))]
    sheet = {f"type {number}": crops for number in range(types)}
    figure = plot_contact_sheet.plot_sheet(sheet, [f"C{n}" for n in range(channels)], "a plate")
    assert max(figure.get_size_inches()) < FULL_INCHES
    assert sum(len(block.axes) for block in figure.subfigs) == channels * types
    plt.close(figure)


def test_a_contact_sheet_shows_controls_treated_wells_and_some_other_types():
    types = {f"W{number}": f"kind {number:03d}" for number in range(300)} | {"N": "negcon", "T": "treatment"}
    drawn = set(plot_contact_sheet.limit_well_types(types, "negcon").values()) - {""}
    assert len(drawn) == plot_contact_sheet.MOST_TYPES
    assert {"negcon", "treatment", "kind 000"} <= drawn
    assert plot_contact_sheet.limit_well_types({"A": "x", "B": "negcon"}, "negcon") == {
        "A": "x",
        "B": "negcon",
    }


@pytest.mark.parametrize("channels", [1, 5, 40])
def test_heat_maps_and_illumination_functions_of_many_channels_wrap(channels):
    names = [f"C{number}" for number in range(channels)]
    wells = pd.DataFrame({"Metadata_Plate": "P", "Metadata_Well": ["A01", "B02"], "flags": ""})
    wells = wells.assign(Count_Sites=1, Count_Cells=[3, 4])
    for name in names:
        wells[f"MeanIntensity_{name}"] = wells[f"PowerLogLogSlope_{name}"] = [0.1, 0.2]
    figure = plot_heatmaps.plot_heat_maps(wells)
    assert max(figure.get_size_inches()) < FULL_INCHES
    assert sum(bool(axes.get_images()) for axes in figure.axes) >= 2 * channels + 2
    table = pd.DataFrame(
        [(name, d, p, 1.1, 1.0) for name in names for d in plot_illumination.DIRECTIONS for p in (0.2, 0.8)],
        columns=["channel", "direction", "position", "before", "after"],
    )
    functions = {name: np.linspace(1, 1.2, 16).reshape(4, 4) for name in names}
    figure = plot_illumination.plot_functions("P", functions, table, 3, "")
    assert max(figure.get_size_inches()) < FULL_INCHES
    titles = [get_title(axes) for axes in figure.axes]
    assert [title.split(":")[0] for title in titles if title.startswith("C")] == names
    assert sum(title.startswith("down") for title in titles) == channels
    plt.close("all")


@pytest.mark.parametrize("number", [3, 5000])
def test_a_column_with_a_phase_per_compound_is_summed_up(number):
    table = pd.DataFrame({"clinical_phase": [f"p{i:04d}" for i in range(number)], "perturbations": 2})
    drawn = plot_plate_maps.sum_up_phases(table.assign(perturbation_type="compound"))
    assert len(drawn) == min(number, plot_plate_maps.MOST_PHASES)
    assert drawn["perturbations"].sum() == 2 * number
    assert (drawn["clinical_phase"].iloc[-1] == "4,971 others") == (number == 5000)


@pytest.mark.parametrize("kinds", [2, MOST_KINDS, 300])
def test_a_montage_is_not_longer_because_each_compound_is_a_control_type(kinds):
    wells = pd.DataFrame({"well": [f"W{number}" for number in range(kinds + 4)]})
    wells["kind"] = ["negcon"] * 4 + [f"kind {number}" for number in range(kinds)]
    wells = wells.assign(sample=wells["kind"], rank=0.0)
    chosen = choose_wells(wells, [], 2, 8, "negcon", np.random.default_rng(1))
    assert set(chosen[:2]) <= {"W0", "W1", "W2", "W3"}
    assert len(chosen) == 2 + (8 if kinds > MOST_KINDS else kinds)
