"""The Methods paragraph: it says what was done, in the words of a paper, and nothing else."""

import json
import re
from html import unescape

import pytest

from lib.levels import LEVELS
from pages import Page
from report_page.methods import write_methods
from report_page.sentences import get_nested
from synthetic_report import write_results

pytestmark = pytest.mark.unit


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
        "Deep-network features were normalized on each plate relative to the negative controls (standardize, "
        "with standard deviations raised to at least their median over all features). Profiles were sphered "
        "(ZCA; OAS shrinkage"
    ) in write()
    assert "normalized within each batch relative to all wells (mad_robustize)." in write(
        method="mad_robustize", over="batch", to="all"
    )


def test_files_that_say_little_of_themselves_break_nothing():
    """Profiles that a step of one's own wrote, with no parameter that is known here."""
    levels = {name: [{}, {"parameters": {"mine": 1}}] for name in ("single_cells", "network", *LEVELS)}
    metrics = {name: [{}] for name in ("percent_replicating", "percent_matching", "mean_average_precision")}
    text = " ".join(
        write_methods({"benchmark": {"toxic_z": -2}}, {"cellprofiler": 1}, "", levels, metrics, [])
    )
    assert "The analysis of one plate started from existing CellProfiler tables" in text
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
    assert "each image was divided by it. Nuclei were identified in the DNA channel" in text
    assert "1 site flagged by quality control was excluded. Single-cell features were aggregated" in text
    assert "normalized on each plate with MAD robust z-scores (mad_robustize; (x − median) / (1.4826" in text
    assert (
        "Features were selected on each plate from the profiles normalized to the negative controls with a "
        "variance and frequency filter (freq_cut = 0.05, unique_cut = 0.1), a missing-value filter (missing "
        "in at most a fraction of 0.05 of the wells), a correlation threshold (Pearson's r = 0.9), and a "
        "blocklist"
    ) in text
    assert "more extreme than the 92nd percentile (right tail) of a null distribution" in text
    assert (
        "(as many wells per set as the perturbation had replicates, but no more than there were "
        "perturbations, and no more than 100; seed 1)"
    ) in text
    select["blocklist"] = False
    text = " ".join(write_methods(config, {}, "", levels, {}, []))
    assert "blocklist" not in text
    assert "of the wells), and a correlation threshold" in re.sub("<.*?>", "", text)
    config["assay"]["nuclei"]["threshold"] |= {"method": "Manual", "manual": 0.02}
    text = " ".join(write_methods(config, {"images": 1}, "CellProfiler 4.2.8.1", {}, {}, []))
    assert "manual threshold of 0.02; touching" in re.sub("<.*?>", "", text)


def test_what_the_network_saw_is_reported():
    def get_text(**changed):
        crops = {"size": 224, "box": 96, "center": "Nuclei", "percentiles": [0.1, 99.9], "fixed": None}
        made = {"network": {"model": "net", "weights": "w", "stacked": False}, "crops": crops | changed}
        text = " ".join(write_methods({}, {}, "", {"network": [{"parameters": made}]}, {}, []))
        return re.sub("<.*?>", "", text)

    assert (
        "(96 × 96 pixels, centered on Nuclei, resized to 224 × 224 pixels; the percentiles 0.1 and 99.9 of "
        "each illumination-corrected image were rescaled to 0 and 1) with net (weights: w), separately for "
        "each channel." in get_text()
    )
    assert "(224 × 224 pixels, centered on Cells; " in get_text(box=224, center="Cells")
    assert "box, resized to 224 × 224 pixels, with pixels outside of the cell set to 0; " in get_text(
        box="cell", mask=True
    )
    assert "the intensities 0 and 0.5 of each image were rescaled" in get_text(fixed=[0, 0.5])
    stacked = {"network": {"model": "net", "weights": "w", "stacked": True}}
    levels = {"network": [{"parameters": stacked}]}
    assert "with all channels as input planes." in " ".join(write_methods({}, {}, "", levels, {}, []))


def test_one_column_of_genes_for_both_sides_is_named_once():
    made = [{"parameters": {"gene": ["Metadata_gene", "Metadata_gene"], "draws": 10_000}}]
    text = " ".join(write_methods({}, {}, "", {}, {"percent_matching": made}, []))
    assert ">gene</data>) for which the median" in text
    made = [{"parameters": {"gene": ["Metadata_moa", "Metadata_target"], "draws": 10_000}}]
    text = " ".join(write_methods({}, {}, "", {}, {"percent_matching": made}, []))
    assert "with the same moa or target (" in text
    assert "with a different moa or target (all" in text


def test_reference_wells_are_counted_once_and_braces_are_text():
    made = [{"parameters": {"to": "negcon", "reference_wells": number}} for number in (9, 64)]
    text = " ".join(write_methods({}, {}, "", {"normalized_negcon": made}, {}, [("{over}", "1")]))
    assert "negative controls</data> (n = 9–64 wells). Features" in text
    assert "using {over} 1." in text


def get_text(metrics: dict) -> str:
    """Return the sentences on the benchmark's tables, without markup."""
    config = {"benchmark": {"toxic_z": -2}}
    return unescape(re.sub("<.*?>", "", " ".join(write_methods(config, {}, "", {}, metrics, []))))


def test_consensus_profiles_are_described_as_their_files_say():
    def made(operation: str, **more) -> dict:
        return {"parameters": {"feature_set": "x", "operation": operation, **more}}

    assert "consensus" not in get_text({"consensus": []})
    assert (
        "The replicates of each perturbation in a condition were combined into consensus profiles by their "
        "median."
    ) in get_text({"consensus": [made("median"), made("median")]})
    weights = {"method": "pearson", "min_weight": 0.02, "precision": 3}
    assert (
        "by their mean and, separately, by MODZ (Subramanian et al., Cell 2017), a mean that is weighted by "
        "the pearson correlation between replicates (min_weight = 0.02, precision = 3)."
    ) in get_text({"consensus": [made("mean"), made("modz", modz=weights)]})


def test_the_evaluation_of_chains_is_described():
    made = {"parameters": {"draws": 500, "batch": "Metadata_Source"}}
    text = get_text({"judged": [made, made]})
    assert "evaluated by Percent Replicating (500 random sets)" in text
    assert "the mixing of batches (Source): iLISI" in text


def test_each_chain_has_a_paragraph():
    steps = [{"step": "harmony", "batch": "Metadata_Plate", "clusters": 20, "iterations": 5}]
    levels = {f"{name}_harmony": [{"parameters": {"chain": name, "steps": steps}}] for name in ("one", "two")}
    first, second = write_methods({}, {}, "", levels, {}, [])[:2]
    for name, paragraph in (("one", first), ("two", second)):
        text = re.sub("<.*?>", "", paragraph)
        assert text.startswith(f"To obtain the profiles “{name}”, well-level profiles were processed")
        assert "Harmony (Korsunsky et al., Nature Methods 2019) (20 clusters, at most 5 iterations)" in text


def get_text_of_hits(**hits: int) -> str:
    """Return the sentences on hits, without markup."""
    config = {"benchmark": {"toxic_z": -2}}
    return re.sub("<.*?>", "", " ".join(write_methods(config, {}, "", {}, {}, [], hits=hits)))


def test_calls_that_were_not_made_are_not_described():
    assert "active" not in get_text_of_hits(called=0, active=0, counted=0)
    text = get_text_of_hits(called=0, active=0, counted=5)
    assert "called active" not in text
    assert "Perturbations were called toxic if" in text
    text = get_text_of_hits(called=5, active=0, counted=0)
    assert "Perturbations were called active if" in text
    assert "toxic" not in text
    assert "Leiden" not in text
    assert "was the number of these perturbations divided by 60" in get_text_of_hits(called=5, active=2)


def test_published_profiles_are_named_with_level_and_number_of_features():
    def get_first(published):
        text = " ".join(write_methods({}, {"profiles": 2}, "", {}, {}, [], published=published))
        return text.split(". ")[0]

    assert get_first({}) == "The analysis of 2 plates started from existing profiles"
    one = "The analysis of 2 plates started from existing profiles (level aggregated, 5,792 features)"
    assert get_first({"aggregated": [5792, 5792]}) == one
    assert "(level a, 3–4 features; level b, 2 features)" in get_first({"a": [4, 3], "b": [2]})


def test_columns_are_named_without_the_prefix_of_metadata():
    made = {
        "parameters": {"group": ["Metadata_broad_sample", "Metadata_dose"], "draws": 10, "percentile": 95}
    }
    assert "(defined by broad_sample and dose)" in get_text({"percent_replicating": [made]})
