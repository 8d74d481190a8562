"""The page in a browser: a click on a well, a point or a card opens it, without an error or a request."""

import pandas as pd
import pytest

from browser import Browser
from explored import PANEL, TITLE, click, show_all
from lib.tables import read_provenance, write_profiles
from pages import CHROMIUM
from synthetic_report import write_report, write_results

pytestmark = [pytest.mark.run, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]

EVIL = "</script><b>\"'&{{ 7*7 }} 细胞 " + "x" * 200
TWINS = "0 twins"  # the name of two identifiers; it begins so that it is among the first ones


def write_page(folder, wells, **more):
    options = write_results(
        folder, 2, conditions=1, pixels=(60, 40), wells=wells, features=6, side=24, **more
    )
    for plate in options["manifest"]["plates"]:
        for file in (folder / plate["normalized"], folder / plate["selected"]):
            profiles = pd.read_parquet(file)
            profiles.loc[3, ["Metadata_broad_sample", "Metadata_pert_iname"]] = EVIL
            profiles.loc[[7, 8], "Metadata_pert_iname"] = TWINS
            write_profiles(profiles, file, read_provenance(file))
    return write_report(folder, options)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    wells = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
    return write_page(tmp_path_factory.mktemp("explored"), wells)


@pytest.fixture(scope="module")
def browser(page):
    with Browser() as opened:
        opened.open(page)
        show_all(opened)
        yield opened
        assert opened.logged == []
        assert opened.requests == [page.resolve().as_uri()]


def test_a_click_on_a_well_opens_its_pictures_and_numbers(browser):
    click(browser, "#plate-explorer .chart", "(datum) => datum.well === 'B03'")
    browser.wait_until(f"{PANEL}.open")
    assert browser.run(TITLE).startswith("Well B03, plate BR00000: compound 14")
    browser.wait_until(f"{PANEL}.querySelector('canvas').width === 24")
    assert browser.run(f"{PANEL}.querySelectorAll('canvas').length") == 6
    assert "Cells_Intensity_Feature" in browser.run(f"{PANEL}.textContent")
    browser.press("Escape")
    browser.wait_until(f"!{PANEL}.open")


def test_the_keyboard_chooses_and_opens_a_well(browser):
    browser.run("document.querySelector('#plate-explorer .chart').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        browser.press(key)
    browser.wait_until(f"{PANEL}.open")
    assert browser.run(TITLE).startswith("Well B02")
    browser.press("Escape")


def test_a_click_on_a_point_opens_its_well_and_one_on_a_rank_its_card(browser):
    click(browser, "#profile-explorer .chart", "(datum) => datum.well === 'C05'")
    browser.wait_until(f"{PANEL}.open && {PANEL}.dataset.kind === 'well'")
    browser.press("Escape")
    click(browser, "#profile-explorer figure + figure .chart", "(datum) => datum.rank === 2")
    browser.wait_until(f"{PANEL}.open && {PANEL}.dataset.kind === 'card'")
    assert browser.run(TITLE) == "BRD-00000002"
    text = browser.run(f"{PANEL}.textContent")
    parts = ["Not active: q < 0.05", "Cells Texture ER", "▼ down", "Nearest neighbors", "Cluster 2", "GENE2"]
    parts += ["Scores", "q-value", "What changed", "Example cells", "Dose response", "Benchmark dose 2.5 uM"]
    for part in (*parts, "BR00000 A03", "BR00001 A03"):
        assert part in text, part
    browser.wait_until(f"{PANEL}.querySelector('.chart canvas')")
    browser.run(f"[...{PANEL}.querySelectorAll('.neighbors button')][0].click()")
    assert browser.run(TITLE) != "BRD-00000002"
    browser.press("Escape")


def test_a_name_of_any_kind_is_text(browser):
    browser.run("document.querySelector('#profile-explorer input').value = '细胞'")
    browser.run("document.querySelector('#profile-explorer input').dispatchEvent(new Event('input'))")
    click(browser, "#plate-explorer .chart", "(datum) => datum.well === 'A04'")
    browser.wait_until(f"{PANEL}.open")
    assert EVIL in browser.run(f"{PANEL}.textContent")
    assert browser.run(f"{PANEL}.querySelector('b')") is None
    browser.press("Escape")


def test_every_measure_and_feature_colors_the_plates(browser):
    select = "document.querySelectorAll('#plate-explorer select')[1]"
    for value in browser.run(f"[...{select}.options].map((option) => option.value)"):
        browser.run(f"{select}.value = '{value}'; {select}.dispatchEvent(new Event('change'))")
    field = "document.querySelector('#plate-explorer input[list]')"
    browser.run(f"{field}.value = 'Cells_Intensity_Feature3_DNA'; {field}.dispatchEvent(new Event('change'))")
    browser.wait_until(
        "document.querySelector('#plate-explorer figcaption').textContent.includes('Feature3')"
    )
    assert browser.run("document.querySelectorAll('#plate-explorer .chart canvas').length") == 2


def test_colors_have_the_names_that_people_know(browser):
    select = "document.querySelectorAll('#plate-explorer select')[1]"
    browser.run(f"{select}.value = 'treatment:'; {select}.dispatchEvent(new Event('change'))")
    caption = "document.querySelector('#plate-explorer figcaption').textContent"
    browser.wait_until(f"{caption}.includes('Perturbation')")
    chart = "document.querySelector('#plate-explorer .chart')"
    browser.wait_until(f"{chart}.view")
    tables = f"Object.values({chart}.view.getState({{data: () => true, signals: () => false}}).data)"
    rows = browser.run(f"{tables}.find((rows) => rows && rows[0] && rows[0].well)")
    names = {row["value"] for row in rows} - {"other", "none"}
    assert {"DMSO", "compound 1", f"{TWINS} (BRD-00000007)", f"{TWINS} (BRD-00000008)"} <= names
    assert not any(name.startswith("BRD-") for name in names)
    browser.run(f"{select}.value = 'text:control type'; {select}.dispatchEvent(new Event('change'))")
    browser.wait_until(f"{caption}.includes('control type')")
    browser.wait_until(
        f"({tables}.find((rows) => rows && rows[0] && rows[0].well) || [{{}}])[1].value === 'treatment'"
    )
    rows = browser.run(f"{tables}.find((rows) => rows && rows[0] && rows[0].well)")
    assert {row["value"] for row in rows} == {"negcon", "treatment"}


@pytest.mark.parametrize("number", [1, 1536])
def test_plates_of_any_size_open(tmp_path, number):
    rows = [chr(65 + i) if i < 26 else f"A{chr(39 + i)}" for i in range(32)]
    wells = [f"{row}{column:02d}" for row in rows for column in range(1, 49)][:number]
    options = write_results(tmp_path, 1, conditions=1, pixels=(30, 20), wells=wells, side=6)
    with Browser(width=420) as opened:
        opened.open(write_report(tmp_path, options))
        show_all(opened)
        click(opened, "#plate-explorer .chart", "(datum) => datum.well === 'A01'")
        opened.wait_until(f"{PANEL}.open")
        assert opened.logged == []
