"""The report: sound by itself, true to the results, and shown by a browser without an error."""

import io
import json
import os
import re
import shutil
import signal
import time
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import lib.targets
import report
from browser import Browser
from lib.levels import LEVELS
from lib.tables import read_provenance, write_profiles
from pages import CHROMIUM, Page, shown
from report_page.methods import write_methods
from report_page.pictures import (
    BYTES_OF_CONDITIONS,
    BYTES_OF_PLATES,
    compute_allowance,
    read_caption,
    shrink_picture,
)
from report_page.runs import run_times
from report_page.sentences import format_ordinal, get_nested, get_value
from report_page.sheets import BYTES_OF_SHEETS
from report_page.tables import make_cell
from report_page.wells import BYTES_OF_FEATURES
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
def test_the_same_results_give_the_same_page(page, default_project):
    before = page.read_bytes()
    snakemake("--forcerun", "report", "--until", "report", project=default_project)
    assert page.read_bytes() == before


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
    told = [each for each in Page(page.read_text()).data if each["data-step"] in files]
    assert {each["data-step"] for each in told} == set(files)
    every_to = []
    for each in told:
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
    told_keys = {(each["data-step"], each["data-key"]) for each in told}
    select = {"freq_cut", "unique_cut", "correlation", "na_cutoff"}
    assert {("feature_select", key) for key in select} <= told_keys
    assert {("percent_replicating", key) for key in ("draws", "percentile", "seed", "null_size")} <= told_keys


@pytest.mark.run
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page was checked statically only")
@pytest.mark.parametrize("width", [1400, 420])
def test_a_browser_shows_it_without_an_error_or_a_request(page, width, tmp_path):
    elements, console = shown(page, width=width)
    assert console == ""
    assert "<th scope" in elements
    assert "<button" in elements.split("<tbody>")[0], "the script made headings to sort by"
    assert shown(page, tmp_path / "page.png", width)[1] == ""
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
    assert "Content Security Policy" in shown(tmp_path / "page.html")[1]
    assert Page(text).outside == ["https://example.org/a.png"]


# --- many plates, few plates, none ---------------------------------------------------------------


@pytest.mark.run
def test_the_page_of_51_plates_stays_small(many):
    found = checked(many)
    assert found.images == PLATES * (len(PICTURES) + 1) + 12 * 5
    assert many.stat().st_size < 60e6
    assert many.read_text().count('<details class="plate"') == PLATES


@pytest.mark.parametrize("number", [1, 40, 459, 5000])
def test_pictures_keep_within_the_page_whatever_their_number(number):
    """Base64 adds a third; the budgets leave room for the tables and the library in 60 MB."""
    assert number * compute_allowance(number, BYTES_OF_PLATES) <= BYTES_OF_PLATES
    assert (BYTES_OF_PLATES + BYTES_OF_CONDITIONS + BYTES_OF_SHEETS + BYTES_OF_FEATURES) * 4 / 3 < 54e6


@pytest.mark.parametrize("allowed", [8_000, 60_000])
def test_a_picture_is_shrunk_to_its_allowance(tmp_path, allowed):
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    content, width, height = shrink_picture(tmp_path / "noise.png", allowed)
    assert len(content) <= allowed
    assert width / height == pytest.approx(900 / 700, rel=0.02)
    assert Image.open(io.BytesIO(content)).size == (width, height)


def test_a_small_picture_is_not_enlarged(tmp_path):
    Image.new("RGB", (60, 30)).save(tmp_path / "small.png")
    assert shrink_picture(tmp_path / "small.png", 100_000)[1:] == (60, 30)


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


def test_what_changed_since_the_last_report_is_told(tmp_path):
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


def test_logs_of_one_stage_are_told_apart(tmp_path):
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


def test_parameters_that_differ_are_all_told():
    made = [
        {"parameters": {"over": scope, "method": "mad_robustize"}} for scope in ("plate", "batch", "plate")
    ]
    assert get_value(made, "over") == ["plate", "batch"]
    assert get_value(made, "method") == "mad_robustize"
    assert get_value([{"parameters": {"a": {"b": 0.5}}}], "a.b") == 0.5


def test_methods_say_no_more_than_was_done(tmp_path):
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    found = write_methods(options["config"], {"profiles": 3}, "", {}, {}, [("platewise", "1")])
    text = " ".join(found)
    assert "The analysis of 3 plates started from existing profiles" in text
    assert not re.search("CellProfiler|normalized|Percent", text)


def test_the_methods_name_the_normalization_of_embeddings():
    def write(**parameters):
        normalized = {"method": "standardize", "over": "plate", "to": "negcon"} | parameters
        sphered = {"method": "ZCA", "epsilon": 1e-6, "shrink": True}
        levels = {
            "embeddings_normalized_negcon": [{"parameters": normalized}],
            "embeddings_spherized": [{"parameters": sphered}],
        }
        return re.sub("<.*?>", "", " ".join(write_methods({}, {}, "", levels, {}, [])))

    assert (
        "Deep-network features were normalized on each plate (standardize, with a standard deviation of at "
        "least the median over all features) relative to the negative controls. Profiles were sphered (ZCA; "
        "OAS shrinkage"
    ) in write()
    assert "normalized within each batch (mad_robustize) relative to all wells." in write(
        method="mad_robustize", over="batch", to="all"
    )


def test_files_that_say_little_of_themselves_break_nothing():
    """Profiles that a step of one's own wrote, with no parameter that is known here."""
    levels = {name: [{}, {"parameters": {"mine": 1}}] for name in ("single_cells", "network", *LEVELS)}
    metrics = {name: [{}] for name in ("percent_replicating", "percent_matching", "mean_average_precision")}
    text = " ".join(
        write_methods({"benchmark": {"toxic_z": -2}}, {"cellprofiler": 1}, "", levels, metrics, [])
    )
    assert "The analysis of 1 plate started from existing CellProfiler tables" in text
    assert "1.4826" not in text


def test_the_methods_read_as_in_a_paper(tmp_path):
    """Each parameter of the assay and of the profiles, in the words of the field."""
    options = write_results(tmp_path, 1, conditions=1, pixels=(60, 40))
    config = options["config"]
    select = {"freq_cut": 0.05, "unique_cut": 0.1, "na_cutoff": 0.05, "correlation": 0.9}
    select |= {"blocklist": True, "reference": "negcon"}
    levels = {
        "aggregated": [{"parameters": {"operation": "mean", "excluded_sites": ["A01-1"]}}],
        "normalized_negcon": [{"parameters": {"method": "mad_robustize", "over": "plate", "to": "negcon"}}],
        "normalized_feature_select_negcon_plate": [
            {"parameters": {"feature_select": select, "over": "plate"}}
        ],
        "spherized": [{"parameters": {"method": "ZCA-cor", "epsilon": 1e-6}}],
    }
    replicating = {"group": "Metadata_broad_sample", "percentile": 92, "tail": "right", "draws": 10_000}
    replicating |= {"null_size": "matched", "seed": 1, "minimum_replicates": 2}
    metrics = {"percent_replicating": [{"parameters": replicating}]}
    found = write_methods(
        config, {"images": 1}, "CellProfiler 4.2.8.1", levels, metrics, [("platewise", "1")]
    )
    for each in Page("".join(found)).data:
        value = json.loads(each["value"])
        if each["data-step"] == "assay":
            assert value == get_nested(config["assay"], each["data-key"]), each
        if each["data-step"] == "feature_select" and each["data-key"] != "over":
            assert value == select[each["data-key"]], each
        if each["data-step"] == "percent_replicating":
            assert value == replicating[each["data-key"]], each
    text = unescape(re.sub("<.*?>", "", " ".join(found)))
    assert "each image was divided by it. Nuclei were identified in the channel DNA" in text
    assert "1 site flagged by quality control was excluded. Single-cell features were aggregated" in text
    assert "normalized on each plate with MAD robust z-scores (mad_robustize; (x − median) / (1.4826" in text
    assert (
        "Features were selected on each plate from the profiles normalized to the negative controls, with a "
        "variance and frequency filter (freq_cut = 0.05, unique_cut = 0.1), a missing-value filter (at most "
        "a fraction of 0.05 of the wells), a correlation threshold (Pearson's r = 0.9) and the blocklist"
    ) in text
    assert "exceeded the 92nd percentile (right tail) of a null distribution" in text
    assert "(wells per set: as many as the perturbation has replicates; seed 1)" in text
    select["blocklist"] = False
    text = " ".join(write_methods(config, {}, "", levels, {}, []))
    assert "blocklist" not in text
    assert "of the wells), and a correlation threshold" in re.sub("<.*?>", "", text)
    config["assay"]["nuclei"]["threshold"] |= {"method": "Manual", "manual": 0.02}
    text = " ".join(write_methods(config, {"images": 1}, "CellProfiler 4.2.8.1", {}, {}, []))
    assert "manual threshold of 0.02; touching" in re.sub("<.*?>", "", text)


@pytest.mark.parametrize(
    ("value", "words"),
    [(95, "95th"), (91, "91st"), (92, "92nd"), (93, "93rd"), (97.5, "97.5th"), ([90, 95], "90th and 95th")],
)
def test_percentiles_are_ordinals(value, words):
    assert format_ordinal(value) == words


def test_what_the_network_saw_is_told():
    def told(**changed):
        crops = {"size": 224, "box": 96, "center": "Nuclei", "percentiles": [0.1, 99.9], "fixed": None}
        made = {"network": {"model": "net", "weights": "w", "stacked": False}, "crops": crops | changed}
        text = " ".join(write_methods({}, {}, "", {"network": [{"parameters": made}]}, {}, []))
        return re.sub("<.*?>", "", text)

    assert (
        "(96 x 96 pixels around the center of Nuclei, resized to 224 x 224 pixels; the percentiles 0.1 and "
        "99.9 of each illumination-corrected image were rescaled to 0 and 1) with net (weights: w), channel "
        "by channel." in told()
    )
    assert "(224 x 224 pixels around the center of Cells; " in told(box=224, center="Cells")
    assert "box, resized to 224 x 224 pixels, with pixels outside of the cell set to 0; " in told(
        box="cell", mask=True
    )
    assert "the intensities 0 and 0.5 of each image were rescaled" in told(fixed=[0, 0.5])
    stacked = {"network": {"model": "net", "weights": "w", "stacked": True}}
    levels = {"network": [{"parameters": stacked}]}
    assert "with all channels as its input planes." in " ".join(write_methods({}, {}, "", levels, {}, []))


def test_one_column_of_genes_for_both_sides_is_named_once():
    made = [{"parameters": {"gene": ["Metadata_gene", "Metadata_gene"], "draws": 10_000}}]
    text = " ".join(write_methods({}, {}, "", {}, {"percent_matching": made}, []))
    assert ">Metadata_gene</data>) whose median" in text


def test_reference_wells_are_counted_once_and_braces_are_text():
    made = [{"parameters": {"to": "negcon", "reference_wells": number}} for number in (9, 64)]
    told = " ".join(write_methods({}, {}, "", {"normalized_negcon": made}, {}, [("{over}", "1")]))
    assert "negative controls</data> (9 to 64 wells); features" in told
    assert "with {over} 1." in told


def test_run_times_are_added_up_by_stage(tmp_path):
    for name, seconds in (("a/P1", 2), ("a/P2", 3), ("b/P1", 10)):
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{100 * seconds}\t-\n")
    times = run_times(tmp_path).drop(columns="CPU seconds")
    assert times.to_numpy().tolist() == [["a", 2, 5, 3, 300], ["b", 1, 10, 10, 1000]]


@pytest.mark.parametrize("file", sorted((PROJECT / "rules" / "captions").glob("*.rst")), ids=lambda f: f.stem)
def test_every_caption_can_be_told(file):
    wildcards = dict.fromkeys(("condition", "feature_set", "batch", "plate", "channel"), "X")
    title, text = read_caption(file.parent, file.stem, wildcards)
    assert not title.endswith(".")
    assert text.endswith(".")
    assert not text.startswith(title)
    assert "{" not in title + text


def test_cells_sort_by_value_and_read_as_words():
    assert make_cell(1234.5).text == "1,234" or make_cell(1234.5).text == "1,234.5"
    assert make_cell(float("nan")).text == ""
    assert make_cell(True).text == "yes"
    assert make_cell("0012").text == "0012"
    assert not make_cell("0012").number
    assert make_cell(np.float64(0.00012345)).sort == "0.00012345"


@pytest.mark.long
def test_51_plates_with_pictures_of_full_size(tmp_path):
    """About three minutes; `python tests/benchmarks/benchmark_report.py` also measures how it opens."""
    options = write_results(tmp_path, PLATES, pixels=(1800, 1200))
    file = write_report(tmp_path, options)
    checked(file)
    assert file.stat().st_size < 30e6
    assert file.stat().st_size > 5e6


@pytest.mark.run
def test_a_report_that_was_interrupted_is_written_by_the_next_run(default_project, tmp_path):
    """The job is killed after Snakemake kept the file that it changes in place."""
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
    checked(results / "report" / "report.html")
    assert history.read_text() == before
