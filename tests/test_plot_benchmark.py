"""The benchmark's tables and figures: nothing is lost, and every number of a figure is in a table."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from benchmark_table import gather
from benchmark_table import main as make_table
from lib.drawing import BLUES, REDS
from lib.errors import InputError
from lib.scores import get_condition_label
from plot_benchmark import (
    UNCOLORED,
    add_published,
    choose_colors,
    draw,
    main,
    read_score_table,
    split_into_panels,
)

pytestmark = pytest.mark.unit

PREFIXES = ("", "position_aware_")


def scored(conditions: list[dict], names: list[str]) -> pd.DataFrame:
    """A benchmark table with made-up scores."""
    table = pd.DataFrame(conditions).assign(feature_set="selected")
    for i, name in enumerate(f"{prefix}{name}" for prefix in PREFIXES for name in names):
        value = 10.0 + 3 * i + np.arange(len(table))
        table = table.assign(**{name: value, f"{name}_low": value - 1, f"{name}_high": value + 2})
        if not name.startswith("position"):
            ends = {f"{name}_sampling_low": value - 3, f"{name}_sampling_high": value + 4}
            table = table.assign(**ends)
    return table.assign(percentile=95.0, message="")


@pytest.fixture
def replicating(tmp_path):
    conditions = [
        {"perturbation": kind, "cell_line": line, "timepoint": time}
        for line in ("A549", "U2OS")
        for kind, time in (("compound", "24"), ("orf", "96"))
    ]
    scored(conditions, ["percent_replicating"]).assign(tail="right").to_csv(tmp_path / "r.csv", index=False)
    return tmp_path / "r.csv"


@pytest.fixture
def matching(tmp_path):
    conditions = [
        {
            "perturbation_a": "compound",
            "cell_line_a": line,
            "timepoint_a": "24",
            "perturbation_b": kind,
            "cell_line_b": line,
            "timepoint_b": "96",
        }
        for line in ("A549", "U2OS")
        for kind in ("crispr", "orf")
    ]
    names = [f"percent_matching_{tail}" for tail in ("right", "left", "both")]
    scored(conditions, names).to_csv(tmp_path / "m.csv", index=False)
    return tmp_path / "m.csv"


@pytest.fixture
def precision(tmp_path):
    conditions = [{"perturbation": kind, "cell_line": "U2OS"} for kind in ("compound", "orf")]
    table = pd.DataFrame(conditions).assign(feature_set="selected", level=0.05, message="")
    table["mean_average_precision"] = [0.123, -0.05]
    table["percent_retrieved"] = [71.5, 0.0]
    for name, step in (("mean_average_precision", 0.01), ("percent_retrieved", 1.0)):
        for end, side in (("low", -1), ("high", 1)):
            table[f"{name}_sampling_{end}"] = table[name] + side * step
    table.to_csv(tmp_path / "p.csv", index=False)
    return tmp_path / "p.csv"


def drawn(figure):
    """All texts of a figure and the x of all single points in it."""
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    points = [line.get_xdata() for axes in figure.axes for line in axes.lines]
    return texts, {round(float(x[0]), 6) for x in points if len(x) == 1}


def test_both_figures_and_their_numbers_are_written(replicating, matching, tmp_path):
    outputs = [
        tmp_path / f"{metric}.{kind}"
        for metric in ("percent_replicating", "percent_matching")
        for kind in ("png", "svg", "csv")
    ]
    main({"percent_replicating": replicating, "percent_matching": matching}, {}, ["selected"], outputs)
    assert all(path.stat().st_size > 200 for path in outputs)
    assert outputs[0].read_bytes().startswith(b"\x89PNG")
    assert "compound 24 h × orf 96 h" in outputs[4].read_text()
    numbers = pd.read_csv(outputs[5])
    assert numbers["percent_matching_right"].tolist() == [10, 11, 12, 13]
    assert not [path.name for path in tmp_path.glob(".*")]
    first = outputs[1].read_bytes()
    main({"percent_replicating": replicating}, {}, ["selected"], outputs[:3])
    assert outputs[1].read_bytes() == first


def test_every_score_is_drawn_with_its_interval(replicating, matching):
    table = read_score_table(replicating).assign(published=[1.5, np.nan, 2.5, np.nan])
    figure = draw("percent_replicating", table)
    texts, points = drawn(figure)
    assert texts == ["10.0", "11.0", "12.0", "13.0"]
    assert {1.5, 2.5} <= points
    ends = {tuple(line.get_xdata()) for axes in figure.axes for line in axes.lines}
    assert (7, 14) in ends, "other perturbations"
    for low, high in ((9, 12), (12, 15)):
        assert (low, high) not in ends, "null drawn anew, position-aware null: in the table alone"
    assert [bar.get_width() for axes in figure.axes for bar in axes.patches] == [10, 11, 12, 13]
    table = read_score_table(matching).assign(published=np.nan)
    figure = draw("percent_matching", table)
    texts, points = drawn(figure)
    assert len(texts) == 8
    widths = {bar.get_width() for axes in figure.axes for bar in axes.patches}
    for tail in ("right", "left"):
        assert set(table[f"percent_matching_{tail}"]) <= widths
    matplotlib.pyplot.close("all")


def test_precision_and_the_fraction_retrieved_stand_side_by_side(precision, tmp_path):
    outputs = [tmp_path / f"mean_average_precision.{kind}" for kind in ("png", "svg", "csv")]
    main({"mean_average_precision": precision}, {}, ["selected"], outputs)
    numbers = pd.read_csv(outputs[2])
    assert list(numbers.columns[:3]) == ["perturbation", "cell_line", "feature_set"]
    assert numbers["percent_retrieved"].tolist() == [71.5, 0.0]
    figure = draw("mean_average_precision", read_score_table(precision).assign(published=np.nan))
    assert drawn(figure)[0] == [
        "0.123",
        "−0.050",
        "71.5",
        "0.0",
    ]
    assert figure.axes[0].get_xlim()[0] < -0.06, "a precision below random is seen"
    assert "q < 0.05" in figure.axes[1].get_xlabel()
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_feature_sets_stand_side_by_side_in_their_own_colors(replicating, number):
    sets = ["normalized_feature_select_negcon_plate", "embeddings_spherized", "spherized"][:number]
    one = read_score_table(replicating).assign(published=np.nan)
    table = pd.concat([one.assign(feature_set=name) for name in sorted(sets)], ignore_index=True)
    figure = draw("percent_replicating", table, sets, ["embeddings_spherized"])
    assert len(figure.axes) == 2, "one panel per cell line, not per feature set"
    assert len(figure.axes[0].patches) == 2 * number
    assert len(figure.axes[0].get_yticks()) == 2
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    names = [word.split(": ")[1] for word in words if ": " in word]
    assert names == sets, "in the order of the config"
    if number > 1:
        assert "deep network: embeddings_spherized" in words
    matplotlib.pyplot.close("all")


def test_a_network_is_red_and_cellprofiler_blue():
    found = choose_colors(
        ["a", "embeddings_b", "c", "embeddings_d", "e", "f"], ["embeddings_b", "embeddings_d"]
    )
    assert list(found.values())[:5] == [BLUES[0], REDS[0], BLUES[1], REDS[1], BLUES[2]]
    assert len(set(found.values())) == 6


def test_seven_feature_sets_of_one_kind_have_different_colors():
    names = [f"chain_{number}" for number in range(8)]
    found = choose_colors(names)
    assert list(found) == names
    assert len(set(list(found.values())[:7])) == 7
    assert found["chain_7"] == UNCOLORED


def test_a_condition_without_a_score_says_so(replicating):
    table = read_score_table(replicating).assign(published=np.nan)
    table.loc[1, [name for name in table if "percent_replicating" in name]] = np.nan
    texts, _ = drawn(draw("percent_replicating", table))
    assert texts[1] == "no score"
    assert len(texts) == 4
    reason = "too few perturbations for a null of sets of 2 wells"
    texts, _ = drawn(draw("percent_replicating", table.assign(message=f"no score: {reason}")))
    assert texts[1].replace("\n", " ") == f"no score: {reason}"
    matplotlib.pyplot.close("all")


def test_the_cell_line_of_both_sides_becomes_one_column(matching):
    table = read_score_table(matching)
    assert "cell_line" in table
    assert "cell_line_a" not in table
    assert [name for name, _ in split_into_panels(table)] == ["A549", "U2OS"]
    figure = draw("percent_matching", table.assign(published=np.nan))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["compound 24 h × crispr 96 h", "compound 24 h × orf 96 h"]
    matplotlib.pyplot.close(figure)


def test_a_condition_may_have_no_time_point_and_a_cell_line_called_na(tmp_path):
    path = tmp_path / "percent_replicating.csv"
    path.write_text("perturbation,cell_line,timepoint,feature_set,percent_replicating\ncompound,NA,,f,50\n")
    scores = read_score_table(path)
    ((title, panel),) = split_into_panels(scores)
    assert title == "NA"
    names = ["perturbation", "cell_line", "timepoint"]
    assert [get_condition_label(row, names) for row in panel.to_dict("records")] == ["compound NA"]


def test_published_values_are_found_by_condition(replicating, tmp_path):
    published = tmp_path / "published.csv"
    published.write_text(
        "perturbation,cell_line,timepoint,feature_set,percent_replicating\n"
        "Compound,U2OS,24,selected,77.8\ncompound,A549,24,other,1\n"
    )
    found = add_published(read_score_table(replicating), published, "percent_replicating")["published"]
    assert found.isna().tolist() == [True, True, False, True]
    assert found[2] == 77.8
    published.write_text("dose,value\n1,2\n")
    with pytest.raises(InputError, match="needs a column percent_replicating"):
        add_published(read_score_table(replicating), published, "percent_replicating")


def test_the_table_is_gathered_sorted_and_unchanged(tmp_path):
    paths = []
    for time in (96, 24, 144):
        paths.append(tmp_path / f"{time}.csv")
        row = {
            "perturbation": "crispr",
            "timepoint": time,
            "feature_set": "s",
            "score": "0.10",
            "message": "",
        }
        pd.DataFrame([row]).to_csv(paths[-1], index=False)
    make_table([str(path) for path in paths], str(tmp_path / "table.csv"))
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines == [
        "perturbation,timepoint,feature_set,score,message",
        "crispr,24,s,0.10,",
        "crispr,96,s,0.10,",
        "crispr,144,s,0.10,",
    ]


def test_nothing_to_gather_is_answered():
    with pytest.raises(InputError, match="no scores to combine"):
        gather([])
