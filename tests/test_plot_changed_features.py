"""What changed: the values of groups of features, and figures that can be read whatever is drawn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import plot_changed_features
from lib.tables import write_profiles
from simulated_profiles import plates

pytestmark = pytest.mark.unit

CHANNELS = [f"M{number}" for number in range(100)]
# Features by kind, and the number of rows of the table for each perturbation.
KINDS = {
    "components": ([f"PC{number}" for number in range(1, 401)], 1),
    "own columns": ([f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(100)], 100),
    "two features": (["Cells_AreaShape_Area", "Cells_AreaShape_Perimeter"], 1),
    "20 compartments": (
        [f"Part{i}x_{family}_Mean_M1" for i in range(20) for family in ("Intensity", "Texture")],
        40,
    ),
    "100 channels": ([f"Cells_{f}_Mean_{c}" for f in ("Intensity", "Texture") for c in CHANNELS], 200),
    "a network": ([f"Embedding_{c}_{i:04d}" for c in ("M1", "M2") for i in range(50)], 2),
}


def test_a_change_is_the_median_over_a_groups_features_of_the_replicates_median():
    values = np.array([[1.0, -4.0, 0.0], [3.0, -8.0, 0.0], [2.0, -6.0, 9.0]])
    groups = {("C", "T", "ER"): np.array([0, 1]), ("C", "I", "ER"): np.array([2])}
    table = plot_changed_features.compute_changes(values, {"x": np.array([0, 1, 2])}, groups)
    assert table.loc["x"].tolist() == [4.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "perturbations", "drawn"),
    [*((kind, 20, 15) for kind in KINDS), ("components", 2, 15), ("20 compartments", 300, 5000)],
)
def test_the_figure_can_be_read_whatever_is_drawn(tmp_path, monkeypatch, kind, perturbations, drawn):
    features, groups = KINDS[kind]
    files = []
    for name, table in plates(perturbations, replicates=2, effect=1.0, controls=4, features=3).items():
        metadata = table[[column for column in table if column.startswith("Metadata_")]]
        generator = np.random.default_rng(len(files))
        values = pd.DataFrame(generator.normal(size=(len(table), len(features))), columns=features)
        files.append(str(tmp_path / name))
        write_profiles(pd.concat([metadata.reset_index(drop=True), values], axis=1), files[-1], {})
    options = {
        "title": "a condition",
        "group": "Metadata_broad_sample",
        "controls": {"column": "control_type", "negcon": "negcon"},
        "channels": CHANNELS,
        "perturbations": drawn,
        "seed": 1,
    }
    outputs = {"figure": str(tmp_path / "figure.png"), "numbers": str(tmp_path / "numbers.csv")}
    titles = []
    textwrap = plot_changed_features.textwrap
    fill = textwrap.fill
    monkeypatch.setattr(textwrap, "fill", lambda text, width: titles.append(text) or fill(text, width))
    plot_changed_features.main(files, outputs, options)
    with Image.open(outputs["figure"]) as picture:
        width, height = picture.size
    assert 600 < width < 2500
    assert 300 < height < 7000
    assert len(pd.read_csv(outputs["numbers"])) == groups * (perturbations + 1)
    most = plot_changed_features.MOST_ROWS // (6 if kind == "20 compartments" else 1)
    shown = min(perturbations, drawn, most)
    is_stated = f"the {shown} most changed of {perturbations} perturbations" in titles[0]
    assert is_stated == (shown < perturbations)
    shares = {"components": "60 of 400", "own columns": "60 of 100", "100 channels": "60 of 200"}
    shares["20 compartments"] = "6 of 20 compartments"
    assert (" of " in titles[0].split("perturbations")[-1]) == (kind in shares)
    assert shares.get(kind, "") in titles[0]
