"""The Methods paragraph of each preset against the files that the preset writes.

Each preset runs on two small plates, step by step, to files as in the workflow. What the paragraph says must
be what the metadata of the last files say, and the recorded parameters must give the recorded values again.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from chain_plate import main as extract_plate
from chain_step import main as do_step
from chain_step import run_step
from harmony_runs import run_harmony
from lib.chains import KEYS, PRESETS, complete_chain
from lib.provenance import PROVENANCE_KEY
from lib.tables import get_features, get_provenance, read_profiles, write_profiles
from report_page.chain_methods import describe_chains
from report_page.runs import read_provenance_of

pytestmark = pytest.mark.run

CONTROLS = {"column": "control_type", "negcon": "negcon"}
GROUP = "Metadata_broad_sample"
# Options that change no value in a preset: nothing is added to a MAD, no plate has fewer wells, and so on.
UNSTATED = {"step", "epsilon", "floor", "keep_flat", "minimum_wells", "over", "fewest_perturbations"}
UNSTATED |= {"keep_count", "keep_uncounted", "arm", "expression", "blocklist", "reference", "together"}
UNSTATED |= {"scaled", "recipe_order", "min_variance", "outlier_cutoff", "noise_removal_stdev_cutoff"}
# How a sentence says an option that is a choice, by the step, the option and its recorded value.
SAID = {
    ("normalize", "scaled", False): "(without the factor 1.4826)",
    ("normalize", "recipe_order", True): "the wells were sorted as in JUMP's recipe",
    ("normalize", "reference", "negcon"): "relative to the negative controls",
    ("normalize", "reference", "all"): "relative to all wells",
    ("variance", "reference", "negcon"): "median absolute deviation in the negative controls",
    ("variance", "reference", "all"): "median absolute deviation in all wells",
    ("sphere", "reference", "negcon"): "a transformation fitted to the negative controls",
    ("feature_select", "together", False): "applied one after the other",
    ("feature_select", "reference", "all"): "based on all wells",
    ("normalize", "over", "plate"): "normalized on each plate",
    ("cell_count", "keep_uncounted", True): "wells without that number kept their values",
    ("rank_int", "over", "experiment"): "transformed over all plates",
    ("sphere", "over", "experiment"): "sphered over all plates",
    ("cell_count", "over", "experiment"): "fitted over all plates",
    ("well_position", "over", "experiment"): "calculated over all plates",
    ("pca", "over", "experiment"): "reduced over all plates",
}
LEFT_OUT = {
    "untreated_wells": "Wells without a perturbation were excluded",
    "incomplete_wells": "Wells that lacked more than a tenth of the features were excluded",
    "image_features": "Image-level features were excluded",
}


def write_plates(folder: Path) -> list[Path]:
    """Write two plates of 96 wells: 42 genes on each in another layout, twelve controls, 30 features."""
    rng = np.random.default_rng(7)
    names = [f"Cells_Texture_F{number:02d}" for number in range(29)] + ["Image_Intensity_A"]
    effects = rng.normal(size=(42, len(names)))
    paths = []
    for plate in range(2):
        genes = rng.permutation(np.repeat(np.arange(43), 2))[:84]
        kinds = rng.permutation([*genes, *[-1] * 12])
        values = rng.normal(size=(96, len(names))) + 5
        for row, kind in enumerate(kinds):
            values[row] += effects[kind] if 0 <= kind < 42 else 0
        treated = (kinds >= 0) & (kinds < 42)  # 42 is an empty well
        wells = pd.DataFrame(
            {
                "Metadata_Batch": "B",
                "Metadata_Plate": f"P{plate}",
                "Metadata_Well": [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)],
                GROUP: pd.Series(kinds, dtype="str").where(treated | (kinds < 0)),
                "Metadata_control_type": pd.Series("negcon", index=range(96)).where(kinds < 0),
                "Metadata_arm": np.where(treated, "1p", ""),
                "Metadata_zfpkm": np.where(kinds % 3 > 0, "-5", "2"),
                "Metadata_Count_Cells": rng.integers(50, 300, 96),
            }
        )
        paths.append(folder / f"P{plate}.parquet")
        write_profiles(wells.join(pd.DataFrame(values, columns=names)), paths[-1], get_provenance({}, []))
    return paths


def run_preset(preset: str, folder: Path) -> list[Path]:
    """Run the steps of a preset as the rules do, and extract its plates; return the files of the plates."""
    chain = complete_chain(preset, {"preset": preset, "options": EASIER.get(preset, {})})
    paths = write_plates(folder)
    for number, (step, options) in enumerate(chain["steps"]):
        settings = {"step": step, "options": options, "first": number == 0, "chain": preset}
        settings |= {"condition": [], "group": GROUP, **{key: chain[key] for key in KEYS}}
        output = folder / f"{number}.parquet"
        if step == "harmony":
            changed = {key: settings[key] for key in ("first", "chain", *KEYS)}
            run_harmony(paths, options, output, folder / "harmony.log", **changed)
        else:
            outputs = {"profiles": str(output), "dropped": str(output.with_suffix(".csv"))}
            do_step([str(path) for path in paths], outputs, settings, CONTROLS)
        paths = [output]
    for plate in ("P0", "P1"):
        extract_plate(str(paths[0]), str(folder / f"last_{plate}.parquet"), "B", plate)
    return [folder / "last_P0.parquet", folder / "last_P1.parquet"]


# So few plates have few perturbations per position.
EASIER = {
    name: {"well_position": {"fewest_perturbations": 1}, "sphere": {"epsilon": {"draws": 4}}}
    for name in ("jump_orf", "jump_crispr")
}


def get_recorded_steps(file: Path) -> list[dict[str, Any]]:
    """Return the steps that the metadata of a file name, read without the code of the report."""
    return json.loads(pq.read_schema(file).metadata[PROVENANCE_KEY])["parameters"]["steps"]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_methods_of_a_preset_say_what_its_files_record(preset, tmp_path):
    files = run_preset(preset, tmp_path)
    steps = get_recorded_steps(files[0])
    assert [step["step"] for step in steps] == [step for step, _ in complete_chain("x", preset)["steps"]]
    assert get_recorded_steps(files[1]) == steps
    (sentences,) = describe_chains({"last": [read_provenance_of(file) for file in files]})
    left_out = [text for key, text in LEFT_OUT.items() if steps[0][key] is False]
    assert steps[0]["precision"] == "float32"
    left_out.append("Values were kept in single precision between the steps")
    texts = [re.sub("<[^>]*>", "", str(sentence)).replace("&#39;", "'") for sentence in sentences]
    assert texts[0] == f"To obtain the profiles “{preset}”, well-level profiles were processed as follows."
    assert [text.split(",")[0].rstrip(".") for text in texts[1 : 1 + len(left_out)]] == left_out
    of_steps = list(zip(steps, sentences[1 + len(left_out) :], texts[1 + len(left_out) :], strict=True))
    for step, sentence, text in of_steps:
        name = step["step"]
        # every marked parameter is the recorded one
        marked = re.findall(r'<data data-step="([^"]*)" data-key="([^"]*)" value="([^"]*)">', str(sentence))
        for of_step, key, value in marked:
            assert of_step == name
            assert json.loads(value.replace("&#34;", '"').replace("&#39;", "'")) == step[key], (name, key)
        # every number of the sentence is that of a parameter
        without = re.sub(r"<a .*?</a>|<data.*?</data>", "", str(sentence))
        numbers = set(re.findall(r"\d+(?:\.\d+)?", without.replace("&#39;", "")))
        allowed = {"1.4826"} if step.get("scaled") is False else set()
        allowed |= {"0"} if name == "variance" else set()  # "a MAD that is not 0"
        allowed |= {str(step["epsilon"]["draws"])} if isinstance(step.get("epsilon"), dict) else set()
        assert numbers <= allowed, (name, text)
        # every choice is named, and every option is either marked, named or known to change nothing here
        for key, value in step.items():
            if isinstance(value, str | bool) and (name, key, value) in SAID:
                assert SAID[name, key, value] in text, (name, key)
        options = set(dict(complete_chain("x", preset)["steps"])[name])
        assert options - UNSTATED <= {key for _, key, _ in marked}, name
        if name == "sphere":
            assert f"ε = {step['chosen_epsilon']:.6g})" in text
            best = int(np.argmax(step["epsilons"]["score"]))
            assert step["epsilons"]["epsilon"][best] == step["chosen_epsilon"]
            assert len(step["epsilons"]["epsilon"]) == step["epsilon"]["draws"] == 4
        if name == "harmony":
            # 192 wells are fewer than the 300 clusters that the preset asks for
            wells = np.isfinite(read_profiles(files[0]).iloc[:, -1]).sum()
            wells += np.isfinite(read_profiles(files[1]).iloc[:, -1]).sum()
            assert step["clusters"] == round(wells / 30)
            assert f"({step['clusters']} clusters, at most 20 iterations)" in text


@pytest.mark.parametrize("preset", PRESETS)
def test_the_recorded_parameters_give_the_recorded_values_again(preset, tmp_path):
    run_preset(preset, tmp_path)
    table = pd.concat(
        [read_profiles(tmp_path / f"P{plate}.parquet") for plate in range(2)], ignore_index=True
    )
    last = sorted(tmp_path.glob("[0-9]*.parquet"), key=lambda path: int(path.stem))[-1]
    steps = get_recorded_steps(last)
    recorded_keys = {key: steps[0][key] for key in (*LEFT_OUT, "precision")}
    for number, recorded in enumerate(steps):
        step = recorded["step"]
        written = read_profiles(tmp_path / f"{number}.parquet")
        if step == "harmony":
            table = written
            continue
        options = {key: recorded[key] for key in dict(complete_chain("x", preset)["steps"])[step]}
        if step == "sphere":
            options["epsilon"] = recorded["chosen_epsilon"]
        settings = {"step": step, "options": options, "first": number == 0}
        settings |= {"condition": [], "group": GROUP, **recorded_keys}
        table, _, _ = run_step(table, settings)
        features = get_features(written)
        assert get_features(table) == features
        assert len(features) > 5
        np.testing.assert_array_equal(table[features].to_numpy(float), written[features].to_numpy(float))
