"""The workflow's rules: a log on each, no `run:` block, and a dry run of the paper's whole experiment."""

import re
import resource

import pytest
import yaml

from workflow import PROJECT, planned

pytestmark = pytest.mark.plan

RULES = {
    match[1]: match[2]
    for file in sorted((PROJECT / "rules").glob("*.smk"))
    for match in re.finditer(r"^ *rule (\w+):\n(.*?)(?=^\S|^ *rule |\Z)", file.read_text(), re.M | re.S)
}


@pytest.mark.unit
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_log_and_resources_and_no_run_block(rule):
    body = RULES[rule]
    for directive in ("output:", "log:", "threads:", "resources:", "message:"):
        assert directive in body, f"{rule} has no {directive}"
    assert not re.search(r"^\s+run:", body, re.M)
    assert re.search(r"^\s+(script|shell):", body, re.M)


def test_whole_cpjump1_is_planned_quickly():
    """In processor time, which other programs do not change much: 15 s on an idle machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = planned("--configfile", "config/cpjump1/config.yaml")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    assert jobs["load_data"] == 51
    assert jobs["fetch_file"] == 6
    assert jobs["illumination"] == 51
    assert jobs["percent_replicating"] == 12
    assert jobs["percent_matching"] == 16
    assert jobs.total() < 10_000


def test_the_published_benchmark_needs_no_image():
    jobs = planned("--configfile", "config/cpjump1/profiles_only/config.yaml")
    assert jobs["import_profiles"] == 40
    assert jobs["percent_replicating"] == 24
    assert "features" not in jobs


def test_the_sample_sheet_is_checked_before_anything_runs(tmp_path):
    (tmp_path / "config.yaml").write_text("results: results\nplates: plates.tsv\n")
    (tmp_path / "plates.tsv").write_text("batch\tplate\nB\tP\n")
    with pytest.raises(AssertionError) as error:
        planned("--configfile", tmp_path / "config.yaml")
    assert "lacks the column plate_map, perturbation; it has batch, plate" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_results_go_where_the_command_line_says(tmp_path):
    """`--directory` goes before the config's `results`, and paths of the experiment stay right."""
    (tmp_path / "config.yaml").write_text("results: my results\nplates: plates.tsv\n")
    columns = ("batch", "plate", "plate_map", "perturbation", "profiles", "level")
    row = ("B", "P", "", "compound", "p.csv", "normalized_negcon")
    (tmp_path / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    (tmp_path / "p.csv").write_text("Metadata_Well,Cells_X\nA01,1\n")
    jobs = planned("--configfile", tmp_path / "config.yaml", "--directory", tmp_path / "far" / "away")
    assert jobs["import_profiles"] == 1
    assert (tmp_path / "far" / "away").is_dir()
    assert not (tmp_path / "my results").exists()


@pytest.mark.parametrize(("number", "pages"), [(60, 0), (61, 61)])
def test_many_plates_get_a_page_each(tmp_path, number, pages):
    (tmp_path / "config.yaml").write_text("results: results\nplates: plates.tsv\n")
    rows = [("batch", "plate", "plate_map", "perturbation", "profiles", "level")]
    for plate in range(number):
        rows.append(("B", f"P{plate}", "", "compound", f"p{plate}.csv", "normalized_negcon"))
        (tmp_path / f"p{plate}.csv").write_text(
            f"Metadata_Plate,Metadata_Well,Cells_X\nP{plate},A01,{plate}\n"
        )
    (tmp_path / "plates.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    jobs = planned("--configfile", tmp_path / "config.yaml")
    assert jobs["report"] == 1
    assert jobs["plate_page"] == pages


def test_one_channel_that_the_names_of_the_images_do_not_have_is_planned(tmp_path):
    (tmp_path / "images").mkdir()
    for well in ("A01", "A02"):
        (tmp_path / "images" / f"P_{well}.tif").touch()
    (tmp_path / "map.csv").write_text("well_position,broad_sample,control_type\nA01,,negcon\nA02,C1,\n")
    (tmp_path / "plates.tsv").write_text(
        "batch\tplate\tplate_map\tperturbation\tcell_line\ttimepoint\timages\n"
        "B\tP\tmap.csv\tcompound\tU2OS\t48\timages\n"
    )
    assay = {
        "channels": [{"name": "DNA", "image": "1"}],
        "nuclei": {"channel": "DNA"},
        "cells": {"method": "Distance - N", "distance": 5},
    }
    images = {"pattern": r"(?P<plate>\w+)_(?P<well>[A-H]\d+)\.tif"}
    config = {"results": "results", "plates": "plates.tsv", "images": images, "assay": assay}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert planned("--configfile", tmp_path / "config.yaml")["load_data"] == 1
