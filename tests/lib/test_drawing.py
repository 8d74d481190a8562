"""The style of figures: their fonts."""

import logging
from dataclasses import replace

import matplotlib.pyplot as plt
import PIL.Image
import pytest
from matplotlib import font_manager

from lib.drawing import CJK_FONTS, LONGEST, find_fonts, refresh_fonts, save_png, shorten_label, use_style

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
