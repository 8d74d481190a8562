"""The page of unusual experiments in a browser: failed plates, one barcode twice, no images, no controls."""

import shutil

import pandas as pd
import pytest

from browser import Browser
from explored import PANEL, TITLE, click, show_all
from lib.tables import read_provenance, write_profiles
from pages import CHROMIUM, Page
from synthetic_report import write_report, write_results

pytestmark = [pytest.mark.run, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]

WELLS = [f"{row}{column:02d}" for row in "ABCD" for column in range(1, 7)]
SETS = ["normalized_feature_select_negcon_plate", "normalized_negcon"]


def write_small(folder, **more):
    """The results of a small experiment."""
    small = {"conditions": 1, "pixels": (60, 40), "wells": WELLS, "features": 6, "side": 24}
    return write_results(folder, 2, **{**small, **more})


def opened(browser, page):
    """Open a page; all of it is sound, and none of it logs an error."""
    assert Page(page.read_text()).problems == []
    browser.open(page)
    show_all(browser)
    assert browser.logged == []
    assert browser.requests[-1] == page.resolve().as_uri()


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


def test_a_failed_plate_is_named_and_the_others_are_shown(browser, tmp_path):
    options = write_small(tmp_path)
    for part in ("profiles", "quality_control"):
        shutil.rmtree(tmp_path / f"workspace/{part}/B/BR00000")
    opened(browser, write_report(tmp_path, options))
    plates = "document.querySelector('#plate-explorer select')"
    assert browser.run(f"[...{plates}.options].map((option) => option.value)") == ["plate-2"]
    table = browser.run("document.getElementById('plates-table').textContent")
    assert "BR00000" in table
    assert "BR00000 (not begun)" in " ".join(browser.run("document.body.innerText").split())
    click(browser, "#plate-explorer .chart", "(datum) => datum.well === 'B03'")
    browser.wait_until(f"{PANEL}.open")
    assert browser.run(TITLE).startswith("Well B03, plate BR00001")


def test_one_barcode_in_two_batches_is_two_plates(browser, tmp_path):
    page = write_report(tmp_path, write_small(tmp_path, one_barcode=True, conditions=2))
    opened(browser, page)
    plates = "document.querySelector('#plate-explorer select')"
    names = browser.run(f"[...{plates}.options].map((option) => option.textContent)")
    assert names == ["BR00000 (B0)", "BR00000 (B1)"]
    second = "#plate-explorer figure + figure .chart"
    click(browser, second, "(datum) => datum.well === 'A02'")
    browser.wait_until(f"{PANEL}.open")
    assert browser.run(TITLE).startswith("Well A02, plate BR00000 (B1)")
    browser.run(f"{PANEL}.querySelector('p button').click()")
    assert "BR00000 (B0) A02BR00000 (B1) A02" in browser.run(f"{PANEL}.textContent")


def test_profiles_without_images_have_cards_without_pictures(browser, tmp_path):
    options = write_small(tmp_path)
    shutil.rmtree(tmp_path / "workspace/quality_control")
    opened(browser, write_report(tmp_path, options))
    browser.run("document.querySelector('[id$=-hits] td button').click()")
    text = browser.run(f"{PANEL}.textContent")
    assert "There are no pictures of its cells" in text
    assert "Strongest groups of features" in text
    assert browser.run(f"{PANEL}.querySelectorAll('.tile canvas').length") == 0


def test_a_plate_without_controls_opens(browser, tmp_path):
    options = write_small(tmp_path)
    for plate in options["manifest"]["plates"]:
        for file in {plate["normalized"], plate["selected"]}:
            path = tmp_path / file
            table = pd.read_parquet(path).drop(columns="Metadata_control_type")
            write_profiles(table, path, read_provenance(path))
    opened(browser, write_report(tmp_path, options))
    browser.run("document.querySelector('[id$=-hits] td button').click()")
    assert "Negative controlsNone." in browser.run(f"{PANEL}.textContent")
    browser.wait_until(f"{PANEL}.querySelector('.examples canvas').width > 24")


def test_feature_sets_are_side_by_side(browser, tmp_path):
    opened(browser, write_report(tmp_path, write_small(tmp_path, feature_sets=SETS)))
    browser.run("document.querySelector('[id$=-hits] td button').click()")
    heads = browser.run(f"[...{PANEL}.querySelectorAll('.scores thead th')].map((th) => th.textContent)")
    assert [head.split(", ")[-1] for head in heads[1:]] == SETS
    assert browser.run(f"{PANEL}.querySelectorAll('.hit').length") == 2


def test_a_printed_page_has_what_is_folded_and_nothing_to_click(browser, tmp_path):
    page = write_report(tmp_path, write_small(tmp_path))
    browser.open(page)
    assert browser.run("document.querySelectorAll('details > template').length") > 2
    unfolded = browser.run("document.querySelectorAll('details[open]').length")
    assert len(browser.call("Page.printToPDF")["data"]) > 10_000
    assert browser.run("document.querySelectorAll('details > template').length") == 0
    again = browser.run("document.querySelectorAll('details[open]').length")
    assert again == unfolded, "folded again afterwards"
    browser.call("Emulation.setEmulatedMedia", media="print")
    for what in (".controls", "nav", ".search"):
        assert browser.run(f"getComputedStyle(document.querySelector('{what}')).display") == "none", what
    browser.call("Emulation.setEmulatedMedia", media="")
    assert browser.logged == []


def test_the_keyboard_comes_back_to_where_it_was(browser, tmp_path):
    opened(browser, write_report(tmp_path, write_small(tmp_path)))
    chart = "document.querySelector('#plate-explorer .chart')"
    browser.run(f"{chart}.focus()")
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        browser.press(key)
    browser.wait_until(f"{PANEL}.open && {PANEL}.contains(document.activeElement)")
    browser.press("Escape")
    browser.wait_until(f"!{PANEL}.open && document.activeElement === {chart}")
    fields = "[...document.querySelectorAll('select, input')]"
    assert browser.run(f"{fields}.filter((field) => !field.labels.length && !field.ariaLabel).length") == 0
