"""The page of more perturbations and plates than it has room for, in a browser: nothing is missing unsaid."""

import re

import pandas as pd
import pytest

import lib.targets
import report
import report_page.perturbations
from browser import Browser
from explored import PANEL, TITLE, show_all
from lib.places import place
from pages import CHROMIUM, Page
from synthetic_report import write_report, write_results

pytestmark = [pytest.mark.run, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]

WELLS = [f"{row}{column:02d}" for row in "ABCD" for column in range(1, 7)]
SEARCH = """(() => {
  const input = document.querySelector('%s input[type=search]');
  input.value = '%s';
  input.dispatchEvent(new Event('input'));
})()"""
FOUND = "document.querySelector('#profile-explorer .found').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """An index with the wells of two of four plates, and with 8 of 20 perturbations."""
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lib.targets, "MOST_PLATES", 1)
        small = {"conditions": 1, "pixels": (60, 40), "wells": WELLS, "features": 6, "side": 24}
        options = write_results(folder, 4, feature_sets=["normalized_negcon"], **small)
        pd.DataFrame({"name": ["x"]}).to_csv(folder / place("hits"), index=False)
        whole = write_report(folder, options).read_text()
        (size,) = map(len, re.findall(r'id="data-plate-1">(.*?)</script>', whole, re.DOTALL))
        patch.setattr(report, "BYTES_OF_WELLS", size)
        patch.setattr(report_page.perturbations, "find_named", lambda *_: ["BRD-00000023"])
        patch.setattr(report_page.perturbations, "measure_bytes", lambda *_: 100)
        patch.setattr(report_page.perturbations, "BYTES_OF_PERTURBATIONS", 800)
        return write_report(folder, options)


@pytest.fixture(scope="module")
def browser(page):
    with Browser() as started:
        started.open(page)
        show_all(started)
        yield started


def test_it_is_sound_and_says_what_it_has(page, browser):
    assert Page(page.read_text()).problems == []
    assert browser.logged == []
    said = browser.run("document.querySelector('[data-name=left_out]').textContent")
    assert said == (
        "8 of 20 perturbations are on this page: 6 of 10 active ones, those that figures name, the next in"
        " the order of the table and 2 of the others, drawn at random. hits.csv has all 20."
    )
    captions = browser.run("document.querySelector('#profile-explorer').textContent")
    assert "Each point is a perturbation (8 of 20), above or below" in captions
    assert "on the 2 of 4 plates that this page has" in captions
    assert "2 of 4 plates can be explored here" in browser.run("document.body.textContent")


def test_a_search_tells_that_others_are_not_searched(browser):
    browser.run(SEARCH % ("#profile-explorer", "BRD-00000023"))
    rest = " among the 8 on this page; the other 12 are not searched: see hits.csv. "
    browser.wait_until(f"{FOUND} === '1 perturbation found{rest}BRD-00000023'")
    browser.run(SEARCH % ("#profile-explorer", "nobody"))
    browser.wait_until(f"{FOUND} === '0 perturbations found{rest}'")
    link = browser.run("document.querySelector('#profile-explorer .found a').getAttribute('href')")
    assert link == "../benchmark/hits.csv"


def test_the_card_of_one_that_is_missing_says_so(browser):
    rows = browser.run("[...document.querySelectorAll('.hits table tbody button')].map((b) => b.textContent)")
    kept = browser.run("JSON.parse(document.getElementById('data-condition-1').textContent).hits")
    assert len(rows) == 20, "the table has all, since it has room for 1,000"
    missing = next(name for name in rows if name not in kept)
    for name, is_there in ((missing, False), (next(iter(kept)), True)):
        number = rows.index(name)
        browser.run(f"document.querySelectorAll('.hits table tbody button')[{number}].click()")
        browser.wait_until(f"{TITLE} === '{name}'")
        text = " ".join(browser.run(f"{PANEL}.textContent").split())
        sentence = "This page has 8 of 20 perturbations, and this is not one of them: see hits.csv."
        assert (sentence in text) is not is_there
        assert ("Nearest neighbors" in text) is is_there
        assert "This perturbation has no score" not in text
        assert "(this page has 2 of 4)" in text
        browser.run(f"{PANEL}.close()")
    assert browser.logged == []


def test_a_cluster_counts_those_that_are_missing(browser):
    data = browser.run("JSON.parse(document.getElementById('data-condition-1').textContent)")
    name, hit = next(iter(data["hits"].items()))
    assert data["left_out"]["clusters"][str(hit["cluster"])] == 10
    rows = browser.run("[...document.querySelectorAll('.hits table tbody button')].map((b) => b.textContent)")
    browser.run(f"document.querySelectorAll('.hits table tbody button')[{rows.index(name)}].click()")
    browser.wait_until(f"{TITLE} === '{name}'")
    members = sum(other["cluster"] == hit["cluster"] for other in data["hits"].values()) - 1
    assert f"and {9 - members} more" in browser.run(f"{PANEL}.textContent")
    browser.run(f"{PANEL}.close()")
