"""The numbers behind the figures of profiles, worked out by hand, and figures of what is hardly there."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import plot_changed_features
import plot_dropped_features
import plot_position_effects
import plot_profile_maps
import plot_replicates
from lib.replicates import Wells, correlate_rows, join_plates, split_wells
from lib.tables import write_profiles
from percent_replicating import score_condition
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def placed(found: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The simulated wells at real positions: A01, A02, ..."""
    return {
        name: table.assign(
            Metadata_Well=[
                f"{'ABCDEFGHIJKLMNOP'[int(w[1:]) // 24]}{int(w[1:]) % 24 + 1:02d}"
                for w in table["Metadata_Well"]
            ]
        )
        for name, table in found.items()
    }


# --- maps ----------------------------------------------------------------------------------------


def test_principal_components_are_those_of_the_singular_value_decomposition():
    for shape in ((30, 8), (8, 30)):
        values = np.random.default_rng(0).normal(size=shape)
        scores, shares = plot_profile_maps.compute_principal_components(values, 3)
        centered = values - values.mean(axis=0)
        u, s, _ = np.linalg.svd(centered, full_matrices=False)
        np.testing.assert_allclose(np.abs(scores), np.abs(u[:, :3] * s[:3]), atol=1e-10)
        np.testing.assert_allclose(shares, s[:3] ** 2 / (s**2).sum(), atol=1e-12)


def test_the_sign_of_a_component_is_fixed_by_its_largest_loading():
    line = np.outer(np.arange(5.0), [1.0, -3.0])
    scores, shares = plot_profile_maps.compute_principal_components(line, 2)
    assert shares[0] == pytest.approx(1)
    assert scores[0, 0] > 0 > scores[4, 0], "the second feature falls, and has the largest loading"


def test_equal_wells_have_no_component_and_make_no_error():
    _, shares = plot_profile_maps.compute_principal_components(np.ones((4, 3)))
    np.testing.assert_allclose(shares, 0)


def test_mapped_wells_are_filled_and_kept_within_limits():
    wells = Wells(
        pd.DataFrame({"Metadata_Well": ["A01", "A02", "A03", "A04"]}),
        np.array([[1.0, np.nan, np.nan], [3, 5, np.nan], [1000, 7, np.nan], [np.nan] * 3]),
        ["a", "b", "c"],
        {},
    )
    found = plot_profile_maps.prepare_wells(wells)
    assert found.features == ["a", "b"]
    assert found.values.tolist() == [[1, 6], [3, 5], [plot_profile_maps.LIMIT, 7]]


def test_perturbations_have_the_names_that_people_know():
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_broad_sample": ["BRD-1", "BRD-2", "D"],
            "Metadata_pert_iname": ["aspirin", None, None],
            "Metadata_control_type": ["", "", "negcon"],
        }
    )
    wells = Wells(metadata, np.zeros((3, 2)), ["a", "b"], {})
    table = pd.DataFrame({"perturbation": ["BRD-1", "BRD-2"], "median_correlation": [0.9, 0.1]})
    of_well, names = plot_profile_maps.get_classes(wells, "Metadata_broad_sample", table)["perturbation"]
    assert of_well.tolist() == ["aspirin", "BRD-2", ""]
    assert names == ["aspirin", "BRD-2"]


# --- positions -----------------------------------------------------------------------------------


def test_of_many_wells_some_are_drawn_at_random():
    wells = join_plates(plates(30, 2, features=3))
    assert plot_profile_maps.sample_wells(wells, 0) is wells
    part = plot_profile_maps.sample_wells(wells, 0, most=10)
    assert len(part) == 10
    assert len(part.metadata.drop_duplicates(["Metadata_Plate", "Metadata_Well"])) == 10
    rows = wells.metadata.reset_index().merge(part.metadata)["index"].to_numpy()
    assert (wells.values[rows] == part.values).all()
    other = plot_profile_maps.sample_wells(wells, 1, most=10)
    assert other.metadata["Metadata_Well"].tolist() != part.metadata["Metadata_Well"].tolist()


def test_means_by_position_are_less_the_plates_median():
    table = pd.DataFrame(
        {
            "Metadata_Plate": ["P1"] * 3 + ["P2"] * 3,
            "Metadata_Well": ["A01", "A02", "B01"] * 2,
            "Metadata_control_type": ["negcon", "", ""] * 2,
            "PC1": [1.0, 2.0, 9.0, 10.0, 12.0, 15.0],
        }
    )
    means = plot_position_effects.average_by_position(table).set_index(["by", "wells", "name"])
    assert means.loc[("position", "all", "A01"), "mean"] == -1.5
    assert means.loc[("position", "all", "B01"), "mean"] == 5
    assert means.loc[("row", "all", "A"), "mean"] == -0.75
    assert means.loc[("row", "all", "A"), "number"] == 4
    assert means.loc[("column", "negcon", 1), "mean"] == -1.5
    assert means.loc[("column", "negcon", 1), "sd"] == pytest.approx(np.std([-1, -2], ddof=1))


def test_rows_beyond_z_have_numbers():
    at = plot_position_effects.get_places(["A01", "Z24", "AA03", "AF48"])
    assert at["row"].tolist() == [1, 26, 27, 32]
    assert at["column"].tolist() == [1, 24, 3, 48]


def test_controls_are_paired_between_plates_only():
    found = placed(plates(3, replicates=2, position_effect=2, controls=5, seed=3))
    _, controls = split_wells(join_plates(found), "Metadata_broad_sample")
    pairs = plot_position_effects.correlate_controls(controls)
    assert len(pairs) == 25
    assert pairs["same_position"].sum() == 5
    same = pairs.groupby("same_position")["correlation"].median()
    assert same[True] > same[False] + 0.4
    plate = controls.metadata["Metadata_Plate"] == "Pplate0"
    one, other = controls.where(plate.to_numpy()), controls.where((~plate).to_numpy())
    by_hand = np.diag(correlate_rows(one.values, other.values))
    np.testing.assert_allclose(np.sort(pairs.loc[pairs["same_position"], "correlation"]), np.sort(by_hand))


@pytest.mark.parametrize(("most", "left"), [(20, 4), (19, 3), (10, 2), (1, 2)])
def test_controls_of_many_plates_are_those_of_some_plates(most, left):
    found = placed(plates(3, replicates=4, controls=5, seed=3))
    _, controls = split_wells(join_plates(found), "Metadata_broad_sample")
    drawn = plot_position_effects.sample_plates(controls, most)
    assert drawn.metadata["Metadata_Plate"].value_counts().tolist() == [5] * left
    assert len(plot_position_effects.correlate_controls(drawn)) == 25 * left * (left - 1) / 2


# --- features ------------------------------------------------------------------------------------


def test_a_bar_adds_up_to_the_features_that_were_measured():
    normalized = pd.DataFrame({"feature": ["a"], "reason": ["MAD is 0"]})
    selected = pd.DataFrame(
        {
            "feature": ["b", "b", "c"],
            "operation": ["correlation_threshold", "blocklist", "blocklist"],
            "reason": "",
        }
    )
    counts = plot_dropped_features.count_reasons(normalized, selected, kept=4)
    assert counts == {"kept": 4, "normalize": 1, "correlation_threshold": 1, "blocklist": 1}
    assert sum(counts.values()) == 7


# --- replicates ----------------------------------------------------------------------------------


def test_wells_are_ordered_by_their_replicates_then_by_plate():
    found = plates(4, replicates=3, effect=0, controls=2)
    wells = join_plates(found)
    _, table, _ = score_condition(wells, draws=200)
    table["median_correlation"] = [0.1, 0.9, np.nan, 0.5]
    scored, controls = split_wells(wells, "Metadata_broad_sample")
    order, groups = plot_replicates.order_wells(scored, controls, table)
    assert list(dict.fromkeys(groups)) == ["P0001", "P0003", "P0000", "P0002", "negcon"]
    assert sorted(order) == list(range(4 * 3 + 2 * 3))
    of_first = scored.metadata.iloc[order[:3]]
    assert of_first["Metadata_Plate"].tolist() == ["Pplate0", "Pplate1", "Pplate2"]
    order, groups = plot_replicates.order_wells(scored, controls, table, most=13)
    assert groups == ["P0001"] * 3 + ["P0003"] * 3 + ["negcon"] * 6, "the weakest are left out first"


# --- whole figures -------------------------------------------------------------------------------

KINDS = {
    "as usual": {"perturbations": 12, "replicates": 3, "effect": 1.0, "controls": 6},
    "one plate": {"perturbations": 6, "replicates": 1, "controls": 4},
    "no controls": {"perturbations": 6, "replicates": 2, "effect": 1.0},
    "two wells": {"perturbations": 2, "replicates": 1, "features": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_condition_has_its_figures_whatever_it_lacks(tmp_path, kind):
    found = placed(plates(**KINDS[kind]))
    files = []
    for name, table in found.items():
        files.append(str(tmp_path / name))
        write_profiles(table, files[-1], {})
    row, table, null = score_condition(join_plates(found), draws=200)
    tables = {"score": str(tmp_path / "score.csv")}
    pd.DataFrame([row]).to_csv(tables["score"], index=False)
    for what, frame in (("perturbations", table), ("null", null)):
        tables[what] = str(tmp_path / f"{what}.parquet")
        frame.to_parquet(tables[what])

    def out(*names: str) -> dict[str, str]:
        return {name.split(".")[0]: str(tmp_path / "out" / name) for name in names}

    options = {
        "title": "a $condition$",
        "group": "Metadata_broad_sample",
        "controls": {"column": "control_type", "negcon": "negcon"},
        "positive_controls": True,
        "seed": 1,
    }
    replicates = out("correlations.png", "matrix.parquet", "null.png", "medians.csv")
    plot_replicates.main(files, tables, replicates, options)
    maps = out("maps.png", "coordinates.csv")
    plot_profile_maps.main(files, tables["perturbations"], maps, {**options, "umap": False})
    positions = out("figure.png", "numbers.csv")
    plot_position_effects.main(files, maps["coordinates"], positions, options)
    changed = out("changed.png", "changes.csv")
    plot_changed_features.main(
        files,
        {"figure": changed["changed"], "numbers": changed["changes"]},
        {**options, "channels": [], "perturbations": 5},
    )
    pictures = sorted((tmp_path / "out").glob("*.png"))
    assert len(pictures) == 5
    for picture in pictures:
        with Image.open(picture) as image:
            assert min(image.size) > 100
    coordinates = pd.read_csv(maps["coordinates"])
    assert len(coordinates) == sum(map(len, found.values()))
    matrix = pd.read_parquet(replicates["matrix"])
    assert len(matrix) == len(coordinates)
    if kind == "as usual":
        assert {"PC1", "PC2"} <= set(coordinates)
        changes = pd.read_csv(changed["changes"])
        assert changes.groupby("perturbation")["median_absolute_z"].mean().idxmin().startswith("negcon")


def test_umap_is_the_same_with_the_same_seed():
    values = np.random.default_rng(0).normal(size=(40, 6))
    first, second = (plot_profile_maps.compute_umap(values, 15, 0.1, seed=1) for _ in range(2))
    assert first.shape == (40, 2)
    np.testing.assert_array_equal(first, second)


def test_a_long_title_stays_within_the_figure_of_the_null():
    table = pd.DataFrame(
        {
            "median_correlation": [0.1, 0.6],
            "replicates": 4,
            "positions": "4",
            "threshold": 0.15,
            "replicating": [False, True],
        }
    )
    null = pd.DataFrame({"null": "standard", "wells": "4", "median_correlation": [0.0, 0.2, 0.3]})
    title = "compound U2OS 48 h, normalized_feature_select_negcon_batch"
    figure = plot_replicates.draw_null(table, null, {}, title)
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert 0 < box.x0 < box.x1 < figure.bbox.width
    assert (
        figure._suptitle.get_text()
        .replace("\n", " ")
        .endswith("replicates against 4 wells of different perturbations")
    )


def test_without_a_null_there_is_no_axis_but_the_reason():
    table = pd.DataFrame(
        {
            "median_correlation": [0.1, 0.5],
            "replicates": [4, 4],
            "null_wells": [2, 2],
            "positions": ["4", "4"],
            "threshold": np.nan,
            "replicating": False,
        }
    )
    null = pd.DataFrame({"null": [], "wells": [], "median_correlation": []})
    figure = plot_replicates.draw_null(table, null, {"message": "too few perturbations for a null"}, "C")
    text_of_figure = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    text_of_figure += " ".join(text.get_text() for text in figure.texts)
    assert "too few perturbations for a null" in text_of_figure
    assert not any(axes.lines for axes in figure.axes)


def test_each_perturbation_is_drawn_against_its_own_threshold():
    table = pd.DataFrame(
        {
            "median_correlation": [0.1, 0.2, 0.3],
            "replicates": [4, 4, 2],
            "null_wells": [4, 4, 2],
            "positions": ["4", "4", "2"],
            "threshold": [0.15, 0.15, 0.4],
            "replicating": [False, True, False],
        }
    )
    null = pd.DataFrame({"null": "standard", "wells": ["4"] * 9, "median_correlation": np.linspace(-1, 1, 9)})
    strip = plot_replicates.draw_null(table, null, {}, "C").axes[1]
    limits = next(line for line in strip.lines if line.get_label() == "its threshold")
    assert limits.get_xdata().tolist() == [0.15, 0.15, 0.4]


def test_what_is_compiled_for_umap_is_stored_for_the_next_process():
    umap = pytest.importorskip("umap.umap_")
    plot_profile_maps.keep_compiled(("umap", "pynndescent"))
    assert umap.smooth_knn_dist.stats.cache_path
    assert umap.compute_membership_strengths.stats.cache_path
