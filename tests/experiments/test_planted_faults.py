"""A simulated plate with a planted fault of each kind, through CellProfiler: each is flagged, no other."""

import json
import re
import subprocess

import pandas as pd
import pytest
import yaml
from PIL import Image

from lib.cellprofiler import get_environment as running_environment
from lib.config import complete_config
from lib.tables import read_profiles, read_provenance
from workflow import PROJECT, copy_of_config, planned, snakemake

pytestmark = pytest.mark.run

CONFIG = PROJECT / "tests" / "configs" / "planted_faults" / "config.yaml"
IMAGE_FLAGS = ("out_of_focus", "saturated", "debris")
CHANNELS = ("Mito", "AGP", "RNA", "ER", "DNA")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The experiment, run to the end."""
    config = copy_of_config("planted_faults", tmp_path_factory.mktemp("planted_faults") / "experiment")
    snakemake("--configfile", config, "--config", "only=FAULTY")
    return config


@pytest.fixture(scope="module")
def results(config):
    """The plate's folder of quality control."""
    return config.parent / "results/workspace/quality_control/simulated/FAULTY"


@pytest.fixture(scope="module")
def flags(results):
    return pd.read_csv(results / "flags.csv", dtype={"Metadata_Site": str})


@pytest.fixture(scope="module")
def truth(config):
    return pd.read_csv(config.parent / "results/images/simulated/truth/FAULTY.csv").set_index("well")


def flagged(flags: pd.DataFrame, kind: str) -> set[tuple[str, str]]:
    rows = flags[flags["flag"] == kind]
    return set(zip(rows["Metadata_Well"], rows["Metadata_Site"], strict=True))


def test_each_fault_is_flagged(flags):
    assert flagged(flags, "out_of_focus") == {("B03", "1"), ("E06", "2")}
    assert flagged(flags, "saturated") == {("C05", "1")}
    assert flagged(flags, "debris") == {("F04", "2")}
    assert {("D02", "1"), ("D02", "2")} <= flagged(flags, "empty")
    shifted = flags[flags["flag"] == "shifted_column"]
    assert set(shifted["region"]) == {"column 7"}
    assert (shifted["value"] < -0.2).any()
    assert flags["reason"].str.len().min() > 20


def test_clean_sites_are_left_alone(flags, truth):
    """Positive controls, toxic wells and strong treatments among them; fields without a cell are empty."""
    clean = truth[truth["faults"].isna() & (truth["empty_fields"] == 0)]
    assert len(clean) > 30
    assert {"strong", "none"} <= set(clean["effect"])
    wrong = flags[flags["Metadata_Well"].isin(clean.index)]
    assert len(wrong) / (2 * len(clean)) < 0.02, wrong
    assert not flags["region"].dropna().isin(["edge", "row A", "column 1"]).any()
    empty = flags.loc[flags["flag"] == "empty", "Metadata_Well"]
    # Of a toxic treatment's few cells, all in a field may touch its border.
    assert ((truth.loc[empty, "empty_fields"] > 0) | (truth.loc[empty, "broad_sample"] == "TOXIC")).all()


def test_the_default_experiment_is_clean(default_results):
    """Hardly a site of its six plates is flagged, but for the fields without a cell."""
    counted = [
        pd.read_csv(path)
        for path in sorted((default_results / "workspace/quality_control").glob("*/*/summary.csv"))
    ]
    summary = pd.concat(counted)
    truth = pd.concat(
        pd.read_csv(path) for path in (default_results / "images/simulated/truth").glob("*.csv")
    )
    assert len(summary) == 6
    wrong = summary[["out_of_focus_sites", "saturated_sites", "debris_sites"]].to_numpy().sum()
    wrong += summary["empty_sites"].sum() - truth["empty_fields"].sum()
    assert wrong / summary["sites"].sum() < 0.02
    assert summary[["edge_effect", "shifted_row", "shifted_column"]].isna().all(axis=None)


def test_tables_of_sites_wells_and_the_plate(results):
    sites = pd.read_parquet(results / "site_quality.parquet")
    assert len(sites) == 96
    measures = ("MeanIntensity", "MedianIntensity", "PowerLogLogSlope", "PercentMaximal", "Background")
    wanted = {f"{measure}_{channel}" for measure in measures for channel in CHANNELS}
    wanted |= {"Count_Cells", "Nuclei_Area"}
    assert wanted | {f"RobustZ_{name}" for name in wanted} <= set(sites)
    assert sites[sorted(wanted - {"Nuclei_Area"})].notna().all(axis=None)
    wells = pd.read_csv(results / "well_quality.csv")
    assert len(wells) == 48
    assert wells["Count_Cells"].sum() == sites["Count_Cells"].sum()
    summary = pd.read_csv(results / "summary.csv").iloc[0]
    assert (summary["wells"], summary["sites"], summary["excluded_sites"]) == (48, 96, 0)
    assert summary["shifted_column"] == "column 7"
    assert read_provenance(results / "site_quality.parquet")["parameters"]["limits"]["focus_z"] == 5


def test_pictures(results):
    names = ["heatmaps", "illumination", "montage_composite", *(f"montage_{c}" for c in CHANNELS)]
    for name in names:
        with Image.open(results / "pictures" / f"{name}.png") as picture:
            assert picture.width > 600, name
    shown = pd.read_csv(results / "montage_wells.csv")
    assert set(shown["kind"].dropna()) == {"negcon", "poscon_cp"}
    assert "TOXIC" in set(shown["sample"])


def test_the_segmentation_check(config, results):
    snakemake("segmentation_check", "--configfile", config)
    folder = results / "pictures" / "segmentation"
    objects = pd.read_csv(folder / "objects.csv")
    assert len(objects) == 8
    assert len(list((folder / "wells").glob("*.png"))) == 8
    with Image.open(folder / "montage.png") as picture:
        assert picture.width > 1000
    # The check finds what the analysis itself found.
    counted = pd.read_csv(results / "sites.csv").astype({"Metadata_Site": int})
    both = objects.merge(counted, on=["Metadata_Well", "Metadata_Site"])
    assert (both["Count_Cells"] == both["cells"] + both["unpaired_objects"] // 2).sum() >= 7


OWN = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import cellprofiler_core.preferences
cellprofiler_core.preferences.set_headless()
import pipelines
assay, folder = json.loads(sys.argv[2]), Path(sys.argv[3])
own = pipelines.analysis_pipeline(assay)
own.add("FilterObjects", [("Select the objects to filter", "Nuclei"), ("Name the output objects", "Large"),
    ("Select the filtering mode", "Measurements"), ("Select the filtering method", "Limits"),
    ("Select the measurement to filter by", "AreaShape_Area")])
own.write(folder / "own.cppipe")
pipelines.main("segmentation", assay, folder / "segmentation.cppipe", folder / "own.cppipe", None, sys.stdout)
"""


def test_the_check_of_a_pipeline_of_ones_own_measures_only_what_it_decides_by(
    cellprofiler_environment, tmp_path
):
    config = complete_config(yaml.safe_load(CONFIG.read_text()), CONFIG)
    subprocess.run(
        [
            cellprofiler_environment / "bin/python",
            "-c",
            OWN,
            PROJECT / "scripts",
            json.dumps(config["assay"]),
            tmp_path,
        ],
        env=running_environment(1),
        check=True,
        capture_output=True,
    )
    modules = re.findall(r"^(\w+):\[module_num", (tmp_path / "segmentation.cppipe").read_text(), re.M)
    assert [name for name in modules if name.startswith("Measure")] == ["MeasureObjectSizeShape"]
    assert modules[-6:] == ["FilterObjects", *2 * ["OverlayOutlines", "SaveImages"], "ExportToSpreadsheet"]
    assert modules.count("ExportToSpreadsheet") == 1


@pytest.mark.plan
def test_the_gate_waits_for_a_persons_yes(tmp_path):
    config = copy_of_config("planted_faults", tmp_path / "experiment")
    waiting = ("--forceall", "--configfile", config, "--config")
    jobs = planned(*waiting, "segmentation={wait_for_approval: true}")
    assert jobs["plot_segmentation"] == 1
    assert "features" not in jobs
    jobs = planned(*waiting, "segmentation={wait_for_approval: true, approved: true}")
    assert jobs["features"] == 1
    assert "plot_segmentation" not in jobs
    result = snakemake(
        "workspace/backend/simulated/FAULTY/FAULTY.parquet",
        "--dry-run",
        *waiting,
        "segmentation={wait_for_approval: true}",
        check=False,
    )
    assert result.returncode
    assert "The segmentation is waiting for your approval" in result.stdout
    assert "pictures/segmentation/montage.png" in result.stdout


def test_flagged_sites_are_left_out_where_the_config_says_so(config, results):
    """Wells keep their row; the profiles and their provenance record how many sites are missing."""
    profiles = config.parent / "results/workspace/profiles/simulated/FAULTY"
    with_all = read_profiles(profiles / "FAULTY.parquet").set_index("Metadata_Well")
    arguments = ("--configfile", config, "--config", "only=FAULTY")
    try:
        snakemake("--until", "annotate", *arguments, "quality={exclude_flagged: true}")
        table = read_profiles(profiles / "FAULTY_augmented.parquet").set_index("Metadata_Well")
        out = table["Metadata_Count_Sites_Excluded"]
        assert out[out > 0].to_dict() == {"B03": 1, "C05": 1, "E06": 1, "F04": 1}
        assert (table["Metadata_Count_Sites"] + out == with_all["Metadata_Count_Sites"]).all()
        assert len(table) == 48
        made_by = read_provenance(profiles / "FAULTY.parquet")
        expected = ["B03 site 1", "C05 site 1", "E06 site 2", "F04 site 2"]
        assert made_by["parameters"]["excluded_sites"] == expected
        excluded = pd.read_csv(results / "flags.csv").query("excluded")
        assert set(excluded["flag"]) == set(IMAGE_FLAGS)
    finally:
        snakemake("--until", "annotate", *arguments, "quality={exclude_flagged: false}")
    assert "excluded_sites" not in read_provenance(profiles / "FAULTY.parquet")["parameters"]
