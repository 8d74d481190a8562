"""Networks of other groups by name: their settings, their channels by stain, and what they need."""

from pathlib import Path

import pytest

from lib.checks import check_weights
from lib.config import complete_config
from lib.errors import InputError
from lib.experiment import Experiment
from lib.network_presets import TABLE, find_stains, read_network_presets
from lib.schema import read_schema

pytestmark = pytest.mark.unit

PAINTING = {
    "Mito": "MitoTracker",
    "AGP": "phalloidin",
    "RNA": "SYTO 14",
    "ER": "Concanavalin A",
    "DNA": "DAPI",
}


def get_embeddings(names: dict[str, str], **embeddings) -> dict:
    """A complete config's block of an assay with channels of these names and stains."""
    channels = [
        {"name": name, "image": str(at), "stain": stain} for at, (name, stain) in enumerate(names.items())
    ]
    assay = {"channels": channels, "nuclei": {"channel": next(iter(reversed(names)))}}
    config = {"results": "r", "plates": "p.tsv", "assay": assay}
    config["embeddings"] = {"weights": "network.onnx", **embeddings}
    return complete_config(config, "config.yaml")["embeddings"]


def test_the_schema_names_the_presets_of_the_table():
    known = read_schema()["properties"]["embeddings"]["properties"]["preset"]["enum"]
    assert set(known) - {None} == set(read_network_presets())
    keys = set(read_schema()["properties"]["embeddings"]["properties"])
    for preset in read_network_presets().values():
        assert set(preset["settings"]) <= keys
        assert all(preset[key] for key in ("network", "weights", "license", "first", "source"))


def test_a_preset_sets_what_the_config_does_not():
    found = get_embeddings(PAINTING, preset="cell_painting_cnn")
    assert found["channels"] == ["DNA", "RNA", "ER", "AGP", "Mito"]
    assert (found["stacked"], found["size"], found["box"], found["model"]) == (
        True,
        128,
        128,
        "cell_painting_cnn",
    )
    own = get_embeddings(PAINTING, preset="cell_painting_cnn", box=96, channels=["Mito", "DNA"])
    assert (own["box"], own["size"], own["channels"]) == (96, 128, ["Mito", "DNA"])
    # A bag of channels takes them all.
    assert get_embeddings(PAINTING, preset="morphem")["channels"] is None
    without = get_embeddings(PAINTING)
    assert (without["preset"], without["size"], without["stacked"]) == (None, 224, False)


def test_channels_are_found_by_their_stains():
    names = {
        "C1": "MitoTracker Deep Red",
        "C2": "Phalloidin 568",
        "C3": "SYTO 14",
        "C4": "Concanavalin A 488",
    }
    found = get_embeddings({**names, "C5": "Hoechst 33342"}, preset="subcell")
    assert found["channels"] == ["C2", "C4", "C5", "C3"]
    # A name decides, whatever the stain; two channels of one stain do not.
    channels = [{"name": "DNA", "stain": "X"}, {"name": "Nuclei", "stain": "DAPI"}, {"name": "DRAQ5"}]
    assert find_stains(["DNA"], channels) == {"DNA": "DNA"}
    assert find_stains(["DNA", "ER"], channels[1:]) == {"DNA": None, "ER": None}


def test_what_a_preset_needs_is_reported_with_the_source_of_its_weights():
    with pytest.raises(InputError, match=r"needs the network as an ONNX file.*Zenodo record 7114558"):
        get_embeddings(PAINTING, preset="cell_painting_cnn", weights="packaged")
    with pytest.raises(
        InputError, match=r"needs the stains .*, and of AGP, ER, RNA the assay has no channel"
    ):
        get_embeddings({"GFP": "GFP", "DNA": "DAPI"}, preset="subcell")
    with pytest.raises(InputError, match=r"preset: 'subsell' is not one of"):
        get_embeddings(PAINTING, preset="subsell")


def test_a_missing_file_is_reported_at_the_start(tmp_path):
    (tmp_path / "p.tsv").write_text(
        "batch\tplate\tplate_map\tperturbation\tcell_line\ttimepoint\timages\nB\tP\tm.txt\tcompound\tU2OS\t48\timages\n"
    )
    channels = [{"name": name, "image": name} for name in PAINTING]
    config = {
        "results": "r",
        "plates": "p.tsv",
        "assay": {"channels": channels, "nuclei": {"channel": "DNA"}},
        "embeddings": {"preset": "morphem", "weights": "morphem.onnx"},
    }
    experiment = Experiment.read(complete_config(config, "config.yaml"), tmp_path / "config.yaml")
    with pytest.raises(InputError, match=r"morphem.onnx does not exist.*CaicedoLab/MorphEm \(license: MIT\)"):
        check_weights(experiment)
    (tmp_path / "morphem.onnx").write_bytes(b"x")
    check_weights(experiment)


def test_the_documentation_lists_every_preset():
    readme = (TABLE.parents[1] / "README.md").read_text()
    for name, preset in read_network_presets().items():
        assert f"| `{name}` | {preset['network']} |" in readme, Path(TABLE).name
        assert f"| {preset['first']} | {preset['source']} |" in readme, Path(TABLE).name
