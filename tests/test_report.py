"""The report: valid by itself, consistent with the results, and displayed by a browser without an error."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import lib.targets
import report
from browser import Browser
from lib.tables import read_provenance, write_profiles
from pages import CHROMIUM, Page, render
from small_experiment import write_experiment
from synthetic_report import PICTURES, write_report, write_results
from workflow import PROJECT, copy_of_project, planned, snakemake, start_snakemake

pytestmark = pytest.mark.unit

PLATES = 51
SELECTED = "normalized_feature_select_negcon_plate"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """The report of 51 plates with small pictures."""
    folder = tmp_path_factory.mktemp("many")
    options = write_results(folder, PLATES, pixels=(240, 160))
    return write_report(folder, options)


@pytest.fixture(scope="module")
def page(default_results) -> Path:
    return default_results / "report" / "report.html"


def checked(file: Path) -> Page:
    found = Page(file.read_text())
    assert found.problems == []
    assert found.outside == []
    return found


# --- the default experiment ----------------------------------------------------------------------


@pytest.mark.run
def test_the_page_of_the_default_experiment_is_sound_and_whole(page, default_results):
    found = checked(page)
    pictures = [*default_results.glob("benchmark/figures/*.png")]
    pictures += default_results.glob("benchmark/figures/*/*/*.png")
    quality = "workspace/quality_control/*/*/pictures"
    pictures += [*default_results.glob(f"{quality}/*.png"), *default_results.glob(f"{quality}/*/montage.png")]
    assert found.images == len(pictures) > 20
    text = page.read_text()
    for plate in pd.read_csv(PROJECT / "config" / "plates.tsv", sep="\t")["plate"]:
        assert f"<h3>{plate}</h3>" in text
    assert "6 of 6" in text
    assert text.count("Percent Replicating") > 3


@pytest.mark.run
def test_its_links_lead_to_files(page):
    addresses = [address for _, address in Page(page.read_text()).addresses if address.startswith("../")]
    assert len(addresses) > 50
    assert [a for a in addresses if not (page.parent / a).exists()] == []


@pytest.mark.run
def test_the_methods_paragraph_agrees_with_the_metadata(page, default_results):
    """Each parameter of the text against the files that it speaks of: every plate, every condition."""
    folder = default_results / "workspace/profiles"
    files = {
        "single_cells": [*default_results.glob("workspace/backend/*/*/*.parquet")],
        "aggregate": [file for file in folder.glob("*/*/*.parquet") if file.stem == file.parent.name],
        "normalize": [
            *folder.glob("*/*/*_normalized.parquet"),
            *folder.glob("*/*/*_normalized_negcon.parquet"),
        ],
        "feature_select": [*folder.glob("*/*/*_feature_select_*.parquet")],
        "percent_replicating": [
            *default_results.glob("benchmark/percent_replicating/*/*_perturbations.parquet")
        ],
        "percent_matching": [*default_results.glob("benchmark/percent_matching/*/*_pairs.parquet")],
        "mean_average_precision": [
            *default_results.glob("benchmark/mean_average_precision/*/*_perturbations.parquet")
        ],
    }
    files["single_cells"] = [file for file in files["single_cells"] if not file.stem.endswith("_Image")]
    in_text = [each for each in Page(page.read_text()).data if each["data-step"] in files]
    assert {each["data-step"] for each in in_text} == set(files)
    every_to = []
    for each in in_text:
        step, key, value = each["data-step"], each["data-key"], json.loads(each["value"])
        found = []
        for file in files[step]:
            parameters = read_provenance(file)["parameters"]
            parameters = parameters.get("feature_select", {}) | parameters
            if parameters[key] not in found:
                found.append(parameters[key])
        if (step, key) == ("normalize", "to"):
            every_to.append(value)
        else:
            values = value if len(found) > 1 else [value]
            assert sorted(map(json.dumps, values)) == sorted(map(json.dumps, found)), (step, key)
    assert sorted(every_to) == ["all", "negcon"]
    keys = {(each["data-step"], each["data-key"]) for each in in_text}
    select = {"freq_cut", "unique_cut", "correlation", "na_cutoff"}
    assert {("feature_select", key) for key in select} <= keys
    assert {("percent_replicating", key) for key in ("draws", "percentile", "seed", "null_size")} <= keys


@pytest.mark.run
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page was checked statically only")
@pytest.mark.parametrize("width", [1400, 420])
def test_a_browser_shows_it_without_an_error_or_a_request(page, width, tmp_path):
    elements, console = render(page, width=width)
    assert console == ""
    assert "<th scope" in elements
    assert "<button" in elements.split("<tbody>")[0], "the script made headings to sort by"
    assert render(page, tmp_path / "page.png", width)[1] == ""
    with Image.open(tmp_path / "page.png") as picture:
        colors = picture.convert("RGB").getcolors(2**24)
    assert len(colors) > 100


@pytest.mark.run
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_figure_is_enlarged_in_a_page_that_was_sent_alone(tmp_path):
    file = write_report(tmp_path, write_results(tmp_path, 1, conditions=1, pixels=(60, 40)))
    shutil.copy(file, tmp_path / "alone.html")
    with Browser() as browser:
        browser.open(tmp_path / "alone.html")
        browser.run("document.getElementById('plate-1').open = true")
        browser.wait_until("document.querySelector('#plate-1 figure > a')")
        browser.run("document.querySelector('#plate-1 figure > a').click()")
        enlarged = browser.run('document.querySelector("dialog[open]").outerHTML')
        assert browser.logged == []
    figure = re.search(r'<figure>\s*<a href="([^"]+)"><img src="([^"]+)"', file.read_text())
    assert figure[1] in enlarged
    assert figure[2] in enlarged


@pytest.mark.run
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_request_would_be_seen(tmp_path, page):
    text = page.read_text().replace("</main>", '<img src="https://example.org/a.png" alt="a"></main>')
    (tmp_path / "page.html").write_text(text)
    assert "Content Security Policy" in render(tmp_path / "page.html")[1]
    assert Page(text).outside == ["https://example.org/a.png"]


# --- many plates, few plates, none ---------------------------------------------------------------


@pytest.mark.run
def test_the_page_of_51_plates_stays_small(many):
    found = checked(many)
    assert found.images == PLATES * (len(PICTURES) + 1) + 12 * 5
    assert many.stat().st_size < 60e6
    assert many.read_text().count('<details class="plate"') == PLATES


def test_missing_pieces_are_pieces_less(tmp_path, monkeypatch):
    options = write_results(tmp_path / "full", 2, conditions=1, pixels=(60, 40))
    (tmp_path / "none").mkdir()
    found = checked(write_report(tmp_path / "none", options))
    assert found.images == 0
    text = (tmp_path / "none/report/report.html").read_text()
    assert "0 of 2" in text
    assert "Quality control was not run" in text


def test_more_plates_have_pages_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(lib.targets, "MOST_PLATES", 1)
    options = write_results(tmp_path, 2, conditions=1, pixels=(60, 40))
    manifest = options["manifest"]
    assert manifest["plate_pages"] == ["plate_1.html", "plate_2.html"]
    index = write_report(tmp_path, options)
    found = Page(index.read_text())
    assert found.problems == []
    assert set(found.outside) == {"plate_1.html", "plate_2.html"}
    assert '"sheets":null' in index.read_text()
    assert '"features":"' not in index.read_text()
    single = {**manifest, "plates": manifest["plates"][1:], "plate_pages": [], "index": index.name}
    single |= {"conditions": [], "scored_conditions": manifest["conditions"], "figures": [], "scores": {}}
    page = tmp_path / "report/plate_2.html"
    report.write_page(
        {**options, "title": "Plate BR00001", "manifest": single}, page, "", "report/history.json"
    )
    text = page.read_text()
    assert Page(text).problems == []
    assert set(Page(text).outside) == {"report.html"}
    assert "Replicate correlation (median)" in text
    assert text.count("data:image/webp") > 6, "pictures and sheets"


def test_hostile_names_are_text(tmp_path):
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    evil = "</title><script>alert(1)</script>\"'&{{ 7*7 }}"
    options["title"] = evil
    options["config"]["assay"]["channels"][0]["stain"] = evil
    options["manifest"]["plates"][0]["plate"]["cell_line"] = evil
    flags = tmp_path / "workspace/quality_control/B/BR00000/flags.csv"
    pd.DataFrame({"Metadata_Well": ["A01"], "reason": [evil]}).to_csv(flags, index=False)
    map_of_plate = tmp_path / options["manifest"]["plates"][0]["normalized"]
    profiles = pd.read_parquet(map_of_plate)
    profiles.loc[3, ["Metadata_broad_sample", "Metadata_pert_iname", "Metadata_gene"]] = evil
    write_profiles(profiles, map_of_plate, read_provenance(map_of_plate))
    file = write_report(tmp_path, options)
    checked(file)
    text = file.read_text()
    assert "<script>alert" not in text
    assert "\\u003c/title>\\u003cscript>alert(1)\\u003c/script>" in text, "as data, it is text"
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", text)[0]
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_what_changed_since_the_last_report_is_reported(tmp_path):
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    table = tmp_path / "benchmark/percent_replicating.csv"
    scores = pd.read_csv(table)
    scores.assign(percent_replicating=40.0).to_csv(table, index=False)
    first = write_report(tmp_path, options).read_text()
    assert "previous" not in re.search(r"<main.*</main>", first, re.S)[0]
    scores.assign(percent_replicating=42.5).to_csv(table, index=False)
    second = write_report(tmp_path, options).read_text()
    row = re.search(r'id="score-percent_replicating.*?<tbody>(.*?)</tbody>', second, re.S)[1]
    assert re.findall(r'data-value="(.*?)"', row) == ["42.5", "40.0", "2.5"]
    assert write_report(tmp_path, options).read_text() == second, "making it again forgets nothing"


def test_logs_of_one_stage_are_distinguished(tmp_path):
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    for name in ("normalize/B/BR00000", "normalize/B/BR00000_negcon", "features/B/BR00000/chunk_1"):
        file = tmp_path / f"logs/{name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    text = write_report(tmp_path, options).read_text()
    links = re.findall(r'<a href="../logs/(\S+)">(.*?)</a>', text)
    assert [words for _, words in links if words != "logs"] == ["features", "normalize", "normalize (negcon)"]


def test_flags_are_counted_and_left_out_sites_named(tmp_path):
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    flags = pd.DataFrame(
        {
            "Metadata_Plate": "BR00000",
            "Metadata_Well": ["A01", "A01", "B02"],
            "Metadata_Site": [1, 1, 2],
            "flag": ["debris", "saturated", "debris"],
            "excluded": [True, True, False],
        }
    )
    flags.to_csv(tmp_path / "workspace/quality_control/B/BR00000/flags.csv", index=False)
    text = " ".join(write_report(tmp_path, options).read_text().split())
    assert "debris 2, saturated 1" in text
    assert "1 flagged site excluded from the profiles" in text


# --- its rules -----------------------------------------------------------------------------------


@pytest.mark.run
def test_the_report_follows_all_plates_and_no_single_one(tmp_path):
    (tmp_path / "small").mkdir()
    config = write_experiment(tmp_path / "small")
    jobs = planned("--configfile", config)
    assert jobs["report"] == jobs["plot_dropped_features"] == 1
    for rule in ("plot_replicates", "plot_profile_maps", "plot_position_effects", "plot_changed_features"):
        assert jobs[rule] == 1, rule
    assert "report" not in planned("--configfile", config, "--config", "only=P1")
    snakemake("draft_report", "--configfile", config)
    draft = tmp_path / "small" / "results" / "report" / "draft.html"
    checked(draft)
    assert "0 of 3" in draft.read_text()
    assert "Draft: results may be incomplete" in draft.read_text()


# --- its parts -----------------------------------------------------------------------------------


@pytest.mark.long
def test_51_plates_with_pictures_of_full_size(tmp_path):
    """About three minutes; `python tests/benchmarks/benchmark_report.py` also measures how it opens."""
    options = write_results(tmp_path, PLATES, pixels=(1800, 1200))
    file = write_report(tmp_path, options)
    checked(file)
    assert file.stat().st_size < 30e6
    assert file.stat().st_size > 5e6


@pytest.mark.run
def test_a_report_that_was_interrupted_is_written_by_the_next_run(default_project, page, tmp_path):
    """The job is killed after Snakemake kept the file that it changes in place; the page is the same."""
    copy = copy_of_project(tmp_path / "platewise", default_project / "results" / "default")
    results = copy / "results" / "default"
    log, history = results / "logs" / "report" / "report.log", results / "report" / "history.json"
    log.unlink()
    before = history.read_text()
    started = start_snakemake("--forcerun", "report", "--until", "report", project=copy)
    while not log.exists():
        assert started.poll() is None, "the report was written before it could be interrupted"
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert [*results.glob(".snakemake/backups/**/history.json")], "it was interrupted at another time"
    snakemake("--until", "report", project=copy)
    written = results / "report" / "report.html"
    checked(written)
    assert written.read_bytes() == page.read_bytes()
    assert history.read_text() == before
